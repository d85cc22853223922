"""Layers compared with their formulas, and the prediction network compared with the training network."""

from functools import partial

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse

from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.reference.layers import Activation, BatchNorm, Dropout, Linear, Step
from skmlp.engine.reference.network import build_prediction_network, build_training_network

N_UNITS, BATCH = 6, 9
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def make_step(weights=None, seed=0, dtype=np.float64, batch_size=BATCH):
    weights = np.ones(batch_size) if weights is None else weights
    return Step((weights / weights.sum()).astype(dtype), np.random.default_rng(seed))


# Dropout


@every_dtype
@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dropout_keeps_the_expected_activation(dtype, rate, sparse):
    x = np.random.default_rng(0).normal(size=(N_UNITS, BATCH)).astype(dtype)
    layer = Dropout(rate, N_UNITS, dtype)
    buffers, step = layer.allocate(BATCH), make_step(dtype=dtype)
    n_draws, total, dropped = 1500, np.zeros(x.shape), 0
    for _ in range(n_draws):
        out = layer.forward(csr_matrix(x) if sparse else x, buffers, step)
        out = out.toarray() if issparse(out) else out
        assert out.dtype == dtype
        total += out
        dropped += np.count_nonzero(out == 0)
    standard_error = np.sqrt(rate / (1 - rate) / n_draws)
    np.testing.assert_allclose(total / n_draws / x, 1, atol=5 * standard_error)
    n_values = n_draws * x.size
    expected = pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / n_values) + 2**-16)
    assert dropped / n_values == expected


def test_dropout_sets_values_to_zero_or_scales_them_up():
    x = np.full((N_UNITS, 1000), 3.0)
    layer = Dropout(0.25, N_UNITS, np.float64)
    out = layer.forward(x, layer.allocate(1000), make_step(batch_size=1000))
    assert set(np.unique(out)) == {0.0, 4.0}
    np.testing.assert_array_equal(x, 3)


@pytest.mark.parametrize("direction", ["backward", "input_gradient"])
def test_dropout_gradient_uses_the_mask_of_the_forward_pass(direction):
    x = np.ones((N_UNITS, BATCH))
    layer = Dropout(0.5, N_UNITS, np.float64)
    buffers, step = layer.allocate(BATCH), make_step()
    out = layer.forward(x, buffers, step).copy()
    delta = getattr(layer, direction)(np.full(x.shape, 7.0), buffers)
    np.testing.assert_array_equal(delta, 7 * out)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dropout_has_no_effect_in_prediction(sparse):
    x = np.random.default_rng(0).normal(size=(N_UNITS, BATCH))
    x = csr_matrix(x) if sparse else x
    layer = Dropout(0.9, N_UNITS, np.float64)
    assert layer.forward(x, layer.allocate(BATCH), None) is x


@pytest.mark.parametrize("rate", [1e-9, 2**-17, 1 - 2**-16, 1 - 1e-6, np.nextafter(1, 0)])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_dropout_rates_near_zero_and_one_give_finite_values(rate, sparse):
    x = np.ones((N_UNITS, BATCH))
    layer = Dropout(float(rate), N_UNITS, np.float64)
    out = layer.forward(csr_matrix(x) if sparse else x, layer.allocate(BATCH), make_step())
    out = out.toarray() if issparse(out) else out
    assert np.isfinite(out).all()
    if rate < 0.5:
        np.testing.assert_allclose(out, 1, rtol=1e-4)


@pytest.mark.parametrize("n_values", [1, 3, 4, 5, 1001])
def test_dropout_supports_any_number_of_values(n_values):
    layer = Dropout(0.5, n_values, np.float64)
    out = layer.forward(np.ones((n_values, 1)), layer.allocate(1), make_step(batch_size=1))
    assert out.shape == (n_values, 1)


def test_sparse_dropout_does_not_modify_the_samples():
    x = csr_matrix(np.eye(N_UNITS))
    layer = Dropout(0.5, N_UNITS, np.float64)
    layer.forward(x, layer.allocate(N_UNITS), make_step(batch_size=N_UNITS))
    np.testing.assert_array_equal(x.toarray(), np.eye(N_UNITS))


# Batch normalization


def make_batch_norm(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    gains, mean = rng.normal(size=(2, N_UNITS)).astype(dtype)
    variance = rng.uniform(0.5, 2, N_UNITS).astype(dtype)
    return BatchNorm(gains, mean, variance, np.empty(N_UNITS, dtype))


def make_weights(weighted):
    weights = np.random.default_rng(1).uniform(0.1, 3, BATCH) if weighted else np.ones(BATCH)
    weights[2] *= not weighted
    return weights


@every_dtype
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_batch_norm_uses_the_statistics_of_the_batch_in_training(dtype, weighted):
    x = (np.random.default_rng(2).normal(size=(N_UNITS, BATCH)) * 3 + 5).astype(dtype)
    weights = make_weights(weighted)
    layer = make_batch_norm(dtype)
    out = layer.forward(x, layer.allocate(BATCH), make_step(weights, dtype=dtype))
    mean = np.average(x, axis=1, weights=weights)[:, np.newaxis]
    variance = np.average((x - mean) ** 2, axis=1, weights=weights)[:, np.newaxis]
    expected = (x - mean) / np.sqrt(variance + 1e-5) * layer.gains[:, np.newaxis]
    assert out.dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(out, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_running_statistics_are_exponential_moving_averages(weighted):
    rng = np.random.default_rng(2)
    weights = make_weights(weighted)
    layer = make_batch_norm()
    buffers = layer.allocate(BATCH)
    mean, variance = layer.running_mean.copy(), layer.running_variance.copy()
    for _ in range(20):
        x = rng.normal(size=(N_UNITS, BATCH)) * 3 + 5
        before = layer.running_mean.copy(), layer.running_variance.copy()
        layer.forward(x, buffers, make_step(weights))
        layer.backward(rng.normal(size=x.shape), buffers)
        np.testing.assert_array_equal((layer.running_mean, layer.running_variance), before)
        layer.update_statistics(buffers)
        batch_mean = np.average(x, axis=1, weights=weights)
        batch_variance = np.average((x.T - batch_mean) ** 2, axis=0, weights=weights)
        mean = 0.9 * mean + 0.1 * batch_mean
        variance = 0.9 * variance + 0.1 * batch_variance
        np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.running_variance, variance, rtol=1e-12)


@every_dtype
def test_batch_norm_uses_the_running_statistics_in_prediction(dtype):
    x = np.random.default_rng(2).normal(size=(N_UNITS, BATCH)).astype(dtype)
    layer = make_batch_norm(dtype)
    mean, variance = layer.running_mean.copy(), layer.running_variance.copy()
    out = layer.forward(x, layer.allocate(BATCH), None)
    expected = (x.T - mean) / np.sqrt(variance + 1e-5) * layer.gains
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(out.T, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(layer.running_mean, mean)
    np.testing.assert_array_equal(layer.running_variance, variance)


def test_batch_norm_output_for_a_single_sample_is_zero():
    layer = make_batch_norm()
    out = layer.forward(np.ones((N_UNITS, 1)), layer.allocate(1), make_step(batch_size=1))
    np.testing.assert_array_equal(out, 0)


# Gradients of single layers


def make_linear(rng):
    return Linear(rng.normal(size=(4, N_UNITS)), np.empty((4, N_UNITS)))


def make_dropout(rng):
    return Dropout(0.4, N_UNITS, np.float64)


def make_input_dropout(rng):
    return Dropout(0.4, N_UNITS, np.float64, order="F")


def make_activation(name, rng):
    return Activation(name, rng.normal(size=N_UNITS), np.empty(N_UNITS))


LAYERS = {
    "linear": make_linear,
    "batch_norm": lambda rng: make_batch_norm(),
    "dropout": make_dropout,
    "input_dropout": make_input_dropout,
    **{name: partial(make_activation, name) for name in ACTIVATIONS},
}
# Names of the attributes with the parameters and with their gradient.
PARAMETERS = {
    Linear: ("weights", "weights_gradient"),
    BatchNorm: ("gains", "gains_gradient"),
    Activation: ("biases", "biases_gradient"),
}
TRAINABLE_LAYERS = {name: make for name, make in LAYERS.items() if "dropout" not in name}
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
every_trainable_layer = pytest.mark.parametrize(
    "make", TRAINABLE_LAYERS.values(), ids=TRAINABLE_LAYERS
)


class LayerCase:
    """Layer, an input x, and the scalar function ``sum(factors * output)``."""

    def __init__(self, make):
        rng = np.random.default_rng(4)
        self.layer = make(rng)
        self.buffers = self.layer.allocate(BATCH)
        self.order = getattr(self.layer, "order", "C")
        self.x = rng.normal(size=(N_UNITS, BATCH))
        self.weights = make_weights(True)
        self.factors = rng.normal(size=self.forward(self.x).shape)

    def forward(self, x):
        # Layers may modify x, and the buffer that they return.
        step = make_step(self.weights)
        return self.layer.forward(x.copy(order=self.order), self.buffers, step).copy()

    def central_difference(self, array):
        """Return the gradient with respect to `x` or to an array of parameters."""
        gradient, before = np.empty_like(array), array.copy()
        for index in np.ndindex(array.shape):
            values = []
            for step in (1e-6, -1e-6):
                array[index] = before[index] + step
                values.append((self.factors * self.forward(self.x)).sum())
            array[index] = before[index]
            gradient[index] = (values[0] - values[1]) / 2e-6
        return gradient

    def delta(self):
        return self.factors.copy(order=self.order)


@every_layer
@pytest.mark.parametrize("direction", ["backward", "input_gradient"])
def test_gradient_with_respect_to_x_matches_central_differences(make, direction):
    case = LayerCase(make)
    expected = case.central_difference(case.x)
    case.forward(case.x)
    delta = getattr(case.layer, direction)(case.delta(), case.buffers)
    np.testing.assert_allclose(delta, expected, rtol=1e-6, atol=1e-8)


@every_trainable_layer
def test_gradient_with_respect_to_parameters_matches_central_differences(make):
    case = LayerCase(make)
    parameters, gradient = (getattr(case.layer, name) for name in PARAMETERS[type(case.layer)])
    expected = case.central_difference(parameters)
    case.forward(case.x)
    case.layer.backward(case.delta(), case.buffers)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


@every_trainable_layer
def test_input_gradient_does_not_compute_parameter_gradients(make):
    case = LayerCase(make)
    gradient = getattr(case.layer, PARAMETERS[type(case.layer)][1])
    gradient.fill(17)
    case.forward(case.x)
    case.layer.input_gradient(case.delta(), case.buffers)
    np.testing.assert_array_equal(gradient, 17)


# Networks


@pytest.fixture
def random_networks(make_config, make_state):
    """Return a factory of a training network and a prediction network with the same random weights."""

    def make(layer_sizes, activations, dtype=np.float64, **options):
        config = make_config(layer_sizes, activations, **options)
        rng = np.random.default_rng(3)
        layout = config.network.layout
        weights = make_state(config, rng.normal(size=layout.n_parameters), dtype).weights
        weights.statistics += rng.uniform(0, 1, weights.statistics.shape).astype(dtype)
        gradient = np.empty_like(weights.theta)
        training = build_training_network(config.network, weights, gradient)
        prediction = build_prediction_network(
            config.network.activations,
            layout.views(weights.theta),
            layout.statistics_views(weights.statistics),
        )
        return training, prediction

    return make


@every_dtype
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("dropout", [0, 0.5])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_folded_network_predicts_like_the_training_network(
    random_networks, dtype, batch_norm, depth, dropout, sparse
):
    sizes, activations = (4, *(5, 3, 7)[:depth], 3), ("gelu", "tanh", "relu")[:depth]
    training, prediction = random_networks(
        sizes, activations, dtype, batch_norm=batch_norm, dropout=dropout, input_dropout=dropout
    )
    assert {type(layer) for layer in prediction.layers} == {Linear, Activation}
    x = np.random.default_rng(0).normal(size=(BATCH, 4)).astype(dtype)
    x = csr_matrix(x).T if sparse else x.T
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    actual, expected = prediction.forward(x), training.forward(x)
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
    hidden = prediction.hidden_activations(x)
    assert [h.shape for h in hidden] == [(units, BATCH) for units in sizes[1:-1]]
    for actual, expected in zip(hidden, training.hidden_activations(x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_batches_of_different_sizes_use_separate_buffers(random_networks):
    network, _ = random_networks((4, 5, 3), "relu", batch_norm=True)
    x = np.random.default_rng(0).normal(size=(4, 20))
    expected = network.forward(x).copy()
    for n in (1, 7, 20, 3):
        np.testing.assert_allclose(network.forward(x[:, :n]), expected[:, :n], rtol=1e-12)


def test_input_dropout_does_not_depend_on_the_memory_order():
    x = np.random.default_rng(0).normal(size=(N_UNITS, BATCH))
    outputs = []
    for order in "CF":
        layer = Dropout(0.4, N_UNITS, np.float64, order="F")
        outputs.append(layer.forward(np.array(x, order=order), layer.allocate(BATCH), make_step()))
    np.testing.assert_array_equal(*outputs)
