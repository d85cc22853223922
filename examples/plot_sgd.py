"""
========================
Read the training curves
========================

A network with two hidden layers of 256 ReLU units is trained by mini-batch stochastic gradient descent
(SGD). After each epoch, its loss and accuracy are recorded on the 80 % of the images that it is trained on,
and on the 20 % that are held out. The curves show when the network starts to overfit.
"""

# %%
# Load and split the images
# -------------------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits. ``stratify=y`` keeps the
# proportions of the classes equal in both parts.

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

X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)
print(f"{name}: {len(X_train)} training, {len(X_val)} validation and {len(X_test)} test images")

# %%
# Train the network
# -----------------
#
# The loss is the cross-entropy. Each step computes its gradient on a batch of 64 images, and
# subtracts the gradient, multiplied by the learning rate, from the weights. ``momentum=0`` selects
# plain SGD. ``X_val`` and ``y_val`` do not influence the training; they are only evaluated after each
# epoch.

from skmlp import MLPDigitClassifier

mlp = MLPDigitClassifier(
    (256, 256),
    activation="relu",
    solver="sgd",
    momentum=0,
    learning_rate_init=0.3,
    batch_size=64,
    max_iter=20,
    n_iter_no_change=None,  # train for exactly max_iter epochs
    input_scale=1 / max_pixel,
    random_state=0,
)
mlp.fit(X_train, y_train, X_val=X_val, y_val=y_val)

# %%
# Plot the curves
# ---------------
#
# ``history_`` contains one value per epoch of each quantity, and ``TrainingCurveDisplay`` plots them.
# (Without ``ax``, it also plots the learning rate, which is constant here.) The values of the
# training set are means over the batches, measured while the weights change. In the first epoch they
# are therefore worse than those of the validation set, which are measured at its end.

import matplotlib.pyplot as plt

from skmlp import TrainingCurveDisplay

figure, axes = plt.subplots(2, 1, figsize=(6, 6.5), layout="constrained")
TrainingCurveDisplay.from_estimator(mlp, ax=axes)
figure.suptitle(f"{name}, hidden layers of 256 and 256 units")

# %%
# Find the best epoch
# -------------------
#
# The training loss decreases to nearly zero. The validation loss reaches its minimum early, and then
# increases: the network becomes more and more confident of its predictions, even of the wrong ones.
# This is overfitting. The validation accuracy hardly changes, because it depends only on which class
# is most probable, and not on the probability. If you need probabilities, use the weights of the
# epoch with the lowest validation loss; ``early_stopping=True`` and ``monitor="loss"`` keep them.

import numpy as np

history = mlp.history_
lowest = int(np.argmin(history["val_loss"]))
for title, epoch in [("lowest validation loss", lowest), ("last epoch", mlp.n_iter_ - 1)]:
    print(
        f"{title} (epoch {epoch + 1}): loss {history['loss'][epoch]:.4f}, "
        f"validation loss {history['val_loss'][epoch]:.4f}, "
        f"validation accuracy {history['val_accuracy'][epoch]:.2%}"
    )

# %%
# Evaluate on the test set
# ------------------------
#
# The learning rate was chosen between 0.1 and 0.3 on the validation set, whose accuracy is therefore
# a slightly optimistic estimate for new images. The test set was not used for any choice, and is
# evaluated once. LeCun et al. (1998) report 97.05 % on it for a network with hidden layers of 500 and
# 150 units (`Gradient-based learning applied to document recognition
# <https://doi.org/10.1109/5.726791>`_).

print(f"test accuracy: {mlp.score(X_test, y_test):.2%}, to beat on MNIST: 97.05%")

plt.show()
