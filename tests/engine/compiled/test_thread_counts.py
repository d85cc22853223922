"""The results of training do not depend on the number of threads, bit for bit."""

import ctypes
import warnings
from functools import partial

import numpy as np
import pytest
from helpers import assert_same_training, load_small_digits, make_classifier_factory
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

pytest.importorskip("numba")

from skmlp import set_kernels
from skmlp.engine import backend_choice
from skmlp.engine.compiled import library, prediction, program, step, threads
from skmlp.engine.compiled.kernels import Indices, Int, compile_kernel, kernel
from skmlp.engine.compiled.program import Call, Program
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.reference.activations import ACTIVATIONS

# The layers cannot be divided into equal parts for any number of threads.
make = make_classifier_factory(
    hidden_layer_sizes=(23, 17), batch_size=40, max_iter=2, alpha=1e-3, learning_rate_init=0.01
)
THREAD_COUNTS = [1, 2, 3, 4]


@pytest.fixture(autouse=True)
def select_compiled_kernels(monkeypatch):
    """Use the compiled kernels, also for predictions of few samples."""
    monkeypatch.setattr(backend_choice, "LARGE_PREDICTION", 0)
    set_kernels("numba")
    yield
    set_kernels(None)


@pytest.fixture(scope="module")
def digits():
    """Return float32 features and labels; the last batch is smaller than the others."""
    X, y = load_small_digits(131)
    return X.astype(np.float32), y


def fit_with_threads(n_threads, estimator, X, y, **arguments):
    """Return the estimator, fitted on a number of threads, and the probabilities that it predicts on them."""
    with threadpool_limits(n_threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        pool = get_thread_pool()
        assert pool.count_threads() == n_threads or pool.name == "serial"
        probabilities = estimator.fit(X, y, **arguments).predict_proba(X)
    assert estimator._state.kernels == "numba"
    return estimator, probabilities


def assert_threads_do_not_matter(make_estimator, X, y, **arguments):
    """Assert that training gives the same results for all numbers of threads."""
    (expected, expected_probabilities), *others = (
        fit_with_threads(n, make_estimator(), X, y, **arguments) for n in THREAD_COUNTS
    )
    for estimator, probabilities in others:
        assert_same_training(estimator, expected)
        for ours, theirs in zip(
            get_state_arrays(estimator), get_state_arrays(expected), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(probabilities, expected_probabilities)


def get_state_arrays(estimator):
    """Return the weights, running statistics, averages and optimizer state."""
    state = estimator._state
    arrays = [array for weights in state.trained_weights() for array in vars(weights).values()]
    return [*arrays, *state.optimizer_arrays.values()]


FEATURES = {
    "plain": {},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "one unit": {"hidden_layer_sizes": (1,)},
    "batch norm": {"batch_norm": True},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "label smoothing": {"label_smoothing": 0.1},
    "clip_norm": {"clip_norm": 0.1},
    "clip_norm and batch norm": {"clip_norm": 0.1, "batch_norm": True, "ema_decay": 0.9},
    "max_norm": {"max_norm": 0.5},
    "weight decay": {"solver": "adamw", "weight_decay": 0.1},
    "averaged weights": {"ema_decay": 0.9, "batch_norm": True},
    "adversarial": {"adversarial_norm": 0.5, "input_dropout": 0.2, "batch_norm": True},
    "virtual adversarial": {"virtual_adversarial_norm": 0.5, "dropout": 0.2, "batch_norm": True},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 3},
    "augmentation": {"augmentation": "digits", "image_shape": (8, 8)},
    "all samples in a batch": {"batch_size": 131},
}


@pytest.mark.parametrize("params", FEATURES.values(), ids=FEATURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_feature(digits, params, dtype):
    X, y = digits
    assert_threads_do_not_matter(partial(make, **params), X.astype(dtype), y)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "nadam", "rmsprop"])
def test_every_solver(digits, solver):
    assert_threads_do_not_matter(partial(make, solver=solver), *digits)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_every_activation(digits, activation):
    assert_threads_do_not_matter(partial(make, activation=activation), *digits)


def test_sample_weights(digits):
    X, y = digits
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    weights[::3] = 0
    assert_threads_do_not_matter(make, X, y, sample_weight=weights)


def test_validation_set(digits):
    X, y = digits
    make_estimator = partial(make, early_stopping=True, monitor="loss")
    assert_threads_do_not_matter(make_estimator, X[:100], y[:100], X_val=X[100:], y_val=y[100:])


@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_logistic_outputs(digits, kind):
    X, y = digits
    targets = y > 4 if kind == "binary" else np.stack([y > 4, y % 2 == 0, y % 3 == 0], axis=1)
    assert_threads_do_not_matter(make, X, targets)


def keep_fraction(fraction):
    """Return a function that converts an array to CSR and sets all elements except for a fraction to zero."""
    return lambda X: csr_matrix(X * (np.random.default_rng(0).random(X.shape) < fraction))


KINDS_OF_SAMPLES = {
    "CSR": (csr_matrix, {"input_dropout": 0.2}),
    "CSR, few nonzero": (keep_fraction(0.02), {"input_dropout": 0.2}),
    "CSR, very few nonzero": (keep_fraction(0.002), {"input_dropout": 0.2}),
    "few nonzero": (lambda X: keep_fraction(0.1)(X).toarray(), {}),
    "few nonzero, dropout": (lambda X: keep_fraction(0.1)(X).toarray(), {"input_dropout": 0.2}),
    "few nonzero, uint8": (
        lambda X: (255 * keep_fraction(0.1)(X).toarray()).astype(np.uint8),
        {"input_scale": 1 / 255},
    ),
    "uint8": (lambda X: (255 * X).astype(np.uint8), {"input_scale": 1 / 255}),
    "F order": (np.asfortranarray, {}),
    "int64": (lambda X: (16 * X).astype(np.int64), {"input_scale": 1 / 16}),
}


@pytest.mark.parametrize(("convert", "params"), KINDS_OF_SAMPLES.values(), ids=KINDS_OF_SAMPLES)
def test_every_kind_of_samples(digits, convert, params):
    X, y = digits
    assert_threads_do_not_matter(partial(make, **params), convert(X), y)


def test_partial_fit_and_warm_start_with_other_numbers_of_threads(digits):
    estimators = []
    for counts in ([1, 1, 1], [2, 4, 3]):
        estimator = make(warm_start=True, max_iter=1)
        for n_threads in counts:
            fit_with_threads(n_threads, estimator, *digits)
            with threadpool_limits(n_threads):
                estimator.partial_fit(*digits)
        estimators.append(estimator)
    assert_same_training(*estimators)


@pytest.fixture
def omp_pool(monkeypatch):
    """Run programs on the omp pool, and return it."""
    try:
        pool = threads.make_pool("omp")
    except (ImportError, OSError) as error:
        pytest.skip(f"The pool omp is not available: {error}")
    monkeypatch.setattr(program, "get_thread_pool", lambda: pool)
    yield pool
    ctypes.c_int64.from_address(pool.job_address + 8 * threads.RUNS_ALONE).value = 0


@kernel
def run_next_region_alone(state: Indices, is_alone: Int, thread: Int, n_threads: Int):
    if thread == 0:
        state[threads.RUNS_ALONE] = is_alone


def make_alternating_program(pool, n_alone, period, regions):
    """Return a Program of which `n_alone` of `period` successive regions run on the calling thread alone."""
    name = "test_thread_counts.run_next_region_alone"
    if name not in library.loaded:
        code = compile_kernel(run_next_region_alone, "float32", "float32", name)
        library.loaded[name] = library.link(name, code)
    address, calls = library.loaded[name].array_function, []
    for i in range(1, len(regions) + 1):
        is_alone = i % len(regions) % period < n_alone
        calls.append(Call(name, address, (pool.job_address, int(is_alone))))
    return Program([[*region, call] for region, call in zip(regions, calls, strict=True)])


@pytest.mark.parametrize("params", FEATURES.values(), ids=FEATURES)
def test_each_region_runs_on_the_workers_or_alone(digits, params, omp_pool, monkeypatch):
    results = []
    for n_alone, period in ((0, 1), (1, 2), (1, 3), (2, 3), (1, 4)):
        for module in (step, prediction):
            make_program = partial(make_alternating_program, omp_pool, n_alone, period)
            monkeypatch.setattr(module, "Program", make_program)
        results.append(fit_with_threads(2, make(**params), *digits))
    (expected, expected_probabilities), *others = results
    for estimator, probabilities in others:
        assert_same_training(estimator, expected)
        np.testing.assert_array_equal(probabilities, expected_probabilities)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_parallel_search_gives_the_same_scores_and_weights(digits):
    X, y = digits
    searches = [
        GridSearchCV(
            make(batch_norm=True, dropout=0.1),
            {"alpha": [1e-4, 1e-1], "hidden_layer_sizes": [(9,), (23, 17)]},
            cv=3,
            n_jobs=n_jobs,
        ).fit(X, y)
        for n_jobs in (1, 2)
    ]
    serial, parallel = searches
    scores = [name for name in serial.cv_results_ if name.endswith("_test_score")]
    assert len(scores) == 6
    for name in scores:
        np.testing.assert_array_equal(parallel.cv_results_[name], serial.cv_results_[name])
    assert parallel.best_params_ == serial.best_params_
    assert_same_training(parallel.best_estimator_, serial.best_estimator_)
