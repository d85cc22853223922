"""Choice of the kernels: by name, by the amount of work, in worker processes and for checkpoints."""

import importlib
import os
import pickle
import subprocess
import sys
import warnings
from dataclasses import replace

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
from skmlp.engine.backend_choice import (
    choose_kernels,
    continue_kernels,
    estimate_saved_time,
    make_backend,
)
from skmlp.engine.batches import Samples, TrainingData
from skmlp.engine.lbfgs import LBFGS
from skmlp.engine.reference.backend import ReferenceBackend

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def reset_choice(monkeypatch):
    monkeypatch.delenv("SKMLP_KERNELS", raising=False)
    yield
    set_kernels(None)


@pytest.fixture
def without_numba(monkeypatch):
    monkeypatch.setattr(backend_choice, "numba_is_installed", lambda: False)


@pytest.fixture
def compiled_catalog():
    pytest.importorskip("numba")
    return importlib.import_module("skmlp.engine.compiled.catalog")


@pytest.fixture
def with_numba(monkeypatch):
    monkeypatch.setattr(backend_choice, "numba_is_installed", lambda: True)


# Choice

SMALL, LARGE = 100, 10**9  # numbers of samples


def make_data(n_samples, dtype="f"):
    """Return TrainingData with a number of samples that occupy the memory of one."""
    return TrainingData(Samples(np.broadcast_to(np.zeros(4, dtype), (n_samples, 4))))


@pytest.fixture
def choose(make_config):
    """Return a function that chooses the kernels for a number of samples."""
    config = make_config((4, 5, 3), "relu")

    def choose(n_samples, earlier=None):
        return choose_kernels(config, np.dtype("f"), make_data(n_samples), earlier)

    return choose


@pytest.fixture
def with_fast_arithmetic(compiled_catalog, monkeypatch):
    monkeypatch.setattr(compiled_catalog, "has_fast_arithmetic", lambda: True)


@pytest.mark.usefixtures("with_fast_arithmetic")
def test_kernels_depend_on_the_expected_saving(choose):
    assert choose(SMALL) == "numpy"
    assert choose(LARGE) == "numba"


@pytest.mark.usefixtures("with_fast_arithmetic")
@pytest.mark.parametrize(("cached", "expected"), [(True, "numba"), (False, "numpy")])
def test_medium_training_is_compiled_only_if_the_kernels_are_cached(
    choose, compiled_catalog, monkeypatch, cached, expected
):
    monkeypatch.setattr(backend_choice, "LOADING_TIME", 0.0)
    monkeypatch.setattr(compiled_catalog, "are_cached", lambda kernels: cached)
    assert choose(SMALL) == expected
    assert choose(LARGE) == "numba"


def test_processors_without_multiply_add_use_numpy(choose, compiled_catalog, monkeypatch):
    monkeypatch.setattr(compiled_catalog, "has_fast_arithmetic", lambda: False)
    assert choose(LARGE) == "numpy"


def test_saving_grows_with_samples_weights_and_epochs(make_config):
    small, wide = make_config((4, 5, 3), "relu"), make_config((4, 500, 3), "relu")
    solver = replace(small.solver, max_epochs=1)
    single_epoch = replace(small, solver=solver)
    saved = estimate_saved_time(small, 1000)
    assert saved == pytest.approx(10 * estimate_saved_time(single_epoch, 1000))
    assert estimate_saved_time(small, 2000) == pytest.approx(2 * saved)
    assert estimate_saved_time(wide, 1000) > saved


def test_saving_depends_on_the_epochs_that_are_expected(make_config):
    config = make_config((4, 5, 3), "relu")

    def estimate(**solver):
        return estimate_saved_time(replace(config, solver=replace(config.solver, **solver)), 1000)

    # Training that may stop earlier is expected to take 20 epochs at most.
    assert estimate(max_epochs=500) == estimate(max_epochs=20)
    assert estimate(max_epochs=500, trains_all_epochs=True) == pytest.approx(
        25 * estimate(max_epochs=20)
    )


def test_numpy_is_used_if_numba_is_not_installed(choose, without_numba):
    assert choose(LARGE) == "numpy"
    assert choose(LARGE, earlier="numba") == "numpy"


def test_continued_training_keeps_its_kernels(choose, with_numba):
    assert choose(LARGE, earlier="numpy") == "numpy"
    pytest.importorskip("numba")
    assert choose(SMALL, earlier="numba") == "numba"


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_explicit_choice_overrides_the_expected_saving(choose, with_numba, monkeypatch, name):
    monkeypatch.setenv("SKMLP_KERNELS", name)
    assert [get_kernels(), choose(SMALL), choose(LARGE)] == [name] * 3
    other = "numpy" if name == "numba" else "numba"
    set_kernels(other)
    assert [get_kernels(), choose(SMALL), choose(LARGE, name)] == [other] * 3
    set_kernels(None)
    assert get_kernels() == name


def test_make_backend_records_the_kernels_in_the_state(with_numba, make_config, make_state):
    config = make_config((4, 5, 3))
    state = make_state(config)
    assert type(make_backend(config, state, make_data(10))) is ReferenceBackend
    assert state.kernels == "numpy"


@pytest.mark.usefixtures("with_fast_arithmetic")
@pytest.mark.parametrize("n_samples", [1, 10**9])
def test_make_backend_uses_the_kernels_for_its_work(
    compiled_backend, make_config, make_state, n_samples
):
    config = make_config((4, 5, 3))
    state = make_state(config)
    backend = make_backend(config, state, make_data(n_samples))
    name, expected = ("numpy", ReferenceBackend) if n_samples == 1 else ("numba", compiled_backend)
    assert state.kernels == name
    assert type(backend) is expected
    # Training continues with the same kernels.
    assert type(make_backend(config, state, make_data(10**9 + 1 - n_samples))) is expected


@pytest.mark.parametrize("name", ["auto", "numpy", "numba"])
def test_full_batches_always_use_numpy(with_numba, make_config, make_state, name):
    config = make_config((4, 5, 3), solver=LBFGS(10**9, 1e-4, 10, 10))
    state = make_state(config)
    state.kernels = "numba"  # of an earlier run with another solver
    set_kernels(name)
    assert type(make_backend(config, state, make_data(10**9))) is ReferenceBackend
    assert state.kernels == "numpy"
    assert continue_kernels(config, "numpy") == "numpy"


def test_unknown_kernel_name_raises(monkeypatch):
    with pytest.raises(ValueError, match=r"'auto' or one of 'numpy', 'numba', got 'fast'"):
        set_kernels("fast")
    monkeypatch.setenv("SKMLP_KERNELS", "c")
    with pytest.raises(ValueError, match=r"environment variable SKMLP_KERNELS .*got 'c'"):
        MLPDigitClassifier().fit([[0.0], [1.0]], [0, 1])


def test_choosing_numba_raises_if_it_is_not_installed(without_numba):
    with pytest.raises(ImportError, match=r'pip install "skmlp\[fast\]"'):
        set_kernels("numba")


# numba that is installed but cannot be imported


@pytest.fixture(params=["numba", "llvmlite"])
def broken_numba(request, compiled_catalog, tmp_path, monkeypatch):
    """Let the modules that import a package raise the error of numba for a version of NumPy that is too new."""
    blocked = ("kernels",) if request.param == "numba" else ("kernels", "catalog", "backend")
    import_module = importlib.import_module

    def import_others(name):
        if name.rpartition(".")[2] in blocked:
            raise ImportError("Numba needs NumPy 2.4 or less. Got NumPy 2.9.")
        return import_module(name)

    library = import_module("skmlp.engine.compiled.library")
    monkeypatch.setattr(library.importlib, "import_module", import_others)
    monkeypatch.setattr(library, "loaded", {})
    monkeypatch.setenv("SKMLP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled_catalog, "has_fast_arithmetic", lambda: True)
    for function in (backend_choice.find_import_error, backend_choice.warn_once):
        function.cache_clear()
    yield
    for function in (backend_choice.find_import_error, backend_choice.warn_once):
        function.cache_clear()


@pytest.mark.parametrize("earlier", [None, "numba"])
def test_numpy_replaces_numba_that_cannot_be_imported(choose, broken_numba, earlier):
    message = r"requires? numba, .* cannot be imported: .* Got NumPy 2\.9\. Install .* uses NumPy\."
    with pytest.warns(UserWarning, match=message):
        assert choose(LARGE, earlier) == "numpy"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose(LARGE, earlier) == "numpy"


def test_explicit_selection_of_numba_that_cannot_be_imported_raises(broken_numba, three_classes):
    set_kernels("numba")
    with pytest.raises(ImportError, match=r"cannot be imported: .* Got NumPy 2\.9\. Install"):
        make_small_classifier().fit(*three_classes)


# Prediction


def run_python(program, **variables):
    """Return what a program prints in a new process, without spaces at the ends."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


PREDICTION_PROGRAM = """
import numpy as np, scipy.sparse, skmlp
from skmlp.engine import backend_choice
from skmlp.estimator import prediction

made = []
def record(*arguments):
    made.append(backend_choice.make_predictor(*arguments))
    return made[-1]
prediction.make_predictor = record
backend_choice.LARGE_PREDICTION = 0

def find_predictor(mlp, X):
    mlp.predict_proba(X)
    return type(made[-1]).__name__

def list_loaded():
    from skmlp.engine.compiled import library
    return set(library.loaded)

X = np.random.default_rng(0).random((64, 6)).astype("f")
mlp = skmlp.MLPDigitClassifier((5,), max_iter=1, input_scale=0.5).fit(X, np.arange(64) % 3)
"""


def test_prediction_uses_kernels_that_an_explicit_selection_loaded():
    pytest.importorskip("numba")
    program = PREDICTION_PROGRAM + "skmlp.set_kernels('auto'); print(find_predictor(mlp, X))"
    assert run_python(program, SKMLP_KERNELS="numba") == "Predictor"
    assert run_python(program, SKMLP_KERNELS="numpy") == "ReferencePredictor"


def test_prediction_does_not_load_kernels_for_other_kinds_of_samples():
    pytest.importorskip("numba")
    program = """
before = list_loaded()
skmlp.set_kernels("auto")
kinds = [X, (X * 255).astype("u1"), X.astype("d"), np.asfortranarray(X)]
kinds += [scipy.sparse.csr_matrix(X), scipy.sparse.random(64, 6, 0.02, "csr", "f", random_state=0)]
print(*(find_predictor(mlp, x)[:9] for x in kinds), list_loaded() == before)
"""
    expected = "Predictor Reference Predictor Predictor Reference Reference True"
    assert run_python(PREDICTION_PROGRAM + program, SKMLP_KERNELS="numba") == expected


def test_prediction_while_another_thread_imports_the_kernels():
    pytest.importorskip("numba")
    # A module whose import is not complete is in sys.modules, without its functions.
    program = """
import importlib, sys, threading, time
from skmlp.engine.compiled import library

is_importing = threading.Event()
class SlowFinder:
    def find_spec(name, path, target=None):
        if name == "skmlp.engine.compiled.inputs":
            is_importing.set()
            time.sleep(0.3)
sys.meta_path.insert(0, SlowFinder)
name = "skmlp.engine.compiled.catalog"
thread = threading.Thread(target=importlib.import_module, args=[name])
thread.start()
is_importing.wait()
assert name in sys.modules
library.loaded["another kernel"] = None
print(find_predictor(mlp, X))
thread.join()
"""
    assert run_python(PREDICTION_PROGRAM + program, SKMLP_KERNELS="auto") == "ReferencePredictor"


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


def test_unpickling_does_not_change_the_choice_outside_workers(compiled_backend, three_classes):
    set_kernels("numba")
    pickled = pickle.dumps(make_small_classifier().fit(*three_classes))
    for name in ("numpy", "auto", None):
        set_kernels(name)
        mlp = pickle.loads(pickled)
        assert get_kernels() == (name or "auto")
        assert not hasattr(mlp, "_kernels")


# Checkpoints


def test_resume_uses_the_kernels_of_the_checkpoint(compiled_backend, three_classes, tmp_path):
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
