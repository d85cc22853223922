"""The classifier in searches and pipelines of scikit-learn: callbacks and metadata routing."""

import numpy as np
import pytest
import sklearn
from helpers import make_classifier_factory
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import MLPDigitClassifier
from skmlp.callbacks import Checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_digits(return_X_y=True)
X_val, y_val = X[300:500], y[300:500]
X, y = X[:300], y[:300]


make = make_classifier_factory(hidden_layer_sizes=(8,), max_iter=3)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_progress_bar_shows_the_fits_of_a_search(capsys):
    search = GridSearchCV(make(), {"hidden_layer_sizes": [(4,), (8,)]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    output = capsys.readouterr().out
    assert "GridSearchCV" in output
    assert "MLPDigitClassifier" in output


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_progress_bar_shows_a_fit(capsys, solver):
    make(solver=solver).set_callbacks(ProgressBar()).fit(X, y)
    assert "MLPDigitClassifier" in capsys.readouterr().out


def test_callbacks_do_not_change_a_search():
    grid = {"hidden_layer_sizes": [(4,), (8,)], "dropout": [0.0, 0.2]}
    plain = GridSearchCV(make(), grid, cv=2).fit(X, y)
    monitored = GridSearchCV(make(), grid, cv=2)
    monitored.set_callbacks(ScoringMonitor(scoring="accuracy")).fit(X, y)
    for name in ("mean_test_score", "std_test_score", "params"):
        np.testing.assert_array_equal(plain.cv_results_[name], monitored.cv_results_[name])


def test_pipeline_passes_callbacks_to_the_classifier(capsys):
    pipeline = Pipeline([("scale", StandardScaler()), ("mlp", make())])
    pipeline.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "MLPDigitClassifier" in capsys.readouterr().out


def test_checkpoint_callback_works_in_a_pipeline(tmp_path):
    mlp = make().set_callbacks(Checkpoint(tmp_path / "checkpoint"))
    pipeline = Pipeline([("scale", StandardScaler()), ("mlp", mlp)]).fit(X, y)
    resumed = MLPDigitClassifier.resume(
        tmp_path / "checkpoint", StandardScaler().fit_transform(X), y
    )
    np.testing.assert_array_equal(resumed.coefs_[0], pipeline[-1].coefs_[0])


@pytest.mark.usefixtures("routing")
def test_pipeline_transforms_the_validation_set():
    mlp = make().set_fit_request(X_val=True, y_val=True)
    pipeline = Pipeline([("scale", StandardScaler()), ("mlp", mlp)], transform_input=["X_val"])
    pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    scaler = StandardScaler().fit(X)
    expected = make().fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    assert pipeline[-1].history_["val_loss"] == expected.history_["val_loss"]


@pytest.mark.usefixtures("routing")
def test_search_passes_sample_weights_to_fit():
    weights = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    mlp = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    search = GridSearchCV(mlp, {"alpha": [0.1]}, cv=[(np.arange(200), np.arange(200, 300))])
    search.fit(X, y, sample_weight=weights)
    expected = make(alpha=0.1).fit(X[:200], y[:200], sample_weight=weights[:200])
    assert search.cv_results_["mean_test_score"][0] == expected.score(X[200:], y[200:])


@pytest.mark.usefixtures("routing")
def test_cross_validation_passes_sample_weights():
    weights = np.ones(len(y))
    mlp = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
    results = cross_validate(mlp, X, y, cv=2, params={"sample_weight": weights})
    assert len(results["test_score"]) == 2
