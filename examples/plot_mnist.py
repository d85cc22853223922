"""
====================================
Train on MNIST, see it, and keep it
====================================

The whole way from IDX files to a trained, evaluated and saved network. Where MNIST is not at hand,
scikit-learn's bundled digits take its place.
"""

# %%
# Read the digits
# ---------------
#
# ``load_mnist`` reads the four files of MNIST, or of a relative with the same names, from a
# directory: here ``$SKMLP_MNIST``, or ``shared/mnist`` beside the checkout. A part of the training
# set is held out, to watch the training by; the test set is left for the end.

import os
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist

beside_the_checkout = Path(__file__).resolve().parents[2] / "shared" / "mnist"
directory = os.environ.get("SKMLP_MNIST", beside_the_checkout)

try:
    X, y = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    name, brightest, side = "MNIST", 255, 28
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, brightest, side = "scikit-learn's digits", 16, 8

X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=1 / 6, stratify=y, random_state=0)
print(f"{name}: {len(X_train)} to train, {len(X_val)} to validate, {len(X_test)} to test")

# %%
# Train
# -----
#
# The pixels stay as they are: ``input_scale`` brings them to 0..1 as batches are gathered. After
# each epoch the network is judged on the validation set. When that has brought nothing for three
# epochs, training ends, and the best weights are kept.

from skmlp import MLPDigitClassifier

classifier = MLPDigitClassifier(
    hidden_layer_sizes=(128, 128),
    batch_size=128,
    max_iter=100,
    early_stopping=True,
    n_iter_no_change=3,
    input_scale=1 / brightest,
    random_state=0,
)
classifier.fit(X_train, y_train, X_val=X_val, y_val=y_val)

print(f"{classifier.n_iter_} epochs of {classifier.history_['seconds'][-1]:.2f} s")
print(f"validation accuracy {classifier.best_validation_score_:.2%}")
print(f"test accuracy       {classifier.score(X_test, y_test):.2%}")

# %%
# See how it learned
# ------------------
#
# ``history_`` holds what each epoch brought, and ``TrainingCurveDisplay`` draws it. Where the
# training loss goes on falling and the validation loss does not, the network learns by heart.

import matplotlib.pyplot as plt

from skmlp import TrainingCurveDisplay

display = TrainingCurveDisplay.from_estimator(classifier)
display.figure_.suptitle(f"{name}, hidden layers of 128 and 128 units")

# %%
# See what it gets wrong
# ----------------------
#
# The test images that it misreads and whose true label it finds least probable.

import numpy as np

predicted, probabilities = classifier.predict(X_test), classifier.predict_proba(X_test)
misread = np.flatnonzero(predicted != y_test)
worst = misread[probabilities[misread, y_test[misread]].argsort()][:12]

figure, axes = plt.subplots(2, 6, figsize=(9, 3.8), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, i in zip(axes.flat, worst, strict=False):
    ax.imshow(X_test[i].reshape(side, side), cmap="gray_r")
    ax.set_title(f"{y_test[i]} read as {predicted[i]}, {probabilities[i].max():.0%}", fontsize=9)
figure.suptitle(f"{name}: the worst of {len(misread)} mistakes on {len(y_test)} test images")

# %%
# Keep it
# -------
#
# The model file holds the weights, the parameters and the history, and cannot run code. A loaded
# model predicts the same to the last bit.

from skmlp import load_model, save_model

save_model(classifier, "mnist.safetensors")
assert (load_model("mnist.safetensors").predict(X_test) == predicted).all()

plt.show()
