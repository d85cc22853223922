"""Small datasets, small classifiers, callbacks and comparisons for the tests."""

import base64
import zlib
from functools import partial

import numpy as np
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier

SMALL = {"hidden_layer_sizes": (16,), "random_state": 0, "max_iter": 10}


def load_small_digits(n_samples=300):
    """Return features in [0, 1] and labels of the first of scikit-learn's bundled digits."""
    X, y = load_digits(return_X_y=True)
    return X[:n_samples] / 16, y[:n_samples]


def make_classifier_factory(**defaults):
    """Return a function that creates small classifiers, with parameters that override the defaults."""
    return partial(make_classifier, SMALL | defaults)


def make_classifier(defaults, **params):
    return MLPDigitClassifier(**defaults | params)


def get_arrays(estimator):
    """Return all fitted arrays that are used in prediction."""
    norm = estimator.batch_norm_ or {}
    fields = [estimator.coefs_, estimator.intercepts_, *norm.values()]
    return [array for field in fields for array in field]


def assert_same_model(first, second, rtol=0, atol=0):
    """Assert that all fitted arrays have the same dtypes and values."""
    for array, expected in zip(get_arrays(first), get_arrays(second), strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_allclose(array, expected, rtol=rtol, atol=atol)


def assert_same_training(first, second):
    """Assert that all results of training are the same, except for durations."""
    assert_same_model(first, second)
    for name in (
        *("loss_curve_", "loss_", "best_loss_", "t_", "n_layers_"),
        *("validation_scores_", "best_validation_score_"),
    ):
        assert getattr(first, name) == getattr(second, name), name
    assert first.history_.keys() == second.history_.keys()
    for name in first.history_.keys() - {"seconds"}:
        np.testing.assert_array_equal(first.history_[name], second.history_[name], err_msg=name)


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


def decode_test_samples(member):
    """Return the samples of the self-test of a member of a page, for its description."""
    samples = member["samples"]
    text = samples["features"].translate(str.maketrans(",.:[]", "$&<>`"))
    features = np.frombuffer(zlib.decompress(base64.b85decode(text)), "<f4")
    return features.reshape(len(samples["probabilities"]), -1)


def interrupt_after(n_epochs):
    """Return a callback that raises KeyboardInterrupt at the end of an epoch."""

    def interrupt(epoch):
        if epoch == n_epochs:
            raise KeyboardInterrupt

    return Recorder(interrupt)


class InterruptingRandomState(np.random.RandomState):
    def shuffle(self, x):
        raise KeyboardInterrupt
