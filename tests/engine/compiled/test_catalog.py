"""The lists of kernels: what a training run and a prediction load."""

import numpy as np
import pytest

pytest.importorskip("numba")

from skmlp.engine.batches import Batch, Batches, Samples
from skmlp.engine.compiled import catalog, library
from skmlp.engine.compiled.backend import CompiledBackend
from skmlp.engine.compiled.prediction import Predictor
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.optimizers import OPTIMIZERS
from skmlp.engine.parameters import Views
from skmlp.engine.update import Update

N_SAMPLES, N_FEATURES, N_CLASSES = 20, 6, 3


@pytest.fixture
def loaded(monkeypatch):
    """Return the dict of the kernels that are loaded during a test, except for those of the thread pool."""
    get_thread_pool()
    loaded = {}
    monkeypatch.setattr(library, "loaded", loaded)
    return loaded


def make_samples(dtype, out_activation="softmax"):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, N_CLASSES, N_SAMPLES)
    if out_activation == "logistic":
        targets = np.eye(N_CLASSES, dtype=dtype)[targets]
    return Samples(rng.random((N_SAMPLES, N_FEATURES)).astype(dtype), targets)


def list_symbols(kernels):
    return {library.make_symbol(*kernel) for kernel in kernels}


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
        {"update": Update(OPTIMIZERS[0](), clip_norm=1.0)},
        *({"update": Update(optimizer())} for optimizer in OPTIMIZERS),
    ],
    ids=repr,
)
def test_training_loads_the_listed_kernels(make_config, make_state, loaded, dtype, options):
    config = make_config((N_FEATURES, 5, 4, N_CLASSES), **options)
    state = make_state(config, dtype=dtype)
    backend = CompiledBackend(config, state)
    samples = make_samples(dtype, config.network.out_activation)
    backend.step(Batch(samples), 0.1)
    assert set(loaded) == list_symbols(catalog.list_kernels(config, np.dtype(dtype)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prediction_loads_the_listed_kernels(loaded, dtype):
    rng = np.random.default_rng(0)
    parameters = Views(
        [rng.random((5, N_FEATURES)).astype(dtype), rng.random((N_CLASSES, 5)).astype(dtype)],
        [np.zeros(5, dtype), np.zeros(N_CLASSES, dtype)],
        [],
        [],
    )
    kernels = catalog.list_prediction_kernels(["tanh"], np.dtype(dtype))
    assert not catalog.are_loaded(kernels)
    predictor = Predictor(["tanh"], parameters, np.dtype(dtype))
    for batch in Batches(make_samples(dtype), 7, dtype):
        predictor.logits(batch)
    assert set(loaded) == list_symbols(kernels)
    assert catalog.are_loaded(kernels)


def test_training_kernels_include_those_for_prediction(make_config):
    config = make_config((N_FEATURES, 5, 4, N_CLASSES), ("relu", "tanh"))
    dtype = np.dtype("f")
    predicting = catalog.list_prediction_kernels(config.network.activations, dtype)
    assert set(predicting) <= set(catalog.list_kernels(config, dtype))
