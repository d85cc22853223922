"""
===========================
Calibrate the probabilities
===========================

A network that fits its training set perfectly is usually too confident: of the predictions with a
probability of 90 %, fewer than 90 % are correct. A reliability diagram shows it, and a single number,
the temperature, corrects it.
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
# A network that is trained until it fits the training set perfectly predicts probabilities close to
# 1, for new images, too.

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
# temperature greater than 1 moves all probabilities toward equality. The order of the classes does
# not change, and neither do the predicted labels. :math:`T` is the value that minimizes the log loss
# on the calibration set. ``predict_log_proba`` returns the logits up to a constant, which does not
# affect softmax.

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
# The test images are grouped by the predicted probability. In each group, the fraction of correct
# predictions should equal the mean probability. Points below the diagonal mean that the network is
# too confident.

import matplotlib.pyplot as plt

from skmlp import ReliabilityDisplay

log_proba = mlp.predict_log_proba(X_test).astype(float)
probabilities = {
    "before": softmax(log_proba, axis=1),
    "after": softmax(log_proba / temperature, axis=1),
}
figure, axes = plt.subplots(
    2, 2, figsize=(9, 6), sharex=True, layout="constrained", height_ratios=[3, 1]
)
for column, (title, y_proba) in zip(axes.T, probabilities.items(), strict=True):
    display = ReliabilityDisplay.from_predictions(y_test, y_proba, name=title, ax=column)
    column[0].legend(frameon=False, fontsize=9, loc="lower right")
    print(
        f"{title}: expected calibration error {display.expected_calibration_error:.4f}, "
        f"log loss {display.log_loss:.4f}"
    )
figure.suptitle(f"{name}: before and after temperature scaling")

plt.show()
