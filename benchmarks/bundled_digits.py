"""Evaluate models of MNIST on scikit-learn's bundled digits, converted by `normalize_digit`.

    python benchmarks/bundled_digits.py mnist-run/model.safetensors
    python benchmarks/bundled_digits.py models/accurate-0.safetensors models/accurate-1.safetensors

The 1,797 images of 8 x 8 pixels come from another collection of handwriting. They are converted as they are, or
enlarged by a factor of 16 without interpolation or by cubic interpolation. With a margin, three rows and columns of
pixels are added at each side. Cropped at the ink, the rows and columns outside of those with pixels of at least 22 % of
ink are removed, with pale parts of some strokes. A picture that `normalize_digit` refuses counts as an error.
"""

from functools import partial
from pathlib import Path

import numpy as np
from options import make_parser, parse_count
from PIL import Image
from report import print_progress, print_table
from sklearn.datasets import load_digits

from skmlp import NoDigitError, load_model, normalize_digit

FACTOR = 16
MARGIN = 3
MIN_INK = 0.22


def main():
    """Print the accuracy of each model, and of all of them together, for each way to show the digits."""
    arguments = parse_arguments()
    models = {str(path): load_model(path) for path in arguments.models}
    digits = load_digits()
    ink, y = digits.images[: arguments.digits] / 16, digits.target[: arguments.digits]
    rows = []
    for description, show in make_pictures().items():
        images, refused = normalize([show(digit) for digit in ink])
        probabilities = [model.predict_proba(images) for model in models.values()]
        if len(models) > 1:
            probabilities.append(np.mean(probabilities, axis=0))
        accuracies = [np.mean((each.argmax(axis=1) == y) & ~refused) for each in probabilities]
        rows.append([description, *(f"{accuracy:.2%}" for accuracy in accuracies), refused.sum()])
        print_progress(f"evaluated: {description}")
    committee = ["committee"] if len(models) > 1 else []
    print_table([f"{len(y):,} digits", *models, *committee, "refused"], rows)


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="MODEL", help="model file, trained on MNIST"
    )
    parser.add_argument(
        "--digits", type=parse_count, metavar="N", help="only the first N digits, by default all"
    )
    return parser.parse_args()


def make_pictures():
    """Return functions that make a picture of the ink of a digit, by description."""
    sizes = {"": keep, ", with a margin": add_margin, ", cropped at the ink": crop}
    scales = {
        "8 x 8 pixels": keep,
        "enlarged": partial(enlarge, resampling=Image.Resampling.NEAREST),
        "enlarged by interpolation": partial(enlarge, resampling=Image.Resampling.BICUBIC),
    }

    def show(ink, resize, scale):
        return np.uint8(255 - np.rint(255 * scale(resize(ink))))

    return {
        scale + size: partial(show, resize=sizes[size], scale=scales[scale])
        for scale in scales
        for size in sizes
        if (scale, size) != ("8 x 8 pixels", ", cropped at the ink")  # may be too low or too narrow
    }


def keep(ink):
    return ink


def add_margin(ink):
    return np.pad(ink, MARGIN)


def crop(ink):
    rows, columns = (np.flatnonzero(ink.max(axis=axis) >= MIN_INK) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def enlarge(ink, resampling):
    height, width = ink.shape
    picture = Image.fromarray(ink.astype(np.float32))
    return np.clip(picture.resize((FACTOR * width, FACTOR * height), resampling), 0, 1)


def normalize(pictures):
    """Return images in rows of 784 pixels, and which pictures were refused; their images are blank."""
    images = np.zeros((len(pictures), 784), np.uint8)
    refused = np.zeros(len(pictures), bool)
    for i, picture in enumerate(pictures):
        try:
            images[i] = normalize_digit(picture).ravel()
        except NoDigitError:
            refused[i] = True
    return images, refused


if __name__ == "__main__":
    main()
