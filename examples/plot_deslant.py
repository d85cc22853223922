"""
=======================================
Make digits upright, and the same size
=======================================

The slant and the width of handwriting depend on the writer more than on the digit. ``Deslant`` shears
each image so that the digit is upright. With ``spread``, it also scales each digit so that its ink has
a given standard deviation. The digits of a class are then more similar to each other, which helps small
networks most.
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
    name, epochs = "MNIST", 5
except FileNotFoundError:
    images, y = load_digits(return_X_y=True)
    # Add a margin, because the ink is not always detected without one.
    padded = np.pad(images.reshape(-1, 8, 8), ((0, 0), (4, 4), (4, 4)))
    X = np.array([normalize_digit(image).ravel() for image in padded])
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, epochs = "scikit-learn's digits", 40

print(f"{name}: {len(X_train)} training and {len(X_test)} test images")

# %%
# Transform the images
# --------------------
#
# ``Deslant`` learns nothing from the training images: the shear of an image depends on its pixels only,
# on the covariance of the rows and columns of the ink. So does the scale, which depends on the variances.
# The figure shows the eight test images that are sheared most.

import matplotlib.pyplot as plt

from skmlp import Deslant

upright = Deslant().fit_transform(X_test)
scaled = Deslant(spread=(0.2, 0.15)).fit_transform(X_test)
versions = {"original": X_test, "upright": upright, "scaled": scaled}
change = np.abs(upright.astype(float) - X_test).mean(axis=1)
most_slanted = np.argsort(-change, kind="stable")[:8]

figure, axes = plt.subplots(3, 8, figsize=(6.4, 2.9), layout="constrained")
for row_axes, (title, images) in zip(axes, versions.items(), strict=True):
    for ax, image in zip(row_axes, images[most_slanted], strict=True):
        ax.imshow(image.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row_axes[0].set_ylabel(title)
figure.suptitle(f"{name}: the most slanted test images")

# %%
# Compare the classes
# -------------------
#
# The mean image of a class is sharper if its images are more similar.

figure, axes = plt.subplots(3, 10, figsize=(6.4, 2.4), layout="constrained")
for row_axes, (title, images) in zip(axes, versions.items(), strict=True):
    for digit, ax in enumerate(row_axes):
        mean = images[y_test == digit].mean(axis=0)
        ax.imshow(mean.reshape(28, 28), cmap="gray_r", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row_axes[0].set_ylabel(title)
figure.suptitle("Mean image of each class")

# %%
# Train with and without the transformer
# --------------------------------------
#
# In a pipeline, the test images are transformed as the training images are. The pipeline can be saved,
# exported and used on the command line like a classifier.

from sklearn.pipeline import make_pipeline

from skmlp import MLPDigitClassifier

pipelines = {
    "original digits": [],
    "upright digits": [Deslant()],
    "upright digits of the same size": [Deslant(spread=(0.2, 0.15))],
}
for layers, description in {(): "no hidden layer", (32,): "32 hidden units"}.items():
    for title, transformers in pipelines.items():
        mlp = MLPDigitClassifier(
            layers,
            batch_size=128,
            learning_rate="one_cycle",
            learning_rate_init=0.005,
            max_iter=epochs,
            n_iter_no_change=None,  # train for exactly max_iter epochs
            input_scale=1 / 255,
            random_state=0,
        )
        accuracy = make_pipeline(*transformers, mlp).fit(X_train, y_train).score(X_test, y_test)
        print(f"{description}, {title}: test accuracy {accuracy:.1%}")

# %%
# The advantage is largest for the network without hidden layers, which compares an image with one template
# for each class. Large networks that are trained with augmentation learn to ignore the slant. They gain little
# from ``Deslant`` alone; with the augmentation step :class:`~skmlp.augment.Upright`, the distorted digits in
# training are upright, too. The recipes ``accurate`` and ``small-sample`` use both.

plt.show()
