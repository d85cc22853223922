"""Agreement of the two implementations of the kernels, and the choice between them."""

import inspect
import os
import pickle
import threading

import numpy as np
import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import MLPDigitClassifier, get_kernels, set_kernels
from skmlp.callbacks import Checkpoint
from skmlp.engine import backend_choice
from skmlp.engine.backend_choice import LARGE_WORK, choose_kernels, load_kernels, make_backend
from skmlp.engine.batches import Batch, Samples
from skmlp.engine.lbfgs import Objective
from skmlp.engine.optimizers import NO_PENALTY, SGD, Adam, NAdam, RMSprop, WeightPenalty
from skmlp.engine.parameters import BLOCK_SIZE
from skmlp.engine.reference import numpy_kernels
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.reference.backend import ReferenceBackend

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@pytest.fixture
def numba_kernels():
    pytest.importorskip("numba")
    return load_kernels("numba")


@pytest.fixture(autouse=True)
def reset_choice(monkeypatch):
    monkeypatch.delenv("SKMLP_KERNELS", raising=False)
    yield
    set_kernels(None)


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr(backend_choice, "numba_is_installed", lambda: False)


@pytest.fixture
def with_numba(monkeypatch):
    monkeypatch.setattr(backend_choice, "numba_is_installed", lambda: True)


# Reproducibility


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_loss_does_not_depend_on_the_addresses_of_arrays(kernels, weighted):
    pytest.importorskip(kernels)
    softmax_cross_entropy = load_kernels(kernels).softmax_cross_entropy
    rng = np.random.default_rng(0)
    for n_samples in range(40, 60):
        logits, targets = rng.standard_normal((3, n_samples)), rng.integers(0, 3, n_samples)
        weights = rng.random(n_samples) if weighted else None
        losses = set()

        def compute(logits=logits, targets=targets, weights=weights, losses=losses):
            kept = []
            for _ in range(50):
                # Small arrays that are kept make the next allocation adjacent to the previous one.
                kept.append((np.empty(0), logits.copy()))
                arguments = kept[-1][1], targets, weights, float(len(targets)), 0.0
                losses.add(softmax_cross_entropy(*arguments).loss)

        for _ in range(8):  # each thread allocates from its own region of memory
            thread = threading.Thread(target=compute)
            thread.start()
            thread.join()
        assert len(losses) == 1


# Agreement


def get_parameter_names(function):
    return list(inspect.signature(getattr(function, "py_func", function)).parameters)


KERNEL_NAMES = [
    name
    for name, function in vars(numpy_kernels).items()
    if inspect.isfunction(function)
    and function.__module__ == numpy_kernels.__name__
    and name != "update_second_moment"  # called only by other kernels
]


def test_implementations_have_the_same_kernels_and_parameters(numba_kernels):
    assert len(KERNEL_NAMES) > 10
    for name in KERNEL_NAMES:
        compiled, reference = (getattr(module, name) for module in (numba_kernels, numpy_kernels))
        assert get_parameter_names(compiled) == get_parameter_names(reference)


@every_dtype
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_and_gradients_agree_to_rounding(
    numba_kernels, make_config, make_state, dtype, activation, batch_norm, dropout, smoothing
):
    config = make_config(
        (30, 20, 20, 5),
        activation,
        batch_norm=batch_norm,
        dropout=dropout,
        input_dropout=dropout,
        label_smoothing=smoothing,
        alpha=0.1,
    )
    rng = np.random.default_rng(0)
    theta = rng.normal(0, 0.3, config.network.layout.n_parameters).astype(dtype)
    X, targets = rng.normal(size=(40, 30)).astype(dtype), rng.integers(5, size=40)
    batch = Batch(Samples(X, targets, rng.uniform(1, 2, 40).astype(dtype)))
    evaluations = []
    for kernels in (numba_kernels, numpy_kernels):
        state = make_state(config, theta, dtype, seed=1)
        backend = ReferenceBackend(config, state, kernels)
        evaluations.append(Objective(config, backend, state.weights, batch)(theta))
    compiled, reference = evaluations
    # The error of a sum of n terms is at most n * epsilon times the sum of their magnitudes. The longest path from
    # theta to a gradient has sums over 30, 20 and 20 inputs (forward), over 5 and 20 units (backward), over the batch
    # of 40, and with batch normalization four sums over 40 per layer. Between two sums there are about ten operations.
    n_roundings = 30 + 20 + 20 + 5 + 20 + 40 + 8 * 40 * batch_norm + 100
    tolerance = n_roundings * float(np.finfo(dtype).eps)
    assert compiled.n_correct == pytest.approx(reference.n_correct, rel=tolerance)
    assert compiled.loss == pytest.approx(reference.loss, rel=tolerance)
    np.testing.assert_allclose(
        compiled.gradient,
        reference.gradient,
        rtol=0,
        atol=tolerance * np.abs(reference.gradient).max(),
    )


@every_dtype
@pytest.mark.parametrize(
    "optimizer", [SGD(), SGD(0.5, False), Adam(), NAdam(), RMSprop()], ids=repr
)
@pytest.mark.parametrize(
    "penalty",
    [
        NO_PENALTY,
        WeightPenalty(700, 0.3),
        WeightPenalty(700, 0.3, 0.99),
        WeightPenalty(700, 0, 0.99),
    ],
    ids=["none", "l2", "l2 and decay", "decay"],
)
def test_optimizer_steps_agree_to_rounding(numba_kernels, dtype, optimizer, penalty):
    n_steps, results = 20, []
    for kernels in (numba_kernels, numpy_kernels):
        rng = np.random.default_rng(0)
        theta = rng.normal(size=1000).astype(dtype)
        arrays, work = optimizer.allocate(theta), np.empty_like(theta)
        squares = []
        for t in range(1, n_steps + 1):
            gradient = rng.normal(size=theta.shape).astype(dtype)
            squares.append(optimizer.step(theta, gradient, work, 0.01, t, arrays, penalty, kernels))
        results.append((theta, squares))
    (compiled, compiled_squares), (reference, squares) = results
    # A step rounds a value at most twelve times. Later steps do not amplify the errors.
    tolerance = 12 * n_steps * np.finfo(dtype).eps
    np.testing.assert_allclose(
        compiled, reference, rtol=0, atol=tolerance * np.abs(reference).max()
    )
    if penalty.l2:
        np.testing.assert_allclose(
            compiled_squares, squares, rtol=700 * np.finfo(dtype).eps + tolerance
        )


@every_dtype
def test_splitting_into_blocks_does_not_change_the_steps(kernels, dtype):
    n = 2 * BLOCK_SIZE + 5
    rng = np.random.default_rng(0)
    start, gradient = rng.normal(size=(2, n)).astype(dtype)
    for optimizer in (SGD(), Adam(), NAdam(), RMSprop()):
        selected = [0, BLOCK_SIZE - 1, BLOCK_SIZE, 2 * BLOCK_SIZE, n - 1]
        results = []
        for indices in (slice(None), selected):
            theta = start[indices].copy()
            arrays, work = optimizer.allocate(theta), np.empty_like(theta)
            for t in (1, 2, 3):
                optimizer.step(
                    theta, gradient[indices].copy(), work, 0.1, t, arrays, NO_PENALTY, kernels
                )
            results.append(theta)
        tolerance = 30 * np.finfo(dtype).eps
        np.testing.assert_allclose(results[0][selected], results[1], rtol=tolerance, atol=tolerance)


@every_dtype
def test_zero_below_processes_all_blocks(kernels, dtype):
    values = np.ones(2 * BLOCK_SIZE + 5, dtype)
    values[::3] = 1e-30
    kernels.zero_below(values, 1e-20, np.full_like(values, np.nan))
    np.testing.assert_array_equal(values, np.arange(len(values)) % 3 > 0)


# Choice


def test_kernels_depend_on_the_amount_of_work(with_numba):
    assert choose_kernels(LARGE_WORK - 1) == "numpy"
    assert choose_kernels(LARGE_WORK) == "numba"


def test_numpy_is_used_if_numba_is_not_installed(without_numba):
    assert choose_kernels(100 * LARGE_WORK) == "numpy"
    assert choose_kernels(LARGE_WORK, earlier="numba") == "numpy"


def test_continued_training_keeps_its_kernels(with_numba):
    assert choose_kernels(LARGE_WORK, earlier="numpy") == "numpy"
    assert choose_kernels(1, earlier="numba") == "numba"


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_explicit_choice_overrides_the_amount_of_work(with_numba, monkeypatch, name):
    monkeypatch.setenv("SKMLP_KERNELS", name)
    assert [get_kernels(), choose_kernels(1), choose_kernels(LARGE_WORK)] == [name] * 3
    other = "numpy" if name == "numba" else "numba"
    set_kernels(other)
    assert [get_kernels(), choose_kernels(1), choose_kernels(LARGE_WORK, name)] == [other] * 3
    set_kernels(None)
    assert get_kernels() == name


def test_make_backend_records_the_kernels_in_the_state(with_numba, make_config, make_state):
    config = make_config((4, 5, 3))
    state = make_state(config)
    assert make_backend(config, state, n_samples=10).kernels is numpy_kernels
    assert state.kernels == "numpy"


@pytest.mark.parametrize("n_samples", [1, 10**9])
def test_make_backend_uses_the_kernels_for_its_work(
    numba_kernels, make_config, make_state, n_samples
):
    config = make_config((4, 5, 3))
    state = make_state(config)
    backend = make_backend(config, state, n_samples)
    expected = "numpy" if n_samples == 1 else "numba"
    assert state.kernels == expected
    assert backend.kernels is load_kernels(expected)
    # Training continues with the same kernels.
    assert make_backend(config, state, 10**9 + 1 - n_samples).kernels is load_kernels(expected)


def test_unknown_kernel_name_raises(monkeypatch):
    with pytest.raises(ValueError, match=r"'auto' or one of 'numpy', 'numba', got 'fast'"):
        set_kernels("fast")
    monkeypatch.setenv("SKMLP_KERNELS", "c")
    with pytest.raises(ValueError, match=r"environment variable SKMLP_KERNELS .*got 'c'"):
        MLPDigitClassifier().fit([[0.0], [1.0]], [0, 1])


def test_choosing_numba_raises_if_it_is_not_installed(without_numba):
    with pytest.raises(ImportError, match=r'pip install "skmlp\[fast\]"'):
        set_kernels("numba")


# Worker processes


@pytest.fixture
def running_workers():
    """Return the ids of joblib worker processes that are started before the kernels are chosen."""
    pytest.importorskip("numba")
    Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(4))
    yield get_worker_ids()
    get_reusable_executor(reuse=True).shutdown(wait=True)


def get_worker_ids():
    return set(get_reusable_executor(reuse=True)._processes)


@pytest.fixture(scope="module")
def three_classes():
    X = np.random.default_rng(0).normal(size=(60, 5))
    return X, np.arange(60) % 3


def make_small_classifier(**params):
    return MLPDigitClassifier((4,), max_iter=2, batch_size=16, random_state=0, **params)


def test_running_workers_use_kernels_chosen_after_their_start(running_workers, three_classes):
    for name in ("numba", "numpy", None, "numba"):
        set_kernels(name)
        fitted = Parallel(n_jobs=2)(
            delayed(MLPDigitClassifier.fit)(make_small_classifier(alpha=alpha), *three_classes)
            for alpha in (0, 1, 2, 3)
        )
        assert {mlp._state.kernels for mlp in fitted} == {name or "numpy"}
        assert get_kernels() == (name or "auto")
        assert get_worker_ids() == running_workers
    assert len(running_workers) == 2


@pytest.mark.parametrize("name", ["numba", "numpy"])
def test_parallel_search_trains_with_the_chosen_kernels(running_workers, three_classes, name):
    set_kernels(name)

    def score(model, X, y):
        return float(model[-1]._state.kernels == name and os.getpid() in running_workers)

    search = GridSearchCV(
        make_pipeline(StandardScaler(), make_small_classifier()),
        {"mlpdigitclassifier__alpha": [0, 1]},
        scoring=score,
        cv=2,
        n_jobs=2,
        refit=False,
    )
    search.fit(*three_classes)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], 1)


def test_unpickling_does_not_change_the_choice_outside_workers(numba_kernels, three_classes):
    set_kernels("numba")
    pickled = pickle.dumps(make_small_classifier().fit(*three_classes))
    for name in ("numpy", "auto", None):
        set_kernels(name)
        mlp = pickle.loads(pickled)
        assert get_kernels() == (name or "auto")
        assert not hasattr(mlp, "_kernels")


# Checkpoints


def test_resume_uses_the_kernels_of_the_checkpoint(numba_kernels, three_classes, tmp_path):
    X, y = three_classes
    path = tmp_path / "checkpoint.safetensors"
    set_kernels("numba")
    params = {"max_iter": 5, "random_state": 0, "batch_size": 16}
    uninterrupted = MLPDigitClassifier((8,), **params).fit(X, y)
    interrupted = MLPDigitClassifier((8,), **params)

    class InterruptionError(Exception):
        pass

    class InterruptAfterThreeEpochs(Checkpoint):
        def on_fit_task_end(self, *args, **kwargs):
            stop = super().on_fit_task_end(*args, **kwargs)
            if interrupted.n_iter_ == 3:
                raise InterruptionError
            return stop

    with pytest.raises(InterruptionError):
        interrupted.set_callbacks(InterruptAfterThreeEpochs(path)).fit(X, y)
    set_kernels(None)
    resumed = MLPDigitClassifier.resume(path, X, y)
    for actual, expected in zip(resumed.coefs_, uninterrupted.coefs_, strict=True):
        np.testing.assert_array_equal(actual, expected)

    with pytest.raises(InterruptionError):
        interrupted.set_callbacks(InterruptAfterThreeEpochs(path)).fit(X, y)
    set_kernels("numba")
    with pytest.warns(UserWarning, match="expected the numpy kernels, .* got the numba kernels"):
        resumed = MLPDigitClassifier.resume(path, X, y)
    for actual, expected in zip(resumed.coefs_, uninterrupted.coefs_, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)
