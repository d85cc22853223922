"""The two sets of kernels against each other, and how one of them is chosen."""

import inspect

import numpy as np
import pytest

from skmlp import MLPDigitClassifier, get_kernels, set_kernels
from skmlp.callbacks import Checkpoint
from skmlp.engine import kernels as choice
from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.batches import Batch
from skmlp.engine.kernels import LARGE_WORK, kernels_for, load_kernels, numpy_kernels
from skmlp.engine.losses import LOSSES
from skmlp.engine.network import Design
from skmlp.engine.objective import Objective
from skmlp.engine.optimizers import SGD, Adam, NAdam, RMSprop, Shrinkage
from skmlp.engine.parameters import PART_SIZE, Layout

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
    monkeypatch.setattr(choice, "numba_is_installed", lambda: False)


@pytest.fixture
def with_numba(monkeypatch):
    monkeypatch.setattr(choice, "numba_is_installed", lambda: True)


# Agreement


def kernel_signatures(module):
    """Give the parameters of what a module offers the engine, by name."""
    users = [
        name
        for name, function in inspect.getmembers(module, callable)
        if not name.startswith("_") and name in NAMES
    ]
    return {name: parameters_of(getattr(module, name)) for name in users}


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
    assert kernel_signatures(numba_kernels) == kernel_signatures(numpy_kernels)


@every_dtype
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_and_gradients_agree_to_rounding(
    numba_kernels, dtype, activation, batch_norm, dropout, smoothing
):
    evaluations = []
    for kernels in (numpy_kernels, numba_kernels):
        rng = np.random.default_rng(0)
        layout = Layout((30, 20, 20, 5), batch_norm)
        theta = rng.normal(0, 0.3, layout.n_parameters).astype(dtype)
        design = Design((activation,) * 2, (dropout,) * 2, dropout)
        x = rng.normal(size=(40, 30)).astype(dtype).T
        batch = Batch(x, rng.integers(5, size=40), rng.uniform(1, 2, 40).astype(dtype))
        objective = Objective(
            layout,
            design,
            LOSSES["softmax"],
            0.1,
            smoothing,
            theta,
            layout.initial_statistics(dtype),
            np.random.default_rng(1),
            kernels,
        )
        evaluations.append(objective(theta, batch))
    ours, reference = evaluations
    # A sum of n terms has a relative error of at most n epsilon of the sum of their sizes. On the longest way from
    # theta to a gradient stand sums over 30, 20 and 20 inputs, back over 5 and 20 units, over the batch of 40, and with
    # batch normalisation over 40 four times a layer; some ten operations on single numbers between two of them.
    n_roundings = 30 + 20 + 20 + 5 + 20 + 40 + 8 * 40 * batch_norm + 100
    tolerance = n_roundings * float(np.finfo(dtype).eps)
    assert ours.hits == pytest.approx(reference.hits, rel=tolerance)
    assert ours.loss == pytest.approx(reference.loss, rel=tolerance)
    np.testing.assert_allclose(
        ours.gradient, reference.gradient, rtol=0, atol=tolerance * np.abs(reference.gradient).max()
    )


@every_dtype
@pytest.mark.parametrize(
    "optimizer", [SGD(), SGD(0.5, False), Adam(), NAdam(), RMSprop()], ids=repr
)
@pytest.mark.parametrize("shrinkage", [(0, 0.0, 1.0), (700, 0.3, 1.0), (700, 0.3, 0.99)])
def test_steps_agree_to_rounding(numba_kernels, dtype, optimizer, shrinkage):
    n_steps, results = 20, []
    for kernels in (numpy_kernels, numba_kernels):
        rng = np.random.default_rng(0)
        theta = rng.normal(size=1000).astype(dtype)
        slots = optimizer.new_slots(theta)
        squares = []
        for t in range(1, n_steps + 1):
            gradient = rng.normal(size=theta.shape).astype(dtype)
            squares.append(
                optimizer.step(
                    theta,
                    gradient,
                    0.01,
                    slots,
                    t,
                    np.empty_like(theta),
                    Shrinkage(*shrinkage),
                    kernels,
                )
            )
        results.append((theta, squares))
    (ours, our_squares), (reference, squares) = results
    # At most twelve roundings of a number a step, each of which the coming steps carry on without enlarging it.
    tolerance = 12 * n_steps * np.finfo(dtype).eps
    np.testing.assert_allclose(ours, reference, rtol=0, atol=tolerance * np.abs(reference).max())
    if shrinkage[1]:
        np.testing.assert_allclose(our_squares, squares, rtol=700 * np.finfo(dtype).eps + tolerance)


@every_dtype
def test_vectors_larger_than_the_cache_take_the_same_steps(kernels, dtype):
    """Cut into parts or not, every component moves as it does alone."""
    n = 2 * PART_SIZE + 5
    rng = np.random.default_rng(0)
    start, gradient = rng.normal(size=(2, n)).astype(dtype)
    for optimizer in (SGD(), Adam(), NAdam(), RMSprop()):
        chosen = [0, PART_SIZE - 1, PART_SIZE, 2 * PART_SIZE, n - 1]
        moved = []
        for rows in (slice(None), chosen):
            theta = start[rows].copy()
            slots = optimizer.new_slots(theta)
            for t in (1, 2, 3):
                optimizer.step(
                    theta, gradient[rows].copy(), 0.1, slots, t, theta.copy(), kernels=kernels
                )
            moved.append(theta)
        tolerance = 30 * np.finfo(dtype).eps
        np.testing.assert_allclose(moved[0][chosen], moved[1], rtol=tolerance, atol=tolerance)


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


def test_an_unknown_name_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"'auto' or one of 'numpy', 'numba'. Got 'fast'"):
        set_kernels("fast")
    monkeypatch.setenv("SKMLP_KERNELS", "c")
    with pytest.raises(ValueError, match=r"environment variable SKMLP_KERNELS .*Got 'c'"):
        MLPDigitClassifier().fit([[0.0], [1.0]], [0, 1])


def test_numba_is_refused_where_it_is_missing(without_numba):
    with pytest.raises(ImportError, match=r"pip install 'skmlp\[fast\]'"):
        set_kernels("numba")


# Checkpoints


def test_resume_takes_the_kernels_that_the_checkpoint_names(numba_kernels, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 5))
    y = np.arange(60) % 3
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
    with pytest.warns(
        UserWarning, match="began with the kernels of numpy and goes on with .* numba"
    ):
        resumed = MLPDigitClassifier.resume(path, X, y)
    for ours, theirs in zip(resumed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
