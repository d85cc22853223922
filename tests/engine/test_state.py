"""Weights and training state."""

import numpy as np
import pytest

from skmlp.engine.optimizers import Adam
from skmlp.engine.state import Weights
from skmlp.engine.stopping import Plateau
from skmlp.engine.update import Update


@pytest.fixture
def make_averaged_state(make_config, make_state):
    """Return a factory of states with moments, averaged weights and running statistics."""

    def make():
        update = Update(Adam(), ema_decay=0.9)
        return make_state(make_config((3, 4, 2), batch_norm=True, update=update))

    return make


def make_random_weights(seed):
    rng = np.random.default_rng(seed)
    return Weights(rng.normal(size=5), rng.normal(size=4))


def assert_equal_weights(first, second):
    np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(first.statistics, second.statistics)


def test_copy_shares_no_arrays():
    weights = make_random_weights(0)
    copied = weights.copy()
    assert_equal_weights(copied, weights)
    copied.theta += 1
    copied.statistics += 1
    assert_equal_weights(weights, make_random_weights(0))


def test_assign_copies_values_into_the_existing_arrays():
    weights, other = make_random_weights(0), make_random_weights(1)
    theta, statistics = weights.theta, weights.statistics
    weights.assign(other)
    assert_equal_weights(weights, other)
    assert weights.theta is theta
    assert weights.statistics is statistics
    other.theta += 1
    assert_equal_weights(weights, make_random_weights(1))


def test_prediction_uses_the_average_if_there_is_one(make_averaged_state):
    state = make_averaged_state()
    assert state.prediction_weights is state.average
    assert state.trained_weights() == [state.weights, state.average]
    state.average = None
    assert state.prediction_weights is state.weights
    assert state.trained_weights() == [state.weights]


@pytest.mark.parametrize(
    ("epoch", "n_epochs", "stopped", "ended"),
    [(0, 3, False, False), (2, 3, False, False), (3, 3, False, True), (1, 3, True, True)],
)
def test_training_has_ended_after_the_last_epoch_or_when_stopped(
    make_averaged_state, epoch, n_epochs, stopped, ended
):
    state = make_averaged_state()
    state.epoch, state.n_epochs, state.stopped = epoch, n_epochs, stopped
    assert state.ended == ended


def test_monitoring_another_quantity_resets_the_best_epoch(make_averaged_state):
    state = make_averaged_state()
    state.best, state.plateau = state.weights.copy(), Plateau(0.5, 3)
    state.begin_monitoring("val_loss")
    assert (state.monitor, state.best, state.plateau) == ("val_loss", None, Plateau())


def test_make_writable_copies_only_read_only_arrays(make_averaged_state):
    state = make_averaged_state()
    theta, second = state.weights.theta, state.optimizer_arrays["second_moment"]
    read_only = [
        state.weights.statistics,
        state.average.theta,
        state.optimizer_arrays["first_moment"],
    ]
    for array in read_only:
        array.flags.writeable = False
    state.make_writable()
    writable = [
        state.weights.statistics,
        state.average.theta,
        state.optimizer_arrays["first_moment"],
    ]
    for array, before in zip(writable, read_only, strict=True):
        assert array.flags.writeable
        np.testing.assert_array_equal(array, before)
    assert state.weights.theta is theta
    assert state.optimizer_arrays["second_moment"] is second
