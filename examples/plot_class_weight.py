"""
===================
Weight rare classes
===================

If a class is rare, a network that ignores it still has a high accuracy. Class weights give the
samples of rare classes more influence on the loss. They increase the recall of the rare classes, at the
cost of more images of other classes that are predicted as rare ones.
"""

# %%
# Load the images and remove most of two classes
# ----------------------------------------------
#
# MNIST is loaded from the directory ``$SKMLP_MNIST`` or ``mnist``; ``skmlp fetch mnist`` downloads
# it. If it is not available, the example uses scikit-learn's bundled digits. Of the digits 8 and 9,
# only one in fifty remains in the training set. The test set is not changed, so that the recall of the
# rare classes can be measured on many images.

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_mnist

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    X, y = load_mnist(directory, return_X_y=True)
    X_test, y_test = load_mnist(directory, subset="test", return_X_y=True)
    X, y = X[:20000], y[:20000]
    name, max_pixel = "MNIST", 255
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name, max_pixel = "scikit-learn's digits", 16

rng = np.random.default_rng(0)
is_kept = (y < 8) | (rng.random(len(y)) < 1 / 50)
X_train, y_train = X[is_kept], y[is_kept]
print(f"{name}: {len(X_train)} training and {len(X_test)} test images")
print(f"training images per class: {np.bincount(y_train, minlength=10).tolist()}")

# %%
# Train with and without class weights
# ------------------------------------
#
# ``class_weight="balanced"`` weights each class inversely to its frequency, so that all classes have
# the same total weight. A dictionary sets other weights, here the square roots of the balanced weights
# as a compromise. The recall of a class is the fraction of its images that are predicted correctly.
# False positives are images of 0 to 7 that are predicted as 8 or 9.

from sklearn.metrics import recall_score
from sklearn.utils.class_weight import compute_class_weight

from skmlp import MLPDigitClassifier

balanced = compute_class_weight("balanced", classes=np.arange(10), y=y_train)
class_weights = {
    "no weights": None,
    "square root": dict(enumerate(np.sqrt(balanced))),
    "balanced": "balanced",
}
recalls = {}
for title, class_weight in class_weights.items():
    mlp = MLPDigitClassifier(
        (128,),
        class_weight=class_weight,
        learning_rate="one_cycle",
        learning_rate_init=0.005,
        batch_size=128,
        max_iter=10,
        n_iter_no_change=None,  # train for exactly max_iter epochs
        input_scale=1 / max_pixel,
        random_state=0,
    )
    predicted = mlp.fit(X_train, y_train).predict(X_test)
    recalls[title] = recall_score(y_test, predicted, average=None)
    false_positives = np.sum((predicted >= 8) & (y_test < 8))
    print(
        f"{title}: mean recall of 0 to 7 {recalls[title][:8].mean():.1%}, "
        f"of 8 and 9 {recalls[title][8:].mean():.1%}, {false_positives} false positives"
    )

# %%
# Plot the recall of each class
# -----------------------------
#
# Without weights, the network misclassifies more than half of the rare digits. The weights increase
# their recall, but do not replace the missing images: a few images, even with large weights, vary less
# than many images.

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for i, (title, recall) in enumerate(recalls.items()):
    ax.bar(np.arange(10) + (i - 1) * 0.27, recall, width=0.25, label=title)
ax.set_xticks(range(10))
ax.set(xlabel="digit", ylabel="recall on the test set", ylim=(0, 1.2))
ax.set_yticks(np.linspace(0, 1, 6))
ax.yaxis.set_major_formatter("{x:.0%}")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False, ncols=3, loc="upper center")
figure.suptitle(f"{name}, digits 8 and 9 are rare in the training set")

plt.show()
