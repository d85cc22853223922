"""Make the pictures of the landing page: training curves and mistakes of a network on MNIST.

`python docs/make_pictures.py DIR` reads MNIST from DIR and writes one picture for light and one for dark screens.
"""

import argparse
import io
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from PIL import Image

from skmlp import DigitGalleryDisplay, MLPDigitClassifier, TrainingCurveDisplay, load_mnist

IMAGES = Path(__file__).resolve().parent / "images"
STYLES = {"light": "default", "dark": "dark_background"}
N_COLORS = 48  # of the palette; keeps the files small


def draw_picture(mlp, X_test, y_test, theme):
    """Write the training curves and the most confident mistakes of a classifier."""
    with plt.style.context(STYLES[theme]):
        plt.rc("savefig", transparent=True)
        plt.rc("axes", titlesize=9)
        plt.rc("legend", fontsize=9)
        figure = plt.figure(figsize=(10, 2.9), layout="constrained")
        curves, mistakes = figure.subfigures(1, 2, width_ratios=[1.5, 1])
        TrainingCurveDisplay.from_estimator(mlp, ax=curves.subplots(1, 2))
        is_dark = theme == "dark"
        DigitGalleryDisplay.from_estimator(
            mlp,
            X_test,
            y_test,
            n_images=8,
            ax=mistakes.subplots(2, 4).ravel(),
            image_kw={"cmap": "gray" if is_dark else "gray_r"},
        )
        curves.suptitle("Training curves")
        mistakes.suptitle("Mistakes: label → prediction")
        save_small(figure, IMAGES / f"training_and_mistakes_{theme}.png")
    plt.close(figure)


def save_small(figure, path):
    """Write a figure to a PNG file with few colors."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=160)
    image = Image.open(buffer).quantize(N_COLORS, Image.Quantize.FASTOCTREE)
    image.save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height} pixels, {path.stat().st_size / 1000:.0f} kB")


def main():
    """Train a network for a few seconds, and draw both pictures."""
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
    mpl.use("Agg")
    for theme in STYLES:
        draw_picture(mlp, X_test, y_test, theme)


if __name__ == "__main__":
    main()
