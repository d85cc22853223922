"""History of the training, validation sets and verbose output."""

import numpy as np
import pytest
from helpers import assert_same_model, make_classifier_factory
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@pytest.mark.parametrize("validated", [False, True], ids=["training", "validation"])
@every_solver
def test_history_has_one_value_per_epoch(digits, validated, solver):
    X, y = digits
    estimator = make(solver=solver)
    estimator.fit(X, y, **({"X_val": X[:50], "y_val": y[:50]} if validated else {}))
    names = {"loss", "accuracy", "learning_rate", "seconds"}
    if validated:
        names |= {"val_loss", "val_accuracy"}
    assert set(estimator.history_) == names
    assert {len(column) for column in estimator.history_.values()} == {estimator.n_iter_}
    assert estimator.history_["loss"] == estimator.loss_curve_
    assert estimator.loss_curve_[-1] == pytest.approx(estimator.loss_)
    assert min(estimator.history_["seconds"]) > 0


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_history_contains_accuracy_and_loss_of_the_batches(digits, weighted, n_classes):
    X, y = digits
    y = y % n_classes
    sample_weight = np.random.default_rng(0).uniform(0, 2, 300) if weighted else None
    # With this learning rate, the weights stay practically constant.
    estimator = make(max_iter=1, learning_rate_init=1e-12, batch_size=300, alpha=0)
    estimator.fit(X, y, sample_weight)
    accuracy = estimator.score(X, y, sample_weight)
    assert estimator.history_["accuracy"] == [pytest.approx(accuracy, rel=1e-12)]
    loss = log_loss(y, estimator.predict_proba(X), sample_weight=sample_weight)
    assert estimator.history_["loss"] == [pytest.approx(loss, rel=1e-6)]


def test_lbfgs_loss_curve_decreases(digits):
    estimator = make(solver="lbfgs", max_iter=20).fit(*digits)
    assert len(estimator.loss_curve_) == estimator.n_iter_ == 20
    assert (np.diff(estimator.loss_curve_) < 0).all()
    assert estimator.loss_ == pytest.approx(estimator.loss_curve_[-1])
    assert estimator.best_loss_ == min(estimator.loss_curve_)


# Validation set


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target_type", ["binary", "multiclass", "multilabel"])
@every_solver
def test_last_validation_results_match_the_fitted_network(
    digits, weighted, dtype, target_type, solver
):
    X, y = digits
    y = {"binary": y == 3, "multiclass": y, "multilabel": np.eye(10, dtype=int)[y]}[target_type]
    X = X.astype(dtype)
    X_val, y_val = np.tile(X[150:], (8, 1)), np.concatenate([y[150:]] * 8)  # more than one batch
    weights = np.random.default_rng(0).uniform(0, 2, len(X_val)) if weighted else None
    estimator = make(solver=solver).fit(
        X[:150], y[:150], X_val=X_val, y_val=y_val, sample_weight_val=weights
    )
    probabilities = estimator.predict_proba(X_val).astype(float)
    if target_type == "multilabel":
        expected = sum(
            log_loss(y_val[:, i], probabilities[:, i], sample_weight=weights) for i in range(10)
        )
    else:
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        expected = log_loss(y_val, probabilities, sample_weight=weights)
    rel = 1e-4 if dtype == np.float32 else 1e-9
    assert estimator.history_["val_loss"][-1] == pytest.approx(expected, rel=rel)
    score = estimator.score(X_val, y_val, weights)
    assert estimator.history_["val_accuracy"][-1] == pytest.approx(score, rel=1e-6)


@every_solver
def test_validation_does_not_change_training(digits, solver):
    X, y = digits
    validated = make(solver=solver).fit(X, y, X_val=X[::2], y_val=y[::2])
    assert_same_model(validated, make(solver=solver).fit(X, y))


@pytest.mark.parametrize(
    ("given", "missing"), [("X_val", "y_val"), ("y_val", "X_val")], ids=["X only", "y only"]
)
def test_fit_raises_on_incomplete_validation_set(digits, given, missing):
    value = dict(zip(("X_val", "y_val"), digits, strict=True))[given]
    with pytest.raises(ValueError, match=missing):
        make().fit(*digits, **{given: value})


def test_fit_raises_on_unknown_validation_labels(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"y_val must contain only the classes .*got \[77\]"):
        make().fit(X, y, X_val=X[:2], y_val=[1, 77])


def test_fit_raises_on_wrong_number_of_validation_features(digits):
    X, y = digits
    with pytest.raises(ValueError, match="features"):
        make().fit(X, y, X_val=X[:, 1:], y_val=y)


# Verbose output


@pytest.mark.parametrize(
    ("solver", "params"),
    [
        ("adam", {}),
        ("sgd", {}),
        ("adam", {"early_stopping": True}),
        ("sgd", {"early_stopping": True}),
        # scikit-learn's adam ignores the schedule.
        ("sgd", {"learning_rate": "adaptive"}),
    ],
)
def test_verbose_output_matches_scikit_learn(digits, capsys, solver, params):
    X, y = digits
    params = {"solver": solver, "tol": 0.5, "n_iter_no_change": 2, **params}
    estimator = make(verbose=True, **params).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    expected = []
    for i, loss in enumerate(estimator.loss_curve_):
        expected.append(f"Iteration {i + 1}, loss = {loss:.8f}")
        if "early_stopping" in params:
            expected.append(f"Validation score: {estimator.validation_scores_[i]:f}")
    assert [line for line in lines if line in expected] == expected
    assert {line.split(" ")[0] for line in lines} == {"Iteration", "Validation", "Training"} - (
        {"Training"} if "early_stopping" in params else {"Validation"}
    )
    if "early_stopping" not in params:
        # Compare with the output of scikit-learn.
        shared = {name: getattr(estimator, name) for name in MLPClassifier().get_params()}
        MLPClassifier(**shared).fit(X, y)
        assert capsys.readouterr().out.splitlines() == lines


@every_solver
def test_fit_prints_nothing_by_default(digits, capsys, solver):
    make(solver=solver).fit(*digits)
    assert capsys.readouterr().out == ""
