"""
=======================================
Compare dropout and batch normalization
=======================================

Dropout reduces overfitting, and batch normalization speeds up the first epochs. This example
trains the same network with each of them, with both and with neither on a small training set.
"""

# %%
# Load the images
# ---------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits. The networks are trained
# on 5,000 images only, because a small training set makes overfitting visible. Another 5,000 images
# are the validation set.

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

n_train = min(5000, int(0.8 * len(X)))
X_train, X_val, y_train, y_val = train_test_split(
    X, y, train_size=n_train, test_size=min(5000, len(X) - n_train), stratify=y, random_state=0
)
print(f"{name}: {len(X_train)} training, {len(X_val)} validation and {len(X_test)} test images")

# %%
# Train four networks
# -------------------
#
# The networks differ only in the parameters ``dropout`` and ``batch_norm``. All have two hidden layers
# of 256 units.

from skmlp import MLPDigitClassifier

variants = {
    "neither": {},
    "dropout": {"dropout": 0.5},
    "batch norm": {"batch_norm": True},
    "both": {"dropout": 0.5, "batch_norm": True},
}
networks = {}
for title, parameters in variants.items():
    mlp = MLPDigitClassifier(
        (256, 256),
        learning_rate_init=0.001,
        batch_size=64,
        max_iter=30,
        n_iter_no_change=None,  # train for exactly max_iter epochs
        input_scale=1 / max_pixel,
        random_state=0,
        **parameters,
    )
    networks[title] = mlp.fit(X_train, y_train, X_val=X_val, y_val=y_val)
    history = mlp.history_
    print(
        f"{title}: validation accuracy {history['val_accuracy'][0]:.1%} after the first epoch, "
        f"{history['val_accuracy'][-1]:.1%} after the last (loss {history['val_loss'][-1]:.3f})"
    )

# %%
# Plot the losses
# ---------------
#
# - With neither, the training loss decreases to nearly zero, and the validation loss increases after
#   a few epochs.
# - With dropout, the training loss remains higher, and the validation loss becomes lower. Each step
#   trains a random subset of the units, so that no unit can rely on particular others.
# - With batch normalization, the losses of the first epochs are lowest. In each batch, the
#   inputs of each activation are scaled to mean zero and variance one, and then by a learned factor and
#   shift, so that their scale does not depend on the weights of the layers below.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(2, 1, figsize=(6, 6.5), layout="constrained")
for ax, key, label in zip(axes, ["loss", "val_loss"], ["training", "validation"], strict=True):
    for title, mlp in networks.items():
        ax.plot(range(1, mlp.n_iter_ + 1), mlp.history_[key], label=title)
    ax.set(xlabel="epoch", ylabel=f"{label} loss")
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_yscale("log")
axes[0].set_ylabel("training loss (logarithmic scale)")
axes[1].set_ylim(bottom=0)
axes[1].legend(frameon=False)
figure.suptitle(f"{name}, {len(X_train)} training images")

# %%
# Compare the activations
# -----------------------
#
# Dropout and batch normalization also make the activations sparser: in the last hidden layer, fewer
# units are active for each test image.

for title, mlp in networks.items():
    is_active = mlp.hidden_activations(X_test) > 0
    accuracy = mlp.score(X_test, y_test)
    print(f"{title}: test accuracy {accuracy:.1%}, {is_active.mean():.0%} of the units are active")

plt.show()
