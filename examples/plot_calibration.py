"""
===========================
Calibrate the probabilities
===========================

A network that fits its training set perfectly is usually too confident: of the predictions with a
probability of 90 %, fewer than 90 % are correct. A reliability diagram shows this, and dividing the logits
by a single number, the temperature, corrects it.
"""

# %%
# Load the images
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits. The network is trained
# on half of 10,000 images. The other half is used for calibration, because the network is too
# confident of the images that it was trained on.

import os

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X, y = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, max_pixel = "MNIST", 255
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, max_pixel = "scikit-learn's digits", 16

X_train, X_cal, y_train, y_cal = train_test_split(
    X[:10000], y[:10000], test_size=0.5, stratify=y[:10000], random_state=0
)
print(f"{name}: {len(X_train)} training, {len(X_cal)} calibration and {len(X_test)} test images")

# %%
# Train the network
# -----------------
#
# A network that is trained until it fits the training set perfectly also predicts probabilities close
# to 1 for new images.

from skmlp import MLPDigitClassifier

mlp = MLPDigitClassifier(
    (256, 256),
    batch_size=64,
    max_iter=40,
    n_iter_no_change=None,  # train for exactly max_iter epochs
    input_scale=1 / max_pixel,
    random_state=0,
)
mlp.fit(X_train, y_train)
print(f"test accuracy: {mlp.score(X_test, y_test):.2%}")

# %%
# Find the temperature
# --------------------
#
# Temperature scaling (Guo et al., 2017, `On calibration of modern neural networks
# <https://arxiv.org/abs/1706.04599>`_) divides the logits by a number :math:`T` before softmax. A
# temperature greater than 1 makes the probabilities of the classes more similar. Their order does not
# change, and therefore the predicted labels do not change either. :math:`T` is the value that minimizes the log loss
# on the calibration set. ``predict_log_proba`` returns the logits up to a constant, which does not
# affect softmax. ``MLPDigitClassifier.calibrate`` does all this in one call: :doc:`/howto/calibration`.

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

log_proba_cal = mlp.predict_log_proba(X_cal).astype(float)


def compute_calibration_loss(log_temperature):
    """Return the log loss on the calibration set."""
    scaled = softmax(log_proba_cal / np.exp(log_temperature), axis=1)
    return log_loss(y_cal, scaled)


temperature = np.exp(minimize_scalar(compute_calibration_loss, bounds=(-3, 3)).x)
print(f"temperature: {temperature:.2f}")

# %%
# Plot reliability diagrams
# -------------------------
#
# The test images are grouped by the probability of the predicted class. In each group, the fraction of
# correct predictions should equal the mean probability. Points below the diagonal mean that the
# network is too confident. The bars show the number of images in each group, on a logarithmic axis.
# Groups of few images, such as those on the left, deviate by chance. The expected calibration error
# (ECE) is the mean distance from the diagonal, weighted by the number of images.

import matplotlib.pyplot as plt

from skmlp import ReliabilityDisplay

log_proba = mlp.predict_log_proba(X_test).astype(float)
probabilities = {
    "before": softmax(log_proba, axis=1),
    "after": softmax(log_proba / temperature, axis=1),
}
for title, y_proba in probabilities.items():
    display = ReliabilityDisplay.from_predictions(y_test, y_proba)
    display.figure_.suptitle(f"{name}, {title} temperature scaling")
    print(
        f"{title}: expected calibration error {display.expected_calibration_error:.4f}, "
        f"log loss {display.log_loss:.4f}"
    )

plt.show()
