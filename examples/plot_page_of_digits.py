"""
===========================
Read the digits on a page
===========================

``segment_digits`` finds the digits in a photo of a page, in reading order, and converts each of them
to the format of the training images. A network then reads them.
"""

# %%
# Train a network
# ---------------
#
# The network is trained on MNIST from the directory ``$SKMLP_MNIST`` or ``mnist``, or on scikit-learn's
# bundled digits, converted to the format of MNIST.

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier, load_mnist, normalize_digit
from skmlp.augment import Annealed, DigitDistortions

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X, y = load_mnist(directory, return_X_y=True)
    name, epochs = "MNIST", 6
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in padded])
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
).fit(X, y)
print(f"{name}: {len(X)} training images")

# %%
# Make a photo of a page
# ----------------------
#
# The photo is simulated: lines of digits in different fonts, on squared paper, with a shadow and noise.

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

lines = ["31415926", "2718281", "16180339", "14142135"]
fonts = ["DejaVuSans", "DejaVuSans-Oblique", "DejaVuSansMono-Oblique", "STIXGeneralItalic"]
rng = np.random.default_rng(0)
height, width = 420, 640

ink = Image.new("L", (width, height))
draw = ImageDraw.Draw(ink)
for row, (line, font_name) in enumerate(zip(lines, fonts, strict=True)):
    path = Path(mpl.get_data_path(), "fonts", "ttf", f"{font_name}.ttf")
    for column, digit in enumerate(line):
        font = ImageFont.truetype(str(path), int(rng.integers(58, 72)))
        position = 50 + 66 * column + rng.integers(-5, 6), 25 + 90 * row + rng.integers(-5, 6)
        draw.text(position, digit, fill=255, font=font)

rows, columns = np.mgrid[:height, :width]
paper = np.where((rows % 30 < 2) | (columns % 30 < 2), 0.62, 0.88)
photo = np.where(np.asarray(ink) > 127, 0.2, paper)
photo *= np.where(columns > 380 + 0.4 * rows, 0.55, 1)  # a shadow
photo += rng.normal(0, 0.03, photo.shape)

# %%
# Read it
# -------
#
# Each digit that was found has a normalized image, a box and the number of its line.

import matplotlib.pyplot as plt

from skmlp import segment_digits

digits = segment_digits(photo)
probabilities = mlp.predict_proba([digit.image.ravel() for digit in digits])
predicted = mlp.classes_[probabilities.argmax(axis=1)]

figure, ax = plt.subplots(figsize=(8, 5.4), layout="constrained")
ax.imshow(photo, cmap="gray", vmin=0, vmax=1)
for digit, label in zip(digits, predicted, strict=True):
    left, top, right, bottom = digit.box
    ax.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, color="C0"))
    ax.text(left, top - 3, str(label), color="C3", fontsize=11, fontweight="bold")
ax.set_axis_off()

n_lines = digits[-1].line + 1
read = [
    "".join(
        str(label) for digit, label in zip(digits, predicted, strict=True) if digit.line == line
    )
    for line in range(n_lines)
]
for line, text in enumerate(read):
    print(f"line {line}: {text}")

# %%
# The normalized images are in the format of MNIST, from the left to the right and from the top to the
# bottom of the page.

figure, axes = plt.subplots(4, 8, figsize=(8, 4.2), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, digit, label in zip(axes.flat, digits, predicted, strict=False):
    ax.imshow(digit.image, cmap="gray_r")
    ax.set_title(str(label), fontsize=9)

plt.show()
