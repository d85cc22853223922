"""The plateau rule against scikit-learn's, written out as it stands there."""

import numpy as np
import pytest

from skmlp.engine.stopping import Plateau

PATIENCES = [1, 3, 10, np.inf]


def scikit_learn_by_loss(losses, tol, patience):
    """Give after each epoch whether the count has run out, as in BaseMultilayerPerceptron."""
    best_loss, count, reached = np.inf, 0, []
    for loss in losses:
        if loss > best_loss - tol:
            count += 1
        else:
            count = 0
        if loss < best_loss:
            best_loss = loss
        reached.append(count > patience)
        if reached[-1]:
            count = 0
    return reached, best_loss


def scikit_learn_by_score(scores, tol, patience):
    """Give after each epoch whether the count has run out, and whether the weights are the best so far."""
    best_score, count, reached, improved = -np.inf, 0, [], []
    for score in scores:
        if score < best_score + tol:
            count += 1
        else:
            count = 0
        improved.append(score > best_score)
        best_score = max(best_score, score)
        reached.append(count > patience)
        if reached[-1]:
            count = 0
    return reached, improved


def noisy_curve(seed):
    rng = np.random.default_rng(seed)
    curve = np.exp(-np.arange(80) / 20) + rng.normal(scale=0.02, size=80)
    return curve.round(2)  # rounding gives ties


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tol", [0, 0.01, 0.1])
@pytest.mark.parametrize("patience", PATIENCES)
def test_watching_a_loss_is_scikit_learns_rule(seed, tol, patience):
    losses = noisy_curve(seed)
    rule, reached = Plateau(tol, patience), []
    for loss in losses:
        rule.update(-loss)
        reached.append(rule.reached)
        if rule.reached:
            rule.stale_epochs = 0
    expected, best_loss = scikit_learn_by_loss(losses, tol, patience)
    assert reached == expected
    assert rule.best == -best_loss


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tol", [0, 0.01, 0.1])
@pytest.mark.parametrize("patience", PATIENCES)
def test_watching_a_score_is_scikit_learns_rule(seed, tol, patience):
    scores = 1 - noisy_curve(seed)
    rule, reached, improved = Plateau(tol, patience), [], []
    for score in scores:
        improved.append(rule.update(score))
        reached.append(rule.reached)
        if rule.reached:
            rule.stale_epochs = 0
    assert (reached, improved) == scikit_learn_by_score(scores, tol, patience)


def test_the_curves_of_these_tests_do_plateau():
    assert any(scikit_learn_by_loss(noisy_curve(0), 0.01, 3)[0])


def test_infinite_patience_never_ends():
    rule = Plateau(0.1, np.inf)
    for _ in range(1000):
        rule.update(0.0)
    assert not rule.reached


def test_not_a_number_is_no_progress():
    rule = Plateau(0.0, 2)
    assert rule.update(0.5)
    for _ in range(3):
        assert not rule.update(np.nan)
    assert rule.reached
    assert rule.best == 0.5
