"""
=================================
Train for pictures of low quality
=================================

A network that is trained on clean images may fail on noisy, pale or partly covered ones. Augmentation with
such images makes it robust, and costs a little accuracy on clean images.
"""

# %%
# Load the images
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads it.
# If it is not available, ``normalize_digit`` converts scikit-learn's bundled digits of 8 x 8 pixels to
# the format of MNIST.

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist, normalize_digit

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X_train, y_train = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, epochs = "MNIST", 6
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    # Add a margin, because the ink is not always detected without one.
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in padded])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 60

print(f"{name}: {len(X_train)} training and {len(X_test)} test images")

# %%
# Plot the augmentation steps
# ---------------------------
#
# These steps change the intensities of the pixels. Each of them draws random numbers for each image, for
# example the standard deviation of the noise. Here, the steps change all images; during training, most of
# them change a fraction of the images, their parameter ``probability``.

import matplotlib.pyplot as plt

from skmlp import DigitAugmenter
from skmlp.augment import Brightness, Contrast, InvertedMargins, Noise, Outline, Patches

steps = {
    "Noise": Noise(probability=1),
    "Patches": Patches(probability=1),
    "InvertedMargins": InvertedMargins(probability=1),
    "Contrast": Contrast(),
    "Brightness": Brightness(probability=1),
    "Outline": Outline(probability=1),
}
originals = X_train[[np.flatnonzero(y_train == digit)[1] for digit in range(2, 8)]]

figure, axes = plt.subplots(len(steps) + 1, 6, figsize=(6.4, 6.4), layout="constrained")
rows = {"original": originals} | {
    title: DigitAugmenter(step, random_state=0).fit_transform(originals)
    for title, step in steps.items()
}
for row_axes, (title, images) in zip(axes, rows.items(), strict=True):
    for ax, image in zip(row_axes, images, strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row_axes[0].set_ylabel(title, rotation=0, ha="right", va="center")
figure.suptitle(f"{name}: one image of each digit from 2 to 7, and its changes")

# %%
# Train with and without these steps
# ----------------------------------
#
# ``Compose`` combines steps. The recipe ``accurate`` uses some of them together with distortions, with lower
# probabilities, which do not measurably reduce its accuracy on clean images.

from skmlp import MLPDigitClassifier
from skmlp.augment import Compose

low_quality = Compose(
    [
        Noise(probability=0.3),
        Patches(probability=0.2),
        InvertedMargins(probability=0.1),
        Contrast(),
        Brightness(probability=0.2),
    ]
)
networks = {
    training: MLPDigitClassifier(
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
    ).fit(X_train, y_train)
    for training, augmentation in {"clean": None, "changed": low_quality}.items()
}

# %%
# Compare the networks
# --------------------
#
# The test images are changed in five ways.


def cover(images):
    """Cover a square of 8 x 8 pixels at a random position in each image."""
    covered = images.reshape(-1, 28, 28).copy()
    corners = rng.integers(0, 21, (len(covered), 2))
    for image, (row, column) in zip(covered, corners, strict=True):
        image[row : row + 8, column : column + 8] = 0
    return covered.reshape(images.shape)


rng = np.random.default_rng(0)
noise = rng.normal(0, 64, X_test.shape)
is_replaced = rng.random(X_test.shape) < 0.2
conditions = {
    "clean": X_test,
    "Gaussian noise": (X_test + noise).clip(0, 255),
    "a fifth of the pixels random": np.where(
        is_replaced, rng.choice([0, 255], X_test.shape), X_test
    ),
    "low contrast": 0.3 * X_test,
    "gray background": 100 + 0.6 * X_test,
    "partly covered": cover(X_test),
}
accuracies = {
    training: [network.score(images, y_test) for images in conditions.values()]
    for training, network in networks.items()
}
for condition, *values in zip(conditions, *accuracies.values(), strict=True):
    print(f"{condition}: accuracy {values[0]:.1%}, trained on changed images {values[1]:.1%}")

# %%

figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
positions = np.arange(len(conditions))
for offset, (training, values) in zip((-0.2, 0.2), accuracies.items(), strict=True):
    ax.barh(positions + offset, values, height=0.38, label=f"trained on {training} images")
ax.set_yticks(positions, conditions)
ax.invert_yaxis()
ax.set_xlabel("accuracy on test images")
figure.legend(loc="outside upper center", ncols=2)

plt.show()
