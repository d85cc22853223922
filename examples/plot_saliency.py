"""
===================================
Find the pixels behind a prediction
===================================

A saliency map shows on which pixels a prediction depends. This example compares two kinds of maps, and
then uses them to find a flaw: a network that relies on a mark at the border instead of the digit.
"""

# %%
# Load the images and train a network
# -----------------------------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits.

import os

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X_train, y_train = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, max_pixel = "MNIST", 255
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, max_pixel = "scikit-learn's digits", 16

print(f"{name}: {len(X_train)} training and {len(X_test)} test images")

from skmlp import MLPDigitClassifier

mlp = MLPDigitClassifier(
    (128,),
    learning_rate="one_cycle",
    learning_rate_init=0.01,
    batch_size=128,
    max_iter=5 if name == "MNIST" else 30,
    n_iter_no_change=None,  # train for exactly max_iter epochs
    input_scale=1 / max_pixel,
    random_state=0,
)
mlp.fit(X_train, y_train)
print(f"test accuracy: {mlp.score(X_test, y_test):.2%}")

# %%
# Plot saliency maps
# ------------------
#
# Both maps refer to the predicted class, which is on the left of each row. Red pixels support it, and
# blue pixels oppose it.
#
# - Gradient times input: the derivative of the logit of the class with respect to the pixel, multiplied
#   by the pixel. Background pixels, which are zero, are zero in this map.
# - Occlusion: the decrease of the log-probability of the class if a small square around the pixel is
#   replaced by the background.

import matplotlib.pyplot as plt
import numpy as np

from skmlp import SaliencyDisplay

first_of_each = np.array([np.flatnonzero(y_test == digit)[0] for digit in (3, 4, 7)])
patch_size = 5 if name == "MNIST" else 2
display = SaliencyDisplay.from_estimator(mlp, X_test[first_of_each], patch_size=patch_size)
display.figure_.suptitle(f"{name}\ntrained on the original images")

# %%
# Train a network on marked images
# --------------------------------
#
# Now every training image has a mark in its top row, whose position encodes the label. Real datasets
# contain similar features that correlate with the label by accident, such as a watermark, a frame or
# the camera (Lapuschkin et al., 2019, `Unmasking Clever Hans predictors and assessing what machines
# really learn <https://doi.org/10.1038/s41467-019-08987-4>`_). On marked test images, the network is
# almost perfect. On images without marks, it is much less accurate than the first network.


def add_marks(X, y):
    """Return the images with a mark in the first row, whose position depends on the label."""
    marked = X.copy()
    side = int(X.shape[1] ** 0.5)
    marked[np.arange(len(X)), y * side // 10] = max_pixel
    return marked


from sklearn.base import clone

marked_mlp = clone(mlp).fit(add_marks(X_train, y_train), y_train)
print(f"test accuracy with marks: {marked_mlp.score(add_marks(X_test, y_test), y_test):.2%}")
print(f"test accuracy without marks: {marked_mlp.score(X_test, y_test):.2%}")

# %%
# Find the flaw
# -------------
#
# The accuracy on marked images does not reveal the flaw, but the maps do: the predictions depend on a
# pixel in the first row, far from the digit.

marked = add_marks(X_test[first_of_each], y_test[first_of_each])
display = SaliencyDisplay.from_estimator(marked_mlp, marked, patch_size=patch_size)
display.figure_.suptitle(f"{name}\ntrained on marked images")

plt.show()
