"""Two examples of scikit-learn, run with MLPClassifier and with MLPDigitClassifier.

plot_mlp_training_curves.py and plot_classifier_comparison.py are not included in the wheels of scikit-learn. The tests
use their datasets, parameters and splits, and compare the printed and the plotted values.
"""

from itertools import product

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, make_circles, make_classification, make_moons
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skmlp import MLPDigitClassifier

# Some networks do not converge. As in the examples, the warning is ignored.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSIFIERS = (MLPClassifier, MLPDigitClassifier)
RTOL = 1e-6


def make_linearly_separable():
    X, y = make_classification(
        n_features=2, n_redundant=0, n_informative=2, random_state=1, n_clusters_per_class=1
    )
    return X + 2 * np.random.RandomState(2).uniform(size=X.shape), y


DATASETS = {
    "iris": lambda: load_iris(return_X_y=True),
    "digits": lambda: load_digits(return_X_y=True),
    "circles": lambda: make_circles(noise=0.2, factor=0.5, random_state=1),
    "moons": lambda: make_moons(noise=0.3, random_state=0),
    "linearly separable": make_linearly_separable,
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
    # This schedule is not in the example.
    "adaptive, Nesterov's momentum": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.2,
    },
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dataset", ["iris", "digits", "circles", "moons"])
def test_training_curves_match_scikit_learn(dataset, strategy):
    X, y = DATASETS[dataset]()
    X = MinMaxScaler().fit_transform(X)
    max_iter = 15 if dataset == "digits" else 400
    reference, mlp = (
        classifier(random_state=0, max_iter=max_iter, **STRATEGIES[strategy]).fit(X, y)
        for classifier in CLASSIFIERS
    )
    expected, printed = (
        [f"Training set score: {fitted.score(X, y):f}", f"Training set loss: {fitted.loss_:f}"]
        for fitted in (reference, mlp)
    )
    assert printed == expected
    assert mlp.n_iter_ == reference.n_iter_
    np.testing.assert_allclose(mlp.loss_curve_, reference.loss_curve_, rtol=RTOL)


# plot_classifier_comparison.py


@pytest.mark.parametrize("dataset", ["moons", "circles", "linearly separable"])
def test_classifier_comparison_matches_scikit_learn(dataset):
    X, y = DATASETS[dataset]()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, random_state=42)
    reference, pipeline = (
        make_pipeline(StandardScaler(), classifier(alpha=1, max_iter=1000, random_state=42)).fit(
            X_train, y_train
        )
        for classifier in CLASSIFIERS
    )
    score = pipeline.score(X_test, y_test)
    assert score == reference.score(X_test, y_test) > 0.85
    assert pipeline[-1].n_iter_ == reference[-1].n_iter_ < 1000
    # The colors in the plot are the probabilities on a grid around the samples.
    axes = np.linspace(X.min(axis=0) - 0.5, X.max(axis=0) + 0.5, 50).T
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(
        pipeline.predict_proba(grid), reference.predict_proba(grid), rtol=RTOL, atol=1e-12
    )
