"""Initializers: distributions, random streams and batch normalization."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import kstest

from skmlp.engine.initialization import INITIALIZERS, draw_parameters, scikit_learn
from skmlp.engine.parameters import Layout

FAN_IN, FAN_OUT = 300, 200
VARIANCES = {"he": 2 / FAN_IN, "glorot": 2 / (FAN_IN + FAN_OUT)}
DISTRIBUTIONS = [name for name in INITIALIZERS if name != "orthogonal"]


def draw_weights(name, shape=(FAN_OUT, FAN_IN), seed=0, dtype=np.float64):
    weights, biases = np.full(shape, np.nan, dtype), np.full(shape[0], np.nan, dtype)
    INITIALIZERS[name](weights, biases, np.random.RandomState(seed))
    return weights, biases


def test_all_initializers_are_tested():
    assert set(DISTRIBUTIONS) == {f"{a}_{b}" for a in VARIANCES for b in ("normal", "uniform")}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_weights_have_the_named_distribution_and_variance(name):
    weights, _ = draw_weights(name)
    scaled = weights.ravel() / np.sqrt(VARIANCES[name.partition("_")[0]])
    assert scaled.var() == pytest.approx(1, abs=0.03)
    assert scaled.mean() == pytest.approx(0, abs=0.02)
    if name.endswith("normal"):
        assert kstest(scaled, "norm").pvalue > 0.001
    else:
        assert np.abs(scaled).max() <= np.sqrt(3)
        assert kstest(scaled, "uniform", (-np.sqrt(3), 2 * np.sqrt(3))).pvalue > 0.001


@pytest.mark.parametrize("shape", [(7, 7), (12, 5), (5, 12), (1, 6), (6, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_orthogonal_weights_have_orthonormal_rows_or_columns(shape, dtype):
    weights, _ = draw_weights("orthogonal", shape, dtype=dtype)
    product = weights @ weights.T if shape[0] <= shape[1] else weights.T @ weights
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=tolerance)


def test_orthogonal_matrices_are_uniformly_distributed():
    # Each entry of a uniformly distributed orthogonal matrix has a mean of 0 and a variance of 1 / n.
    diagonals = np.array(
        [np.diag(draw_weights("orthogonal", (4, 4), seed)[0]) for seed in range(2000)]
    )
    np.testing.assert_allclose(diagonals.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose((diagonals**2).mean(axis=0), 0.25, atol=0.03)


@pytest.mark.parametrize("name", list(INITIALIZERS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_biases_are_zero_and_weights_depend_only_on_the_seed(name, dtype):
    weights, biases = draw_weights(name, dtype=dtype)
    np.testing.assert_array_equal(biases, 0)
    assert weights.dtype == dtype
    np.testing.assert_array_equal(weights, draw_weights(name, dtype=dtype)[0])
    assert not np.array_equal(weights, draw_weights(name, seed=1, dtype=dtype)[0])


def test_initial_gains_are_one_and_shifts_are_zero():
    layout = Layout((5, 4, 3, 2), batch_norm=True)
    flat = draw_parameters(
        layout, [INITIALIZERS["he_normal"]] * 3, np.random.RandomState(0), np.float32
    )
    assert flat.dtype == np.float32
    views = layout.views(flat)
    assert len(views.gains) == len(views.shifts) == 2
    for gains, shifts in zip(views.gains, views.shifts, strict=True):
        np.testing.assert_array_equal(gains, 1)
        np.testing.assert_array_equal(shifts, 0)


@pytest.mark.parametrize("name", [*INITIALIZERS, "scikit_learn"])
@pytest.mark.parametrize("layer_sizes", [(5, 3), (5, 4, 3), (6, 5, 4, 2)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_does_not_change_the_initial_weights(name, layer_sizes, dtype):
    draw = partial(scikit_learn, factor=6.0) if name == "scikit_learn" else INITIALIZERS[name]
    views, streams = [], []
    for batch_norm in (False, True):
        layout = Layout(layer_sizes, batch_norm)
        random_state = np.random.RandomState(3)
        draws = [draw] * (len(layer_sizes) - 1)
        views.append(layout.views(draw_parameters(layout, draws, random_state, dtype)))
        streams.append(random_state.get_state()[1])
    plain, normalized = views
    for ours, theirs in zip(normalized.weights, plain.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(normalized.biases[-1], plain.biases[-1])
    np.testing.assert_array_equal(*streams)


def test_each_layer_uses_its_own_initializer():
    layout = Layout((5, 4, 3))
    draws = [INITIALIZERS["orthogonal"], lambda w, b, rs: scikit_learn(w, b, rs, factor=6.0)]
    first, second = layout.views(
        draw_parameters(layout, draws, np.random.RandomState(0), np.float64)
    ).weights
    np.testing.assert_allclose(first @ first.T, np.eye(4), atol=1e-13)
    assert not np.allclose(second @ second.T, np.eye(3))
