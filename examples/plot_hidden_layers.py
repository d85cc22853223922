"""
===============================
What a hidden layer contributes
===============================

Without a hidden layer, the network is softmax regression, a linear model. One hidden layer reduces
the error on MNIST from 7 % to 2 %. A grid search then compares different numbers of layers and units,
learning rates and batch sizes.
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
    name = "MNIST"
except FileNotFoundError:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    name = "scikit-learn's digits"

print(f"{name}: {len(X_train)} training and {len(X_test)} test images")

# %%
# Train without and with a hidden layer
# -------------------------------------
#
# ``Normalizer`` divides each image by its Euclidean norm, so that bold and thin strokes have the same
# total brightness. The features then have small values, and ``input_scale`` multiplies them by 10.
# The settings were chosen on a validation set of 10,000 of the training images.

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skmlp import MLPDigitClassifier


def make_network(hidden_layer_sizes, **parameters):
    """Return a pipeline that normalizes the images and trains a network."""
    mlp = MLPDigitClassifier(
        hidden_layer_sizes,
        learning_rate="one_cycle",
        n_iter_no_change=None,  # train for exactly max_iter epochs
        input_scale=10,
        random_state=0,
        **parameters,
    )
    return make_pipeline(Normalizer(), mlp)


networks = {
    "no hidden layer": make_network(
        (), learning_rate_init=0.01, batch_size=128, max_iter=20, input_dropout=0.1
    ),
    "one hidden layer": make_network((256,), learning_rate_init=0.01, batch_size=128, max_iter=10),
}
to_beat = {"no hidden layer": "92.88%", "one hidden layer": "97.82%"}
for title, network in networks.items():
    network.fit(X_train.astype("float32"), y_train)
    accuracy = network.score(X_test.astype("float32"), y_test)
    n_parameters = network[-1].summary().n_parameters
    print(f"{title}: {n_parameters:,} parameters")
    print(f"{title}: test accuracy {accuracy:.2%}, to beat on MNIST: {to_beat[title]}")

# %%
# Plot the weights
# ----------------
#
# Without a hidden layer, the network has one weight for each pixel and digit. It multiplies the pixels
# by the weights and adds the products, so that the effect of a pixel does not depend on the others. A
# bright pixel makes the digit more probable if its weight is red, and less probable if it is blue. The
# largest weights belong to pixels at the border, which are dark in almost all images; the color scale
# is limited to 1 to show the others.

import matplotlib.pyplot as plt

from skmlp import WeightImageDisplay

display = WeightImageDisplay.from_estimator(
    networks["no hidden layer"][-1],
    units=range(10),
    n_columns=5,
    image_kw={"vmin": -1, "vmax": 1},
)
display.figure_.suptitle(f"{name}, weights without a hidden layer")

# %%
# The units of a hidden layer respond to parts of digits, such as strokes and gaps at particular
# positions. The output layer combines them, so that the effect of a pixel depends on the others.

display = WeightImageDisplay.from_estimator(
    networks["one hidden layer"][-1], n_units=10, n_columns=5
)
display.figure_.suptitle(f"{name}, weights of ten hidden units")

# %%
# Search the parameters
# ---------------------
#
# The search trains 16 networks on two thirds of 6,000 training images, and evaluates them on the
# other third, for each of three folds. The subset saves time, and is large enough to rank the
# candidates. The test set is not used in the search.

from sklearn.model_selection import GridSearchCV

n_subset = 6000
search = GridSearchCV(
    make_network((100,), max_iter=10),
    {
        "mlpdigitclassifier__hidden_layer_sizes": [(64,), (256,), (64, 64), (256, 256)],
        "mlpdigitclassifier__learning_rate_init": [0.003, 0.01],
        "mlpdigitclassifier__batch_size": [32, 128],
    },
    cv=3,
    refit=False,
)
_ = search.fit(X_train[:n_subset].astype("float32"), y_train[:n_subset])

# %%
# The table lists the candidates, the best ones first. Differences that are smaller than the standard
# deviation over the folds ("std") may be due to chance.

results = search.cv_results_
print("rank  layers  units  learning rate  batch size  accuracy    std  seconds")
for i in results["rank_test_score"].argsort(kind="stable"):
    sizes, learning_rate, batch_size = (
        results[f"param_mlpdigitclassifier__{parameter}"][i]
        for parameter in ("hidden_layer_sizes", "learning_rate_init", "batch_size")
    )
    print(
        f"{results['rank_test_score'][i]:4}  {len(sizes):6}  {sizes[0]:5}  {learning_rate:13}  "
        f"{batch_size:10}  {results['mean_test_score'][i]:8.2%}  "
        f"{results['std_test_score'][i]:5.2%}  {results['mean_fit_time'][i]:7.2f}"
    )

# %%
# Compare the best candidates on all images
# -----------------------------------------
#
# A ranking on a subset is no guarantee for the full set: with more images, smaller learning rates or
# more units may be better. The three best candidates are therefore trained on five sixths of the
# training images, and evaluated on the others. Only the best of them is evaluated on the test set.

from sklearn.base import clone

X_part, X_val, y_part, y_val = train_test_split(
    X_train.astype("float32"), y_train, test_size=1 / 6, stratify=y_train, random_state=0
)
finalists = []
for i in results["rank_test_score"].argsort(kind="stable")[:3]:
    network = clone(search.estimator).set_params(**results["params"][i]).fit(X_part, y_part)
    finalists.append((network.score(X_val, y_val), network))
    mlp = network[-1]
    print(
        f"hidden_layer_sizes={mlp.hidden_layer_sizes}, "
        f"learning_rate_init={mlp.learning_rate_init}, "
        f"batch_size={mlp.batch_size}: validation accuracy {finalists[-1][0]:.2%}"
    )

_, best = max(finalists, key=lambda finalist: finalist[0])
accuracy = best.score(X_test.astype("float32"), y_test)
print(f"best candidate: test accuracy {accuracy:.2%}, to beat on MNIST: 97.82%")

plt.show()
