"""Agreement of the backends: gradients, steps and logits are the same up to rounding.

Both backends compute the same formulas, but add in different orders and use different approximations of exp and tanh.
The error of a sum of n terms is at most n epsilon times the sum of their magnitudes. `find_tolerance` counts the terms
on the longest path from the features and weights to a gradient. The tolerance is relative to the largest element of the
gradient, because an element that is the difference of large terms has their error.
"""

from itertools import pairwise
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from skmlp.engine.batches import Augmentation, Batch, Batches, Samples
from skmlp.engine.optimizers import SGD, Adam, NAdam, RMSprop
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.reference.backend import ReferenceBackend
from skmlp.engine.state import Weights
from skmlp.engine.update import Update

DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_batch_norm = pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
RATE = 0.01


def find_tolerance(config, batch_size, dtype):
    """Return the largest relative error of a gradient, see the description of this module."""
    sizes, n_hidden = config.network.layer_sizes, len(config.network.activations)
    # Sums over the inputs of each layer (forward), over its outputs (backward), and over the batch. With batch
    # normalization, there are four sums over the batch per layer. Between two sums, there are about ten operations.
    n_terms = sum(sizes[:-1]) + sum(sizes[1:]) + batch_size + 10 * (2 * n_hidden + 2)
    if config.network.batch_norm:
        n_terms += 4 * batch_size * n_hidden
    # The samples of further passes depend on other gradients.
    n_terms *= 1 + (config.adversarial_norm > 0) + 2 * (config.virtual_adversarial_norm > 0)
    return n_terms * float(np.finfo(dtype).eps)


class Results(NamedTuple):
    """Results of training steps: the loss and the accuracy of each, and the state after the last."""

    losses: list
    accuracies: list
    thetas: list
    statistics: list
    moments: list


@pytest.fixture
def make_backends(compiled_backend, make_config, make_state):
    """Return a factory of the compiled and the reference backend with equal states."""

    def make(layer_sizes, activations="tanh", dtype=np.float64, **options):
        config = make_config(layer_sizes, activations, **options)
        return tuple(
            backend_class(config, make_state(config, draw_theta(config), dtype))
            for backend_class in (compiled_backend, ReferenceBackend)
        )

    return make


def draw_theta(config):
    """Return random parameters for which the activations have the same magnitude in all layers."""
    rng, layout = np.random.default_rng(0), config.network.layout
    theta = rng.normal(0, 0.3, layout.n_parameters)
    for weights in layout.views(theta).weights:
        weights /= 0.3 * np.sqrt(weights.shape[1])
    return theta


def make_samples(
    layer_sizes, n_samples, dtype=np.float64, *, out_activation="softmax", weights="random"
):
    """Return random samples; some of the features are zero, as in images."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n_samples, layer_sizes[0]))
    X[rng.random(X.shape) < 0.3] = 0
    targets = rng.integers(layer_sizes[-1], size=n_samples)
    if out_activation == "logistic":
        targets = rng.random((n_samples, layer_sizes[-1])) < 0.5
    sample_weights = {
        "none": None,
        "random": rng.uniform(0.5, 2, n_samples),
        "some zero": rng.uniform(0.5, 2, n_samples) * (rng.random(n_samples) < 0.6),
    }[weights]
    if sample_weights is not None:
        sample_weights = sample_weights.astype(dtype)
    return Samples(X.astype(dtype), targets, sample_weights)


def split(samples, batch_sizes):
    """Return batches of shuffled samples with given sizes."""
    order = np.random.default_rng(2).permutation(len(samples))
    starts = np.cumsum([0, *batch_sizes])
    return [
        Batch(samples, order[start : start + size])
        for start, size in zip(starts, batch_sizes, strict=False)
    ]


def assert_same_gradients(backends, batch):
    """Assert that the losses and gradients of two backends agree."""
    compiled, reference = (backend.gradient(batch) for backend in backends)
    config, dtype = backends[1].config, reference.gradient.dtype
    tolerance = find_tolerance(config, batch.size, dtype)
    assert compiled.gradient.dtype == dtype
    assert compiled.weight == reference.weight
    assert compiled.loss == pytest.approx(reference.loss, rel=tolerance)
    assert compiled.n_correct == pytest.approx(
        reference.n_correct, abs=tolerance * batch.total_weight
    )
    largest = np.abs(reference.gradient).max()
    np.testing.assert_allclose(
        compiled.gradient, reference.gradient, rtol=0, atol=tolerance * largest
    )


def run_steps(backend, batches, rate=RATE):
    """Return the Results of steps on all batches; each call performs as many as the backend allows."""
    results = []
    while batches:
        n = backend.max_steps
        results += backend.steps(batches[:n], [rate] * len(batches[:n]))
        batches = batches[n:]
    state = backend.state
    return Results(
        [result.loss for result in results],
        [result.n_correct / result.weight for result in results],
        [weights.theta for weights in state.trained_weights()],
        [weights.statistics for weights in state.trained_weights()],
        list(state.optimizer_arrays.values()),
    )


def assert_same_steps(backends, make_batches, sensitivity=1.0, magnitude=1.0):
    """Assert that the results of steps of two backends agree.

    Parameters
    ----------
    backends : pair of Backend
    make_batches : callable
        Returns the batches; called for each backend.
    sensitivity : float
        Largest derivative of a step, relative to the learning rate, with respect to a gradient.
    magnitude : float
        Largest magnitude of a feature, if it exceeds 1. It increases the sums in the first layer, and their errors.
    """
    state, config = backends[1].state, backends[1].config
    start, dtype = state.weights.theta.copy(), state.weights.theta.dtype
    compiled, reference = (run_steps(backend, make_batches()) for backend in backends)
    batches, eps = make_batches(), float(np.finfo(dtype).eps)
    n_steps = len(batches)
    tolerance = find_tolerance(config, max(batch.size for batch in batches), dtype) * magnitude
    # A step adds the error of its gradient and rounds the parameters about ten times. The errors of the parameters
    # double at most, because the steps are small.
    roundings = 10 * eps * max(np.abs(start).max(), 1)
    atol = 2 * n_steps * (RATE * sensitivity * tolerance + roundings)
    np.testing.assert_allclose(compiled.losses, reference.losses, rtol=tolerance, atol=atol)
    np.testing.assert_allclose(compiled.accuracies, reference.accuracies, atol=tolerance)
    for name in ("thetas", "statistics"):
        for ours, theirs in zip(getattr(compiled, name), getattr(reference, name), strict=True):
            assert ours.dtype == theirs.dtype == dtype
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=atol, err_msg=name)
    for ours, theirs in zip(compiled.moments, reference.moments, strict=True):
        largest = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * n_steps * tolerance * largest)
    assert not np.array_equal(reference.thetas[0], start)
    for backend in backends:
        assert backend.state.step == n_steps
    generators = [backend.state.generator.bit_generator.state for backend in backends]
    assert generators[0] == generators[1]


# Layers and losses


@every_dtype
@every_batch_norm
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_of_every_activation_agree(
    make_backends, dtype, batch_norm, activation, dropout, smoothing
):
    sizes = (30, 20, 17, 5)
    backends = make_backends(
        sizes,
        activation,
        dtype,
        batch_norm=batch_norm,
        dropout=dropout,
        label_smoothing=smoothing,
    )
    assert_same_gradients(backends, Batch(make_samples(sizes, 40, dtype)))


@every_dtype
@pytest.mark.parametrize("weights", ["none", "random", "some zero"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("out_activation", "n_outputs", "single_class"),
    [
        ("softmax", 3, False),
        ("softmax", 17, False),
        ("logistic", 1, False),
        ("logistic", 1, True),
        ("logistic", 5, False),
    ],
    ids=["multiclass", "many classes", "binary", "single class", "multilabel"],
)
def test_gradients_of_every_loss_agree(
    make_backends, dtype, weights, smoothing, out_activation, n_outputs, single_class
):
    sizes = (30, 20, n_outputs)
    backends = make_backends(
        sizes, "tanh", dtype, out_activation=out_activation, label_smoothing=smoothing
    )
    samples = make_samples(sizes, 40, dtype, out_activation=out_activation, weights=weights)
    if single_class:
        samples.targets[...] = False
    assert_same_gradients(backends, Batch(samples))


@every_dtype
@every_batch_norm
@pytest.mark.parametrize(
    "norms",
    [
        {},
        {"adversarial_norm": 0.5},
        {"virtual_adversarial_norm": 0.5},
        {"adversarial_norm": 0.2, "virtual_adversarial_norm": 0.5},
    ],
    ids=["plain", "adversarial", "virtual", "both"],
)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
@pytest.mark.parametrize("out_activation", ["softmax", "logistic"])
def test_steps_with_dropout_and_adversarial_examples_agree(
    make_backends, dtype, batch_norm, norms, dropout, input_dropout, out_activation
):
    sizes = (30, 20, 17, 5)
    backends = make_backends(
        sizes,
        "tanh",
        dtype,
        out_activation=out_activation,
        batch_norm=batch_norm,
        dropout=dropout,
        input_dropout=input_dropout,
        **norms,
        update=Update(SGD()),
    )
    samples = make_samples(sizes, 120, dtype, out_activation=out_activation, weights="some zero")
    assert_same_gradients(backends, Batch(samples, slice(40)))
    assert_same_steps(backends, lambda: split(samples, [40, 40, 23]))


@pytest.mark.parametrize("container", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_gradients_agree_for_random_numbers_at_the_dropout_rate(make_backends, container):
    def draw_near_threshold(n):
        return np.tile(np.array([2**15 - 1, 2**15, 2**15 + 1, 0], np.uint16).view(np.uint64), n)

    sizes = (7, 9, 3)
    backends = make_backends(sizes, dropout=0.5, input_dropout=0.5)
    samples = make_samples(sizes, 40)
    for backend in backends:
        bit_generator = SimpleNamespace(random_raw=draw_near_threshold)
        backend.state.generator = SimpleNamespace(bit_generator=bit_generator)
    samples = Samples(container(samples.X), samples.targets)
    assert_same_gradients(backends, Batch(samples))


# Updates

# The step of an adaptive optimizer is at most rate m / (sqrt(v) + epsilon), so that the error of a gradient is divided
# by epsilon or more. For a smaller epsilon, the steps of elements whose gradient is near zero would be unpredictable.
EPSILON = 0.05


@every_dtype
@pytest.mark.parametrize(
    ("optimizer", "sensitivity"),
    [
        (SGD(), 10.0),
        (SGD(0.5, nesterov=False), 2.0),
        (Adam(epsilon=EPSILON), 1 / EPSILON),
        (NAdam(epsilon=EPSILON), 1 / EPSILON),
        (RMSprop(epsilon=EPSILON), 1 / EPSILON),
    ],
    ids=["nesterov", "classical", "adam", "nadam", "rmsprop"],
)
@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("clip_norm", [None, 0.3])
@pytest.mark.parametrize("max_norm", [None, 1.0])
@pytest.mark.parametrize("ema_decay", [None, 0.6])
def test_steps_of_every_update_agree(
    make_backends,
    dtype,
    optimizer,
    sensitivity,
    alpha,
    weight_decay,
    clip_norm,
    max_norm,
    ema_decay,
):
    sizes = (9, 7, 17, 3)
    update = Update(optimizer, clip_norm, weight_decay, max_norm, ema_decay)
    backends = make_backends(sizes, "tanh", dtype, update=update, alpha=alpha)
    samples = make_samples(sizes, 100, dtype)
    assert_same_steps(backends, lambda: split(samples, [20, 20, 20, 7, 7, 20]), sensitivity)


@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 0.3])
def test_averages_of_batch_norm_agree(make_backends, dtype, clip_norm):
    sizes = (9, 7, 17, 3)
    update = Update(SGD(), clip_norm, max_norm=1.0, ema_decay=0.6)
    backends = make_backends(sizes, "tanh", dtype, update=update, batch_norm=True, alpha=0.1)
    samples = make_samples(sizes, 100, dtype)
    assert_same_steps(backends, lambda: split(samples, [20, 20, 20, 7, 7, 20]), 10.0)


@every_dtype
def test_steps_of_many_batches_agree(make_backends, dtype):
    # More steps than the compiled backend performs at once, and more than the interval of zeroing subnormal numbers
    sizes = (9, 7, 3)
    backends = make_backends(sizes, "tanh", dtype, update=Update(SGD(), ema_decay=0.9), alpha=0.1)
    batches = split(make_samples(sizes, 700, dtype), [5] * 70 + [3] * 50)
    assert backends[0].max_steps < len(batches)
    assert_same_steps(backends, lambda: batches, 10.0)


# Shapes


@every_dtype
@every_batch_norm
@pytest.mark.parametrize("batch_size", [1, 2, 15, 16, 17, 40, 129, 1100])
@pytest.mark.parametrize("hidden", [(), (1,), (5, 16), (17,)], ids=str)
@pytest.mark.parametrize("n_features", [1, 7, 784])
def test_steps_of_every_shape_agree(
    make_backends, dtype, batch_norm, batch_size, hidden, n_features
):
    sizes = (n_features, *hidden, 3)
    backends = make_backends(sizes, "tanh", dtype, batch_norm=batch_norm, update=Update(SGD()))
    samples = make_samples(sizes, 4 * batch_size, dtype)
    batches = split(samples, [batch_size, batch_size, max(batch_size - 1, 1), batch_size])
    # Batch normalization divides the errors by a standard deviation, which may be small for two samples.
    magnitude = 10.0 if batch_norm and batch_size == 2 else 1.0
    assert_same_steps(backends, lambda: batches, 10.0, magnitude)


# Kinds of samples


def as_strided_rows(X):
    return np.repeat(X, 2, axis=0)[::2]


def as_strided_columns(X):
    return np.repeat(X, 2, axis=1)[:, ::2]


def as_reversed_rows(X):
    return np.ascontiguousarray(X[::-1])[::-1]


def as_column_range(X):
    return np.hstack([X, X])[:, : X.shape[1]]


def as_unaligned(X):
    memory = np.zeros(X.nbytes + 1, np.uint8)[1:].view(X.dtype).reshape(X.shape)
    memory[...] = X
    return memory


def as_read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def as_sparse_with_duplicates(X):
    """Return a CSR matrix with unsorted indices, explicit zeros, and elements that are sums of two entries."""
    X = csr_matrix(X)
    X.sort_indices()
    data, indices = np.repeat(X.data, 2), np.repeat(X.indices, 2)
    data[::2] *= X.dtype.type(0.25)
    data[1::2] *= X.dtype.type(0.75)
    for i in range(X.shape[0]):
        row = slice(2 * X.indptr[i], 2 * X.indptr[i + 1])
        data[row], indices[row] = data[row][::-1].copy(), indices[row][::-1].copy()
    data[::16] = 0
    return csr_matrix((data, indices, 2 * X.indptr), X.shape)


def as_sparse_with_long_indices(X):
    X = csr_matrix(X)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    assert X.indices.dtype == np.int64
    return X


def as_sparse_with_fields(*names):
    """Return a function that converts an array to CSR; some of the arrays are fields of structured arrays."""

    def convert(X):
        X = csr_matrix(X)
        for name in names:
            array = getattr(X, name)
            # The other field prevents that elements are contiguous or, because it has three bytes, aligned.
            structured = np.zeros(len(array), [("field", array.dtype), ("other", "S3")])
            structured["field"] = array
            setattr(X, name, structured["field"])
            assert not getattr(X, name).flags.c_contiguous
        return X

    return convert


def as_sparse_with_steps(*names):
    """Return a function that converts an array to CSR; some of the arrays have elements between theirs."""

    def convert(X):
        X = csr_matrix(X)
        for name in names:
            setattr(X, name, np.repeat(getattr(X, name), 2)[::2])
            assert not getattr(X, name).flags.c_contiguous
        return X

    return convert


FLOAT_CONTAINERS = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "strided rows": as_strided_rows,
    "strided columns": as_strided_columns,
    "reversed rows": as_reversed_rows,
    "reversed columns": lambda X: np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    "column range": as_column_range,
    "broadcast row": lambda X: np.broadcast_to(X[:1], X.shape),
    "unaligned": as_unaligned,
    "read-only": as_read_only,
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "other float": lambda X: X.astype(np.float32 if X.dtype == np.float64 else np.float64),
    "float16": lambda X: X.astype(np.float16),
    "int8": lambda X: (10 * X).astype(np.int8),
    "int64": lambda X: (10 * X).astype(np.int64),
    "bool": lambda X: X > 0,
    "CSR": csr_matrix,
    "CSR, int64 indices": as_sparse_with_long_indices,
    "CSR, strided data": as_sparse_with_steps("data"),
    "CSR, strided indices": as_sparse_with_steps("indices"),
    "CSR, strided indptr": as_sparse_with_steps("indptr"),
    "CSR, fields": as_sparse_with_fields("data", "indices", "indptr"),
    "CSR, duplicates": as_sparse_with_duplicates,
    "CSR, other float": lambda X: csr_matrix(
        X.astype(np.float32 if X.dtype == np.float64 else np.float64)
    ),
    "CSR, empty": lambda X: csr_matrix(np.zeros_like(X)),
    "uint8": lambda X: np.clip(100 + 40 * X, 0, 255).astype(np.uint8),
    "few nonzero": lambda X: X * (X > 1.3),
    "few nonzero, uint8": lambda X: np.where(X > 1.3, 40 * X, 0).astype(np.uint8),
    "few nonzero, strided rows": lambda X: as_strided_rows(X * (X > 1.3)),
    "few nonzero, read-only": lambda X: as_read_only(X * (X > 1.3)),
    "only zeros": np.zeros_like,
    "uint8, F order": lambda X: np.asfortranarray(np.clip(100 + 40 * X, 0, 255).astype(np.uint8)),
    "CSR, uint8": lambda X: csr_matrix(np.clip(40 * X, 0, 255).astype(np.uint8)),
}


@every_dtype
@pytest.mark.parametrize("container", FLOAT_CONTAINERS.values(), ids=FLOAT_CONTAINERS)
@pytest.mark.parametrize("input_scale", [None, 1 / 255])
@pytest.mark.parametrize("rows", ["all", "range", "chosen"])
def test_steps_and_logits_of_every_kind_of_samples_agree(
    make_backends, dtype, container, input_scale, rows
):
    sizes = (21, 7, 3)
    samples = make_samples(sizes, 100, dtype)
    X = container(samples.X)
    chosen = None if rows == "all" else np.random.default_rng(3).permutation(100)[:60]
    samples = Samples(X, samples.targets, samples.weights, chosen, input_scale)
    order = np.arange(len(samples))[::-1] if rows == "chosen" else None
    backends = make_backends(sizes, "tanh", dtype, update=Update(SGD()))
    magnitude = max(float(np.abs(X).max()) * (input_scale or 1), 1.0)

    def make_batches():
        # A batch gathers its features into a buffer of its Batches when they are first used.
        return list(Batches(samples, 16, dtype).in_order(order))

    assert_same_steps(backends, make_batches, 10.0, magnitude)
    assert_same_logits(backends, make_batches)


@every_dtype
@pytest.mark.parametrize("density", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
@pytest.mark.parametrize("clip_norm", [None, 0.3])
@pytest.mark.parametrize("batch_sizes", [(1, 1, 2), (16, 17, 17), (40, 40, 129), (1100, 1100)])
@pytest.mark.parametrize("n_features", [1, 7, 300])
@pytest.mark.parametrize("container", [csr_matrix, np.asarray], ids=["CSR", "dense"])
def test_steps_of_samples_with_zeros_of_every_shape_agree(
    make_backends, dtype, density, input_dropout, clip_norm, batch_sizes, n_features, container
):
    sizes = (n_features, 17, 3)
    backends = make_backends(
        sizes, "tanh", dtype, update=Update(SGD(), clip_norm), input_dropout=input_dropout
    )
    samples = make_samples(sizes, sum(batch_sizes), dtype)
    # The number of nonzero features increases from batch to batch.
    rng = np.random.default_rng(5)
    densities = density * np.linspace(0, 1, len(samples))[:, np.newaxis]
    X = samples.X * (rng.random(samples.X.shape) < densities)
    samples = Samples(container(X), samples.targets, samples.weights)
    starts = np.cumsum([0, *batch_sizes])
    batches = [Batch(samples, slice(*bounds)) for bounds in pairwise(starts)]
    assert_same_gradients(backends, batches[-1])
    assert_same_steps(backends, lambda: batches, 10.0)


@pytest.mark.parametrize(
    ("activation", "batch_norm", "n_steps"),
    [("relu", True, 200), ("selu", False, 3000)],
    ids=["relu and batch norm", "selu"],
)
@pytest.mark.parametrize("density", [0.005, 0.1])
def test_many_steps_of_sparse_samples_agree(
    make_backends, activation, batch_norm, n_steps, density
):
    # Activations and batch normalization work in place. They must not change the padding again and again.
    sizes, batch_size = (300, 17, 3), 19
    backends = make_backends(
        sizes, activation, np.float32, batch_norm=batch_norm, update=Update(SGD(0.0))
    )
    samples = make_samples(sizes, batch_size, np.float32, weights="none")
    X = csr_matrix(samples.X * (np.random.default_rng(5).random(samples.X.shape) < density))
    batches = [Batch(Samples(X, samples.targets))] * n_steps
    # The rate is so small that the weights hardly change.
    compiled, reference = (run_steps(backend, batches, rate=1e-6) for backend in backends)
    tolerance = 10 * find_tolerance(backends[1].config, batch_size, np.float32)
    np.testing.assert_allclose(compiled.losses, reference.losses, rtol=tolerance)
    for name in ("thetas", "statistics"):
        for ours, theirs in zip(getattr(compiled, name), getattr(reference, name), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_steps_of_memory_mapped_samples_agree(make_backends, tmp_path):
    sizes = (21, 7, 3)
    samples = make_samples(sizes, 100, np.float32)
    np.save(tmp_path / "X.npy", samples.X)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    samples = Samples(X, samples.targets, samples.weights)
    backends = make_backends(sizes, "tanh", np.float32, update=Update(SGD()))
    order = np.random.default_rng(3).permutation(100)
    assert_same_steps(
        backends, lambda: list(Batches(samples, 16, np.float32).in_order(order)), 10.0
    )


@every_dtype
@pytest.mark.parametrize("input_dropout", [0.0, 0.2])
def test_steps_of_augmented_samples_agree(make_backends, dtype, input_dropout):
    def shift(images, generator):
        return np.roll(images, generator.integers(3), axis=2)

    sizes = (21, 7, 3)
    backends = make_backends(
        sizes, "tanh", dtype, update=Update(SGD()), input_dropout=input_dropout
    )
    samples, order = make_samples(sizes, 100, dtype), np.random.default_rng(3).permutation(100)
    results = []
    for backend in backends:
        augment = Augmentation(shift, (3, 7)).at(0.0, backend.state.generator)
        batches = list(Batches(samples, 16, dtype).in_order(order, augment))
        results.append(run_steps(backend, batches))
    tolerance = 100 * find_tolerance(backends[1].config, 16, dtype)
    np.testing.assert_allclose(results[0].losses, results[1].losses, rtol=tolerance)
    np.testing.assert_allclose(results[0].thetas, results[1].thetas, rtol=0, atol=tolerance)


# Logits


@every_dtype
@every_batch_norm
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("hidden", [(), (1,), (5, 16), (17,)], ids=str)
@pytest.mark.parametrize("batch_size", [1, 17, 300, 600])
def test_logits_agree(make_backends, dtype, batch_norm, activation, hidden, batch_size):
    sizes = (21, *hidden, 3)
    backends = make_backends(sizes, activation, dtype, batch_norm=batch_norm, input_dropout=0.2)
    samples = make_samples(sizes, 600, dtype)
    assert_same_logits(backends, lambda: Batches(samples, batch_size, dtype))


def assert_same_logits(backends, make_batches):
    """Assert that the logits that two backends compute with weights other than their own agree."""
    config, own = backends[1].config, backends[1].state.weights
    rng, dtype = np.random.default_rng(4), own.theta.dtype
    weights = Weights(
        own.theta + dtype.type(0.1),
        (own.statistics + rng.uniform(0, 1, own.statistics.shape)).astype(dtype),
    )
    compiled, reference = (
        [(batch.size, logits.T.copy()) for batch, logits in backend.logits(batches, weights)]
        for backend, batches in zip(backends, (make_batches(), make_batches()), strict=True)
    )
    assert [size for size, _ in compiled] == [size for size, _ in reference]
    compiled, reference = (np.vstack([z for _, z in pairs]) for pairs in (compiled, reference))
    assert compiled.dtype == reference.dtype == dtype
    tolerance = find_tolerance(config, 0, dtype) * np.abs(reference).max()
    np.testing.assert_allclose(compiled, reference, rtol=0, atol=tolerance)


# Reproducibility


@every_dtype
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_do_not_depend_on_the_addresses_of_arrays(
    backend_class, make_config, make_state, dtype, weighted
):
    sizes = (21, 7, 3)
    config = make_config(sizes, update=Update(Adam(), ema_decay=0.9), alpha=0.1)
    samples = make_samples(sizes, 55, dtype, weights="random" if weighted else "none")
    results = []
    for offset in range(17):
        state = make_state(config, draw_theta(config), dtype)
        state.weights.theta = move(state.weights.theta, offset)
        weights = None if samples.weights is None else move(samples.weights, offset)
        moved = Samples(move(samples.X, offset), samples.targets, weights)
        backend = backend_class(config, state)
        results.append(run_steps(backend, list(Batches(moved, 16, dtype))))
    for result in results[1:]:
        assert result.losses == results[0].losses
        for actual, expected in zip(result.thetas, results[0].thetas, strict=True):
            np.testing.assert_array_equal(actual, expected)


def move(array, offset):
    """Return a copy of an array at an offset from a multiple of the size of a cache line, in elements."""
    memory = np.empty(array.size + offset + 64, array.dtype)
    start = -memory.ctypes.data % 64 // array.itemsize + offset
    moved = memory[start : start + array.size].reshape(array.shape)
    moved[...] = array
    return moved
