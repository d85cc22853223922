"""
============================
Look at mistakes and weights
============================

The accuracy does not show which images a network misclassifies, or why. This example shows the
confusions between classes, the most confident mistakes and the weights of the first layer.
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
# Count the confusions
# --------------------
#
# In the confusion matrix, each row is a true label, and each column a predicted label. The diagonal is
# set to zero, because there are far more correct predictions than mistakes.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

confusions = confusion_matrix(y_test, mlp.predict(X_test))
np.fill_diagonal(confusions, 0)
true, predicted = np.unravel_index(confusions.argmax(), confusions.shape)
print(f"most frequent confusion: {true} predicted as {predicted} ({confusions.max()} images)")

figure, ax = plt.subplots(figsize=(6, 5.2), layout="constrained")
ConfusionMatrixDisplay(confusions).plot(ax=ax, cmap="Blues")
figure.suptitle(f"{name}: {confusions.sum()} mistakes on {len(X_test)} test images")

# %%
# Look at the most confident mistakes
# -----------------------------------
#
# ``DigitGalleryDisplay`` shows the mistakes with the highest predicted probability first. The title of
# an image consists of its label, an arrow, the predicted label and its probability. Some of these
# digits are ambiguous, or their labels are doubtful. Others are easy for humans, but differ from the
# training images.

from skmlp import DigitGalleryDisplay

display = DigitGalleryDisplay.from_estimator(mlp, X_test, y_test, n_images=12, n_columns=4)
display.figure_.suptitle(f"{name}: the most confident mistakes")

# %%
# Select the mistakes of one class with ``label``, here the digit of the most frequent confusion.

display = DigitGalleryDisplay.from_estimator(
    mlp, X_test, y_test, label=true, n_images=4, n_columns=4
)
display.figure_.suptitle(f"{name}: mistakes on images of {true}")

# %%
# Look at the weights
# -------------------
#
# Each image shows the weights of one unit of the first layer, here of the 24 units with the largest
# norms. The title is the index of the unit. Ink on red pixels increases the value of the unit, and ink
# on blue pixels decreases it. Many units respond to a stroke at a particular position. Units whose
# weights look like noise have learned little; more training images or a larger penalty ``alpha`` give
# smoother weights.

from skmlp import WeightImageDisplay

display = WeightImageDisplay.from_estimator(mlp, n_units=24, n_columns=6)
display.figure_.suptitle(f"{name}: weights of 24 of 128 units")

plt.show()
