"""
===========================
Resume interrupted training
===========================

Long training runs may be interrupted: by a power failure, a time limit or Ctrl-C. With checkpoints,
training continues where it stopped, and ends with exactly the same weights as without the interruption.
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
# Train with checkpoints
# ----------------------
#
# The callback ``Checkpoint`` writes a file after each epoch. It contains the weights, the state of
# the optimizer, the position in the learning-rate schedule, and the state of the random number
# generators. Here, a second callback interrupts the training after four of ten epochs, as Ctrl-C would.

import tempfile
import warnings
from pathlib import Path

from skmlp import MLPDigitClassifier, TrainingInterruptedWarning
from skmlp.callbacks import Checkpoint

scratch = tempfile.TemporaryDirectory()
path = Path(scratch.name, "checkpoint.safetensors")


class Interrupt:
    """Callback that interrupts the training after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Raise KeyboardInterrupt after the last of the epochs."""
        if context.task_name == "epoch" and estimator.n_iter_ == self.n_epochs:
            raise KeyboardInterrupt


def make_network():
    """Return an unfitted network."""
    return MLPDigitClassifier(
        (128,),
        dropout=0.2,
        learning_rate="cosine",
        learning_rate_init=0.003,
        batch_size=128,
        max_iter=10,
        n_iter_no_change=None,  # train for exactly max_iter epochs
        input_scale=1 / max_pixel,
        random_state=0,
    )


interrupted = make_network().set_callbacks(Checkpoint(path), Interrupt(4))
with warnings.catch_warnings():
    warnings.simplefilter("ignore", TrainingInterruptedWarning)
    interrupted.fit(X_train, y_train)
print(
    f"interrupted after {interrupted.n_iter_} epochs: "
    f"test accuracy {interrupted.score(X_test, y_test):.2%}"
)

# %%
# Resume
# ------
#
# After a power failure, only the file remains. ``resume`` reads it and trains for the remaining epochs.
# The data must be the same, which is checked by a digest in the checkpoint. Pass the callback again to
# continue writing checkpoints.

resumed = MLPDigitClassifier.resume(path, X_train, y_train, callbacks=[Checkpoint(path)])
print(f"resumed: {resumed.n_iter_} epochs, test accuracy {resumed.score(X_test, y_test):.2%}")

# %%
# Compare with uninterrupted training
# -----------------------------------
#
# The weights of the two networks are equal, bit for bit, although dropout and shuffling are random.

import numpy as np

uninterrupted = make_network().fit(X_train, y_train)
is_equal = all(map(np.array_equal, resumed.coefs_, uninterrupted.coefs_))
print(f"equal to the weights of uninterrupted training: {is_equal}")

# %%
# The history of the resumed network contains all epochs. The dashed lines mark the interruption.

import matplotlib.pyplot as plt

from skmlp import TrainingCurveDisplay

figure, axes = plt.subplots(3, 1, figsize=(6, 8.5), layout="constrained")
TrainingCurveDisplay.from_estimator(resumed, ax=axes)
for ax in axes:
    ax.axvline(interrupted.n_iter_ + 0.5, color="gray", linestyle="--", zorder=0)
figure.suptitle(f"{name}: interrupted after epoch {interrupted.n_iter_} and resumed")
scratch.cleanup()

plt.show()
