"""The one path of every training: check the data, make the configuration, make the state, train.

`fit`, `partial_fit`, `resume` and `find_learning_rate` differ in the `Start` they make, in the number of epochs, and in
what becomes of the result.
"""

from collections.abc import Callable
from contextlib import closing, contextmanager
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
    state : TrainState or None
        None if only the weights are left, as in a model file.
    weights : Weights or None
        A copy of the fitted attributes; None if these are still views of the state.
    samples_seen : int
    loss : float
    """

    targets: TargetEncoding
    layout: Layout
    state: TrainState | None
    weights: Weights | None
    samples_seen: int
    loss: float

    @classmethod
    def of(cls, estimator):
        """Read it from a fitted estimator."""
        layout, state = fitted.layout_of(estimator), getattr(estimator, "_state", None)
        weights = None
        if state is None or not fitted.are_views(estimator, state.prediction_weights):
            dtype = estimator.coefs_[0].dtype
            weights = Weights(
                layout.pack(fitted.parameters_of(estimator), dtype),
                layout.pack_statistics(fitted.statistics_of(estimator), dtype),
            )
        return cls(
            targets=fitted.targets_of(estimator),
            layout=layout,
            state=state,
            weights=weights,
            samples_seen=getattr(estimator, "t_", 0),
            loss=getattr(estimator, "loss_", np.nan),
        )


@dataclass(frozen=True)
class Start:
    """Where a training starts: with new weights, or where an earlier one ended.

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
        """Start with new weights, or with `warm_start` where the estimator's training ended."""
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


@contextmanager
def features_kept_on_failure(estimator):
    """Put back the number and the names of the features, which scikit-learn's checks set, if the body fails."""
    names = ("n_features_in_", "feature_names_in_")
    before = {name: vars(estimator)[name] for name in names if name in vars(estimator)}
    try:
        yield
    except BaseException:
        for name in names:
            vars(estimator).pop(name, None)
        vars(estimator).update(before)
        raise


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
    """Return the Trainer of a plan, with the fitted attributes set for its first epoch.

    If it raises an exception, the estimator is as it was.
    """
    config, earlier = plan.config, plan.start.earlier
    if earlier is None:
        random_state = check_random_state(estimator.random_state)
        dtype = weights_dtype(plan.data.samples.X)
        state = initial_state(config, dtype, random_state, spawn_generator(random_state))
    else:
        state = continued_state(earlier, estimator.random_state)
    trainer = Trainer(config, plan.data, state)
    if earlier is None:
        fitted.begin_attributes(estimator, config, plan.targets)
    else:
        fitted.complete_attributes(estimator, config)
    monitor = config.solver.monitor
    if state.monitor != monitor or not fitted.has_scores_of(estimator, config.solver):
        state.begin_monitoring(monitor)
        fitted.begin_scores(estimator, config.solver)
    estimator._state = state
    fitted.publish_weights(estimator, config.network.layout, state.prediction_weights)
    return trainer


def continued_state(earlier, random_state):
    """Return the state of an earlier training, whose weights are those of the fitted attributes."""
    state = earlier.state
    if state is None:
        random_state = check_random_state(random_state)
        state = TrainState(earlier.weights, random_state, spawn_generator(random_state))
        state.samples_seen, state.loss = earlier.samples_seen, earlier.loss
        return state
    state.make_writable()
    if earlier.weights is not None:
        state.prediction_weights.assign(earlier.weights)
    return state


def spawn_generator(random_state):
    """Return a second random stream that depends on a first one, without drawing from it."""
    return np.random.default_rng(deepcopy(random_state).randint(2**32, size=4, dtype=np.uint32))


def begin_run(estimator, trainer):
    """Count the epochs of one call of `fit`, and its epochs without improvement, from zero."""
    state, solver = trainer.state, trainer.config.solver
    estimator.n_iter_ = 0
    state.stopped = False
    state.n_epochs = state.epoch + solver.max_epochs
    state.plateau = Plateau(best=state.plateau.best if solver.monitors_validation else -np.inf)


def begin_single_epoch(trainer):
    """Allow one more epoch; schedules that end at `max_epochs` epochs stay at their end."""
    state = trainer.state
    state.stopped = False
    state.n_epochs = max(trainer.config.solver.max_epochs, state.epoch + 1)


def train(estimator, trainer, callbacks):
    """Train until a rule, a callback or the number of epochs ends it, and record every epoch.

    Parameters
    ----------
    estimator : MLPDigitClassifier
    trainer : Trainer
    callbacks : FitCallbacks or SingleEpoch
    """
    state, solver = trainer.state, trainer.config.solver
    try:
        with closing(trainer.epochs(callbacks.begin_epoch)) as epochs:
            for report in epochs:
                score = solver.stopping.score(report) if solver.monitors_validation else None
                estimator.t_ = state.samples_seen
                fitted.record_epoch(estimator, report, score)
                if estimator.verbose:
                    fitted.print_epoch(estimator.n_iter_, report)
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
