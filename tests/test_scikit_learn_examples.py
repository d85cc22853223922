"""Two of scikit-learn's examples give the same numbers with MLPDigitClassifier as with MLPClassifier.

plot_mlp_training_curves.py and plot_classifier_comparison.py are not part of scikit-learn's wheels. The
tests use their datasets, parameters and splits, and compare what they print and plot.
"""

from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_circles, make_classification, make_moons
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from threadpoolctl import threadpool_limits

from skmlp import MLPDigitClassifier

# The examples ignore that some of the networks do not converge.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = (MLPClassifier, MLPDigitClassifier)
RTOL = 1e-6


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread of BLAS: for networks of this size a second one only costs time."""
    with threadpool_limits(1):
        yield


def linearly_separable():
    X, y = make_classification(
        n_features=2, n_redundant=0, n_informative=2, random_state=1, n_clusters_per_class=1
    )
    return X + 2 * np.random.RandomState(2).uniform(size=X.shape), y


DATASETS = {
    "iris": lambda: load_iris(return_X_y=True),
    "digits": lambda: load_digits(return_X_y=True),
    "circles": lambda: make_circles(noise=0.2, factor=0.5, random_state=1),
    "moons": lambda: make_moons(noise=0.3, random_state=0),
    "linearly separable": linearly_separable,
}


# plot_mlp_training_curves.py

STRATEGIES = {
    **{
        f"{learning_rate}, {name}": {
            "solver": "sgd",
            "learning_rate": learning_rate,
            "learning_rate_init": 0.2,
            **momentum,
        }
        for learning_rate, (name, momentum) in product(
            ["constant", "invscaling"],
            {
                "no momentum": {"momentum": 0},
                "momentum": {"momentum": 0.9, "nesterovs_momentum": False},
                "Nesterov's momentum": {"momentum": 0.9, "nesterovs_momentum": True},
            }.items(),
        )
    },
    # The example does not have this schedule.
    "adaptive, Nesterov's momentum": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
    },
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dataset", ["iris", "digits", "circles", "moons"])
def test_training_curves(dataset, strategy):
    X, y = DATASETS[dataset]()
    X = MinMaxScaler().fit_transform(X)
    max_iter = 15 if dataset == "digits" else 400
    theirs, ours = (
        kind(random_state=0, max_iter=max_iter, **STRATEGIES[strategy]).fit(X, y) for kind in KINDS
    )
    printed, expected = (
        [f"Training set score: {mlp.score(X, y):f}", f"Training set loss: {mlp.loss_:f}"]
        for mlp in (ours, theirs)
    )
    assert printed == expected
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=RTOL)


# plot_classifier_comparison.py


@pytest.mark.parametrize("dataset", ["moons", "circles", "linearly separable"])
def test_classifier_comparison(dataset):
    X, y = DATASETS[dataset]()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=42)
    theirs, ours = (
        make_pipeline(StandardScaler(), kind(alpha=1, max_iter=1000, random_state=42))
        for kind in KINDS
    )
    for pipeline in (theirs, ours):
        pipeline.fit(X_train, y_train)
    score = ours.score(X_test, y_test)
    assert score == theirs.score(X_test, y_test) > 0.85
    assert ours[-1].n_iter_ == theirs[-1].n_iter_ < 1000
    # The colors of the decision boundary are the probabilities on a grid around the samples.
    axes = np.linspace(X.min(axis=0) - 0.5, X.max(axis=0) + 0.5, 50).T
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(
        ours.predict_proba(grid), theirs.predict_proba(grid), rtol=RTOL, atol=1e-12
    )
