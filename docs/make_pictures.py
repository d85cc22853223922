"""Make the pictures of the landing page and of the README: curves, mistakes and the report of a network on MNIST.

`python docs/make_pictures.py DIR` reads MNIST from DIR and writes each picture for light and for dark screens. Chromium
displays the report, for which the extra `test` is required.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from skmlp import (
    DigitGalleryDisplay,
    MLPDigitClassifier,
    TrainingCurveDisplay,
    load_mnist,
    write_report,
)

IMAGES = Path(__file__).resolve().parent / "images"
STYLES = {"light": "default", "dark": "dark_background"}
N_COLORS = 48  # of the palette; keeps the files small
REPORT_SIZE = (1000, 725)  # of the window in pixels
REPORT_SECTION = "calibration"  # at the top of the window


def draw_pictures(mlp, X_test, y_test, theme):
    """Write the training curves and the most confident mistakes of a classifier."""
    with plt.style.context(STYLES[theme]):
        plt.rc("savefig", transparent=True)
        plt.rc("axes", titlesize=9)
        figure, axes = plt.subplots(1, 2, figsize=(6.4, 2.7), layout="constrained")
        TrainingCurveDisplay.from_estimator(mlp, ax=axes)
        save_small(figure, IMAGES / f"curves_{theme}.png")
        figure, axes = plt.subplots(2, 4, figsize=(4.6, 2.7), layout="constrained")
        DigitGalleryDisplay.from_estimator(
            mlp,
            X_test,
            y_test,
            n_images=8,
            ax=axes.ravel(),
            image_kw={"cmap": "gray" if theme == "dark" else "gray_r"},
        )
        save_small(figure, IMAGES / f"mistakes_{theme}.png")


def draw_report(path):
    """Write a section of a report as Chromium displays it."""
    from playwright.sync_api import sync_playwright

    width, height = REPORT_SIZE
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for theme in STYLES:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            page.goto(f"{path.as_uri()}#{REPORT_SECTION}")
            quantize(page.screenshot(), IMAGES / f"report_{theme}.png")


def save_small(figure, path):
    """Write a figure to a PNG file with few colors."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=160)
    plt.close(figure)
    quantize(buffer.getvalue(), path)


def quantize(content, path):
    """Write the content of a PNG file to another one, with few colors."""
    image = Image.open(io.BytesIO(content)).quantize(N_COLORS, Image.Quantize.FASTOCTREE)
    image.save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height} pixels, {path.stat().st_size / 1000:.0f} kB")


def main():
    """Train a network for a few seconds, and draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mnist", metavar="DIR", help="directory of the files of MNIST")
    directory = parser.parse_args().mnist
    X, y = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    mlp = MLPDigitClassifier(
        (256, 128),
        batch_size=128,
        dropout=0.2,
        input_scale=1 / 255,
        max_iter=12,
        n_iter_no_change=None,
        random_state=0,
    )
    mlp.fit(X, y, X_val=X_test, y_val=y_test)

    for theme in STYLES:
        draw_pictures(mlp, X_test, y_test, theme)
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary, "report.html")
        write_report(mlp, X_test, y_test, report, X_train=X, y_train=y)
        draw_report(report)


if __name__ == "__main__":
    main()
