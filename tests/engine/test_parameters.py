"""The flat vector of parameters: where everything lies in it, and what it begins with."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from skmlp.engine.parameters import Layout, draw_glorot_uniform

ALL_SIZES = [(3, 1), (5, 4, 3), (6, 5, 4, 2)]


def random_parts(layer_sizes):
    rng = np.random.default_rng(0)
    pairs = list(pairwise(layer_sizes))
    weights = [rng.normal(size=(fan_out, fan_in)) for fan_in, fan_out in pairs]
    return weights, [rng.normal(size=fan_out) for _, fan_out in pairs]


@pytest.mark.parametrize("layer_sizes", ALL_SIZES)
def test_packed_parts_come_back_as_views(layer_sizes):
    weights, biases = random_parts(layer_sizes)
    flat = Layout(layer_sizes).pack(weights, biases, np.float64)
    seen_weights, seen_biases = Layout(layer_sizes).views(flat)
    for part, view in zip(weights + biases, seen_weights + seen_biases, strict=True):
        np.testing.assert_array_equal(view, part)
        assert np.shares_memory(view, flat)


@pytest.mark.parametrize("layer_sizes", ALL_SIZES)
def test_all_weights_come_before_all_biases(layer_sizes):
    weights, biases = random_parts(layer_sizes)
    layout = Layout(layer_sizes)
    flat = layout.pack(weights, biases, np.float64)
    np.testing.assert_array_equal(flat, np.concatenate([part.ravel() for part in weights + biases]))
    assert layout.n_weights == sum(part.size for part in weights)
    assert layout.n_parameters == flat.size


def test_packing_copies():
    weights, biases = random_parts((5, 4, 3))
    flat = Layout((5, 4, 3)).pack(weights, biases, np.float32)
    assert flat.dtype == np.float32
    before = flat.copy()
    weights[0][...] = 7
    np.testing.assert_array_equal(flat, before)


@pytest.mark.parametrize("layer_sizes", ALL_SIZES)
@pytest.mark.parametrize("factor", [2.0, 6.0])
def test_initial_draws_are_within_their_bounds_in_the_order_of_scikit_learn(layer_sizes, factor):
    layout = Layout(layer_sizes)
    flat = draw_glorot_uniform(layout, factor, np.random.RandomState(3), np.float64)
    stream = np.random.RandomState(3)
    for weights, biases in zip(*layout.views(flat), strict=True):
        fan_out, fan_in = weights.shape
        bound = (factor / (fan_in + fan_out)) ** 0.5
        np.testing.assert_array_equal(weights.T, stream.uniform(-bound, bound, (fan_in, fan_out)))
        np.testing.assert_array_equal(biases, stream.uniform(-bound, bound, fan_out))


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6.0), ("logistic", 2.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_draws_are_those_of_scikit_learn_itself(activation, factor, dtype):
    # A learning rate so small that one epoch does not move the weights shows the initial ones.
    X = np.random.default_rng(0).normal(size=(9, 5)).astype(dtype)
    other = MLPClassifier((4,), activation, learning_rate_init=1e-300, random_state=3)
    other.partial_fit(X, np.arange(9) % 3, classes=[0, 1, 2])
    layout = Layout((5, 4, 3))
    flat = draw_glorot_uniform(layout, factor, np.random.RandomState(3), dtype)
    weights, biases = layout.views(flat)
    for ours, theirs in zip(weights, other.coefs_, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours.T, theirs)
    for ours, theirs in zip(biases, other.intercepts_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
