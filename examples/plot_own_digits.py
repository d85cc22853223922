"""
================================
Read digits that are your own
================================

A network that reads MNIST well may still fail on the digit that you drew. Two things help: training
on distorted images, and bringing your picture into the form that the training images have.
"""

# %%
# Read the digits
# ---------------
#
# MNIST, in ``$SKMLP_MNIST`` or in ``shared/mnist`` beside the checkout. Where it is not at hand,
# ``normalize_digit`` brings scikit-learn's bundled digits, of 8 x 8 pixels, into its form.

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
    # They fill their images from border to border: paper around them shows what is the ink.
    on_paper = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in on_paper])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 40

print(f"{name}: {len(X_train)} to train, {len(X_test)} to test")

# %%
# See the distortions
# -------------------
#
# Each step moves the places from which the pixels come, or changes the pen. ``DigitAugmenter`` is the
# transformer that applies them outside of the training.

import matplotlib.pyplot as plt

from skmlp import DigitAugmenter
from skmlp.digits.augment import Affine, Elastic, Ink, Shift, digit_distortions

steps = {
    "Shift": Shift(3),
    "Affine": Affine(rotation=20, scale=0.2, shear=0.25),
    "Elastic": Elastic(sigma=4, alpha=45),
    "Ink": Ink(gain=4, threshold=0.5),
    "digit_distortions": digit_distortions(),
}
one_each = np.array([np.flatnonzero(y_train == digit)[1] for digit in range(10)])

figure, axes = plt.subplots(len(steps) + 1, 10, figsize=(10, 6.6), layout="constrained")
rows = {"as it is": X_train[one_each]} | {
    title: DigitAugmenter(step, random_state=0).fit_transform(X_train[one_each])
    for title, step in steps.items()
}
for axes_of_row, (title, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(axes_of_row, images, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    axes_of_row[0].set_ylabel(title, rotation=0, ha="right", va="center")

# %%
# Train with and without them
# ---------------------------
#
# The classifier distorts its training batches anew in each epoch, and nothing else.

from skmlp import MLPDigitClassifier
from skmlp.digits.augment import Fading

networks = {}
for augmentation in (None, Fading(digit_distortions())):
    network = MLPDigitClassifier(
        (256, 128),
        batch_norm=True,
        batch_size=128,
        learning_rate="one_cycle",
        learning_rate_init=0.004,
        max_iter=epochs,
        n_iter_no_change=np.inf,  # as many epochs as the schedule of the learning rate has
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
# A dozen digits that stand for photos: rendered in several fonts, in dark ink or light, under uneven
# light, with noise. ``normalize_digit`` finds the ink, cuts it out, scales and centres it.

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

rng = np.random.default_rng(4)
fonts = ["DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif-Italic", "STIXGeneralItalic"]


def photo(digit):
    """Render a digit somewhere on paper under uneven light."""
    font_file = Path(mpl.get_data_path(), "fonts", "ttf", f"{rng.choice(fonts)}.ttf")
    font = ImageFont.truetype(str(font_file), int(rng.integers(90, 150)))
    picture = Image.new("L", (220, 220))
    place = tuple(int(part) for part in rng.integers(10, 70, 2))
    ImageDraw.Draw(picture).text(place, str(digit), fill=255, font=font)
    ink = np.asarray(picture.rotate(rng.uniform(-12, 12)), dtype=float) / 255
    dark, light = rng.uniform(0.1, 0.3), rng.uniform(0.7, 0.9)
    paper, colour = (dark, light) if rng.random() < 0.3 else (light, dark)
    rows, columns = np.mgrid[-1:1:220j, -1:1:220j]
    lamp = 1 - 0.25 * (rows * rng.uniform(-1, 1) + columns * rng.uniform(-1, 1)) ** 2
    return (paper + (colour - paper) * ink) * lamp + rng.normal(0, 0.03, ink.shape)


digits = [*range(10), 3, 7]
photos = [photo(digit) for digit in digits]
normalized = np.array([normalize_digit(picture).ravel() for picture in photos])
answers = {how: network.predict(normalized) for how, network in networks.items()}
for how, answer in answers.items():
    print(f"{how:9} images: {np.sum(answer == digits)} of {len(digits)} photos read rightly")

figure, axes = plt.subplots(4, 6, figsize=(9, 6.6), layout="constrained")
certainty = networks["distorted"].predict_proba(normalized).max(axis=1)
for i, picture in enumerate(photos):
    above, below = axes[2 * (i // 6), i % 6], axes[2 * (i // 6) + 1, i % 6]
    above.imshow(picture, cmap="gray", vmin=0, vmax=1)
    below.imshow(normalized[i].reshape(28, 28), cmap="gray_r")
    answer = answers["distorted"][i]
    colour = "black" if answer == digits[i] else "crimson"
    below.set_title(f"read as {answer}, {certainty[i]:.0%}", color=colour, fontsize=9)
for ax in axes.flat:
    ax.set_axis_off()
figure.suptitle("Photos, and what the network sees")

plt.show()
