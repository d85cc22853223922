"""
====================================
Search for the size of the network
====================================

A pipeline that begins with ``IDXReader`` goes into ``GridSearchCV`` like any other. Where MNIST is
not at hand, scikit-learn's bundled digits take its place.
"""

# %%
# Read some digits
# ----------------
#
# Cross-validation chooses images by index, so the search is given an array. A few thousand images
# are enough to compare sizes, and keep the search short.

import os
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from skmlp import load_mnist

beside_the_checkout = Path(__file__).resolve().parents[2] / "shared" / "mnist"
directory = os.environ.get("SKMLP_MNIST", beside_the_checkout)

try:
    digits = load_mnist(directory)
    name, images, labels = "MNIST", digits.images[:6000], digits.target[:6000]
except FileNotFoundError:
    digits = load_digits()
    # Their pixels go from 0 to 16, as floats; IDXReader scales uint8 from 0 to 255.
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)
    name, labels = "scikit-learn's digits", digits.target

print(f"{name}: {len(images)} images of {images.shape[1]} x {images.shape[2]}")

# %%
# Search
# ------
#
# No hidden layer, which is softmax regression; one layer; two layers. Every network stops by a
# validation set of its own, which ``early_stopping=True`` holds out of the fold's training images.

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skmlp import IDXReader, MLPDigitClassifier

units = [16, 32, 64, 128, 256]
one_layer = [(n,) for n in units]
two_layers = [(n, n) for n in units]

pipeline = Pipeline(
    [
        ("read", IDXReader()),
        (
            "mlp",
            MLPDigitClassifier(early_stopping=True, learning_rate_init=0.003, random_state=0),
        ),
    ]
)
search = GridSearchCV(
    pipeline, {"mlp__hidden_layer_sizes": [(), *one_layer, *two_layers]}, cv=3, refit=False
)
search.fit(images, labels)

print(f"best: hidden_layer_sizes={search.best_params_['mlp__hidden_layer_sizes']}")
print(f"accuracy {search.best_score_:.2%}, mean of three folds")

# %%
# What size buys, and what it costs
# ---------------------------------
#
# The bars span one standard deviation over the three folds, to either side.

import matplotlib.pyplot as plt

results = {
    params["mlp__hidden_layer_sizes"]: row
    for row, params in enumerate(search.cv_results_["params"])
}


def column(name, sizes):
    """Give one column of the results, for these sizes of hidden layers."""
    return search.cv_results_[name][[results[size] for size in sizes]]


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
lines = [
    # label, sizes, and a factor that keeps the bars of the two lines apart
    ("one hidden layer", one_layer, 0.97),
    ("two hidden layers", two_layers, 1.03),
]
for label, sizes, shift in lines:
    accuracy, spread = column("mean_test_score", sizes), column("std_test_score", sizes)
    left.errorbar(np.multiply(units, shift), accuracy, spread, marker="o", capsize=3, label=label)
    right.plot(units, column("mean_fit_time", sizes), marker="o", label=label)
for ax, score in [(left, "mean_test_score"), (right, "mean_fit_time")]:
    (softmax_regression,) = column(score, [()])
    ax.axhline(softmax_regression, color="gray", linestyle="--", label="no hidden layer")

left.set_title("accuracy, cross-validated")
left.yaxis.set_major_formatter("{x:.0%}")
right.set_title("seconds for a fit")
right.set_ylim(bottom=0)
for ax in (left, right):
    ax.set_xscale("log", base=2)
    ax.set_xticks(units, units)
    ax.set_xlabel("units of a hidden layer")
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
right.legend(frameon=False, loc="upper left")
figure.suptitle(f"{name}, {len(images)} images")

plt.show()
