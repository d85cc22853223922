"""
=====================================
Choose the layer sizes by grid search
=====================================

``GridSearchCV`` compares hidden layers of different sizes in a pipeline that starts with ``IDXReader``. If
MNIST is not available, the example uses scikit-learn's bundled digits.
"""

# %%
# Load the images
# ---------------
#
# ``IDXReader`` accepts files and arrays. Cross-validation selects images by index, so the search
# requires an array. A few thousand images are enough to compare sizes, and keep the search short.

import os

import numpy as np
from sklearn.datasets import load_digits

from skmlp import load_mnist

directory = os.environ.get("SKMLP_MNIST", "mnist")
try:
    digits = load_mnist(directory)
    name, images, labels = "MNIST", digits.images[:6000], digits.target[:6000]
except FileNotFoundError:
    digits = load_digits()
    # The pixels are floats from 0 to 16; IDXReader scales uint8 pixels from 0 to 255.
    images = np.rint(digits.images * 255 / 16).astype(np.uint8)
    name, labels = "scikit-learn's digits", digits.target

print(f"{name}: {len(images)} images of {images.shape[1]} x {images.shape[2]} pixels")

# %%
# Run the search
# --------------
#
# The candidates have no hidden layer (softmax regression), one hidden layer, or two hidden layers of
# equal size. With ``early_stopping=True``, each network holds out a validation set from the training
# images of its fold.

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

print(f"best parameters: hidden_layer_sizes={search.best_params_['mlp__hidden_layer_sizes']}")
print(f"mean accuracy over three folds: {search.best_score_:.2%}")

# %%
# Compare accuracy and training time
# ----------------------------------
#
# The error bars show one standard deviation over the three folds. The accuracy increases with the
# number of units, by less than the error bars from one size to the next. A second layer hardly matters.
# The training time depends on the number of epochs, which early stopping determines, as well as on the
# size. :doc:`/howto/tuning` describes faster searches.

import matplotlib.pyplot as plt

candidate_index = {
    params["mlp__hidden_layer_sizes"]: i for i, params in enumerate(search.cv_results_["params"])
}


def get_results(name, sizes):
    """Return a column of the results for some candidates."""
    return search.cv_results_[name][[candidate_index[size] for size in sizes]]


figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 6.5), layout="constrained")
lines = [
    # label, sizes, and a horizontal offset factor that separates the error bars
    ("one hidden layer", one_layer, 0.97),
    ("two hidden layers", two_layers, 1.03),
]
for label, sizes, offset in lines:
    accuracy, std = get_results("mean_test_score", sizes), get_results("std_test_score", sizes)
    top.errorbar(np.multiply(units, offset), accuracy, std, marker="o", capsize=3, label=label)
    bottom.plot(units, get_results("mean_fit_time", sizes), marker="o", label=label)
for ax, score in [(top, "mean_test_score"), (bottom, "mean_fit_time")]:
    (softmax_regression,) = get_results(score, [()])
    ax.axhline(softmax_regression, color="gray", linestyle="--", label="no hidden layer")

top.set_ylabel("cross-validated accuracy")
top.yaxis.set_major_formatter("{x:.0%}")
bottom.set_ylabel("training time (s)")
bottom.set_ylim(bottom=0)
for ax in (top, bottom):
    ax.set_xscale("log", base=2)
    ax.set_xticks(units, units)
    ax.set_xlabel("units per hidden layer")
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
top.legend(frameon=False, loc="upper left")
figure.suptitle(f"{name}, {len(images)} images")

plt.show()
