"""
==================================
Train, evaluate and save a network
==================================

This example loads MNIST from its IDX files, trains and evaluates a network, and saves it. If MNIST is
not available, the example uses scikit-learn's bundled digits.
"""

# %%
# Load the images
# ---------------
#
# ``load_mnist`` reads the four files of MNIST or a compatible dataset from a directory, here
# ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads them. A sixth of the training images is
# held out as a validation set.

import os

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X, y = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, max_pixel, side = "MNIST", 255, 28
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, max_pixel, side = "scikit-learn's digits", 16, 8

X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=1 / 6, stratify=y, random_state=0)
print(f"{name}: {len(X_train)} training, {len(X_val)} validation and {len(X_test)} test images")

# %%
# Train the network
# -----------------
#
# ``input_scale`` scales the pixels of each batch to [0, 1], so ``X`` does not have to be
# scaled. The network is evaluated on the validation set after each epoch. Training ends when the
# validation accuracy has not improved for more than three epochs, and the best weights are restored.

from skmlp import MLPDigitClassifier

classifier = MLPDigitClassifier(
    hidden_layer_sizes=(128, 128),
    batch_size=128,
    max_iter=100,
    early_stopping=True,
    n_iter_no_change=3,
    input_scale=1 / max_pixel,
    random_state=0,
)
classifier.fit(X_train, y_train, X_val=X_val, y_val=y_val)

print(f"epochs: {classifier.n_iter_} (last epoch: {classifier.history_['seconds'][-1]:.2f} s)")
print(f"validation accuracy: {classifier.best_validation_score_:.2%}")
print(f"test accuracy:       {classifier.score(X_test, y_test):.2%}")

# %%
# Plot the training curves
# ------------------------
#
# ``history_`` contains the loss and accuracy of each epoch, and ``TrainingCurveDisplay`` plots them.
# If the training loss keeps decreasing but the validation loss does not, the network overfits. A
# circle marks the best epoch. (Without ``ax``, the learning rate, which is constant here, is plotted
# too.)

import matplotlib.pyplot as plt

from skmlp import TrainingCurveDisplay

figure, axes = plt.subplots(2, 1, figsize=(6, 6.5), layout="constrained")
TrainingCurveDisplay.from_estimator(classifier, ax=axes)
figure.suptitle(f"{name}, hidden layers of 128 and 128 units")

# %%
# Plot misclassified images
# -------------------------
#
# These are the misclassified test images with the lowest predicted probability of the true label. The
# percentage is the probability of the predicted class. ``DigitGalleryDisplay`` makes such figures in
# one call: :ref:`sphx_glr_auto_examples_plot_mistakes.py`.

import numpy as np

predicted, probabilities = classifier.predict(X_test), classifier.predict_proba(X_test)
errors = np.flatnonzero(predicted != y_test)
worst = errors[probabilities[errors, y_test[errors]].argsort()][:12]

figure, axes = plt.subplots(3, 4, figsize=(6, 5.4), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, i in zip(axes.flat, worst, strict=False):
    ax.imshow(X_test[i].reshape(side, side), cmap="gray_r")
    title = f"label {y_test[i]}\npredicted {predicted[i]} ({probabilities[i].max():.0%})"
    ax.set_title(title, fontsize=9)
figure.suptitle(f"{name}: {len(worst)} of {len(errors)} misclassified test images")

# %%
# Save the network
# ----------------
#
# A model file contains the weights, the parameters and the history, but no code. The predictions of
# the loaded model are bit-identical. :doc:`/howto/saving` describes the file and other formats.

from skmlp import load_model, save_model

save_model(classifier, "mnist.safetensors")
assert (load_model("mnist.safetensors").predict(X_test) == predicted).all()

plt.show()
