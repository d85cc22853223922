"""
=========================
Read the digits on a page
=========================

``segment_digits`` finds the digits in a photo of a page, in reading order, and converts each of them
to the format of the training images. A network then reads them.
"""

# %%
# Train a network
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads it.
# If it is not available, ``normalize_digit`` converts scikit-learn's bundled digits of 8 x 8 pixels to
# the format of MNIST. The network is trained on augmented images, because handwriting on a page varies
# more than the training images.

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import MLPDigitClassifier, load_mnist, normalize_digit
from skmlp.augment import Annealed, DigitDistortions

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X_train, y_train = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, epochs = "MNIST", 10
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in padded])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 40

mlp = MLPDigitClassifier(
    (256, 128),
    batch_norm=True,
    batch_size=128,
    learning_rate="one_cycle",
    learning_rate_init=0.004,
    max_iter=epochs,
    n_iter_no_change=None,  # train for exactly max_iter epochs
    augmentation=Annealed(DigitDistortions()),
    input_scale=1 / 255,
    random_state=0,
).fit(X_train, y_train)
print(f"{name}: {len(X_train)} training images, test accuracy {mlp.score(X_test, y_test):.2%}")

# %%
# Make a photo of a page
# ----------------------
#
# The photo is simulated: handwritten digits of the test set, in different sizes, on squared paper, with
# a shadow and noise.

from PIL import Image

lines = ["31415926", "2718281", "16180339", "14142135"]
rng = np.random.default_rng(1)
height, width = 420, 640

ink = Image.new("L", (width, height))
for row, line in enumerate(lines):
    for column, digit in enumerate(line):
        pixels = X_test[rng.choice(np.flatnonzero(y_test == int(digit)))].reshape(28, 28)
        size = int(rng.integers(60, 76))
        image = Image.fromarray(pixels.astype(np.uint8)).resize((size, size))
        x, y = 40 + 70 * column + rng.integers(-5, 6), 20 + 95 * row + rng.integers(-5, 6)
        ink.paste(255, (int(x), int(y)), mask=image)

rows, columns = np.mgrid[:height, :width]
paper = np.where((rows % 30 < 2) | (columns % 30 < 2), 0.62, 0.88)
photo = paper + (0.2 - paper) * np.asarray(ink) / 255
photo *= 1 - 0.45 / (1 + np.exp((380 + 0.4 * rows - columns) / 20))  # a shadow
photo += rng.normal(0, 0.03, photo.shape)

# %%
# Find and read the digits
# ------------------------
#
# ``segment_digits`` returns a :class:`~skmlp.FoundDigit` for each digit, with its normalized image, its
# box in the photo and the number of its line. The grid and the shadow are not mistaken for ink. The
# figure shows the boxes, and the predictions above them. On such pages of other images of MNIST, about
# one digit in 50 is missed or misread, often because a stroke is detached from the others.

import matplotlib.pyplot as plt

from skmlp import segment_digits

digits = segment_digits(photo)
predicted = mlp.predict([digit.image.ravel() for digit in digits])

texts = [""] * len(lines)
for digit, label in zip(digits, predicted, strict=True):
    texts[digit.line] += str(label)
for line, text in zip(lines, texts, strict=True):
    print(f"written: {line:8}  read: {text}")

figure, ax = plt.subplots(figsize=(6.4, 4.3), layout="constrained")
ax.imshow(photo, cmap="gray", vmin=0, vmax=1)
for digit, label in zip(digits, predicted, strict=True):
    left, top, right, bottom = digit.box
    ax.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, color="C0"))
    ax.text(left, top - 3, str(label), color="C3", fontsize=12, fontweight="bold")
ax.set_axis_off()

# %%
# The network was given the normalized images, which are in the format of MNIST. Here they are in reading
# order, with the predictions.

figure, axes = plt.subplots(4, 8, figsize=(6.4, 3.8), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, digit, label in zip(axes.flat, digits, predicted, strict=False):
    ax.imshow(digit.image, cmap="gray_r")
    ax.set_title(str(label))

plt.show()
