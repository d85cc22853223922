"""The lists of kernels: what a training run and a prediction load."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse

pytest.importorskip("numba")

from skmlp.digits.gradients import GradientFeatures
from skmlp.engine.batches import Augmentation, Batches, FeatureExtraction, Samples, TrainingData
from skmlp.engine.compiled import catalog, library, threads
from skmlp.engine.compiled.backend import CompiledBackend
from skmlp.engine.compiled.inputs import MAX_BYTES_AHEAD
from skmlp.engine.compiled.prediction import Predictor
from skmlp.engine.compiled.step import MAX_FUSED_SAMPLES
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.optimizers import OPTIMIZERS
from skmlp.engine.parameters import Views
from skmlp.engine.update import Update

N_SAMPLES, N_FEATURES, N_CLASSES = 20, 6, 3
UPDATE_OPTIONS = ("clip_norm", "weight_decay", "max_norm", "ema_decay")


@pytest.fixture
def loaded(monkeypatch):
    """Return the dict of the kernels that are loaded during a test, except for those of the thread pool."""
    get_thread_pool()
    loaded = {}
    monkeypatch.setattr(library, "loaded", loaded)
    return loaded


def make_dense(dtype, n_samples=N_SAMPLES, n_features=N_FEATURES):
    X = np.random.default_rng(0).uniform(1, 255, (n_samples, n_features))
    return X.astype(dtype)


def make_sparse(dtype, density, n_samples=N_SAMPLES, n_features=200):
    return scipy.sparse.random(n_samples, n_features, density, "csr", dtype, random_state=0)


# Samples by the kind of their array, given the type of the weights.
SAMPLES = {
    "dense": make_dense,
    "uint8": lambda dtype: make_dense("u1"),
    "other type": lambda dtype: make_dense("f" if dtype == np.float64 else "d"),
    "Fortran order": lambda dtype: np.asfortranarray(make_dense(dtype)),
    "sparse": lambda dtype: make_sparse(dtype, 0.4),
    "sparse, low density": lambda dtype: make_sparse(dtype, 0.02),
    "dense, low density": lambda dtype: make_sparse(dtype, 0.1).toarray(),
    "other type, low density": lambda dtype: make_sparse(
        "f" if dtype == np.float64 else "d", 0.1
    ).toarray(),
    "uint8, low density": lambda dtype: (make_sparse("d", 0.1) > 0).astype("u1").toarray(),
}


def make_samples(X, out_activation="softmax"):
    targets = np.random.default_rng(0).integers(0, N_CLASSES, X.shape[0])
    if out_activation == "logistic":
        targets = np.eye(N_CLASSES)[targets]
    return Samples(X, targets)


def list_symbols(kernels):
    return {library.make_symbol(*kernel) for kernel in kernels}


def train(config, state, samples, augment=None):
    """Train for one epoch with the compiled backend."""
    backend = CompiledBackend(config, state)
    batches = Batches(samples, config.solver.batch_size, state.weights.theta.dtype)
    for batch in batches.in_order(None, augment):
        backend.step(batch, 0.1)


def check_training(make_config, make_state, loaded, X, dtype, hidden=(5, 4), **options):
    """Check that training loads the listed kernels."""
    batch_size = options.pop("batch_size", 8)
    config = make_config((X.shape[1], *hidden, N_CLASSES), **options)
    config = replace(config, solver=replace(config.solver, batch_size=batch_size))
    samples = make_samples(X, config.network.out_activation)
    train(config, make_state(config, dtype=dtype), samples)
    listed = catalog.list_training_kernels(config, np.dtype(dtype), TrainingData(samples))
    assert set(loaded) == list_symbols(listed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"activations": ("relu", "gelu")},
        {"out_activation": "logistic"},
        {"batch_norm": True},
        {"batch_norm": True, "update": Update(OPTIMIZERS[0](), ema_decay=0.9)},
        {"dropout": 0.5},
        {"input_dropout": 0.5},
        {"adversarial_norm": 0.1},
        {"virtual_adversarial_norm": 0.1},
        *({"update": Update(OPTIMIZERS[0](), **{name: 0.9})} for name in UPDATE_OPTIONS),
        *({"update": Update(optimizer())} for optimizer in OPTIMIZERS),
    ],
    ids=repr,
)
def test_training_loads_the_listed_kernels(make_config, make_state, loaded, dtype, options):
    check_training(make_config, make_state, loaded, make_dense(dtype), dtype, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("input_dropout", [0.0, 0.5])
@pytest.mark.parametrize("kind", SAMPLES)
def test_training_loads_the_kernels_for_its_samples(
    make_config, make_state, loaded, dtype, hidden, clip_norm, input_dropout, kind
):
    update = Update(OPTIMIZERS[0](), clip_norm=clip_norm)
    options = {"hidden": hidden, "update": update, "input_dropout": input_dropout}
    check_training(make_config, make_state, loaded, SAMPLES[kind](dtype), dtype, **options)


@pytest.mark.parametrize("rest", [0, 8])
@pytest.mark.parametrize("make", [make_dense, lambda *size: make_sparse("f", 0.02, *size[1:])])
def test_training_on_large_batches_loads_the_listed_kernels(
    make_config, make_state, loaded, make, rest
):
    batch_size = MAX_FUSED_SAMPLES + 1
    X = make("f", batch_size + rest, 64)
    check_training(make_config, make_state, loaded, X, "f", batch_size=batch_size)


@pytest.mark.parametrize("n_bytes", [MAX_BYTES_AHEAD, 2 * MAX_BYTES_AHEAD])
def test_training_on_wide_samples_loads_the_listed_kernels(
    make_config, make_state, loaded, n_bytes
):
    X = make_dense("f", 8, n_bytes // 4 // 8)
    check_training(make_config, make_state, loaded, X, "f", (1,))


@pytest.mark.parametrize("is_extracted", [False, True])
@pytest.mark.parametrize("is_augmented", [False, True])
def test_evaluation_during_training_loads_the_listed_kernels(
    make_config, make_state, loaded, is_augmented, is_extracted
):
    samples, n_inputs = make_samples(make_dense("u1")), N_FEATURES
    if is_extracted:
        extraction = FeatureExtraction(GradientFeatures((2, 2), include_pixels=True), (2, 3))
        samples, n_inputs = replace(samples, extraction=extraction), extraction.n_features
    config = make_config((n_inputs, 5, N_CLASSES))
    if is_augmented:
        config = replace(config, augmentation=Augmentation(lambda images, rng: images, (2, 3)))
    data = TrainingData(samples, validation=samples)
    state = make_state(config, dtype="f")
    train(config, state, samples, np.copy if is_augmented else None)
    validation = Batches(data.validation, 10, np.dtype("f"))
    list(CompiledBackend(config, state).logits(validation, state.weights))
    listed = list_symbols(catalog.list_training_kernels(config, np.dtype("f"), data))
    if is_augmented or is_extracted:  # changed samples may have any density
        assert set(loaded) < listed
    else:
        assert set(loaded) == listed


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden", [(), (5,)])
@pytest.mark.parametrize("kind", SAMPLES)
def test_prediction_loads_the_listed_kernels(loaded, dtype, hidden, kind):
    rng = np.random.default_rng(0)
    X = SAMPLES[kind](dtype)
    sizes = X.shape[1], *hidden, N_CLASSES
    parameters = Views(
        [rng.random(shape[::-1]).astype(dtype) for shape in pairwise(sizes)],
        [np.zeros(size, dtype) for size in sizes[1:]],
        [],
        [],
    )
    activations = ["tanh"] * len(hidden)
    kernels = catalog.list_prediction_kernels(activations, np.dtype(dtype), Samples(X))
    assert not catalog.are_loaded(kernels)
    predictor = Predictor(activations, parameters, np.dtype(dtype))
    for batch in Batches(Samples(X), 7, dtype):
        predictor.logits(batch)
    assert set(loaded) == list_symbols(kernels)
    assert catalog.are_loaded(kernels)


@pytest.mark.parametrize("dtype", [np.dtype("f"), np.dtype("d")])
def test_copies_of_sparse_samples_may_have_any_density(dtype):
    X = make_sparse("d" if dtype == "f" else "f", 0.02)
    both = catalog.list_prediction_kernels(["tanh"], dtype, Samples(X))
    for density in (0.02, 0.4):
        X = make_sparse(dtype, density)
        assert both > catalog.list_prediction_kernels(["tanh"], dtype, Samples(X))


@pytest.mark.parametrize("kind", SAMPLES)
def test_training_kernels_include_those_for_prediction(make_config, kind):
    dtype = np.dtype("f")
    samples = make_samples(SAMPLES[kind](dtype))
    config = make_config((samples.X.shape[1], 5, 4, N_CLASSES), ("relu", "tanh"))
    training = catalog.list_training_kernels(config, dtype, TrainingData(samples))
    activations = config.network.activations
    predicting = catalog.list_prediction_kernels(activations, dtype, samples, available=training)
    assert predicting <= training


def test_all_kernels_include_those_for_training(make_config):
    every = set(catalog.list_all_kernels())
    for dtype in (np.dtype("f"), np.dtype("d")):
        for make in SAMPLES.values():
            data = TrainingData(make_samples(make(dtype)))
            config = make_config((data.samples.X.shape[1], 5, N_CLASSES), input_dropout=0.5)
            assert catalog.list_training_kernels(config, dtype, data) <= every


# The cache


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Use an empty cache, as if the process had not loaded kernels and not made a thread pool."""
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(tmp_path))
    monkeypatch.setattr(library, "loaded", {})
    monkeypatch.setattr(threads, "made_pools", {})
    monkeypatch.setattr(catalog, "get_thread_pool", get_thread_pool.__wrapped__)


def test_cached_kernels_include_those_of_the_thread_pool(empty_cache, monkeypatch):
    kernels = {catalog.KernelName("losses.add_up", "float32")}
    assert not catalog.are_cached(kernels)
    for kernel in kernels:
        library.store_kernel(*kernel)
    with monkeypatch.context() as patch:
        patch.setattr(library, "compile_by_name", None)
        assert not catalog.are_cached(kernels) or get_thread_pool().name == "serial"
    for name in (*catalog.RUNNER, *catalog.POOLS):
        library.store_kernel(name, "float32", "float32")
    monkeypatch.setattr(library, "compile_by_name", None)
    assert catalog.are_cached(kernels)
