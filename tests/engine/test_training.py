"""Training loop over epochs and batches, and learning-rate finder."""

from contextlib import closing
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils import shuffle

from skmlp.engine.batches import Augmentation, Batch, Samples, TrainingData
from skmlp.engine.evaluation import evaluate
from skmlp.engine.initialization import INITIALIZERS, draw_parameters
from skmlp.engine.lr_finder import run_lr_finder
from skmlp.engine.optimizers import SGD, Adam
from skmlp.engine.schedules import Constant, Cosine, Position
from skmlp.engine.stochastic import StochasticSolver
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.training import Trainer, make_initial_state
from skmlp.engine.update import Update
from skmlp.exceptions import NonFiniteLossError

pytestmark = pytest.mark.usefixtures("every_kernel_set")
LAYER_SIZES, N_SAMPLES, BATCH_SIZE, N_EPOCHS = (5, 6, 3), 30, 8, 4
N_BATCHES = 4
every_weighting = pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])


def make_data(weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    X, targets = rng.normal(size=(N_SAMPLES, LAYER_SIZES[0])), np.arange(N_SAMPLES) % 3
    return Samples(X, targets, rng.uniform(0.1, 2, N_SAMPLES) if weighted else None)


@pytest.fixture
def make_trainer(make_config, make_state):
    """Return a factory of trainers of the same network."""

    def make(
        data=None,
        *,
        validation=None,
        update=None,
        schedule=None,
        monitor="loss",
        shuffle=True,
        trains_all_epochs=False,
        n_epochs=N_EPOCHS,
        **options,
    ):
        solver = StochasticSolver(
            update or Update(Adam()),
            schedule or Cosine(0.05),
            StoppingRule(0.0, np.inf, monitor),
            BATCH_SIZE,
            n_epochs,
            shuffle=shuffle,
            trains_all_epochs=trains_all_epochs,
        )
        config = make_config(LAYER_SIZES, solver=solver, **{"alpha": 0.1} | options)
        state = make_state(config)
        state.monitor, state.n_epochs = monitor, n_epochs
        samples = make_data() if data is None else data
        return Trainer(config, TrainingData(samples, validation), state)

    return make


def copy_backend(trainer):
    """Return a backend that is bound to a copy of the state of a trainer."""
    return type(trainer.backend)(trainer.config, deepcopy(trainer.state))


def assert_same_weights(first, second):
    np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(first.statistics, second.statistics)


class BackendProxy:
    """Backend that applies `act` to the result and the state of step `number`, counted from 1."""

    max_steps = 1

    def __init__(self, backend, number, act):
        self.backend, self.number, self.act = backend, number, act
        self.n_steps = 0

    def step(self, batch, rate):
        self.n_steps += 1
        result = self.backend.step(batch, rate)
        return self.act(result, self.backend.state) if self.n_steps == self.number else result

    def steps(self, batches, rates):
        return [self.step(batch, rate) for batch, rate in zip(batches, rates, strict=True)]

    def logits(self, batches, weights):
        return self.backend.logits(batches, weights)


# Epochs


@every_weighting
@pytest.mark.parametrize("shuffles", [False, True])
def test_epoch_performs_a_step_for_each_batch(make_trainer, weighted, shuffles):
    data, validation = make_data(weighted), make_data(weighted, seed=1)
    options = {"batch_norm": True, "dropout": 0.2, "validation": validation}
    trainer = make_trainer(data, shuffle=shuffles, **options)
    expected = copy_backend(trainer)
    order, stream = np.arange(N_SAMPLES), np.random.RandomState(0)
    for epoch, report in enumerate(trainer.epochs()):
        if shuffles:
            order = shuffle(order, random_state=stream)
        losses, sizes, n_correct, weight = [], [], 0, 0
        for number in range(N_BATCHES):
            rows = order[number * BATCH_SIZE : (number + 1) * BATCH_SIZE]
            position = Position(
                epoch * N_BATCHES + number,
                epoch + number / N_BATCHES,
                N_BATCHES,
                N_EPOCHS,
                epoch * N_SAMPLES,
            )
            rate = Cosine(0.05)(position)
            result = expected.step(Batch(data, rows), rate)
            losses.append(result.loss)
            sizes.append(len(rows))
            n_correct += result.n_correct
            weight += result.weight
        assert_same_weights(trainer.state.weights, expected.state.weights)
        assert report.loss == trainer.state.loss
        assert report.loss == pytest.approx(np.average(losses, weights=sizes), rel=1e-12)
        assert report.accuracy == pytest.approx(n_correct / weight, rel=1e-12)
        assert report.learning_rate == rate
        validated = evaluate(expected, trainer.validation, expected.state.weights, "softmax")
        assert (report.val_loss, report.val_accuracy) == validated
        assert report.message == ""
        assert report.seconds >= 0
        state = trainer.state
        assert (state.epoch, state.step) == (epoch + 1, (epoch + 1) * N_BATCHES)
        assert state.samples_seen == (epoch + 1) * N_SAMPLES
    assert trainer.state.ended
    assert trainer.state.epoch == N_EPOCHS


def test_closed_and_continued_training_equals_uninterrupted_training(make_trainer):
    options = {"batch_norm": True, "dropout": 0.2, "update": Update(Adam(), ema_decay=0.9)}
    uninterrupted, first = make_trainer(**options), make_trainer(**options)
    expected = list(uninterrupted.epochs())
    reports = []
    for n_epochs in (1, 2, 1):
        trainer = Trainer(first.config, TrainingData(make_data()), first.state)
        with closing(trainer.epochs()) as epochs:
            reports += [next(epochs) for _ in range(n_epochs)]
    assert [replace(r, seconds=0) for r in reports] == [replace(r, seconds=0) for r in expected]
    assert_same_weights(first.state.weights, uninterrupted.state.weights)
    assert_same_weights(first.state.average, uninterrupted.state.average)


def test_validation_uses_the_averaged_weights(make_trainer):
    trainer = make_trainer(validation=make_data(seed=1), update=Update(Adam(), ema_decay=0.9))
    for report in trainer.epochs():
        average, weights = (
            evaluate(trainer.backend, trainer.validation, weights, "softmax")
            for weights in (trainer.state.average, trainer.state.weights)
        )
        assert report.val_loss == average.loss != weights.loss


def test_on_epoch_begin_is_called_before_each_epoch(make_trainer):
    trainer, events = make_trainer(), []
    for report in trainer.epochs(lambda: events.append(trainer.state.epoch)):
        events.append(report.loss)
    assert events[::2] == list(range(N_EPOCHS))
    assert len(events) == 2 * N_EPOCHS


def test_batches_of_zero_weight_are_skipped(make_trainer):
    data = make_data()
    weights = np.ones(N_SAMPLES)
    weights[BATCH_SIZE : 2 * BATCH_SIZE] = 0
    data = replace(data, weights=weights)
    trainer = make_trainer(data, shuffle=False, schedule=Constant(0.1), n_epochs=1)
    expected = copy_backend(trainer)
    for start in (0, 2 * BATCH_SIZE, 3 * BATCH_SIZE):
        expected.step(Batch(data, slice(start, start + BATCH_SIZE)), 0.1)
    (report,) = trainer.epochs()
    assert_same_weights(trainer.state.weights, expected.state.weights)
    assert np.isfinite(report.loss)
    assert trainer.state.step == N_BATCHES - 1


def test_annealed_augmentation_receives_the_fraction_of_the_training(make_trainer):
    progresses = []

    class Annealed:
        def at(self, progress):
            progresses.append(progress)
            return lambda images, generator: images

    plain = make_trainer()
    augmented = make_trainer(augmentation=Augmentation(Annealed(), (1, 5)))
    for _ in zip(plain.epochs(), augmented.epochs(), strict=True):
        assert_same_weights(plain.state.weights, augmented.state.weights)
    assert progresses == [0, 0.25, 0.5, 0.75]


# End of the training


@pytest.mark.parametrize(("trains_all_epochs", "warned"), [(False, True), (True, False)])
def test_reaching_the_last_epoch_has_a_message_unless_intended(
    make_trainer, trains_all_epochs, warned
):
    trainer = make_trainer(trains_all_epochs=trains_all_epochs)
    list(trainer.epochs())
    assert bool(trainer.convergence_message) == warned
    if warned:
        assert trainer.convergence_message.startswith(
            "Stochastic Optimizer: Maximum iterations (4) reached and the optimization hasn't converged yet."
        )


def test_training_ends_when_the_state_is_stopped(make_trainer):
    trainer = make_trainer()
    for report in trainer.epochs():
        assert report.loss == trainer.state.loss
        trainer.state.stopped = trainer.state.epoch == 2
    assert trainer.state.epoch == 2
    assert trainer.convergence_message == ""


@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize("end", ["last epoch", "closed", "failed"])
def test_best_weights_are_restored_at_the_end(make_trainer, ema_decay, end):
    update = Update(SGD(), ema_decay=ema_decay)
    # With this learning rate, the validation loss increases in the end.
    trainer = make_trainer(
        validation=make_data(seed=1),
        monitor="val_loss",
        update=update,
        schedule=Constant(0.5),
        batch_norm=True,
    )
    state = trainer.state
    losses, weights = [], []

    def train():
        with closing(trainer.epochs()) as epochs:
            for report in epochs:
                losses.append(report.val_loss)
                weights.append(state.prediction_weights.copy())
                if len(losses) == 3 and end == "failed":
                    raise RuntimeError("injected")
                if len(losses) == 3 and end == "closed":
                    return

    if end == "failed":
        with pytest.raises(RuntimeError, match="injected"):
            train()
    else:
        train()
    best = int(np.argmin(losses))
    assert best < len(losses) - 1
    assert_same_weights(state.prediction_weights, weights[best])
    assert_same_weights(state.best, weights[best])


def test_validation_set_is_held_out_if_required(make_trainer):
    first = make_trainer(monitor="val_loss", validation_fraction=0.2)
    rows = first.batches.samples.rows, first.validation.samples.rows
    assert [len(indices) for indices in rows] == [24, 6]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(N_SAMPLES))
    # A second trainer of the same state holds out the same samples.
    second = Trainer(first.config, TrainingData(make_data()), first.state)
    np.testing.assert_array_equal(second.validation.samples.rows, rows[1])
    assert all(report.val_loss is not None for report in second.epochs())


# Divergence


def make_loss_nan(result, state):
    return result._replace(loss=np.nan)


def make_weights_infinite(result, state):
    state.weights.theta[3] = np.inf
    return result


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (make_loss_nan, "loss must be finite, got nan"),
        (make_weights_infinite, "weights must be finite, got NaN or infinity"),
    ],
)
def test_divergence_restores_the_weights_of_the_last_complete_epoch(make_trainer, act, fault):
    trainer = make_trainer(batch_norm=True, update=Update(Adam(), ema_decay=0.9))
    # The last batch of the third epoch.
    trainer.backend = BackendProxy(trainer.backend, 3 * N_BATCHES, act)
    state, kept = trainer.state, []

    def train():
        for report in trainer.epochs():
            kept.append((report.loss, state.weights.copy(), state.average.copy()))

    with pytest.raises(NonFiniteLossError, match=f"The {fault} in epoch 3, batch 4 of 4"):
        train()
    assert len(kept) == state.epoch == 2
    loss, weights, average = kept[-1]
    assert state.loss == loss
    assert_same_weights(state.weights, weights)
    assert_same_weights(state.average, average)
    # The optimizer state is discarded, so that continued training starts with new moments.
    assert state.optimizer_arrays == {}


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, None, "0.1", 0.1j], ids=repr)
def test_training_raises_when_a_schedule_returns_an_invalid_rate(make_trainer, rate):
    trainer = make_trainer(schedule=lambda position: rate)
    with pytest.raises(ValueError, match="learning_rate must return a finite number"):
        next(trainer.epochs())


def test_learning_rate_is_divided_by_the_rate_divisor(make_trainer):
    trainer = make_trainer(schedule=Constant(0.25))
    trainer.state.rate_divisor = 5.0
    assert [report.learning_rate for report in trainer.epochs()] == [0.05] * N_EPOCHS


# Initial state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_state_has_randomly_initialized_weights(make_config, dtype):
    config = make_config(
        LAYER_SIZES, batch_norm=True, initializers=(INITIALIZERS["he_normal"],) * 2
    )
    layout, generator = config.network.layout, np.random.default_rng(0)
    random_state = np.random.RandomState(3)
    state = make_initial_state(config, dtype, random_state, generator)
    expected = draw_parameters(layout, config.initializers, np.random.RandomState(3), dtype)
    np.testing.assert_array_equal(state.weights.theta, expected, strict=True)
    np.testing.assert_array_equal(
        state.weights.statistics, layout.initial_statistics(dtype), strict=True
    )
    assert state.random_state is random_state
    assert state.generator is generator
    assert (state.epoch, state.step, state.samples_seen) == (0, 0, 0)


# Learning-rate finder


def test_finder_performs_one_step_at_each_rate(make_trainer):
    trainer = make_trainer()
    expected, stream = copy_backend(trainer), np.random.RandomState(0)
    rates = np.geomspace(1e-4, 1e-2, 10)
    losses = run_lr_finder(trainer, rates)
    order = shuffle(np.arange(N_SAMPLES), random_state=stream)
    average, smoothed = 0.0, []
    for i, rate in enumerate(rates):
        # The finder repeats the order of the first epoch.
        start = i % N_BATCHES * BATCH_SIZE
        rows = order[start : start + BATCH_SIZE]
        loss = expected.step(Batch(trainer.batches.samples, rows), rate).loss
        average = 0.9 * average + 0.1 * loss
        smoothed.append(average / (1 - 0.9 ** (i + 1)))
    np.testing.assert_allclose(losses, smoothed, rtol=1e-12)
    assert_same_weights(trainer.state.weights, expected.state.weights)


@pytest.mark.parametrize("loss", [np.nan, np.inf, 1e6])
@pytest.mark.parametrize("number", [1, 4, 7])
def test_finder_ends_when_the_loss_diverges(make_trainer, loss, number):
    trainer = make_trainer()
    trainer.backend = BackendProxy(
        trainer.backend, number, lambda result, state: result._replace(loss=loss)
    )
    losses = run_lr_finder(trainer, np.geomspace(1e-4, 1e-2, 10))
    # The first loss is always the best so far.
    if number == 1 and np.isfinite(loss):
        assert len(losses) == 10
    else:
        assert len(losses) == number - 1
    assert trainer.backend.n_steps == min(10, len(losses) + 1)


def test_finder_skips_batches_of_weight_zero(make_trainer):
    weights = np.ones(N_SAMPLES)
    weights[:25] = 0
    trainer = make_trainer(replace(make_data(), weights=weights))
    losses = run_lr_finder(trainer, np.full(20, 1e-3))
    assert len(losses) == 20
    assert np.isfinite(losses).all()
