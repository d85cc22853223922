"""Dropout and batch normalisation, each against its formula; the network that predicts, against the one that trains."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse

from skmlp.engine.layers import BatchNorm, Dropout, Step
from skmlp.engine.network import Design, build_prediction_network, build_training_network, folded
from skmlp.engine.parameters import Layout

N_UNITS, BATCH = 6, 9
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def step_of(weights=None, seed=0, dtype=np.float64, batch_size=BATCH):
    weights = np.ones(batch_size) if weights is None else weights
    return Step((weights / weights.sum()).astype(dtype), np.random.default_rng(seed))


# Dropout


@every_dtype
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dropout_keeps_the_expectation(kernels, dtype, rate, sparse):
    x = np.random.default_rng(0).normal(size=(N_UNITS, BATCH)).astype(dtype)
    layer = Dropout(rate, N_UNITS, np.dtype(dtype), kernels)
    memory, step = layer.allocate(BATCH), step_of(dtype=dtype)
    n_draws, total, dropped = 1500, np.zeros(x.shape), 0
    for _ in range(n_draws):
        out = layer.forward(csr_matrix(x) if sparse else x, memory, step)
        out = out.toarray() if issparse(out) else out
        assert out.dtype == dtype
        total += out
        dropped += np.count_nonzero(out == 0)
    deviation = np.sqrt(rate / (1 - rate) / n_draws)
    np.testing.assert_allclose(total / n_draws / x, 1, atol=5 * deviation)
    n_values = n_draws * x.size
    expected = pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / n_values) + 2**-16)
    assert dropped / n_values == expected


def test_dropout_drops_or_scales_up(kernels):
    x = np.full((N_UNITS, 1000), 3.0)
    layer = Dropout(0.25, N_UNITS, np.dtype(np.float64), kernels)
    out = layer.forward(x, layer.allocate(1000), step_of(batch_size=1000))
    assert set(np.unique(out)) == {0.0, 4.0}
    np.testing.assert_array_equal(x, 3)


def test_dropout_turns_back_what_it_kept(kernels):
    x = np.ones((N_UNITS, BATCH))
    layer = Dropout(0.5, N_UNITS, np.dtype(np.float64), kernels)
    memory, step = layer.allocate(BATCH), step_of()
    out = layer.forward(x, memory, step).copy()
    delta = layer.backward(x, out, np.full(x.shape, 7.0), memory, step)
    np.testing.assert_array_equal(delta, 7 * out)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dropout_leaves_what_is_predicted_as_it_is(kernels, sparse):
    x = np.random.default_rng(0).normal(size=(N_UNITS, BATCH))
    x = csr_matrix(x) if sparse else x
    layer = Dropout(0.9, N_UNITS, np.dtype(np.float64), kernels)
    assert layer.forward(x, layer.allocate(BATCH), None) is x


@pytest.mark.parametrize("rate", [1e-9, 2**-17, 1 - 2**-16, 1 - 1e-6, np.nextafter(1, 0)])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_rates_near_zero_and_one_give_finite_numbers(kernels, rate, sparse):
    x = np.ones((N_UNITS, BATCH))
    layer = Dropout(float(rate), N_UNITS, np.dtype(np.float64), kernels)
    out = layer.forward(csr_matrix(x) if sparse else x, layer.allocate(BATCH), step_of())
    out = out.toarray() if issparse(out) else out
    assert np.isfinite(out).all()
    if rate < 0.5:
        np.testing.assert_allclose(out, 1, rtol=1e-4)


@pytest.mark.parametrize("n_values", [1, 3, 4, 5, 1001])
def test_any_number_of_values_may_be_dropped(kernels, n_values):
    layer = Dropout(0.5, n_values, np.dtype(np.float64), kernels)
    out = layer.forward(np.ones((n_values, 1)), layer.allocate(1), step_of(batch_size=1))
    assert out.shape == (n_values, 1)


def test_sparse_dropout_leaves_the_samples_alone(kernels):
    x = csr_matrix(np.eye(N_UNITS))
    layer = Dropout(0.5, N_UNITS, np.dtype(np.float64), kernels)
    layer.forward(x, layer.allocate(N_UNITS), step_of(batch_size=N_UNITS))
    np.testing.assert_array_equal(x.toarray(), np.eye(N_UNITS))


# Batch normalisation


def make_batch_norm(kernels, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, N_UNITS)).astype(dtype)
    variance = rng.uniform(0.5, 2, N_UNITS).astype(dtype)
    return BatchNorm(*parts[:2], variance, *np.empty((2, N_UNITS), dtype), kernels)


def weights_of(weighted):
    weights = np.random.default_rng(1).uniform(0.1, 3, BATCH) if weighted else np.ones(BATCH)
    weights[2] *= not weighted
    return weights


@every_dtype
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_batch_norm_trains_with_mean_and_variance_of_the_batch(kernels, dtype, weighted):
    x = (np.random.default_rng(2).normal(size=(N_UNITS, BATCH)) * 3 + 5).astype(dtype)
    weights = weights_of(weighted)
    layer = make_batch_norm(kernels, dtype)
    out = layer.forward(x, layer.allocate(BATCH), step_of(weights, dtype=dtype))
    mean = np.average(x, axis=1, weights=weights)[:, np.newaxis]
    variance = np.average((x - mean) ** 2, axis=1, weights=weights)[:, np.newaxis]
    expected = (x - mean) / np.sqrt(variance + 1e-5) * layer.gains[:, np.newaxis]
    assert out.dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_running_statistics_follow_the_recursion(kernels, weighted):
    rng = np.random.default_rng(2)
    weights = weights_of(weighted)
    layer = make_batch_norm(kernels)
    memory = layer.allocate(BATCH)
    mean, variance = layer.running_mean.copy(), layer.running_variance.copy()
    for _ in range(20):
        x = rng.normal(size=(N_UNITS, BATCH)) * 3 + 5
        layer.forward(x, memory, step_of(weights))
        batch_mean = np.average(x, axis=1, weights=weights)
        batch_variance = np.average((x.T - batch_mean) ** 2, axis=0, weights=weights)
        mean = 0.9 * mean + 0.1 * batch_mean
        variance = 0.9 * variance + 0.1 * batch_variance
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.running_variance, variance, rtol=1e-12)


@every_dtype
def test_batch_norm_predicts_with_the_running_statistics_and_leaves_them(kernels, dtype):
    x = np.random.default_rng(2).normal(size=(N_UNITS, BATCH)).astype(dtype)
    layer = make_batch_norm(kernels, dtype)
    mean, variance = layer.running_mean.copy(), layer.running_variance.copy()
    out = layer.forward(x, layer.allocate(BATCH), None)
    expected = (x.T - mean) / np.sqrt(variance + 1e-5) * layer.gains
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(out.T, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(layer.running_mean, mean)
    np.testing.assert_array_equal(layer.running_variance, variance)


def test_batch_norm_of_a_single_sample_is_zero(kernels):
    layer = make_batch_norm(kernels)
    out = layer.forward(np.ones((N_UNITS, 1)), layer.allocate(1), step_of(batch_size=1))
    np.testing.assert_array_equal(out, 0)


# Networks


def random_network(
    kernels, layer_sizes, batch_norm, dtype, activations, dropout=0.0, input_dropout=0.0
):
    rng = np.random.default_rng(3)
    layout = Layout(layer_sizes, batch_norm)
    theta = rng.normal(size=layout.n_parameters).astype(dtype)
    statistics = layout.initial_statistics(dtype)
    statistics += rng.uniform(0, 1, statistics.shape).astype(dtype)
    depth = len(layer_sizes) - 2
    design = Design(activations, (dropout,) * depth, input_dropout)
    training = build_training_network(
        layout, theta, np.empty_like(theta), statistics, design, kernels
    )
    weights, biases = folded(layout, layout.views(theta), statistics)
    return training, build_prediction_network(weights, biases, activations)


@every_dtype
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("dropout", [0, 0.5])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_the_folded_network_predicts_like_the_one_that_trains(
    kernels, dtype, batch_norm, depth, dropout, sparse
):
    sizes, activations = (4, *(5, 3, 7)[:depth], 3), ("gelu", "tanh", "relu")[:depth]
    training, predicting = random_network(
        kernels, sizes, batch_norm, dtype, activations, dropout, dropout
    )
    x = np.random.default_rng(0).normal(size=(BATCH, 4)).astype(dtype)
    x = csr_matrix(x).T if sparse else x.T
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    ours, expected = predicting.forward(x), training.forward(x)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)
    hidden = predicting.hidden_outputs(x)
    assert [h.shape for h in hidden] == [(units, BATCH) for units in sizes[1:-1]]
    for our, their in zip(hidden, training.hidden_outputs(x), strict=True):
        np.testing.assert_allclose(our, their, rtol=tolerance, atol=tolerance)


def test_batches_of_different_sizes_do_not_disturb_each_other(kernels):
    network, _ = random_network(kernels, (4, 5, 3), True, np.float64, ("relu",))
    x = np.random.default_rng(0).normal(size=(4, 20))
    expected = network.forward(x).copy()
    for n in (1, 7, 20, 3):
        np.testing.assert_allclose(network.forward(x[:, :n]), expected[:, :n], rtol=1e-12)
