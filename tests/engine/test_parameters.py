"""Layout of the flat parameter vector, and initial parameters."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from skmlp.engine.initialization import draw_parameters, scikit_learn
from skmlp.engine.parameters import Layout, StatisticsViews, Views

ALL_SIZES = [(3, 1), (5, 4, 3), (6, 5, 4, 2)]


def make_random_parameters(layout):
    rng = np.random.default_rng(0)
    return Views(*([rng.normal(size=shape) for shape in shapes] for shapes in layout.shapes))


def flatten(views):
    return [array for arrays in views for array in arrays]


every_layout = pytest.mark.parametrize(
    "layout",
    [Layout(sizes, batch_norm) for sizes in ALL_SIZES for batch_norm in (False, True)],
    ids=str,
)


@every_layout
def test_shapes_match_the_layers(layout):
    sizes = layout.layer_sizes
    hidden = [(n,) for n in sizes[1:-1]]
    assert layout.shapes.weights == [(b, a) for a, b in pairwise(sizes)]
    # With batch normalization, the shifts replace the biases of the hidden layers.
    output = [(sizes[-1],)]
    assert layout.shapes.biases == (output if layout.batch_norm else hidden + output)
    normalized = hidden if layout.batch_norm else []
    assert layout.shapes.gains == layout.shapes.shifts == normalized
    assert layout.hidden_sizes == sizes[1:-1]


@every_layout
def test_views_of_packed_parameters_equal_the_parameters(layout):
    parameters = make_random_parameters(layout)
    flat = layout.pack(parameters, np.float64)
    for array, view in zip(flatten(parameters), flatten(layout.views(flat)), strict=True):
        np.testing.assert_array_equal(view, array)
        assert np.shares_memory(view, flat)


@every_layout
def test_weights_precede_biases_gains_and_shifts(layout):
    parameters = make_random_parameters(layout)
    flat = layout.pack(parameters, np.float64)
    np.testing.assert_array_equal(flat, np.concatenate([a.ravel() for a in flatten(parameters)]))
    assert layout.n_weights == sum(matrix.size for matrix in parameters.weights)
    assert layout.n_parameters == flat.size


@every_layout
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_statistics_are_mean_zero_and_variance_one(layout, dtype):
    flat = layout.initial_statistics(dtype)
    assert flat.dtype == dtype
    assert flat.size == layout.n_statistics
    if not layout.batch_norm:
        assert flat.size == 0
        assert layout.statistics_views(flat) == ([], [])
        return
    means, variances = layout.statistics_views(flat)
    assert [len(a) for a in means] == [len(a) for a in variances] == list(layout.hidden_sizes)
    for mean, variance in zip(means, variances, strict=True):
        np.testing.assert_array_equal(mean, 0)
        np.testing.assert_array_equal(variance, 1)
        assert np.shares_memory(mean, flat)
        assert np.shares_memory(variance, flat)
    assert flat.size == 2 * sum(layout.hidden_sizes)


@every_layout
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_views_of_packed_statistics_equal_the_statistics(layout, dtype):
    rng = np.random.default_rng(0)
    hidden = layout.hidden_sizes if layout.batch_norm else ()
    statistics = StatisticsViews(*([rng.normal(size=n) for n in hidden] for _ in range(2)))
    flat = layout.pack_statistics(statistics, dtype)
    assert flat.dtype == dtype
    assert flat.shape == (layout.n_statistics,)
    for given, views in zip(statistics, layout.statistics_views(flat), strict=True):
        for array, view in zip(given, views, strict=True):
            np.testing.assert_array_equal(view, array.astype(dtype))
            assert np.shares_memory(view, flat)


def test_pack_copies_the_parameters():
    layout = Layout((5, 4, 3))
    parameters = make_random_parameters(layout)
    flat = layout.pack(parameters, np.float32)
    assert flat.dtype == np.float32
    before = flat.copy()
    parameters.weights[0][...] = 7
    np.testing.assert_array_equal(flat, before)


@pytest.mark.parametrize("layer_sizes", ALL_SIZES)
@pytest.mark.parametrize("factor", [2.0, 6.0])
def test_initial_parameters_are_drawn_in_the_order_of_scikit_learn(layer_sizes, factor):
    layout = Layout(layer_sizes)
    draws = [partial(scikit_learn, factor=factor)] * (len(layer_sizes) - 1)
    flat = draw_parameters(layout, draws, np.random.RandomState(3), np.float64)
    views = layout.views(flat)
    stream = np.random.RandomState(3)
    for weights, biases in zip(views.weights, views.biases, strict=True):
        fan_out, fan_in = weights.shape
        bound = (factor / (fan_in + fan_out)) ** 0.5
        np.testing.assert_array_equal(weights.T, stream.uniform(-bound, bound, (fan_in, fan_out)))
        np.testing.assert_array_equal(biases, stream.uniform(-bound, bound, fan_out))


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6.0), ("logistic", 2.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_parameters_equal_those_of_scikit_learn(activation, factor, dtype):
    # With a tiny learning rate, the parameters after an epoch are the initial parameters.
    X = np.random.default_rng(0).normal(size=(9, 5)).astype(dtype)
    other = MLPClassifier((4,), activation, learning_rate_init=1e-300, random_state=3)
    other.partial_fit(X, np.arange(9) % 3, classes=[0, 1, 2])
    layout = Layout((5, 4, 3))
    draws = [partial(scikit_learn, factor=factor)] * 2
    views = layout.views(draw_parameters(layout, draws, np.random.RandomState(3), dtype))
    for ours, theirs in zip(views.weights, other.coefs_, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours.T, theirs)
    for ours, theirs in zip(views.biases, other.intercepts_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
