"""The two sets of kernels against each other, and how one of them is chosen."""

import inspect
import os
import pickle

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
from skmlp.engine.backend_choice import LARGE_WORK, kernels_for, load_kernels, make_backend
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
def _choose_nothing(monkeypatch):
    monkeypatch.delenv("SKMLP_KERNELS", raising=False)
    yield
    set_kernels(None)


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr(backend_choice, "numba_is_installed", lambda: False)


@pytest.fixture
def with_numba(monkeypatch):
    monkeypatch.setattr(backend_choice, "numba_is_installed", lambda: True)


# Agreement


def parameters_of(function):
    return list(inspect.signature(getattr(function, "py_func", function)).parameters)


NAMES = [
    name
    for name, function in vars(numpy_kernels).items()
    if inspect.isfunction(function)
    and function.__module__ == numpy_kernels.__name__
    and name != "root_of_second_moment"  # a part of three others
]


def test_both_sets_have_the_same_names_and_parameters(numba_kernels):
    assert len(NAMES) > 10
    for name in NAMES:
        ours, reference = (getattr(module, name) for module in (numba_kernels, numpy_kernels))
        assert parameters_of(ours) == parameters_of(reference)


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
    ours, reference = evaluations
    # A sum of n terms has a relative error of at most n epsilon of the sum of their sizes. On the longest way from
    # theta to a gradient are sums over 30, 20 and 20 inputs, back over 5 and 20 units, over the batch of 40, and with
    # batch normalization over 40 four times per layer; some ten operations on single numbers between two of them.
    n_roundings = 30 + 20 + 20 + 5 + 20 + 40 + 8 * 40 * batch_norm + 100
    tolerance = n_roundings * float(np.finfo(dtype).eps)
    assert ours.n_correct == pytest.approx(reference.n_correct, rel=tolerance)
    assert ours.loss == pytest.approx(reference.loss, rel=tolerance)
    np.testing.assert_allclose(
        ours.gradient, reference.gradient, rtol=0, atol=tolerance * np.abs(reference.gradient).max()
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
def test_steps_agree_to_rounding(numba_kernels, dtype, optimizer, penalty):
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
    (ours, our_squares), (reference, squares) = results
    # At most twelve roundings of a number per step, each of which the coming steps carry on without enlarging it.
    tolerance = 12 * n_steps * np.finfo(dtype).eps
    np.testing.assert_allclose(ours, reference, rtol=0, atol=tolerance * np.abs(reference).max())
    if penalty.l2:
        np.testing.assert_allclose(our_squares, squares, rtol=700 * np.finfo(dtype).eps + tolerance)


@every_dtype
def test_vectors_larger_than_the_cache_take_the_same_steps(kernels, dtype):
    """Cut into blocks or not, every component moves as it does alone."""
    n = 2 * BLOCK_SIZE + 5
    rng = np.random.default_rng(0)
    start, gradient = rng.normal(size=(2, n)).astype(dtype)
    for optimizer in (SGD(), Adam(), NAdam(), RMSprop()):
        chosen = [0, BLOCK_SIZE - 1, BLOCK_SIZE, 2 * BLOCK_SIZE, n - 1]
        moved = []
        for rows in (slice(None), chosen):
            theta = start[rows].copy()
            arrays, work = optimizer.allocate(theta), np.empty_like(theta)
            for t in (1, 2, 3):
                optimizer.step(
                    theta, gradient[rows].copy(), work, 0.1, t, arrays, NO_PENALTY, kernels
                )
            moved.append(theta)
        tolerance = 30 * np.finfo(dtype).eps
        np.testing.assert_allclose(moved[0][chosen], moved[1], rtol=tolerance, atol=tolerance)


@every_dtype
def test_small_numbers_become_zero_in_vectors_larger_than_the_cache(kernels, dtype):
    values = np.ones(2 * BLOCK_SIZE + 5, dtype)
    values[::3] = 1e-30
    kernels.zero_below(values, 1e-20, np.full_like(values, np.nan))
    np.testing.assert_array_equal(values, np.arange(len(values)) % 3 > 0)


# Choice


def test_small_work_takes_numpy_and_large_work_numba(with_numba):
    assert kernels_for(LARGE_WORK - 1) == "numpy"
    assert kernels_for(LARGE_WORK) == "numba"


def test_without_numba_everything_is_numpy(without_numba):
    assert kernels_for(100 * LARGE_WORK) == "numpy"
    assert kernels_for(LARGE_WORK, earlier="numba") == "numpy"


def test_a_training_goes_on_with_what_it_began_with(with_numba):
    assert kernels_for(LARGE_WORK, earlier="numpy") == "numpy"
    assert kernels_for(1, earlier="numba") == "numba"


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_what_was_chosen_counts_whatever_the_work(with_numba, monkeypatch, name):
    monkeypatch.setenv("SKMLP_KERNELS", name)
    assert [get_kernels(), kernels_for(1), kernels_for(LARGE_WORK)] == [name] * 3
    other = "numpy" if name == "numba" else "numba"
    set_kernels(other)
    assert [get_kernels(), kernels_for(1), kernels_for(LARGE_WORK, name)] == [other] * 3
    set_kernels(None)
    assert get_kernels() == name


def test_a_backend_records_its_kernels_in_the_state(with_numba, make_config, make_state):
    config = make_config((4, 5, 3))
    state = make_state(config)
    assert make_backend(config, state, n_samples=10).kernels is numpy_kernels
    assert state.kernels == "numpy"


@pytest.mark.parametrize("n_samples", [1, 10**9])
def test_a_backend_computes_with_the_kernels_for_its_work(
    numba_kernels, make_config, make_state, n_samples
):
    config = make_config((4, 5, 3))
    state = make_state(config)
    backend = make_backend(config, state, n_samples)
    expected = "numpy" if n_samples == 1 else "numba"
    assert state.kernels == expected
    assert backend.kernels is load_kernels(expected)
    # It continues with the set it began with.
    assert make_backend(config, state, 10**9 + 1 - n_samples).kernels is load_kernels(expected)


def test_an_unknown_name_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"'auto' or one of 'numpy', 'numba', got 'fast'"):
        set_kernels("fast")
    monkeypatch.setenv("SKMLP_KERNELS", "c")
    with pytest.raises(ValueError, match=r"environment variable SKMLP_KERNELS .*got 'c'"):
        MLPDigitClassifier().fit([[0.0], [1.0]], [0, 1])


def test_numba_is_refused_where_it_is_missing(without_numba):
    with pytest.raises(ImportError, match=r"pip install 'skmlp\[fast\]'"):
        set_kernels("numba")


# Worker processes


@pytest.fixture
def earlier_workers():
    """The ids of joblib's worker processes, which are started before kernels are chosen."""
    pytest.importorskip("numba")
    Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(4))
    yield worker_ids()
    get_reusable_executor(reuse=True).shutdown(wait=True)


def worker_ids():
    return set(get_reusable_executor(reuse=True)._processes)


@pytest.fixture(scope="module")
def classes():
    X = np.random.default_rng(0).normal(size=(60, 5))
    return X, np.arange(60) % 3


def small_classifier(**params):
    return MLPDigitClassifier((4,), max_iter=2, batch_size=16, random_state=0, **params)


def test_workers_that_are_running_take_the_kernels_chosen_since(earlier_workers, classes):
    for name in ("numba", "numpy", None, "numba"):
        set_kernels(name)
        fitted = Parallel(n_jobs=2)(
            delayed(MLPDigitClassifier.fit)(small_classifier(alpha=alpha), *classes)
            for alpha in (0, 1, 2, 3)
        )
        assert {mlp._state.kernels for mlp in fitted} == {name or "numpy"}
        assert get_kernels() == (name or "auto")
        assert worker_ids() == earlier_workers
    assert len(earlier_workers) == 2


@pytest.mark.parametrize("name", ["numba", "numpy"])
def test_a_search_in_workers_trains_with_the_chosen_kernels(earlier_workers, classes, name):
    set_kernels(name)

    def score(model, X, y):
        return float(model[-1]._state.kernels == name and os.getpid() in earlier_workers)

    search = GridSearchCV(
        make_pipeline(StandardScaler(), small_classifier()),
        {"mlpdigitclassifier__alpha": [0, 1]},
        scoring=score,
        cv=2,
        n_jobs=2,
        refit=False,
    )
    search.fit(*classes)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], 1)


def test_unpickling_leaves_the_choice_of_an_ordinary_process(numba_kernels, classes):
    set_kernels("numba")
    pickled = pickle.dumps(small_classifier().fit(*classes))
    for name in ("numpy", "auto", None):
        set_kernels(name)
        mlp = pickle.loads(pickled)
        assert get_kernels() == (name or "auto")
        assert not hasattr(mlp, "_kernels")


# Checkpoints


def test_resume_takes_the_kernels_that_the_checkpoint_names(numba_kernels, classes, tmp_path):
    X, y = classes
    path = tmp_path / "kept.safetensors"

    def fit(epochs, *callbacks):
        mlp = MLPDigitClassifier((8,), max_iter=epochs, random_state=0, batch_size=16)
        return mlp.set_callbacks(*callbacks).fit(X, y)

    set_kernels("numba")
    whole = fit(5)
    cut = MLPDigitClassifier((8,), max_iter=5, random_state=0, batch_size=16)

    class CutOffError(Exception):
        pass

    class CutAfterThree(Checkpoint):
        def on_fit_task_end(self, *args, **kwargs):
            stop = super().on_fit_task_end(*args, **kwargs)
            if cut.n_iter_ == 3:
                raise CutOffError
            return stop

    with pytest.raises(CutOffError):
        cut.set_callbacks(CutAfterThree(path)).fit(X, y)
    set_kernels(None)
    resumed = MLPDigitClassifier.resume(path, X, y)
    for ours, theirs in zip(resumed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    with pytest.raises(CutOffError):
        cut.set_callbacks(CutAfterThree(path)).fit(X, y)
    set_kernels("numba")
    with pytest.warns(UserWarning, match="expected the numpy kernels, .* got the numba kernels"):
        resumed = MLPDigitClassifier.resume(path, X, y)
    for ours, theirs in zip(resumed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
