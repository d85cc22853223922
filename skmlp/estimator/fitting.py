"""Training of an estimator: validate the data, create the configuration and the state, then train.

`fit`, `partial_fit`, `resume` and `find_learning_rate` share these functions. They differ in the `Start`, the number of
epochs and the use of the result.
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
from skmlp.engine.training import Trainer, make_initial_state
from skmlp.estimator import fitted
from skmlp.estimator.config import make_config
from skmlp.estimator.constraints import check_lbfgs, check_lbfgs_samples
from skmlp.estimator.data import SampleChecker, check_same_classes, encode_data, get_weights_dtype
from skmlp.estimator.targets import TargetEncoding
from skmlp.exceptions import TrainingInterruptedWarning, warn_caller


@dataclass(frozen=True)
class PreviousTraining:
    """Result of the previous training run of an estimator.

    Attributes
    ----------
    targets : TargetEncoding
    layout : Layout
    state : TrainState or None
        None if only the fitted attributes are available, as after `load_model`.
    weights : Weights or None
        A copy of the fitted weights. None if they are views of the state.
    samples_seen : int
        Number of training samples so far.
    loss : float
        Training loss of the last epoch.
    """

    targets: TargetEncoding
    layout: Layout
    state: TrainState | None
    weights: Weights | None
    samples_seen: int
    loss: float

    @classmethod
    def from_estimator(cls, estimator):
        """Return the result of the previous training run of a fitted estimator."""
        layout, state = fitted.get_layout(estimator), getattr(estimator, "_state", None)
        weights = None
        if state is None or not fitted.are_views(estimator, state.prediction_weights):
            dtype = estimator.coefs_[0].dtype
            weights = Weights(
                layout.pack(fitted.get_parameters(estimator), dtype),
                layout.pack_statistics(fitted.get_statistics(estimator), dtype),
            )
        return cls(
            targets=fitted.get_targets(estimator),
            layout=layout,
            state=state,
            weights=weights,
            samples_seen=getattr(estimator, "t_", 0),
            loss=getattr(estimator, "loss_", np.nan),
        )


@dataclass(frozen=True)
class Start:
    """Start of a training run: new weights, or the result of the previous run.

    Attributes
    ----------
    previous : PreviousTraining or None
        None for new weights.
    choose_targets : callable
        Function of the labels that returns the TargetEncoding.
    allows_missing_classes : bool
        Whether the labels may lack classes.
    prefers_indicators : bool
        Whether a matrix of zeros and ones is an indicator matrix, also if it contains floats and the classes are known.
    """

    previous: PreviousTraining | None
    choose_targets: Callable
    allows_missing_classes: bool = False
    prefers_indicators: bool = False

    @classmethod
    def for_fit(cls, estimator, classes=None):
        """Return the start of `fit`: new weights, or the result of the previous run with `warm_start`."""
        if estimator.warm_start and fitted.is_fitted(estimator):
            previous = PreviousTraining.from_estimator(estimator)
            choose_targets = partial(check_same_classes, targets=previous.targets, classes=classes)
            return cls(previous, choose_targets, allows_missing_classes=classes is not None)
        choose_targets = partial(TargetEncoding.from_labels, classes=classes)
        return cls(None, choose_targets, allows_missing_classes=classes is not None)

    @classmethod
    def for_resume(cls, estimator):
        """Return the start of a run that continues the previous one with the same data."""
        previous = PreviousTraining.from_estimator(estimator)
        return cls(previous, lambda y: previous.targets, allows_missing_classes=True)

    @classmethod
    def for_partial_fit(cls, estimator):
        """Return the start of `partial_fit`: the result of the previous run, if any. The classes are already set."""
        if not fitted.is_fitted(estimator):
            choose_targets = partial(TargetEncoding.from_labels, classes=estimator.classes_)
            return cls(None, choose_targets, allows_missing_classes=True, prefers_indicators=True)
        previous = PreviousTraining.from_estimator(estimator)
        return cls(previous, lambda y: previous.targets, allows_missing_classes=True)

    def get_classes(self, arguments):
        """Return the classes of FitArguments or of the previous run, or None if they are unknown or labels."""
        if self.previous is None or arguments.classes is not None:
            return arguments.classes
        targets = self.previous.targets
        return None if targets.multilabel else targets.classes


@dataclass(frozen=True)
class Plan:
    """Validated data and parameters, from which training can begin.

    Attributes
    ----------
    config : TrainingConfig
    data : TrainingData
    targets : TargetEncoding
    start : Start
    make_trainer : callable
        ``make_trainer(config, data, state)`` returns the trainer.
    """

    config: TrainingConfig
    data: TrainingData
    targets: TargetEncoding
    start: Start
    make_trainer: Callable = Trainer


def make_plan(estimator, arguments, start):
    """Validate data and parameters, and return the Plan.

    The only attributes of the estimator that change are `n_features_in_` and `feature_names_in_`.

    Parameters
    ----------
    estimator : MLPDigitClassifier
        Estimator whose parameters satisfy their constraints.
    arguments : FitArguments
    start : Start
    """
    if estimator.solver == "lbfgs":
        check_lbfgs(estimator)
    checker = SampleChecker(
        partial(validate_data, estimator),
        estimator.input_scale,
        start.get_classes(arguments),
        prefers_indicators=start.prefers_indicators,
    )
    checked = checker.check_all(arguments, reset=start.previous is None)
    X = checked.training.X
    if estimator.solver == "lbfgs":
        check_lbfgs_samples(X)
    targets = start.choose_targets(checked.training.y)
    has_probabilities = checked.has_probabilities
    config = make_config(estimator, targets, X.shape[1], X.shape[0], has_probabilities)
    check_same_layers(config.network.layout, start.previous)
    data = encode_data(checked, targets, estimator)
    return Plan(config, data, targets, start)


@contextmanager
def restore_features_on_failure(estimator):
    """Restore `n_features_in_` and `feature_names_in_`, which validation sets, if the body raises an exception."""
    names = ("n_features_in_", "feature_names_in_")
    before = {name: vars(estimator)[name] for name in names if name in vars(estimator)}
    try:
        yield
    except BaseException:
        for name in names:
            vars(estimator).pop(name, None)
        vars(estimator).update(before)
        raise


def check_same_layers(layout, previous):
    """Raise ValueError if the network of the previous training run has other layers."""
    if previous is not None and layout != previous.layout:
        raise ValueError(
            f"To continue training, the layers must have the sizes {previous.layout.layer_sizes} with "
            f"batch_norm={previous.layout.batch_norm}, got {layout.layer_sizes} with batch_norm={layout.batch_norm}. "
            "Restore the parameters and the number of features, or call fit with warm_start=False."
        )


def begin_training(estimator, plan):
    """Return the trainer of a Plan, and initialize the fitted attributes.

    If an exception is raised, the estimator is unchanged.
    """
    config, previous = plan.config, plan.start.previous
    if previous is None:
        random_state = check_random_state(estimator.random_state)
        dtype = get_weights_dtype(plan.data.samples.X)
        state = make_initial_state(config, dtype, random_state, spawn_generator(random_state))
    else:
        state = continue_state(previous, estimator.random_state)
    trainer = plan.make_trainer(config, plan.data, state)
    if previous is None:
        fitted.initialize_attributes(estimator, config, plan.targets)
    else:
        fitted.add_missing_attributes(estimator, config)
    monitor = config.solver.monitor
    if state.monitor != monitor or not fitted.has_scores_of(estimator, config.solver):
        state.begin_monitoring(monitor)
        fitted.reset_scores(estimator, config.solver)
    estimator._state = state
    fitted.publish_weights(estimator, config.network.layout, state.prediction_weights)
    return trainer


def continue_state(previous, random_state):
    """Return the state of the previous training run, with the weights of the fitted attributes."""
    state = previous.state
    if state is None:
        random_state = check_random_state(random_state)
        state = TrainState(previous.weights, random_state, spawn_generator(random_state))
        state.samples_seen, state.loss = previous.samples_seen, previous.loss
        return state
    state.make_writable()
    if previous.weights is not None:
        state.prediction_weights.assign(previous.weights)
    return state


def spawn_generator(random_state):
    """Return a Generator that is determined by the state of a RandomState, without advancing the RandomState."""
    return np.random.default_rng(deepcopy(random_state).randint(2**32, size=4, dtype=np.uint32))


def begin_run(estimator, trainer):
    """Reset the counts of epochs and of epochs without improvement for a call to `fit`."""
    state, solver = trainer.state, trainer.config.solver
    estimator.n_iter_ = 0
    state.stopped = False
    state.n_epochs = state.epoch + solver.max_epochs
    state.plateau = Plateau(best=state.plateau.best if solver.monitors_validation else -np.inf)


def begin_single_epoch(trainer):
    """Allow one more epoch. Schedules that end after `max_epochs` epochs keep their final value."""
    state = trainer.state
    state.stopped = False
    state.n_epochs = max(trainer.config.solver.max_epochs, state.epoch + 1)


def train(estimator, trainer, callbacks):
    """Train until the solver or a callback stops, and record each epoch.

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
            "Training interrupted by user. The estimator keeps the weights reached so far.",
            TrainingInterruptedWarning,
        )
    finally:
        estimator.loss_ = state.loss
    if trainer.convergence_message:
        warn_caller(trainer.convergence_message, ConvergenceWarning)
    callbacks.end_fit()
