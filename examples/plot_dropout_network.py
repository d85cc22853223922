"""
==================================
Train a large network with dropout
==================================

A network with two hidden layers of 512 ReLU units has more than ten times as many parameters as MNIST has
training images, and can memorize the training set. Dropout prevents this: in each training step, it sets
randomly chosen activations to zero. The example takes two to three minutes on two cores, because the
network is trained for 50 epochs, as in the result that it is compared with.
"""

# %%
# Load the images
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits. A sixth of the training
# images is held out as a validation set.

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

X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=1 / 6, stratify=y, random_state=0)
print(f"{name}: {len(X_train)} training, {len(X_val)} validation and {len(X_test)} test images")

# %%
# Print the layers
# ----------------
#
# ``dropout`` is the probability of dropping a hidden unit, and ``input_dropout`` that of dropping a
# pixel. Both apply during training only. ``summary`` returns a table of the layers. A layer has one
# parameter for each pair of an input and an output, and one for each output: :math:`784 \cdot 512 +
# 512 = 401,920` for the first layer on MNIST.

from skmlp import MLPDigitClassifier

mlp = MLPDigitClassifier(
    (512, 512),
    activation="relu",
    dropout=0.5,
    input_dropout=0.2,
    batch_size=128,
    learning_rate="one_cycle",
    learning_rate_init=0.002,
    max_iter=50,
    n_iter_no_change=None,  # train for exactly max_iter epochs
    input_scale=1 / max_pixel,
    random_state=0,
)
print(mlp.summary(n_features=X_train.shape[1], n_classes=10))

# %%
# Train the network
# -----------------
#
# The learning rate first increases to ``learning_rate_init``, and then decreases to zero ("one
# cycle"). Large steps at first make fast progress. The small steps at the end average out the random
# effects of dropout.

mlp.fit(X_train, y_train, X_val=X_val, y_val=y_val)

# %%
# Plot the training curves
# ------------------------
#
# For most of the training, the training loss is higher than the validation loss, and the training
# accuracy is lower. This is the effect of dropout: they are measured with units dropped, while the
# validation set is evaluated with all units. The validation loss does not increase at the end, so the
# network does not overfit in spite of its size.

import matplotlib.pyplot as plt

from skmlp import TrainingCurveDisplay

figure, axes = plt.subplots(3, 1, figsize=(6, 9), layout="constrained")
TrainingCurveDisplay.from_estimator(mlp, ax=axes)
figure.suptitle(f"{name}, hidden layers of 512 and 512 units, dropout")

# %%
# Evaluate on the test set
# ------------------------
#
# The dropout rates and the learning rate were chosen on the validation set. Keras's example
# ``mnist_mlp.py``, whose network has the same layers with a dropout rate of 0.2 and is trained for 20
# epochs on all 60,000 training images, reports a test accuracy of 98.40 %.

print(f"validation accuracy: {mlp.score(X_val, y_val):.2%}")
print(f"test accuracy: {mlp.score(X_test, y_test):.2%}, to beat on MNIST: 97.26% and 98.40%")

plt.show()
