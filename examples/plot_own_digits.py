"""
=========================
Recognize your own digits
=========================

A network that is accurate on MNIST may still misclassify a digit that you drew. Two measures help:
training on augmented images, and converting your picture to the format of the training images.
"""

# %%
# Load the images
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads it.
# If it is not available, ``normalize_digit`` converts scikit-learn's bundled digits of 8 x 8 pixels to
# the format of MNIST.

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist, normalize_digit

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X_train, y_train = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, epochs = "MNIST", 10
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    # Add a margin, because the ink is not always detected without one.
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in padded])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 40

print(f"{name}: {len(X_train)} training and {len(X_test)} test images")

# %%
# Plot the distortions
# --------------------
#
# Each step moves the pixels or changes the width of the strokes. ``DigitAugmenter`` is a
# transformer that applies a step to images, here to plot the result.

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
originals = X_train[[np.flatnonzero(y_train == digit)[1] for digit in range(10)]]

figure, axes = plt.subplots(len(steps) + 1, 10, figsize=(10, 6.6), layout="constrained")
rows = {"original": originals} | {
    title: DigitAugmenter(step, random_state=0).fit_transform(originals)
    for title, step in steps.items()
}
for row_axes, (title, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(row_axes, images, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row_axes[0].set_ylabel(title, rotation=0, ha="right", va="center")

# %%
# Train with and without distortions
# ----------------------------------
#
# The classifier distorts the images of each training batch, with new random numbers in each epoch.
# ``Annealed`` reduces the strength of the distortions toward the end of training.

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
    training = "original" if augmentation is None else "augmented"
    networks[training] = network.fit(X_train, y_train)
    accuracy = network.score(X_test, y_test)
    print(f"trained on {training} images: test accuracy {accuracy:.2%}")

# %%
# Classify photos
# ---------------
#
# The photos are simulated: digits in several fonts, with dark or light ink, uneven illumination and
# noise. ``normalize_digit`` detects the ink, crops it, scales it and centers it.

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

rng = np.random.default_rng(4)
fonts = ["DejaVuSans", "DejaVuSans-Oblique", "DejaVuSerif-Italic", "STIXGeneralItalic"]


def make_photo(digit):
    """Render a digit at a random position under uneven illumination."""
    font_file = Path(mpl.get_data_path(), "fonts", "ttf", f"{rng.choice(fonts)}.ttf")
    font = ImageFont.truetype(str(font_file), int(rng.integers(90, 150)))
    picture = Image.new("L", (220, 220))
    corner = tuple(rng.integers(10, 70, 2).tolist())
    ImageDraw.Draw(picture).text(corner, str(digit), fill=255, font=font)
    ink = np.asarray(picture.rotate(rng.uniform(-12, 12)), dtype=float) / 255
    dark, light = rng.uniform(0.1, 0.3), rng.uniform(0.7, 0.9)
    background, foreground = (dark, light) if rng.random() < 0.3 else (light, dark)
    rows, columns = np.mgrid[-1:1:220j, -1:1:220j]
    illumination = 1 - 0.25 * (rows * rng.uniform(-1, 1) + columns * rng.uniform(-1, 1)) ** 2
    photo = (background + (foreground - background) * ink) * illumination
    return photo + rng.normal(0, 0.03, photo.shape)


digits = [*range(10), 3, 7]
photos = [make_photo(digit) for digit in digits]
normalized = np.array([normalize_digit(photo).ravel() for photo in photos])
predictions = {training: network.predict(normalized) for training, network in networks.items()}
for training, predicted in predictions.items():
    n_correct = np.sum(predicted == digits)
    print(f"trained on {training} images: {n_correct} of {len(digits)} photos classified correctly")

figure, axes = plt.subplots(4, 6, figsize=(9, 6.6), layout="constrained")
confidence = networks["augmented"].predict_proba(normalized).max(axis=1)
for i, photo in enumerate(photos):
    above, below = axes[2 * (i // 6), i % 6], axes[2 * (i // 6) + 1, i % 6]
    above.imshow(photo, cmap="gray", vmin=0, vmax=1)
    below.imshow(normalized[i].reshape(28, 28), cmap="gray_r")
    predicted = predictions["augmented"][i]
    color = "black" if predicted == digits[i] else "crimson"
    below.set_title(f"predicted {predicted} ({confidence[i]:.0%})", color=color, fontsize=9)
for ax in axes.flat:
    ax.set_axis_off()
figure.suptitle("Photos and normalized images")

plt.show()
