"""
====================
Read your own digits
====================

A network that is accurate on MNIST may still fail on a digit that you drew. Two things help: training
on distorted images, and converting your picture to the form of the training images.
"""

# %%
# Read the digits
# ---------------
#
# MNIST, from ``$SKMLP_MNIST`` or ``shared/mnist`` beside the checkout. If it is not available,
# ``normalize_digit`` converts scikit-learn's bundled digits, of 8 x 8 pixels, to its form.

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist, normalize_digit

beside_the_checkout = Path(__file__).resolve().parents[2] / "shared" / "mnist"
directory = os.environ.get("SKMLP_MNIST", beside_the_checkout)

try:
    X_train, y_train = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, epochs = "MNIST", 10
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    # In 8 x 8 pixels without a margin, the ink is not always recognized: add one.
    on_paper = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in on_paper])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 40

print(f"{name}: {len(X_train)} to train, {len(X_test)} to test")

# %%
# Plot the distortions
# --------------------
#
# Each step displaces the pixels or changes the width of the strokes. ``DigitAugmenter`` is a
# transformer that applies them outside of the training.

import matplotlib.pyplot as plt

from skmlp import DigitAugmenter
from skmlp.augment import Affine, DigitDistortions, Elastic, Shift, StrokeWidth

steps = {
    "Shift": Shift(3),
    "Affine": Affine(rotation=20, scale=0.2, shear=0.25),
    "Elastic": Elastic(sigma=4, alpha=45),
    "StrokeWidth": StrokeWidth(gain=4, threshold=0.5),
    "DigitDistortions": DigitDistortions(),
}
one_each = np.array([np.flatnonzero(y_train == digit)[1] for digit in range(10)])

figure, axes = plt.subplots(len(steps) + 1, 10, figsize=(10, 6.6), layout="constrained")
rows = {"original": X_train[one_each]} | {
    title: DigitAugmenter(step, random_state=0).fit_transform(X_train[one_each])
    for title, step in steps.items()
}
for axes_of_row, (title, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(axes_of_row, images, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    axes_of_row[0].set_ylabel(title, rotation=0, ha="right", va="center")

# %%
# Train with and without distortions
# ----------------------------------
#
# The classifier distorts its training batches, with new random numbers in each epoch, and nothing else.

from skmlp import MLPDigitClassifier
from skmlp.augment import Annealed

networks = {}
for augmentation in (None, Annealed(DigitDistortions())):
    network = MLPDigitClassifier(
        (256, 128),
        batch_norm=True,
        batch_size=128,
        learning_rate="one_cycle",
        learning_rate_init=0.004,
        max_iter=epochs,
        n_iter_no_change=None,  # train for exactly max_iter epochs
        augmentation=augmentation,
        input_scale=1 / 255,
        random_state=0,
    )
    how = "plain" if augmentation is None else "distorted"
    networks[how] = network.fit(X_train, y_train)
    print(f"{how:9} images: test accuracy {network.score(X_test, y_test):.2%}")

# %%
# Read pictures
# -------------
#
# A dozen simulated photos: digits rendered in several fonts, in dark ink or light, under uneven
# light, with noise. ``normalize_digit`` detects the ink, crops it, scales it and centers it.

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

rng = np.random.default_rng(4)
fonts = ["DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif-Italic", "STIXGeneralItalic"]


def photo(digit):
    """Render a digit somewhere on paper under uneven light."""
    font_file = Path(mpl.get_data_path(), "fonts", "ttf", f"{rng.choice(fonts)}.ttf")
    font = ImageFont.truetype(str(font_file), int(rng.integers(90, 150)))
    picture = Image.new("L", (220, 220))
    corner = tuple(int(place) for place in rng.integers(10, 70, 2))
    ImageDraw.Draw(picture).text(corner, str(digit), fill=255, font=font)
    ink = np.asarray(picture.rotate(rng.uniform(-12, 12)), dtype=float) / 255
    dark, light = rng.uniform(0.1, 0.3), rng.uniform(0.7, 0.9)
    paper, color = (dark, light) if rng.random() < 0.3 else (light, dark)
    rows, columns = np.mgrid[-1:1:220j, -1:1:220j]
    lamp = 1 - 0.25 * (rows * rng.uniform(-1, 1) + columns * rng.uniform(-1, 1)) ** 2
    return (paper + (color - paper) * ink) * lamp + rng.normal(0, 0.03, ink.shape)


digits = [*range(10), 3, 7]
photos = [photo(digit) for digit in digits]
normalized = np.array([normalize_digit(picture).ravel() for picture in photos])
predictions = {how: network.predict(normalized) for how, network in networks.items()}
for how, prediction in predictions.items():
    print(f"{how:9} images: {np.sum(prediction == digits)} of {len(digits)} photos read correctly")

figure, axes = plt.subplots(4, 6, figsize=(9, 6.6), layout="constrained")
confidence = networks["distorted"].predict_proba(normalized).max(axis=1)
for i, picture in enumerate(photos):
    above, below = axes[2 * (i // 6), i % 6], axes[2 * (i // 6) + 1, i % 6]
    above.imshow(picture, cmap="gray", vmin=0, vmax=1)
    below.imshow(normalized[i].reshape(28, 28), cmap="gray_r")
    prediction = predictions["distorted"][i]
    color = "black" if prediction == digits[i] else "crimson"
    below.set_title(f"read as {prediction}, {confidence[i]:.0%}", color=color, fontsize=9)
for ax in axes.flat:
    ax.set_axis_off()
figure.suptitle("Photos, and the images that the network gets")

plt.show()
