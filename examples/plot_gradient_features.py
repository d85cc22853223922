"""
======================================
Use the directions of strokes as input
======================================

A dense layer does not know which pixels are neighbors. ``GradientFeatures`` describes an image by its
edges instead: how much the intensity increases in each of eight directions, in each part of the image. With
``image_features="gradients"``, they are the inputs of the network.
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
    name, epochs = "MNIST", 2
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    # Add a margin, because the ink is not always detected without one.
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in padded])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 20

print(f"{name}: {len(X_train)} training and {len(X_test)} test images")

# %%
# Compute the features of an image
# --------------------------------
#
# The intensity gradient at a pixel is a vector, the sum of its components in the two nearest of eight
# directions. A feature is the root of the average of a component around a point of a grid. Around the image,
# the figure shows the features of each direction, on the side to which it points: on the right, edges from
# which the intensity increases to the right, that is, the left edges of strokes.

import matplotlib.pyplot as plt

from skmlp import GradientFeatures

compute = GradientFeatures(grid=(9, 9))
image = X_test[y_test == 2][0].reshape(28, 28) / 255
features = compute(image[np.newaxis]).reshape(8, 9, 9)
print(f"{features.size} features: 8 directions at {features[0].size} points")

# Rows and columns of the figure: right, down and right, down, down and left, left, ...
places = [(1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0), (0, 1), (0, 2)]
arrows = "→↘↓↙←↖↑↗"
figure, axes = plt.subplots(3, 3, figsize=(5, 5.4), layout="constrained")
for place, arrow, feature in zip(places, arrows, features, strict=True):
    axes[place].imshow(feature, cmap="gray_r", vmin=0, vmax=features.max())
    axes[place].set_title(arrow)
axes[1, 1].imshow(image, cmap="gray_r", vmin=0, vmax=1)
axes[1, 1].set_title("image")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
figure.suptitle("Gradient features in eight directions")

# %%
# Compare shifted images
# ----------------------
#
# After a shift by a pixel or two, many pixels of a digit have changed, but the features have changed less. The
# figure shows the distance between test images and their shifted copies, divided by the mean distance between
# two different images.

images = X_test[:500].reshape(-1, 28, 28) / 255
others = np.roll(images, 1, axis=0)
padded = np.pad(images, ((0, 0), (0, 0), (4, 0)))
shifts = range(5)

figure, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
for title, represent in {
    "pixels": lambda images: images.reshape(-1, 784),
    "gradients": compute,
}.items():
    points = represent(images)
    scale = np.linalg.norm(points - represent(others), axis=1).mean()
    distances = [
        np.linalg.norm(points - represent(padded[:, :, 4 - shift : 32 - shift]), axis=1).mean()
        / scale
        for shift in shifts
    ]
    ax.plot(shifts, distances, marker="o", label=title)
    print(f"{title}: relative distance {distances[1]:.2f} after a shift by one pixel")
ax.set(
    xlabel="shift to the right in pixels", ylabel="relative distance", xticks=shifts, ylim=(0, None)
)
ax.legend()

# %%
# Train with pixels and with gradients
# ------------------------------------
#
# The classifier computes the features itself, from images. So augmentation, transformers before the classifier,
# model files, exported programs and pages work as with pixels.

from sklearn.pipeline import make_pipeline

from skmlp import Deslant, MLPDigitClassifier

for layers, description in {(): "no hidden layer", (32,): "32 hidden units"}.items():
    for title, image_features in {"pixels": None, "gradients": "gradients"}.items():
        mlp = MLPDigitClassifier(
            layers,
            image_features=image_features,
            batch_size=128,
            learning_rate="one_cycle",
            learning_rate_init=0.005,
            max_iter=epochs,
            n_iter_no_change=None,  # train for exactly max_iter epochs
            input_scale=1 / 255,
            random_state=0,
        )
        accuracy = make_pipeline(Deslant(), mlp).fit(X_train, y_train).score(X_test, y_test)
        print(f"{description}, {title}: test accuracy {accuracy:.1%}")

# %%
# Small networks gain most. The recipes ``fast``, ``small-sample``, ``tiny`` and ``accurate`` use gradient features;
# :ref:`gradients` compares grids of different sizes. A network becomes more sensitive to noise if its training images
# have none.

plt.show()
