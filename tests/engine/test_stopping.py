"""Stopping rule: agreement with scikit-learn, messages and best weights."""

import numpy as np
import pytest

from skmlp.engine.evaluation import EpochReport
from skmlp.engine.optimizers import SGD
from skmlp.engine.stopping import Plateau, StoppingRule
from skmlp.engine.update import Update

PATIENCES = [1, 3, 10, np.inf]


def monitor_loss_as_scikit_learn(losses, tol, patience):
    """Return whether each epoch exceeds the patience, as in BaseMultilayerPerceptron, and the best loss."""
    best_loss, count, exceeded = np.inf, 0, []
    for loss in losses:
        if loss > best_loss - tol:
            count += 1
        else:
            count = 0
        if loss < best_loss:
            best_loss = loss
        exceeded.append(count > patience)
        if exceeded[-1]:
            count = 0
    return exceeded, best_loss


def monitor_score_as_scikit_learn(scores, tol, patience):
    """Return whether each epoch exceeds the patience, and whether its score is the best so far."""
    best_score, count, exceeded, improved = -np.inf, 0, [], []
    for score in scores:
        if score < best_score + tol:
            count += 1
        else:
            count = 0
        improved.append(score > best_score)
        best_score = max(best_score, score)
        exceeded.append(count > patience)
        if exceeded[-1]:
            count = 0
    return exceeded, improved


def make_noisy_curve(seed):
    rng = np.random.default_rng(seed)
    curve = np.exp(-np.arange(80) / 20) + rng.normal(scale=0.02, size=80)
    return curve.round(2)  # rounding produces equal values


def make_report(monitor, value, learning_rate=0.1):
    """Return a report with a value of the monitored quantity, and better values of all other quantities."""
    values = {"loss": -1e9, "val_loss": -1e9, "val_accuracy": 1e9} | {monitor: value}
    return EpochReport(accuracy=1e9, learning_rate=learning_rate, **values)


@pytest.fixture
def state(make_config, make_state):
    return make_state(make_config((3, 2)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tol", [0, 0.01, 0.1])
@pytest.mark.parametrize("patience", PATIENCES)
@pytest.mark.parametrize("monitor", ["loss", "val_loss"])
def test_monitoring_a_loss_follows_scikit_learn(state, seed, tol, patience, monitor):
    losses = make_noisy_curve(seed)
    # A rule that reduces the rate resets the counter instead of stopping.
    rule, exceeded = StoppingRule(tol, patience, monitor, reduces_rate=True), []
    for loss in losses:
        exceeded.append(bool(rule.end_epoch(make_report(monitor, loss), state)))
    expected, best_loss = monitor_loss_as_scikit_learn(losses, tol, patience)
    assert exceeded == expected
    assert state.plateau.best == -best_loss
    assert not state.stopped


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tol", [0, 0.01, 0.1])
@pytest.mark.parametrize("patience", PATIENCES)
def test_monitoring_a_score_follows_scikit_learn(state, seed, tol, patience):
    scores = 1 - make_noisy_curve(seed)
    rule = StoppingRule(tol, patience, "val_accuracy", reduces_rate=True)
    exceeded, improved = [], []
    for score in scores:
        best_before = state.best
        exceeded.append(bool(rule.end_epoch(make_report("val_accuracy", score), state)))
        improved.append(state.best is not best_before)
    assert (exceeded, improved) == monitor_score_as_scikit_learn(scores, tol, patience)


def test_noisy_curve_exceeds_the_patience():
    assert any(monitor_loss_as_scikit_learn(make_noisy_curve(0), 0.01, 3)[0])


@pytest.mark.parametrize("monitor", ["loss", "val_loss", "val_accuracy"])
@pytest.mark.parametrize("patience", [1, 3, 5])
def test_training_stops_when_the_patience_is_exceeded(state, monitor, patience):
    values = make_noisy_curve(0) if monitor != "val_accuracy" else 1 - make_noisy_curve(0)
    exceeded, _ = (
        monitor_score_as_scikit_learn if monitor == "val_accuracy" else monitor_loss_as_scikit_learn
    )(values, 0.01, patience)
    last, rule = exceeded.index(True), StoppingRule(0.01, patience, monitor)
    for value in values[:last]:
        assert rule.end_epoch(make_report(monitor, value), state) == ""
        assert not state.stopped
    # The message is scikit-learn's.
    quantity = "Training loss" if monitor == "loss" else "Validation score"
    assert rule.end_epoch(make_report(monitor, values[last]), state) == (
        f"{quantity} did not improve more than tol=0.010000 for {patience} consecutive epochs. Stopping."
    )
    assert state.stopped
    assert state.rate_divisor == 1


def test_learning_rate_is_reduced_until_it_is_too_small(state):
    rule, initial_rate, messages = StoppingRule(0.0, 1, reduces_rate=True), 1e-4, []
    rule.end_epoch(make_report("loss", 1.0, initial_rate), state)
    while not state.stopped:
        rate = initial_rate / state.rate_divisor
        messages.append(rule.end_epoch(make_report("loss", 2.0, rate), state))
    start = "Training loss did not improve more than tol=0.000000 for 1 consecutive epochs."
    expected = [f"{start} Setting learning rate to {rate:f}" for rate in (2e-5, 4e-6, 8e-7)]
    # The rate is reduced after every second epoch without improvement.
    assert messages[:-2:2] == [""] * 3
    assert messages[1:-1:2] == expected
    assert messages[-1] == f"{start} Learning rate too small. Stopping."
    assert state.rate_divisor == 125


@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_best_weights_are_copies_of_the_prediction_weights(
    make_config, make_state, ema_decay, monitor
):
    update = Update(SGD(), ema_decay=ema_decay)
    config = make_config((3, 4, 2), batch_norm=True, update=update)
    state, rule = make_state(config), StoppingRule(0.0, np.inf, monitor)
    values = [0.5, 0.9, 0.7, 0.2, 0.6]
    sign = 1 if monitor == "val_accuracy" else -1
    for number, value in enumerate(values):
        for weights in state.trained_weights():
            weights.theta.fill(number)
            weights.statistics.fill(10 * number)
        # The training weights must not be stored if there is an average.
        if state.average is not None:
            state.weights.theta.fill(-1)
        rule.end_epoch(make_report(monitor, sign * value), state)
        best = int(np.argmax(values[: number + 1]))
        np.testing.assert_array_equal(state.best.theta, best)
        np.testing.assert_array_equal(state.best.statistics, 10 * best)
        assert not np.shares_memory(state.best.theta, state.prediction_weights.theta)


def test_best_weights_are_not_stored_when_monitoring_the_training_loss(state):
    rule = StoppingRule(0.0, np.inf)
    for loss in (3.0, 2.0, 1.0):
        rule.end_epoch(make_report("loss", loss), state)
    assert state.best is None
    assert not rule.monitors_validation


def test_infinite_patience_never_stops_training(state):
    rule = StoppingRule(0.1, np.inf)
    for _ in range(1000):
        assert rule.end_epoch(make_report("loss", 0.0), state) == ""
    assert not state.stopped


def test_nan_is_not_an_improvement(state):
    plateau = Plateau()
    assert plateau.update(0.5, 0.0)
    for n_stale in (1, 2, 3):
        assert not plateau.update(np.nan, 0.0)
        assert plateau == Plateau(0.5, n_stale)
    rule = StoppingRule(0.0, 2, "val_loss")
    for value in (0.5, np.nan, np.nan, np.nan):
        assert not state.stopped
        rule.end_epoch(make_report("val_loss", value), state)
    assert state.stopped
    assert state.plateau.best == -0.5
