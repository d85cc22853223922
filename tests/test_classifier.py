"""MLPDigitClassifier: data types, prediction, validation, early stopping, errors, callbacks and copies."""

import ast
import copy
import inspect
import pickle
import re
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, get_args, get_origin

import numpy as np
import pandas as pd
import pytest
from helpers import assert_same_model, assert_same_training, make_classifier_factory
from scipy.sparse import coo_matrix, csc_matrix, csr_array, csr_matrix
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils._repr_html.common import (
    generate_link_to_param_doc,
    get_docstring,
    scrape_estimator_docstring,
)
from sklearn.utils.validation import validate_data

from skmlp import IDXReader, MLPDigitClassifier, TrainingInterruptedWarning
from skmlp.sklearn_compat import StrOptions

no_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
pytestmark = no_convergence

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@pytest.fixture(scope="module")
def pixels():
    """Return the digits as uint8 pixels from 0 to 240."""
    return (load_digits().data[:300] * 15).astype(np.uint8)


class Recorder:
    """Callback that records its calls and can run a function at the end of each epoch."""

    def __init__(self, on_epoch_end=None):
        self.on_epoch_end = on_epoch_end
        self.calls = []
        self.models = []
        self.probabilities = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        if context.task_name == "epoch":
            self.models.append(fitted_estimator)
            self.probabilities.append(fitted_estimator.predict_proba(X))
            if self.on_epoch_end:
                return self.on_epoch_end(len(self.models))
        return False


def interrupt_after(n_epochs):
    """Return a callback that raises KeyboardInterrupt at the end of an epoch."""

    def interrupt(epoch):
        if epoch == n_epochs:
            raise KeyboardInterrupt

    return Recorder(interrupt)


# Labels


@pytest.mark.parametrize(
    "names",
    [
        np.array([f"digit {i}" for i in range(10)]),
        np.array([f"digit {i}" for i in range(10)], dtype=object),
        np.arange(10) * 7 - 30,
    ],
    ids=["strings", "objects", "integers"],
)
@every_solver
def test_label_type_does_not_change_training(digits, names, solver):
    X, y = digits
    plain = make(solver=solver).fit(X, y)
    named = make(solver=solver).fit(X, names[y])
    assert_same_model(named, plain)
    np.testing.assert_array_equal(named.classes_, names)
    np.testing.assert_array_equal(named.predict(X), names[plain.predict(X)])
    assert named.score(X, names[y]) == plain.score(X, y)


@every_solver
def test_bool_labels_are_two_classes(digits, solver):
    X, y = digits
    estimator = make(solver=solver, max_iter=60, learning_rate_init=0.01).fit(X, y == 3)
    np.testing.assert_array_equal(estimator.classes_, [False, True])
    assert estimator.predict(X).dtype == bool
    assert estimator.score(X, y == 3) > 0.98
    assert (estimator.n_outputs_, estimator.out_activation_) == (1, "logistic")


@every_solver
def test_predict_agrees_with_predict_proba_for_two_classes(digits, solver):
    X, y = digits
    y = np.where(y == 3, "three", "another")
    estimator = make(solver=solver, max_iter=60, learning_rate_init=0.01).fit(X, y)
    assert estimator.classes_.tolist() == ["another", "three"]
    probabilities = estimator.predict_proba(X)
    np.testing.assert_array_equal(
        estimator.predict(X), estimator.classes_[probabilities.argmax(axis=1)]
    )
    assert estimator.score(X, y) > 0.98


@every_solver
def test_fit_accepts_a_single_class(digits, solver):
    X, _ = digits
    estimator = make(solver=solver).fit(X, np.full(300, "seven"))
    assert set(estimator.predict(X)) == {"seven"}
    probabilities = estimator.predict_proba(X)
    assert probabilities.shape == (300, 1)
    np.testing.assert_allclose(probabilities, 1)
    assert np.isfinite(estimator.loss_curve_).all()


def test_fit_warns_on_column_vector_y(digits):
    X, y = digits
    estimator = make()
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        estimator.fit(X, y[:, np.newaxis])
    assert_same_model(estimator, make().fit(X, y))


def test_fit_raises_on_multioutput_labels(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"got shape \(300, 2\).*multioutput"):
        make().fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("container", [np.asarray, csr_matrix, csr_array, csc_matrix, coo_matrix])
@every_solver
def test_fit_accepts_dense_and_sparse_indicator_matrices(container, solver):
    X, y = make_multilabel_classification(200, n_features=10, n_classes=4, random_state=0)
    params = {"solver": solver, "max_iter": 100, "learning_rate_init": 0.01}
    expected = make(**params).fit(X, y)
    estimator = make(**params).fit(X, container(y))
    assert_same_model(estimator, expected)
    prediction = estimator.predict(X)
    assert prediction.shape == y.shape
    assert prediction.dtype.kind == "i"
    np.testing.assert_array_equal(prediction, estimator.predict_proba(X) > 0.5)
    np.testing.assert_array_equal(estimator.classes_, np.arange(4))
    assert (prediction == y).mean() > 0.8
    assert estimator.score(X, y) == (prediction == y).all(axis=1).mean()


# Features


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_weights_and_probabilities_have_the_dtype_of_the_features(digits, dtype, solver):
    X, y = digits
    estimator = make(solver=solver).fit(X.astype(dtype), y)
    assert {a.dtype for a in estimator.coefs_ + estimator.intercepts_} == {np.dtype(dtype)}
    for other in (np.float32, np.float64):
        assert estimator.predict_proba(X.astype(other)).dtype == dtype
        assert estimator.predict_log_proba(X.astype(other)).dtype == dtype
    np.testing.assert_allclose(
        estimator.predict_proba(X.astype(np.float32)), estimator.predict_proba(X), rtol=1e-3
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_integers_without_input_scale_are_converted_to_float64(digits, dtype):
    X, y = digits
    X = (X > 0.5).astype(dtype)
    estimator = make().fit(X, y)
    assert estimator.coefs_[0].dtype == np.float64
    assert_same_model(estimator, make().fit(X.astype(np.float64), y))


@pytest.mark.parametrize("container", [csr_matrix, csr_array, csc_matrix, coo_matrix])
@every_solver
@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_sparse_and_dense_features_give_the_same_model(digits, container, solver, early_stopping):
    X, y = digits
    params = {"solver": solver, "early_stopping": early_stopping}
    dense = make(**params).fit(X, y)
    sparse = make(**params).fit(container(X), y)
    assert_same_model(sparse, dense, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        sparse.predict_proba(container(X)), dense.predict_proba(X), rtol=1e-6
    )
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(X))


def test_fit_accepts_pandas_data(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    estimator = make().fit(frame, pd.Series(y))
    assert_same_model(estimator, make().fit(X, y))
    assert estimator.feature_names_in_.tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(estimator.predict(frame), make().fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_input_scale_equals_scaling_before_fit(pixels, digits, dtype, solver):
    _, y = digits
    # Integers are converted to float32; floats keep their dtype.
    X = pixels if dtype == np.float32 else pixels.astype(dtype)
    scaled = make(solver=solver, input_scale=1 / 255).fit(X, y)
    expected = make(solver=solver).fit(pixels.astype(dtype) / dtype(255), y)
    assert scaled.coefs_[0].dtype == dtype
    tolerance = 2e-3 if dtype == np.float32 else 1e-7
    assert_same_model(scaled, expected, atol=tolerance)
    np.testing.assert_allclose(
        scaled.predict_proba(X), expected.predict_proba(pixels / 255), atol=tolerance
    )


def test_input_scale_supports_sparse_integers(pixels, digits):
    _, y = digits
    dense = make(input_scale=1 / 255).fit(pixels, y)
    sparse = make(input_scale=1 / 255).fit(csr_matrix(pixels), y)
    assert_same_model(sparse, dense, atol=1e-4)
    np.testing.assert_allclose(
        sparse.predict_proba(csr_matrix(pixels)), dense.predict_proba(pixels), atol=1e-4
    )


@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_memory_mapped_features_give_the_same_model(pixels, digits, tmp_path, early_stopping):
    _, y = digits
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    params = {"input_scale": 1 / 255, "early_stopping": early_stopping}
    estimator = make(**params).fit(mapped, y)
    assert_same_model(estimator, make(**params).fit(pixels, y))
    np.testing.assert_array_equal(estimator.predict(mapped), estimator.predict(pixels))


def measure_peak_memory(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_input_scale_does_not_copy_all_samples_as_float(early_stopping):
    X = np.random.default_rng(0).integers(256, size=(20_000, 400), dtype=np.uint8)
    y = np.arange(20_000) % 10
    estimator = make(input_scale=1 / 255, max_iter=1, early_stopping=early_stopping)
    # X takes 8 MB as uint8 and would take 32 MB as float32.
    assert measure_peak_memory(lambda: estimator.fit(X, y)) < 14e6
    assert measure_peak_memory(lambda: estimator.predict(X)) < 14e6


# Predictions


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 10])
@every_solver
def test_probabilities_sum_to_one_and_match_log_probabilities(digits, dtype, n_classes, solver):
    X, y = digits
    estimator = make(solver=solver).fit(X.astype(dtype), y % n_classes)
    probabilities = estimator.predict_proba(X)
    assert probabilities.shape == (300, n_classes)
    assert (probabilities > 0).all()
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=rtol)
    np.testing.assert_allclose(
        estimator.predict_log_proba(X), np.log(probabilities), rtol=10 * rtol, atol=rtol
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target_type", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("exponent", [3, 10, 30])
def test_log_probabilities_are_finite(digits, dtype, target_type, exponent):
    X, y = digits
    y = {"binary": y == 3, "multiclass": y, "multilabel": np.eye(10, dtype=int)[y]}[target_type]
    estimator = make().fit(X.astype(dtype), y)
    enormous = X.astype(dtype) * dtype(10) ** exponent
    logarithms = estimator.predict_log_proba(enormous)
    assert np.isfinite(logarithms).all()
    assert logarithms.min() < -80
    probabilities = estimator.predict_proba(enormous)
    assert probabilities.min() > 0
    assert probabilities.max() < 1


def test_log_probabilities_are_accurate_for_large_logits(digits):
    X, y = digits
    estimator = make(hidden_layer_sizes=()).fit(X, y)
    X = X * 30
    logits = X @ estimator.coefs_[0] + estimator.intercepts_[0]
    shifted = logits - logits.max(axis=1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    assert expected.min() < -50
    np.testing.assert_allclose(estimator.predict_log_proba(X), expected, rtol=1e-9, atol=1e-12)


@every_solver
def test_prediction_matches_explicit_forward_pass(digits, solver):
    X, y = digits
    estimator = make(solver=solver, activation="tanh", hidden_layer_sizes=(9, 7)).fit(X, y)
    a = X
    for coef, intercept in zip(estimator.coefs_[:-1], estimator.intercepts_[:-1], strict=True):
        a = np.tanh(a @ coef + intercept)
    logits = a @ estimator.coefs_[-1] + estimator.intercepts_[-1]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimator.predict_proba(X), expected, rtol=1e-10)
    np.testing.assert_array_equal(estimator.predict(X), logits.argmax(axis=1))


@pytest.mark.parametrize("n_samples", [1, 2047, 2048, 2049, 4500])
def test_predictions_do_not_depend_on_the_number_of_samples(digits, n_samples):
    X, y = digits
    estimator = make().fit(X, y)
    many = np.tile(X, (15, 1))[:n_samples]
    batch = estimator.predict_proba(many)
    assert batch.shape == (n_samples, 10)
    single = np.vstack([estimator.predict_proba(X[i : i + 1]) for i in range(300)])
    np.testing.assert_allclose(batch, np.tile(single, (15, 1))[:n_samples], rtol=1e-10)


INVALID_SAMPLES = {
    "NaN": lambda X: np.where(X.max() > X, X, np.nan),
    "infinity": lambda X: np.where(X.max() > X, X, np.inf),
    "missing feature": lambda X: X[:, 1:],
    "one dimension": lambda X: X[0],
    "three dimensions": lambda X: X[np.newaxis],
    "no samples": lambda X: X[:0],
    "complex numbers": lambda X: X.astype(complex),
    "strings": lambda X: np.full(X.shape, "ink"),
}


@pytest.mark.parametrize("name", INVALID_SAMPLES)
def test_predict_raises_the_errors_of_scikit_learn(digits, name):
    X, y = digits
    estimator = make().fit(X, y)
    samples = INVALID_SAMPLES[name](X)
    with pytest.raises(ValueError, match=r".") as expected:
        validate_data(estimator, samples, reset=False)
    with pytest.raises(ValueError, match=f"^{re.escape(str(expected.value))}$"):
        estimator.predict(samples)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.uint64, bool, object, list])
def test_predict_accepts_numeric_types(digits, kind):
    X, y = digits
    estimator = make().fit(X, y)
    whole = np.rint(X)
    given = whole.tolist() if kind is list else whole.astype(kind)
    expected = estimator.predict_proba(np.asarray(given, dtype=float))
    np.testing.assert_allclose(estimator.predict_proba(given), expected, rtol=1e-12)


def test_predict_accepts_finite_samples_whose_sum_overflows(digits):
    X, y = digits
    estimator = make().fit(X, y)
    large = np.full((2, X.shape[1]), np.finfo(np.float64).max / 4)
    with np.errstate(all="ignore"):
        assert estimator.predict(large).shape == (2,)


def test_predict_proba_is_thread_safe(digits):
    X, y = digits
    estimator = make(hidden_layer_sizes=(20, 20)).fit(X, y)
    parts = [np.tile(X[i:], (2, 1))[:400] for i in range(32)]
    expected = [estimator.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(estimator.predict_proba, parts))
    for result, serial in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, serial)


@every_solver
def test_prediction_does_not_modify_estimator_or_samples(digits, solver):
    X, y = digits
    X = X.copy()
    estimator = make(solver=solver).fit(X, y)
    before, X_before = copy.deepcopy(vars(estimator)), X.copy()
    for method in (estimator.predict, estimator.predict_proba, estimator.predict_log_proba):
        method(X)
    estimator.score(X, y)
    np.testing.assert_array_equal(X, X_before)
    assert vars(estimator).keys() == before.keys()
    for name in before.keys() - {"_state"}:
        np.testing.assert_equal(vars(estimator)[name], before[name], err_msg=name)


def test_predict_raises_before_fit(digits):
    with pytest.raises(NotFittedError):
        make().predict(digits[0])


# History and validation


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


# Early stopping


def test_early_stopping_on_given_validation_set_restores_the_best_weights(digits):
    X, y = digits
    X_val, y_val = X[200:], y[200:]
    # With this learning rate, the accuracy fluctuates.
    estimator = make(early_stopping=True, learning_rate_init=0.05, n_iter_no_change=5, max_iter=60)
    estimator.fit(X[:200], y[:200], X_val=X_val, y_val=y_val)
    assert estimator.n_iter_ < 60
    scores = estimator.validation_scores_
    assert scores == estimator.history_["val_accuracy"]
    assert len(scores) == estimator.n_iter_
    assert estimator.best_validation_score_ == max(scores) > scores[-1]
    assert estimator.score(X_val, y_val) == pytest.approx(max(scores))


def test_early_stopping_on_given_validation_set_trains_on_all_training_samples(digits):
    X, y = digits
    estimator = make(early_stopping=True, n_iter_no_change=20)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert estimator.t_ == 200 * estimator.n_iter_
    plain = make(n_iter_no_change=20).fit(X[:200], y[:200])
    assert estimator.loss_curve_ == plain.loss_curve_


def test_early_stopping_uses_sample_weight_val(digits):
    X, y = digits
    weights = np.where(y[200:] < 3, 10.0, 0.1)
    estimator = make(early_stopping=True)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:], sample_weight_val=weights)
    assert estimator.score(X[200:], y[200:], weights) == pytest.approx(
        estimator.best_validation_score_
    )


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_early_stopping_holds_out_validation_fraction(digits, fraction):
    X, y = digits
    estimator = make(early_stopping=True, validation_fraction=fraction, max_iter=4).fit(X, y)
    assert estimator.t_ == 4 * (300 - round(300 * fraction))
    assert len(estimator.validation_scores_) == len(estimator.history_["val_loss"]) == 4
    assert estimator.best_loss_ is None
    # Accuracies are multiples of 1 / n_held_out.
    n_correct = np.array(estimator.validation_scores_) * round(300 * fraction)
    np.testing.assert_allclose(n_correct, n_correct.round(), atol=1e-9)


def test_early_stopping_stops_before_max_iter(digits):
    estimator = make(early_stopping=True, learning_rate_init=0.02, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(*digits)
    assert estimator.n_iter_ < 500
    assert estimator.score(*digits) > 0.9


def test_early_stopping_raises_if_no_samples_can_be_held_out(digits):
    X, _ = digits
    with pytest.raises(ValueError, match="validation set is too small"):
        make(early_stopping=True).fit(X[:10], np.arange(10))


def test_warm_start_with_early_stopping_keeps_the_best_weights_of_all_calls(digits):
    X, y = digits
    validation = {"X_val": X[200:], "y_val": y[200:]}
    estimator = make(early_stopping=True, warm_start=True, learning_rate_init=0.01)
    estimator.fit(X[:200], y[:200], **validation)
    best = estimator.best_validation_score_
    # With this learning rate, the second fit does not improve the score.
    estimator.set_params(learning_rate_init=3.0, max_iter=2).fit(X[:200], y[:200], **validation)
    assert max(estimator.validation_scores_[-2:]) < best
    assert estimator.best_validation_score_ == best
    assert estimator.score(X[200:], y[200:]) == best


def test_infinite_n_iter_no_change_trains_for_max_iter_epochs(digits):
    X, y = digits
    assert make(tol=10, n_iter_no_change=3, max_iter=30).fit(X, y).n_iter_ == 5
    for infinite in (np.inf, None):
        assert make(tol=10, n_iter_no_change=infinite, max_iter=30).fit(X, y).n_iter_ == 30


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("params", "warns"),
    [
        ({}, True),
        ({"n_iter_no_change": np.inf}, True),
        ({"learning_rate": "exponential"}, True),
        ({"n_iter_no_change": None}, False),
        ({"learning_rate": "cosine"}, False),
        ({"learning_rate": "one_cycle", "n_iter_no_change": np.inf}, False),
        ({"learning_rate": "one_cycle", "warmup_epochs": 1}, False),
        ({"learning_rate": "constant", "warmup_epochs": 1}, True),
    ],
    ids=str,
)
def test_reaching_max_iter_warns_unless_intended(digits, solver, warm_start, params, warns):
    estimator = make(solver=solver, max_iter=3, warm_start=warm_start, **params)
    for _ in range(1 + warm_start):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(*digits)
        messages = [str(warning.message) for warning in caught]
        assert any("Maximum iterations (3) reached" in message for message in messages) == warns
        assert len(messages) == warns


# Convergence warnings, divergence and interrupts


@pytest.mark.parametrize("max_iter", [1, 3])
def test_reaching_max_iter_warns(digits, max_iter):
    estimator = make(max_iter=max_iter)
    with pytest.warns(ConvergenceWarning, match=rf"Maximum iterations \({max_iter}\) reached"):
        estimator.fit(*digits)


def test_stopping_before_max_iter_does_not_warn(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(tol=10, n_iter_no_change=2).fit(*digits)
        make(solver="lbfgs", hidden_layer_sizes=(), alpha=10, max_iter=500).fit(*digits)
        make().partial_fit(*digits, classes=np.arange(10))


@pytest.mark.parametrize("limit", ["max_iter", "max_fun"])
def test_lbfgs_warns_if_it_does_not_converge(digits, limit):
    estimator = make(solver="lbfgs", **{limit: 5})
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        estimator.fit(*digits)


def test_lbfgs_loss_curve_decreases(digits):
    estimator = make(solver="lbfgs", max_iter=20).fit(*digits)
    assert len(estimator.loss_curve_) == estimator.n_iter_ == 20
    assert (np.diff(estimator.loss_curve_) < 0).all()
    assert estimator.loss_ == pytest.approx(estimator.loss_curve_[-1])
    assert estimator.best_loss_ == min(estimator.loss_curve_)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_non_finite_loss_raises_and_keeps_the_last_complete_epoch(digits, method):
    X, y = digits
    X = np.vstack([X[:150], np.full((150, 64), 1.7e308)])
    estimator = make(shuffle=False, batch_size=50, warm_start=True, max_iter=2)
    estimator.fit(X[:150], y[:150])
    before = [coef.copy() for coef in estimator.coefs_]
    # The fourth of six batches is the first with huge features.
    with pytest.raises(ValueError, match="epoch 3, batch 4 of 6"):
        getattr(estimator, method)(X, y)
    for coef, expected in zip(estimator.coefs_, before, strict=True):
        np.testing.assert_array_equal(coef, expected)
    assert len(estimator.loss_curve_) == 2
    assert np.isfinite(estimator.predict_proba(X[:150])).all()


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_divergence_raises_and_keeps_finite_weights(digits, solver):
    X, y = digits
    estimator = make(solver=solver, learning_rate_init=1e200, activation="identity", max_iter=50)
    with pytest.raises(ValueError, match=r"epoch \d+, batch \d of 2.*learning_rate_init"):
        estimator.fit(X, y)
    assert all(np.isfinite(a).all() for a in estimator.coefs_ + estimator.intercepts_)
    assert np.isfinite(estimator.loss_curve_).all()


def test_lbfgs_raises_on_non_finite_loss(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"finite|diverges"):
        make(solver="lbfgs").fit(np.full_like(X, 1.7e308), y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_continues_after_a_non_finite_batch(digits, solver):
    X, y = digits
    X_bad = X.copy()
    X_bad[250:] = 1.7e308
    estimator = make(solver=solver, batch_size=50, shuffle=False, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="epoch 11, batch 6 of 6"):
        estimator.partial_fit(X_bad, y)
    estimator.fit(X, y)
    assert estimator.loss_curve_[10] < estimator.loss_curve_[9]
    assert len(estimator.loss_curve_) == 20


@every_solver
def test_interrupt_keeps_the_trained_weights(digits, solver):
    X, y = digits
    estimator = make(solver=solver).set_callbacks(interrupt_after(3))
    with pytest.warns(TrainingInterruptedWarning, match="interrupted by user"):
        assert estimator.fit(X, y) is estimator
    assert estimator.n_iter_ == 3 if solver != "lbfgs" else len(estimator.loss_curve_) == 3
    assert_same_model(estimator, make(solver=solver, max_iter=3).fit(X, y))
    assert estimator.predict(X).shape == (300,)
    for name in ("loss_", "best_loss_", "t_", "n_iter_", "history_"):
        assert hasattr(estimator, name)


def test_interrupt_during_an_epoch_keeps_the_trained_weights(digits, monkeypatch):
    X, y = digits
    shuffles = []

    class InterruptingStream(np.random.RandomState):
        def shuffle(self, x):
            shuffles.append(len(x))
            if len(shuffles) == 3:
                raise KeyboardInterrupt
            super().shuffle(x)

    estimator = make(random_state=InterruptingStream(0))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X, y)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 2
    assert_same_model(estimator, make(max_iter=2).fit(X, y))


def test_interrupt_restores_the_best_weights_of_early_stopping(digits):
    X, y = digits
    estimator = make(early_stopping=True, learning_rate_init=0.3, max_iter=50, n_iter_no_change=50)
    estimator.set_callbacks(interrupt_after(20))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert estimator.validation_scores_[-1] < estimator.best_validation_score_
    assert estimator.score(X[200:], y[200:]) == estimator.best_validation_score_


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_continues_after_an_interrupt(digits, solver):
    X, y = digits
    estimator = make(solver=solver, warm_start=True, max_iter=3).set_callbacks(interrupt_after(2))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X, y)
    estimator.set_callbacks().fit(X, y)
    assert_same_model(estimator, make(solver=solver, max_iter=5).fit(X, y))


# Sample weights and batches


def test_batch_size_is_clipped_with_a_warning(digits):
    X, y = digits
    estimator = make(batch_size=301)
    with pytest.warns(UserWarning, match=r"got 301\. It is clipped to 300"):
        estimator.fit(X, y)
    assert_same_model(estimator, make(batch_size=300).fit(X, y))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_batches_of_zero_weight_are_skipped(digits, solver, scale):
    X, y = digits
    params = {"solver": solver, "shuffle": False, "batch_size": 50}
    sample_weight = np.repeat([0.0, 1, 0, 0, 1, 1], 50) * scale
    estimator = make(**params).fit(X, y, sample_weight)
    has_weight = sample_weight > 0
    without = make(**params).fit(X[has_weight], y[has_weight], sample_weight[has_weight])
    assert_same_model(estimator, without)
    np.testing.assert_allclose(estimator.loss_curve_, without.loss_curve_, rtol=1e-12)
    assert estimator.history_["accuracy"] == without.history_["accuracy"]


@every_solver
def test_samples_of_zero_weight_are_ignored(digits, solver):
    X, y = digits
    sample_weight = np.tile([1.0, 0.0], 150)
    params = {"solver": solver, "batch_size": 300, "shuffle": False, "alpha": 0.1}
    estimator = make(**params).fit(X, y, sample_weight)
    without = make(**params | {"batch_size": 150}).fit(X[::2], y[::2])
    assert_same_model(estimator, without, rtol=1e-6, atol=1e-9)


@every_solver
def test_integer_weights_equal_repeated_samples(digits, solver):
    X, y = digits
    weights = np.random.default_rng(0).integers(1, 4, 300)
    params = {"solver": solver, "shuffle": False, "alpha": 0.1, "max_iter": 5}
    weighted = make(batch_size=300, **params).fit(X, y, weights)
    repeated = np.repeat(np.arange(300), weights)
    expected = make(batch_size=len(repeated), **params).fit(X[repeated], y[repeated])
    assert_same_model(weighted, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_negative_sample_weights_raise(digits, method):
    X, y = digits
    sample_weight = np.ones(300)
    sample_weight[7] = -1
    extra = {"classes": np.arange(10)} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        getattr(make(), method)(X, y, sample_weight, **extra)


def test_zero_sample_weights_raise(digits):
    X, y = digits
    with pytest.raises(ValueError, match="zero"):
        make().fit(X, y, np.zeros(300))


# Consistency between calls and parameters


def test_first_partial_fit_requires_classes(digits):
    X, y = digits
    with pytest.raises(ValueError, match="classes must be passed"):
        make().partial_fit(X, y)


def test_partial_fit_raises_if_classes_change(digits):
    X, y = digits
    estimator = make().partial_fit(X, y, classes=np.arange(10))
    with pytest.raises(ValueError, match="is not the same as"):
        estimator.partial_fit(X, y, classes=np.arange(11))


@pytest.mark.parametrize("first", [True, False], ids=["first call", "second call"])
def test_partial_fit_raises_on_unknown_labels(digits, first):
    X, y = digits
    estimator = make()
    if not first:
        estimator.partial_fit(X[y < 5], y[y < 5], classes=np.arange(5))
    with pytest.raises(ValueError, match=r"\[5, 6, 7, 8, 9\]"):
        estimator.partial_fit(X, y, classes=np.arange(5))


def test_partial_fit_accepts_a_subset_of_the_classes(digits):
    X, y = digits
    estimator = make().partial_fit(X[y < 2], y[y < 2], classes=np.arange(10))
    assert estimator.predict_proba(X).shape == (300, 10)
    estimator.partial_fit(X[y > 6], y[y > 6])
    assert estimator.n_iter_ == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"solver": "lbfgs"}, "stochastic"),
        ({"class_weight": "balanced"}, "class_weight"),
    ],
    ids=["lbfgs", "balanced"],
)
def test_partial_fit_is_unavailable_for_some_parameters(digits, params, message):
    estimator = make(**params)
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        estimator.partial_fit(*digits)
    assert message in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("fitted", [False, True])
def test_partial_fit_raises_with_early_stopping(digits, fitted):
    X, y = digits
    estimator = make(early_stopping=True)
    if fitted:
        estimator.fit(X, y)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        estimator.partial_fit(X, y, classes=np.arange(10))
    assert hasattr(estimator, "coefs_") == fitted


@every_solver
def test_warm_start_raises_if_layers_change(digits, solver):
    estimator = make(solver=solver, warm_start=True).fit(*digits)
    with pytest.raises(ValueError, match=r"\(64, 16, 10\).*\(64, 17, 10\)"):
        estimator.set_params(hidden_layer_sizes=(17,)).fit(*digits)


@pytest.mark.parametrize("change", ["fewer", "more", "others"])
def test_warm_start_raises_if_classes_change(digits, change):
    X, y = digits
    estimator = make(warm_start=True).fit(X[y < 8], y[y < 8])
    chosen = {"fewer": y < 7, "more": y < 9, "others": y > 1}[change]
    with pytest.raises(ValueError, match="same classes"):
        estimator.fit(X[chosen], y[chosen])


@pytest.mark.parametrize("sizes", [0, -1, (3, 0), (2.5,), ((2, 3), (4, 5)), "12"], ids=repr)
def test_invalid_hidden_layer_sizes_raise(digits, sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        make(hidden_layer_sizes=sizes).fit(*digits)


@pytest.mark.parametrize("sizes", [5, (5,), [5], np.array([5]), np.int64(5)], ids=repr)
def test_hidden_layer_sizes_accepts_scalars_and_sequences(digits, sizes):
    estimator = make(hidden_layer_sizes=sizes, max_iter=2).fit(*digits)
    assert [coef.shape for coef in estimator.coefs_] == [(64, 5), (5, 10)]


# Callbacks


@every_solver
def test_callbacks_are_called_for_fit_and_each_epoch(digits, solver):
    recorder = Recorder()
    make(solver=solver, max_iter=4).set_callbacks(recorder).fit(*digits)
    epochs = ["begin epoch", "end epoch"] * 4
    assert recorder.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]


@every_solver
def test_callbacks_can_stop_training(digits, solver):
    X, y = digits
    estimator = make(solver=solver, max_iter=50).set_callbacks(Recorder(lambda epoch: epoch == 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(X, y)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 3
    assert_same_model(estimator, make(solver=solver, max_iter=3).fit(X, y))


@every_solver
def test_callback_models_do_not_change_later(digits, solver):
    X, y = digits
    recorder = Recorder()
    estimator = make(solver=solver, max_iter=4).set_callbacks(recorder).fit(X, y)
    for n_epochs, (model, seen) in enumerate(
        zip(recorder.models, recorder.probabilities, strict=True), start=1
    ):
        expected = make(solver=solver, max_iter=n_epochs).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(seen, expected, rtol=1e-9)
        np.testing.assert_array_equal(model.predict_proba(X), seen)
    np.testing.assert_allclose(estimator.predict_proba(X), recorder.probabilities[-1], rtol=1e-12)


@every_solver
def test_callback_models_have_the_history_up_to_their_epoch(digits, solver):
    recorder = Recorder()
    estimator = make(solver=solver, max_iter=4).set_callbacks(recorder).fit(*digits)
    for n_epochs, model in enumerate(recorder.models, start=1):
        assert model.loss_curve_ == estimator.loss_curve_[:n_epochs]
        assert len(model.history_["loss"]) == n_epochs


def test_training_callback_models_does_not_change_training(digits):
    X, y = digits

    class Trainer(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if context.task_name == "epoch":
                fitted_estimator.set_callbacks().partial_fit(X, y)

    estimator = make(max_iter=4).set_callbacks(Trainer()).fit(X, y)
    assert_same_model(estimator, make(max_iter=4).fit(X, y))


@every_solver
def test_callbacks_do_not_change_training(digits, solver):
    recorded = make(solver=solver).set_callbacks(Recorder()).fit(*digits)
    assert_same_model(recorded, make(solver=solver).fit(*digits))


@every_solver
@pytest.mark.parametrize("extra", ["none", "validation", "weights"])
def test_scoring_monitor_scores_each_epoch(digits, solver, extra):
    X, y = digits
    monitor = ScoringMonitor(scoring="accuracy")
    estimator = make(solver=solver, max_iter=4).set_callbacks(monitor)
    arguments = {
        "none": {},
        "validation": {"X_val": X[:50], "y_val": y[:50]},
        "weights": {"sample_weight": np.linspace(1, 9, 300)},
    }[extra]
    estimator.fit(X, y, **arguments)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 4
    final = estimator.score(X, y, arguments.get("sample_weight"))
    assert scores[-1] == pytest.approx(final, rel=1e-12)


@every_solver
def test_progress_bar_shows_training(digits, solver, capsys):
    make(solver=solver, max_iter=4).set_callbacks(ProgressBar()).fit(*digits)
    assert "MLPDigitClassifier - fit" in capsys.readouterr().out


# Integration with scikit-learn


def test_grid_search_in_two_processes_finds_the_better_model(digits):
    pipeline = Pipeline(
        [("read", IDXReader()), ("net", make(max_iter=40, learning_rate_init=0.02))]
    )
    grid = {"net__hidden_layer_sizes": [(1,), (20,)]}
    images = digits[0].reshape(300, 8, 8).astype(np.float32)
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(images, digits[1])
    assert search.best_params_ == {"net__hidden_layer_sizes": (20,)}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(images, digits[1]) > 0.8


def test_pipeline_with_reader_equals_input_scale(pixels, digits):
    _, y = digits
    images = pixels.reshape(300, 8, 8)
    pipeline = Pipeline([("read", IDXReader()), ("net", make())]).fit(images, y)
    scaled = make(input_scale=1 / 255).fit(pixels, y)
    assert_same_model(pipeline["net"], scaled, atol=2e-3)
    np.testing.assert_allclose(
        pipeline.predict_proba(images), scaled.predict_proba(pixels), atol=2e-3
    )


def test_sample_weights_are_routed(digits):
    X, y = digits
    sample_weight = np.random.default_rng(0).uniform(0, 2, 300)
    with config_context(enable_metadata_routing=True):
        net = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        pipeline = Pipeline([("read", IDXReader()), ("net", net)])
        pipeline.fit(X, y, sample_weight=sample_weight)
        result = cross_validate(
            net, X, y, cv=2, params={"sample_weight": sample_weight}, return_estimator=True
        )
    expected = make().fit(X.astype(np.float32), y, sample_weight)
    assert_same_model(pipeline["net"], expected)
    unweighted = cross_validate(make(), X, y, cv=2, return_estimator=True)
    for routed, plain in zip(result["estimator"], unweighted["estimator"], strict=True):
        assert not np.array_equal(routed.coefs_[0], plain.coefs_[0])


def test_validation_set_is_routed(digits):
    X, y = digits
    with config_context(enable_metadata_routing=True):
        net = make().set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("net", net)]).fit(X, y, X_val=X[:50], y_val=y[:50])
    assert len(pipeline["net"].history_["val_loss"]) == 10


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


def test_clone_of_a_fitted_classifier_is_not_fitted(digits):
    estimator = make().fit(*digits)
    assert clone(estimator).get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        clone(estimator).predict(digits[0])


def test_digits_are_learned():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    estimator = make(hidden_layer_sizes=(40,), max_iter=30, learning_rate_init=0.01, batch_size=50)
    estimator.fit(X[:800], y[:800])
    accuracy = estimator.score(X[800:], y[800:])
    assert accuracy == accuracy_score(y[800:], estimator.predict(X[800:])) > 0.9


# Calls of fit that raise before training begins


def make_failing_fits(X, y):
    """Return functions that call `fit` of a fitted estimator with arguments that raise before the first epoch."""
    return {
        "hold-out": lambda m: m.set_params(early_stopping=True).fit(X[:3, :32], ["a", "b", "c"]),
        "validation": lambda m: m.fit(X[:, :32], y, X_val=X[:, :31], y_val=y),
        "class weight": lambda m: m.set_params(class_weight={99: 1}).fit(X[:, :32], y),
        "layers": lambda m: m.set_params(hidden_layer_sizes=(0,)).fit(X[:, :32], y),
        "names": lambda m: m.set_params(dropout=[0.1] * 7).fit(
            pd.DataFrame(X).rename(columns=str), y
        ),
    }


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("failure", make_failing_fits(None, None))
def test_failing_fit_does_not_change_the_estimator(digits, failure, warm_start):
    X, y = digits
    failed, expected = (make(warm_start=warm_start, ema_decay=0.9).fit(X, y) for _ in range(2))
    with pytest.raises(ValueError, match=r"."):
        make_failing_fits(X, y)[failure](failed)
    failed.set_params(**expected.get_params())
    assert vars(failed).keys() == vars(expected).keys()
    assert_same_training(failed, expected)
    np.testing.assert_array_equal(failed.predict_proba(X), expected.predict_proba(X))
    assert_same_training(failed.fit(X, y), expected.fit(X, y))


def test_failing_holdout_does_not_change_a_warm_start(digits):
    X, y = digits
    first_of_each_class = np.unique(y, return_index=True)[1]
    failed, expected = (make(warm_start=True, ema_decay=0.9).fit(X, y) for _ in range(2))
    failed.set_params(early_stopping=True)
    with pytest.raises(ValueError, match="validation set is too small"):
        failed.fit(X[first_of_each_class], y[first_of_each_class])
    failed.set_params(early_stopping=False)
    assert_same_training(failed, expected)
    assert_same_training(failed.fit(X, y), expected.fit(X, y))


# Changes of parameters between calls


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
def test_partial_fit_continues_a_fit_with_early_stopping(digits, monitor):
    X, y = digits
    estimator = make(early_stopping=True, monitor=monitor, max_iter=4).fit(X, y)
    estimator.set_params(early_stopping=False)
    for n_epochs in (5, 6):
        estimator.partial_fit(X, y)
        assert {len(column) for column in estimator.history_.values()} == {n_epochs}
        assert len(estimator.loss_curve_) == estimator.n_iter_ == n_epochs
    assert np.isnan(estimator.history_["val_loss"][-2:]).all()
    assert estimator.validation_scores_ is None
    assert estimator.best_validation_score_ is None
    assert estimator.best_loss_ == min(estimator.loss_curve_[4:])


def test_model_without_state_continues_without_early_stopping(digits):
    X, y = digits
    estimator = make(early_stopping=True, max_iter=4).fit(X, y)
    del estimator._state  # as after load_model
    estimator.set_params(early_stopping=False).partial_fit(X, y)
    assert {len(column) for column in estimator.history_.values()} == {5}


def test_training_starts_from_manually_set_attributes(digits):
    X, y = digits
    trained = make(max_iter=3).fit(X, y)
    assigned = make()
    for name in ("coefs_", "intercepts_", "n_features_in_", "n_outputs_", "out_activation_"):
        setattr(assigned, name, copy.deepcopy(getattr(trained, name)))
    assigned.classes_ = trained.classes_
    np.testing.assert_array_equal(assigned.predict(X), trained.predict(X))
    before = assigned.predict_proba(X)
    assigned.partial_fit(X, y)
    assert assigned.loss_ < log_loss(y, before) + 0.1
    assert len(assigned.loss_curve_) == assigned.n_iter_ == 1


def test_warm_start_continues_from_modified_weights(digits):
    X, y = digits
    estimator = make(warm_start=True, max_iter=2).fit(X, y)
    for coef in estimator.coefs_:
        coef[...] = 0
    estimator.intercepts_ = [np.zeros_like(biases) for biases in estimator.intercepts_]
    estimator.set_params(learning_rate_init=1e-300, alpha=0).fit(X, y)
    assert estimator.loss_ == pytest.approx(np.log(10))


# Interrupt in the first epoch


class InterruptingRandomState(np.random.RandomState):
    def shuffle(self, x):
        raise KeyboardInterrupt


def test_interrupt_in_the_first_epoch_leaves_a_consistent_estimator(digits):
    X, y = digits
    estimator = make(random_state=InterruptingRandomState(0))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X, y)
    assert np.isnan(estimator.loss_)
    assert estimator.n_iter_ == estimator.t_ == 0
    assert estimator.loss_curve_ == []
    assert estimator.best_loss_ == np.inf
    assert estimator.predict(X).shape == y.shape
    estimator.random_state = 0
    assert np.isfinite(estimator.fit(X, y).loss_)


# The estimator passed to callbacks


class PickleSizeRecorder(Recorder):
    """Callback that records the pickle size of the estimator passed to its hook."""

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.calls.append(len(pickle.dumps(estimator)))
        return False


@pytest.mark.parametrize("solver", SOLVERS)
def test_estimator_passed_to_callbacks_contains_no_samples(solver):
    X = np.random.default_rng(0).random((4000, 64))
    y = np.arange(4000) % 10
    callback = PickleSizeRecorder()
    make(solver=solver, max_iter=2).set_callbacks(callback).fit(X, y, X_val=X, y_val=y)
    # The samples take 2 MB. Their order and a few copies of the weights take 100 kB.
    sizes = [call for call in callback.calls if isinstance(call, int)]
    assert len(sizes) == 3
    assert max(sizes) < 200_000


# Warnings


def record_warnings(action):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return caught


def make_warning_fits(X, y):
    """Yield functions that call `fit` or `partial_fit`, each with the expected warning."""
    yield lambda: make(max_iter=2).fit(X, y), "Maximum iterations"
    yield lambda: make(max_iter=2, solver="lbfgs").fit(X, y), "lbfgs failed to converge"
    yield lambda: make(n_iter_no_change=None, batch_size=301).fit(X, y), "is clipped to 300"
    yield lambda: make(batch_size=301).partial_fit(X, y, classes=range(10)), "is clipped to 300"
    yield lambda: make(random_state=InterruptingRandomState(0)).fit(X, y), "interrupted"
    yield lambda: Pipeline([("mlp", make(max_iter=2))]).fit(X, y), "Maximum iterations"
    search = GridSearchCV(make(max_iter=2), {"alpha": [0.1]}, cv=2)
    yield lambda: search.fit(X, y), "Maximum iterations"


@pytest.mark.parametrize("number", range(7))
def test_warnings_point_to_the_calling_line(digits, number):
    action, message = list(make_warning_fits(*digits))[number]
    caught = record_warnings(action)
    assert caught
    for warning in caught:
        assert message in str(warning.message)
        assert warning.filename == __file__


# Probabilities


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_probability_of_a_single_class_is_one(digits, dtype, solver):
    X, _ = digits
    estimator = make(solver=solver).fit(X.astype(dtype), np.zeros(300))
    probabilities = estimator.predict_proba(X.astype(dtype))
    np.testing.assert_array_equal(probabilities, np.ones((300, 1), dtype))
    np.testing.assert_array_equal(estimator.predict_log_proba(X), 0)
    assert probabilities.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_and_log_probabilities_have_the_same_order(dtype):
    X, y = make_multilabel_classification(100, n_classes=6, random_state=0)
    estimator = make().fit((X * 1.0).astype(dtype), y)
    # For large logits, the probabilities of labels round to one.
    X = X.astype(dtype) * dtype(1000)
    probabilities, logarithms = estimator.predict_proba(X), estimator.predict_log_proba(X)
    assert np.count_nonzero(probabilities > 1 - 1e-6) > 100
    np.testing.assert_array_equal(probabilities.argmax(axis=1), logarithms.argmax(axis=1))
    np.testing.assert_array_equal(np.log(probabilities), logarithms)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("solver", SOLVERS)
def test_accuracy_of_a_single_class_is_one(digits, solver, seed):
    X, _ = digits
    y = np.full(300, "seven")
    estimator = make(solver=solver, random_state=seed, max_iter=3)
    estimator.fit(X, y, np.linspace(0.5, 2, 300), X_val=X[:50], y_val=y[:50])
    assert estimator.history_["accuracy"] == [1.0] * len(estimator.loss_curve_)
    assert estimator.history_["val_accuracy"] == [1.0] * len(estimator.loss_curve_)


# Copies


@pytest.mark.parametrize("params", [{}, {"batch_norm": True}, {"ema_decay": 0.9}], ids=str)
@pytest.mark.parametrize("assigned", [False, True])
def test_pickle_contains_the_weights_once(digits, params, assigned):
    X, y = digits
    estimator = make(hidden_layer_sizes=(400,), max_iter=2, solver="sgd", **params).fit(X, y)
    if assigned:  # no longer views of the training state, therefore stored separately
        estimator.coefs_ = [coef.copy() for coef in estimator.coefs_]
    size = 8 * make(hidden_layer_sizes=(400,)).summary(64, 10).n_parameters
    # Weights, velocities, averaged weights with ema_decay, and assigned weights.
    n_copies = 2 + ("ema_decay" in params) + assigned
    assert len(pickle.dumps(estimator)) / size == pytest.approx(n_copies, abs=0.15)
    copied = pickle.loads(pickle.dumps(estimator))
    assert vars(copied).keys() == vars(estimator).keys()
    assert_same_training(copied, estimator)
    assert_same_training(copied.partial_fit(X, y), estimator.partial_fit(X, y))


def test_training_a_copy_does_not_change_the_original(digits):
    X, y = digits
    estimator = make().fit(X, y)
    before = [coef.copy() for coef in estimator.coefs_]
    copy.deepcopy(estimator).partial_fit(X, y)
    for coef, expected in zip(estimator.coefs_, before, strict=True):
        np.testing.assert_array_equal(coef, expected)


def test_interrupt_keeps_the_loss_of_a_model_without_state(digits):
    X, y = digits
    estimator = make().fit(X, y)
    loss = estimator.loss_
    del estimator._state  # as after load_model
    estimator.random_state = InterruptingRandomState(0)
    with pytest.warns(TrainingInterruptedWarning):
        estimator.partial_fit(X, y)
    assert estimator.loss_ == loss


# Hooks for epochs


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "lbfgs"},
        {"solver": "lbfgs", "tol": 0, "max_iter": 300, "max_fun": 40},
        {"solver": "lbfgs", "tol": 0, "max_iter": 1000},  # ends when a line search fails
        {"solver": "lbfgs", "tol": 1e9},  # ends before the first iteration
    ],
    ids=str,
)
def test_hooks_for_epochs_are_called_in_pairs(digits, params):
    X, y = digits
    recorder = Recorder()
    estimator = make(**params).set_callbacks(recorder).fit(X.astype(np.float32), y)
    epochs = [call for call in recorder.calls if call.endswith("epoch")]
    assert epochs == ["begin epoch", "end epoch"] * len(estimator.loss_curve_)
    assert np.isfinite(estimator.loss_)


# Documentation and annotations


def test_docstring_describes_each_parameter_in_the_order_of_the_signature():
    doc = scrape_estimator_docstring(inspect.getdoc(MLPDigitClassifier))
    names = list(inspect.signature(MLPDigitClassifier).parameters)
    assert [parameter.name for parameter in doc["Parameters"]] == names
    # The HTML view shows these texts as tooltips, and links to the parameters.
    for parameter in doc["Parameters"]:
        assert parameter.desc, parameter.name
        assert get_docstring(MLPDigitClassifier, "Parameters", parameter.name)
        assert generate_link_to_param_doc(MLPDigitClassifier, parameter.name, "api.html")


def test_docstring_states_the_default_values():
    doc = scrape_estimator_docstring(inspect.getdoc(MLPDigitClassifier))
    signature = inspect.signature(MLPDigitClassifier)
    for parameter in doc["Parameters"]:
        default = ast.literal_eval(parameter.type.split("default=")[1])
        assert default == signature.parameters[parameter.name].default, parameter.name


def test_docstring_describes_each_fitted_attribute(digits):
    X, y = digits
    estimator = make(max_iter=1).fit(pd.DataFrame(X).rename(columns=str), y)
    fitted = {name for name in vars(estimator) if name.endswith("_")}
    doc = scrape_estimator_docstring(inspect.getdoc(MLPDigitClassifier))
    assert {attribute.name for attribute in doc["Attributes"]} == fitted
    assert all(attribute.desc for attribute in doc["Attributes"])


def test_docstring_cites_each_reference():
    parameters, references = MLPDigitClassifier.__doc__.split("\n    References\n")
    cited = {int(number) for number in re.findall(r"\[(\d+)\]_", parameters)}
    listed = [int(number) for number in re.findall(r"^ *\.\. \[(\d+)\]", references, re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    assert cited == set(listed)


def find_literals(annotation):
    """Return the strings of all Literal types in an annotation."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*map(find_literals, get_args(annotation)))


def test_annotations_list_the_accepted_names():
    annotations = MLPDigitClassifier.__init__.__annotations__
    assert annotations.keys() - {"return"} == MLPDigitClassifier().get_params().keys()
    for name, constraints in MLPDigitClassifier._parameter_constraints.items():
        accepted = set().union(*(c.options for c in constraints if isinstance(c, StrOptions)))
        assert find_literals(annotations[name]) == accepted, name


@pytest.mark.parametrize(
    "method",
    [
        *("fit", "partial_fit", "resume", "predict", "predict_proba", "predict_log_proba"),
        *("hidden_activations", "summary", "find_learning_rate"),
    ],
)
def test_public_methods_are_annotated(method):
    signature = inspect.signature(getattr(MLPDigitClassifier, method))
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    assert all(parameter.annotation is not parameter.empty for parameter in parameters)
    assert signature.return_annotation is not signature.empty
