"""The one path of every training: check the data, make the configuration, make the state, train.

`fit`, `partial_fit`, `resume` and `find_learning_rate` differ in the `Start` they make, in the number of epochs, and in
what becomes of the result.
"""

from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from skmlp.engine.batches import TrainingData
from skmlp.engine.config import TrainingConfig
from skmlp.engine.parameters import Layout
from skmlp.engine.state import TrainState, Weights
from skmlp.engine.stopping import Plateau
from skmlp.engine.training import Trainer, initial_state
from skmlp.estimator import fitted
from skmlp.estimator.config import make_config
from skmlp.estimator.constraints import check_lbfgs
from skmlp.estimator.data import SampleChecker, encode_data, targets_of_all_classes, weights_dtype
from skmlp.estimator.targets import TargetEncoding, is_multilabel
from skmlp.exceptions import TrainingInterruptedWarning, warn_caller


@dataclass(frozen=True)
class EarlierTraining:
    """What an earlier training has left on an estimator.

    Attributes
    ----------
    targets : TargetEncoding
    layout : Layout
    weights : Weights
        Copies of the fitted attributes, which the user may have changed.
    state : TrainState or None
        None if only the weights are left, as in a model file.
    samples_seen : int
    """

    targets: TargetEncoding
    layout: Layout
    weights: Weights
    state: TrainState | None
    samples_seen: int

    @classmethod
    def of(cls, estimator):
        """Read it from a fitted estimator."""
        layout, dtype = fitted.layout_of(estimator), estimator.coefs_[0].dtype
        weights = Weights(
            layout.pack(fitted.parameters_of(estimator), dtype),
            layout.pack_statistics(fitted.statistics_of(estimator), dtype),
        )
        return cls(
            targets=fitted.targets_of(estimator),
            layout=layout,
            weights=weights,
            state=getattr(estimator, "_state", None),
            samples_seen=getattr(estimator, "t_", 0),
        )


@dataclass(frozen=True)
class Start:
    """Where a training starts: anew, or where an earlier one ended.

    Attributes
    ----------
    earlier : EarlierTraining or None
        None for a new training.
    choose_targets : callable
        From labels to the TargetEncoding.
    """

    earlier: EarlierTraining | None
    choose_targets: Callable

    @classmethod
    def of_fit(cls, estimator):
        """Start anew, or with `warm_start` where the estimator's training ended."""
        if not (estimator.warm_start and fitted.is_fitted(estimator)):
            return cls(None, TargetEncoding.of)
        return cls.of_resume(estimator)

    @classmethod
    def of_resume(cls, estimator):
        """Start where the estimator's training ended, with data that have the same classes."""
        earlier = EarlierTraining.of(estimator)
        return cls(earlier, partial(targets_of_all_classes, earlier=earlier.targets))

    @classmethod
    def of_partial_fit(cls, estimator):
        """Start where the estimator's training ended, if there was one; the classes are known in any case."""
        if not fitted.is_fitted(estimator):
            return cls(None, lambda y: TargetEncoding(estimator.classes_, is_multilabel(y)))
        earlier = EarlierTraining.of(estimator)
        return cls(earlier, lambda y: earlier.targets)


@dataclass(frozen=True)
class Plan:
    """A training that is ready to begin: the data are checked, and the parameters go together.

    Attributes
    ----------
    config : TrainingConfig
    data : TrainingData
    targets : TargetEncoding
    start : Start
    """

    config: TrainingConfig
    data: TrainingData
    targets: TargetEncoding
    start: Start


def make_plan(estimator, arguments, start):
    """Check data and parameters, and return the Plan; of the estimator, only the features' number and names change.

    Parameters
    ----------
    estimator : MLPDigitClassifier
        Its parameters satisfy their constraints.
    arguments : FitArguments
    start : Start
    """
    if estimator.solver == "lbfgs":
        check_lbfgs(estimator)
    checker = SampleChecker(partial(validate_data, estimator), estimator.input_scale)
    checked = checker.check(
        arguments.X, arguments.y, arguments.sample_weight, reset=start.earlier is None
    )
    targets = start.choose_targets(checked.y)
    config = make_config(estimator, targets, checked.X.shape[1], checked.X.shape[0])
    check_same_layers(config.network.layout, start.earlier)
    checked_validation = checker.check_validation(arguments)
    data = encode_data(checked, checked_validation, targets, estimator)
    return Plan(config, data, targets, start)


def check_same_layers(layout, earlier):
    """Raise ValueError if the network of an earlier training had other layers."""
    if earlier is not None and layout != earlier.layout:
        raise ValueError(
            f"Training can continue only with the layers it began with, of sizes {earlier.layout.layer_sizes} and "
            f"batch_norm={earlier.layout.batch_norm}. Now features, hidden_layer_sizes, batch_norm and classes require "
            f"{layout.layer_sizes} and batch_norm={layout.batch_norm}. Set the parameters back, or call fit with "
            "warm_start=False."
        )


def begin(estimator, plan):
    """Return the Trainer of a plan, with the state and the fitted attributes set for its first epoch."""
    config, earlier = plan.config, plan.start.earlier
    if earlier is None:
        fitted.forget_training(estimator)
        random_state = check_random_state(estimator.random_state)
        dtype = weights_dtype(plan.data.samples.X)
        state = initial_state(config, dtype, random_state, spawn_generator(random_state))
        fitted.begin_attributes(estimator, config, plan.targets)
    else:
        state = continued_state(earlier, estimator.random_state)
        fitted.complete_attributes(estimator, config)
    monitor = config.solver.monitor
    if state.monitor != monitor or not fitted.has_scores_of(estimator, monitor):
        state.begin_monitoring(monitor)
        fitted.begin_scores(estimator, monitor)
    estimator._state = state
    trainer = Trainer(config, plan.data, state)
    fitted.publish_weights(estimator, config.network.layout, state.prediction_weights)
    return trainer


def continued_state(earlier, random_state):
    """Return the state of an earlier training, whose weights are those of the fitted attributes."""
    state = earlier.state
    if state is None:
        random_state = check_random_state(random_state)
        state = TrainState(earlier.weights, random_state, spawn_generator(random_state))
        state.samples_seen = earlier.samples_seen
        return state
    state.make_writable()
    state.prediction_weights.assign(earlier.weights)
    return state


def spawn_generator(random_state):
    """Return a second random stream that depends on a first one, without drawing from it."""
    return np.random.default_rng(deepcopy(random_state).randint(2**32, size=4, dtype=np.uint32))


def begin_run(estimator, state):
    """Count the epochs of one call of `fit`, and its epochs without improvement, from zero."""
    estimator.n_iter_ = 0
    state.stopped = False
    state.n_epochs = state.epoch + estimator.max_iter
    state.plateau = Plateau(best=-np.inf if state.monitor == "loss" else state.plateau.best)


def begin_single_epoch(estimator, state):
    """Allow one more epoch; schedules that end at `max_iter` epochs stay at their end."""
    state.stopped = False
    state.n_epochs = max(estimator.max_iter, state.epoch + 1)


def train(estimator, trainer, callbacks):
    """Train until a rule, a callback or the number of epochs ends it, and record every epoch.

    Parameters
    ----------
    estimator : MLPDigitClassifier
    trainer : Trainer
    callbacks : FitCallbacks or SingleEpoch
    """
    state, solver = trainer.state, trainer.config.solver
    monitors_validation = solver.monitor != "loss"
    try:
        with closing(trainer.epochs(callbacks.begin_epoch)) as epochs:
            for report in epochs:
                score = solver.stopping.score(report) if monitors_validation else None
                estimator.t_ = state.samples_seen
                fitted.record_epoch(estimator, report, score)
                state.stopped |= callbacks.end_epoch()
    except KeyboardInterrupt:
        warn_caller(
            "Training interrupted by user: the network keeps what it has learned so far.",
            TrainingInterruptedWarning,
        )
    finally:
        estimator.loss_ = state.loss
    if trainer.problem:
        warn_caller(trainer.problem, ConvergenceWarning)
    callbacks.end_fit()
