"""L-BFGS: agreement with SciPy, reports, interruptions and exceptions."""

import signal
import threading
import time
from contextlib import closing
from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize

from skmlp.engine.batches import Batch, Samples, TrainingData
from skmlp.engine.evaluation import evaluate
from skmlp.engine.lbfgs import LBFGS, Objective, explain_nonconvergence
from skmlp.engine.reference.backend import ReferenceBackend
from skmlp.engine.training import Trainer
from skmlp.exceptions import NonFiniteLossError

N_SAMPLES, N_FEATURES, ALPHA = 60, 5, 0.1
MAX_EPOCHS = 12
# Samples of a scale at which line searches need several evaluations.
HARD_SCALE, HARD_SEED = 100.0, 2
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_weighting = pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])


class InjectedError(Exception):
    """Raised on purpose by a test."""


def make_data(weighted=False, dtype=np.float64, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(N_SAMPLES, N_FEATURES)) * scale).astype(dtype)
    targets = rng.integers(3, size=N_SAMPLES)
    weights = rng.uniform(0.1, 2, N_SAMPLES).astype(dtype) if weighted else None
    return Samples(X, targets, weights)


@pytest.fixture
def make_trainer(make_config, make_state):
    """Return a factory of trainers of the same network."""

    def make(
        data=None,
        dtype=np.float64,
        *,
        max_epochs=MAX_EPOCHS,
        max_evaluations=1000,
        tolerance=1e-10,
        validation=None,
        activations="tanh",
    ):
        solver = LBFGS(N_SAMPLES, tolerance, max_epochs, max_evaluations)
        config = make_config((N_FEATURES, 6, 3), activations, solver=solver, alpha=ALPHA)
        state = make_state(config, dtype=dtype)
        state.n_epochs = max_epochs
        samples = make_data(dtype=dtype) if data is None else data
        return Trainer(config, TrainingData(samples, validation), state)

    return make


def make_objective(trainer):
    """Return an objective for the samples of a trainer, with a separate backend and state."""
    state = deepcopy(trainer.state)
    backend = ReferenceBackend(trainer.config, state)
    return Objective(trainer.config, backend, state.weights, Batch(trainer.batches.samples))


def evaluate_objective(trainer):
    """Return the objective at the current weights of a trainer."""
    objective = make_objective(trainer)
    return objective(trainer.state.weights.theta.copy()).loss


def minimize_with_scipy(trainer, **limits):
    """Minimize with SciPy, and return its result, the iterates and their losses, including the initial point."""
    objective = make_objective(trainer)
    start = trainer.state.weights.theta.astype(np.float64)
    thetas, losses = [start], [objective(start).loss]

    def evaluate_point(theta):
        result = objective(theta)
        return result.loss, result.gradient.astype(np.float64)

    def end_iteration(intermediate_result):
        thetas.append(intermediate_result.x.copy())
        losses.append(float(intermediate_result.fun))

    options = {"maxiter": MAX_EPOCHS, "maxfun": 1000, "gtol": 1e-10} | limits
    result = minimize(
        evaluate_point,
        start,
        method="L-BFGS-B",
        jac=True,
        callback=end_iteration,
        options=options,
    )
    return SimpleNamespace(result=result, thetas=thetas, losses=losses)


def run_all(trainer):
    """Train, and return the reports and the parameters after each of them."""
    reports, thetas = [], []
    for report in trainer.epochs():
        reports.append(report)
        thetas.append(trainer.state.weights.theta.copy())
    return reports, thetas


@pytest.fixture(autouse=True)
def check_that_no_thread_remains():
    before = set(threading.enumerate())
    yield
    # When Ctrl-C interrupts `join`, the thread may still be running.
    deadline = time.monotonic() + 5
    while not set(threading.enumerate()) <= before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= before


# Iterations


@every_dtype
@every_weighting
def test_iterations_equal_those_of_scipy(make_trainer, dtype, weighted):
    trainer = make_trainer(make_data(weighted, dtype), dtype)
    expected = minimize_with_scipy(trainer)
    reports, thetas = run_all(trainer)
    assert len(reports) == expected.result.nit == MAX_EPOCHS
    assert [report.loss for report in reports] == expected.losses[1:]
    for ours, theirs in zip(thetas, expected.thetas[1:], strict=True):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, theirs.astype(dtype))
    np.testing.assert_array_equal(
        trainer.state.weights.theta, expected.result.x.astype(dtype), strict=True
    )
    assert trainer.state.loss == expected.result.fun


@every_dtype
@every_weighting
@pytest.mark.parametrize("scale", [1.0, HARD_SCALE], ids=["easy", "hard"])
def test_each_report_describes_the_current_weights(make_trainer, dtype, weighted, scale):
    data = make_data(weighted, dtype, seed=HARD_SEED, scale=scale)
    trainer = make_trainer(data, dtype)
    losses = [evaluate_objective(trainer)]
    for n_epochs, report in enumerate(trainer.epochs(), start=1):
        assert report.loss == evaluate_objective(trainer) == trainer.state.loss
        assert report.loss < losses[-1]
        losses.append(report.loss)
        evaluated = evaluate(trainer.backend, trainer.batches, trainer.state.weights, "softmax")
        assert report.accuracy == pytest.approx(evaluated.accuracy, rel=1e-6)
        assert np.isnan(report.learning_rate)
        assert (report.val_loss, report.val_accuracy) == (None, None)
        assert report.seconds >= 0
        assert trainer.state.epoch == n_epochs
        assert trainer.state.samples_seen == n_epochs * N_SAMPLES
    assert len(losses) == MAX_EPOCHS + 1 or scale > 1
    assert losses[-1] < 0.8 * losses[0] or scale > 1


def test_each_report_contains_the_validation_loss_and_accuracy(make_trainer):
    validation = make_data(weighted=True, seed=1)
    trainer = make_trainer(validation=validation)
    expected, _ = run_all(make_trainer())
    for report, other in zip(trainer.epochs(), expected, strict=True):
        # Validation does not change the training.
        assert (report.loss, report.accuracy) == (other.loss, other.accuracy)
        evaluated = evaluate(trainer.backend, trainer.validation, trainer.state.weights, "softmax")
        assert (report.val_loss, report.val_accuracy) == evaluated


def test_on_epoch_begin_is_called_before_each_report(make_trainer):
    trainer = make_trainer()
    events = []
    for report in trainer.epochs(lambda: events.append(trainer.state.epoch)):
        events.append(report.loss)
    assert events[::2] == list(range(MAX_EPOCHS))
    assert len(events) == 2 * MAX_EPOCHS
    assert all(type(event) is float for event in events[1::2])


def test_average_of_another_solver_is_discarded(make_trainer):
    trainer = make_trainer()
    state = trainer.state
    state.average = state.weights.copy()
    Trainer(trainer.config, TrainingData(make_data()), state)
    assert state.average is None


# End of the training


@pytest.mark.parametrize(
    ("limits", "options", "message"),
    [
        ({"max_epochs": 3}, {"maxiter": 3}, "TOTAL NO. OF ITERATIONS REACHED LIMIT"),
        ({"max_evaluations": 7}, {"maxfun": 7}, "TOTAL NO. OF F,G EVALUATIONS EXCEEDS LIMIT"),
        ({"tolerance": 0.05}, {"gtol": 0.05}, ""),
    ],
    ids=["iterations", "evaluations", "tolerance"],
)
def test_limits_are_passed_to_scipy(make_trainer, limits, options, message):
    trainer = make_trainer(**{"max_epochs": 500} | limits)
    expected = minimize_with_scipy(trainer, **{"maxiter": 500} | options)
    reports, _ = run_all(trainer)
    assert [report.loss for report in reports] == expected.losses[1:]
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.result.x)
    assert trainer.state.loss == expected.result.fun
    if message:
        n = len(reports)
        message = (
            f"lbfgs failed to converge after {n} iteration(s) (status=1): STOP: {message}. Incr"
        )
    assert trainer.convergence_message.startswith(message)
    assert bool(trainer.convergence_message) == bool(message) == (expected.result.status != 0)
    assert trainer.convergence_message == explain_nonconvergence(expected.result)


def test_training_from_a_minimum_has_no_epochs(make_trainer):
    trainer = make_trainer(tolerance=1e9)
    before, expected = trainer.state.weights.theta.copy(), evaluate_objective(trainer)
    calls = []
    assert list(trainer.epochs(lambda: calls.append(1))) == calls == []
    np.testing.assert_array_equal(trainer.state.weights.theta, before)
    assert trainer.state.loss == expected
    assert (trainer.state.epoch, trainer.convergence_message) == (0, "")


def test_training_ends_when_the_state_is_stopped(make_trainer):
    expected = minimize_with_scipy(make_trainer())
    trainer = make_trainer()
    for n_reports, report in enumerate(trainer.epochs(), start=1):
        assert report.loss == expected.losses[n_reports]
        trainer.state.stopped = n_reports == 4
    assert n_reports == 4
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[4])
    assert trainer.state.loss == expected.losses[4]
    assert trainer.convergence_message == ""


@pytest.mark.parametrize("n_reports", [1, 2, 5])
def test_closing_the_generator_keeps_the_last_iterate(make_trainer, n_reports):
    expected = minimize_with_scipy(make_trainer())
    trainer = make_trainer()
    with closing(trainer.epochs()) as epochs:
        for _ in range(n_reports):
            next(epochs)
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[n_reports])
    assert trainer.state.loss == expected.losses[n_reports]


def test_no_thread_is_started_before_the_first_epoch(make_trainer):
    trainer = make_trainer()
    before = trainer.state.weights.theta.copy()
    n_threads = threading.active_count()
    epochs = trainer.epochs()
    assert threading.active_count() == n_threads
    epochs.close()
    np.testing.assert_array_equal(trainer.state.weights.theta, before)


def test_exception_in_the_caller_keeps_the_last_iterate(make_trainer):
    expected = minimize_with_scipy(make_trainer())
    trainer = make_trainer()

    def train():
        with closing(trainer.epochs()) as epochs:
            for number, _ in enumerate(epochs, start=1):
                if number == 3:
                    raise InjectedError

    with pytest.raises(InjectedError):
        train()
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[3])


def test_exception_in_on_epoch_begin_keeps_the_last_iterate(make_trainer):
    expected = minimize_with_scipy(make_trainer())
    trainer = make_trainer()

    def fail_in_the_third_epoch():
        if trainer.state.epoch == 2:
            raise InjectedError

    with pytest.raises(InjectedError):
        list(trainer.epochs(fail_in_the_third_epoch))
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[2])


# Interrupted evaluations


def raise_keyboard_interrupt():
    raise KeyboardInterrupt


def send_interrupt_signal():
    """Send SIGINT to the main thread, which waits for SciPy's thread, while the evaluation continues."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


INTERRUPTIONS = [raise_keyboard_interrupt]
if hasattr(signal, "pthread_kill"):
    INTERRUPTIONS.append(send_interrupt_signal)


def list_evaluations(make_trainer, **options):
    """Return pairs of the number of each evaluation and the number of iterations that precede it."""
    trainer = make_trainer(**options)
    n_complete, original = [], trainer.backend.gradient

    def gradient(batch):
        n_complete.append(trainer.state.epoch)
        return original(batch)

    trainer.backend.gradient = gradient
    run_all(trainer)
    return list(enumerate(n_complete, start=1))


def act_in_evaluation(trainer, number, action):
    """Make a trainer's backend call `action` before evaluation `number`, counted from 1."""
    n_evaluations, original = 0, trainer.backend.gradient

    def gradient(batch):
        nonlocal n_evaluations
        n_evaluations += 1
        if n_evaluations == number:
            action()
        return original(batch)

    trainer.backend.gradient = gradient


HARD = {"max_epochs": 8}


@pytest.fixture(scope="module")
def hard_data():
    return make_data(scale=HARD_SCALE, seed=HARD_SEED)


def test_line_searches_on_the_hard_data_need_several_evaluations(make_trainer, hard_data):
    n_complete = [n for _, n in list_evaluations(make_trainer, data=hard_data, **HARD)]
    assert max(np.bincount(n_complete)) >= 3
    assert set(n_complete) == set(range(8))


@pytest.mark.parametrize("interrupt", INTERRUPTIONS)
def test_ctrl_c_during_any_evaluation_keeps_the_last_iterate(make_trainer, hard_data, interrupt):
    expected = minimize_with_scipy(make_trainer(hard_data), maxiter=HARD["max_epochs"])
    for number, n_complete in list_evaluations(make_trainer, data=hard_data, **HARD):
        trainer = make_trainer(hard_data, **HARD)
        act_in_evaluation(trainer, number, interrupt)
        reports = []
        with pytest.raises(KeyboardInterrupt):
            reports.extend(trainer.epochs())
        assert len(reports) == trainer.state.epoch == n_complete
        np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[n_complete])
        if n_complete:
            assert trainer.state.loss == expected.losses[n_complete]
            assert evaluate_objective(trainer) == expected.losses[n_complete]
        else:
            assert np.isnan(trainer.state.loss)


@pytest.mark.parametrize("number", [1, 2, 5, 9])
def test_exception_in_the_objective_reaches_the_caller(make_trainer, hard_data, number):
    expected = minimize_with_scipy(make_trainer(hard_data), maxiter=HARD["max_epochs"])
    trainer = make_trainer(hard_data, **HARD)
    error = InjectedError("in an evaluation")

    def fail():
        raise error

    act_in_evaluation(trainer, number, fail)
    with pytest.raises(InjectedError) as caught:
        list(trainer.epochs())
    assert caught.value is error
    n_complete = trainer.state.epoch
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[n_complete])


@pytest.mark.parametrize("dtype", DTYPES)
def test_non_finite_initial_loss_restores_the_initial_weights(make_trainer, dtype):
    data = make_data(dtype=dtype)
    data.X[...] = np.finfo(dtype).max
    trainer = make_trainer(data, dtype, activations="relu")
    before = trainer.state.weights.theta.copy()
    with pytest.raises(NonFiniteLossError, match="Scale the features"):
        list(trainer.epochs())
    np.testing.assert_array_equal(trainer.state.weights.theta, before)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_non_finite_later_loss_restores_the_initial_weights(make_trainer, number):
    trainer = make_trainer()
    before = trainer.state.weights.theta.copy()
    n_evaluations, original = 0, trainer.backend.gradient

    def gradient(batch):
        nonlocal n_evaluations
        n_evaluations += 1
        result = original(batch)
        return result._replace(loss=np.nan) if n_evaluations >= number else result

    trainer.backend.gradient = gradient
    with pytest.raises(NonFiniteLossError, match="The loss must be finite, got nan in iteration"):
        list(trainer.epochs())
    np.testing.assert_array_equal(trainer.state.weights.theta, before)


# Objective


@every_dtype
def test_objective_sets_the_weights_of_the_backend(make_trainer, dtype):
    trainer = make_trainer(dtype=dtype)
    weights = trainer.state.weights
    objective = Objective(trainer.config, trainer.backend, weights, Batch(trainer.batches.samples))
    theta_before, first = weights.theta, objective(weights.theta).loss
    other = np.full(len(weights.theta), 0.25)
    second = objective(other).loss
    assert weights.theta is theta_before
    np.testing.assert_array_equal(weights.theta, 0.25)
    assert first != second == objective(weights.theta).loss


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_second_ctrl_c_during_the_evaluation_keeps_the_last_iterate(make_trainer, hard_data):
    expected = minimize_with_scipy(make_trainer(hard_data), maxiter=HARD["max_epochs"])
    trainer = make_trainer(hard_data, **HARD)
    finished = threading.Event()

    def interrupt_twice():
        # The second signal arrives while the main thread waits for this evaluation to end.
        for _ in range(2):
            send_interrupt_signal()
            time.sleep(0.1)
        finished.set()

    act_in_evaluation(trainer, 5, interrupt_twice)
    with pytest.raises(KeyboardInterrupt):
        list(trainer.epochs())
    np.testing.assert_array_equal(trainer.state.weights.theta, expected.thetas[trainer.state.epoch])
    assert finished.wait(5)


def test_non_finite_loss_is_not_reported(make_trainer):
    trainer, n_evaluations = make_trainer(), 0
    original = trainer.backend.gradient

    def gradient(batch):
        nonlocal n_evaluations
        n_evaluations += 1
        result = original(batch)
        return result._replace(loss=np.nan) if n_evaluations >= 3 else result

    trainer.backend.gradient = gradient
    reports = []
    with pytest.raises(NonFiniteLossError):
        reports.extend(trainer.epochs())
    assert all(np.isfinite(report.loss) for report in reports)
    assert len(reports) == trainer.state.epoch == 1
