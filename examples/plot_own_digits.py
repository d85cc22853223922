"""
=========================
Recognize your own digits
=========================

A network that is accurate on MNIST may misclassify almost every photo of a digit. Two measures help:
converting the photo to the format of the training images, and training on augmented images.
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
# Each augmentation step moves the pixels or changes the width of the strokes, by random amounts.
# ``DigitDistortions`` combines all of them. ``DigitAugmenter`` is a transformer that applies a step to
# images, here to plot the result.

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
originals = X_train[[np.flatnonzero(y_train == digit)[1] for digit in range(2, 8)]]

figure, axes = plt.subplots(len(steps) + 1, 6, figsize=(6.4, 5.6), layout="constrained")
rows = {"original": originals} | {
    title: DigitAugmenter(step, random_state=0).fit_transform(originals)
    for title, step in steps.items()
}
for row_axes, (title, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(row_axes, images, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row_axes[0].set_ylabel(title, rotation=0, ha="right", va="center")
figure.suptitle(f"{name}: one image of each digit from 2 to 7, and its distortions")

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
# noise. ``normalize_digit`` separates the ink from the background, crops it, scales it and centers it,
# as was done for the images of MNIST. For comparison, the photos are also resized without this
# conversion.

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

rng = np.random.default_rng(0)
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


def resize_photo(photo):
    """Return a photo of dark ink in the size of the training images, as light ink."""
    image = Image.fromarray(np.uint8(255 * (1 - photo.clip(0, 1))))
    return np.asarray(image.resize((28, 28)))


digits = np.tile(np.arange(10), 30)
photos = [make_photo(digit) for digit in digits]
normalized = np.array([normalize_digit(photo).ravel() for photo in photos])
resized = np.array([resize_photo(photo).ravel() for photo in photos])
for conversion, images in {"resized": resized, "normalized": normalized}.items():
    for training, network in networks.items():
        accuracy = network.score(images, digits)
        print(f"{conversion} photos, trained on {training} images: accuracy {accuracy:.1%}")

# %%
# Without normalization, almost all predictions are wrong: the digits have another position and size, and
# the background is not black. The network that is trained on augmented images makes fewer mistakes on
# normalized photos, because digits in print differ from those of MNIST. The figure shows ten photos, and
# below each of them its normalized image with the prediction of this network.

figure, axes = plt.subplots(4, 5, figsize=(6.4, 5.8), layout="constrained")
predicted = networks["augmented"].predict(normalized)
confidence = networks["augmented"].predict_proba(normalized).max(axis=1)
for i in range(10):
    above, below = axes[2 * (i // 5), i % 5], axes[2 * (i // 5) + 1, i % 5]
    above.imshow(photos[i], cmap="gray", vmin=0, vmax=1)
    below.imshow(normalized[i].reshape(28, 28), cmap="gray_r")
    color = "black" if predicted[i] == digits[i] else "crimson"
    below.set_title(f"{predicted[i]} ({confidence[i]:.0%})", color=color)
for ax in axes.flat:
    ax.set_axis_off()
figure.suptitle("Photos and normalized images, with predictions")

plt.show()
