"""
==============================
Train for 100 epochs with Adam
==============================

A network with two hidden layers of 128 ReLU units is trained with Adam for 100 epochs. The
accuracies on the training set and on the test set are recorded after each epoch. They show how many
epochs are enough, and how much the result depends on the epoch at which training ends.
"""

# %%
# Load the images
# ---------------
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

# %%
# Train epoch by epoch
# --------------------
#
# ``partial_fit`` trains for one epoch and continues from the previous call, so that anything can be
# computed in between. A loop of 100 calls gives the same weights as ``fit`` with ``max_iter=100``.
# Adam adapts the step size of each weight; 0.001 is its usual learning rate.

from skmlp import MLPDigitClassifier

mlp = MLPDigitClassifier(
    (128, 128),
    activation="relu",
    solver="adam",
    learning_rate_init=0.001,
    batch_size=128,
    input_scale=1 / max_pixel,
    random_state=0,
)
train_accuracy, test_accuracy = [], []
for _ in range(100):
    mlp.partial_fit(X_train, y_train, classes=range(10))
    train_accuracy.append(mlp.score(X_train, y_train))
    test_accuracy.append(mlp.score(X_test, y_test))

for epoch in (1, 5, 20, 100):
    print(
        f"epoch {epoch:3}: training accuracy {train_accuracy[epoch - 1]:.2%}, "
        f"test accuracy {test_accuracy[epoch - 1]:.2%}"
    )

# %%
# Plot the accuracies
# -------------------
#
# Near 100 %, differences are easier to see in the error, which is one minus the accuracy, on a
# logarithmic axis, where equal distances are equal ratios. The training error decreases to zero,
# while the test error changes little after about 20 epochs. The peaks are typical of Adam at a
# constant learning rate. It divides the gradient by the root mean square of its recent values. Once
# the training error is zero, these are tiny, and a batch with a larger gradient leads to a large
# step, which increases the error for a few epochs.

import matplotlib.pyplot as plt
import numpy as np

epochs = np.arange(1, 101)
errors = {"training": 1 - np.array(train_accuracy), "test": 1 - np.array(test_accuracy)}

figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 6.5), layout="constrained")
for label, error in errors.items():
    top.plot(epochs, 1 - error, label=label)
    # An error of zero has no logarithm, and is drawn at half a misclassified image.
    bottom.plot(epochs, np.maximum(error, 0.5 / len(X_train)), label=label)
top.set_ylabel("accuracy")
top.yaxis.set_major_formatter("{x:.0%}")
bottom.set_ylabel("error (logarithmic scale)")
bottom.set_yscale("log")
bottom.yaxis.set_major_formatter(lambda x, _: f"{100 * x:g}%")
for ax in (top, bottom):
    ax.set_xlabel("epoch")
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
top.legend(frameon=False)
figure.suptitle(f"{name}, hidden layers of 128 and 128 units, Adam")

# %%
# Report the last epoch
# ---------------------
#
# At a constant learning rate, the test accuracy varies from epoch to epoch. The best of the 100
# values is selected by the test set, and is too optimistic for new images. Report the last epoch,
# whose number was fixed before. LeCun et al. (1998) report 97.05 % for a network with hidden layers
# of 500 and 150 units (`Gradient-based learning applied to document recognition
# <https://doi.org/10.1109/5.726791>`_).

last = test_accuracy[-20:]
print(f"test accuracy in the last 20 epochs: from {min(last):.2%} to {max(last):.2%}")
print(f"test accuracy: {test_accuracy[-1]:.2%}, to beat on MNIST: 97.05%")

plt.show()
