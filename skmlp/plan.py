"""From constructor parameters to engine objects: constraints, cross-checks, and the frozen Plan."""

import warnings
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.batches import Batches
from skmlp.engine.losses import LOSSES
from skmlp.engine.objective import Objective
from skmlp.engine.optimizers import SGD, Adam
from skmlp.engine.parameters import Layout
from skmlp.engine.schedules import Constant, InverseScaling
from skmlp.engine.stopping import Plateau
from skmlp.engine.training import Problem

VALIDATION_BATCH_SIZE = 1024

PARAMETER_CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "input_scale": [Interval(Real, 0, None, closed="neither"), None],
}


@dataclass(frozen=True)
class Plan:
    """The network and its training, as the parameters and the data's shape decide them.

    Attributes
    ----------
    layout : Layout
    activation : str
    loss : type with the interface of SoftmaxCrossEntropy
    alpha : float
    optimizer : SGD, Adam or None
        None for L-BFGS.
    schedule : callable or None
    batch_size : int or "auto" or None
        None for all samples at once.
    shuffle, lower_rate_on_plateau, stop_on_validation : bool
        As in `Problem`.
    """

    layout: Layout
    activation: str
    loss: Any
    alpha: float
    optimizer: Any
    schedule: Any
    batch_size: Any
    shuffle: bool
    lower_rate_on_plateau: bool
    stop_on_validation: bool

    def problem(self, theta, samples, validation):
        """Bring plan, parameters and samples together; `validation` may be None."""
        return Problem(
            objective=Objective(self.layout, self.activation, self.loss, self.alpha, theta),
            batches=Batches(samples, self._clipped_batch_size(len(samples)), theta.dtype),
            validation=None
            if validation is None
            else Batches(validation, VALIDATION_BATCH_SIZE, theta.dtype),
            optimizer=self.optimizer,
            schedule=self.schedule,
            shuffle=self.shuffle,
            lower_rate_on_plateau=self.lower_rate_on_plateau,
            stop_on_validation=self.stop_on_validation,
        )

    def _clipped_batch_size(self, n_samples):
        if self.batch_size is None:
            return n_samples
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                f"batch_size={self.batch_size} is larger than the number of samples and is clipped to {n_samples}.",
                stacklevel=2,
            )
        return min(self.batch_size, n_samples)


def make_plan(estimator, n_features, encoding):
    """Make the Plan that an estimator's parameters ask for.

    Parameters
    ----------
    estimator : MLPDigitClassifier
        Its parameters satisfy the constraints, each by itself.
    n_features : int
    encoding : TargetEncoding

    Raises
    ------
    ValueError
        If parameters do not fit together.
    """
    first_order = estimator.solver != "lbfgs"
    sgd = estimator.solver == "sgd"
    return Plan(
        layout=Layout(
            (n_features, *hidden_sizes(estimator.hidden_layer_sizes), encoding.n_outputs)
        ),
        activation=estimator.activation,
        loss=LOSSES[encoding.out_activation],
        alpha=float(estimator.alpha),
        optimizer=make_optimizer(estimator) if first_order else None,
        schedule=make_schedule(estimator) if first_order else None,
        batch_size=estimator.batch_size if first_order else None,
        shuffle=estimator.shuffle and first_order,
        lower_rate_on_plateau=sgd and estimator.learning_rate == "adaptive",
        stop_on_validation=estimator.early_stopping and first_order,
    )


def hidden_sizes(hidden_layer_sizes):
    """Give the sizes of the hidden layers as a tuple of positive int."""
    sizes = np.atleast_1d(np.asarray(hidden_layer_sizes))
    if sizes.size == 0:
        return ()
    if sizes.ndim > 1 or sizes.dtype.kind not in "iu" or (sizes <= 0).any():
        raise ValueError(
            "hidden_layer_sizes must be > 0: a positive integer, or a sequence of them, one a hidden layer; () for "
            f"none. Got {hidden_layer_sizes!r}."
        )
    return tuple(sizes.tolist())


def make_optimizer(estimator):
    """Make the optimizer of a first-order solver."""
    if estimator.solver == "sgd":
        return SGD(float(estimator.momentum), bool(estimator.nesterovs_momentum))
    return Adam(float(estimator.beta_1), float(estimator.beta_2), float(estimator.epsilon))


def make_schedule(estimator):
    """Make the learning-rate schedule; like scikit-learn, only solver='sgd' follows `learning_rate`."""
    initial_rate = float(estimator.learning_rate_init)
    if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
        return InverseScaling(initial_rate, float(estimator.power_t))
    return Constant(initial_rate)


def make_plateau(estimator, after=None):
    """Make the rule that ends the training, with the count of an earlier one if there was one."""
    rule = Plateau(tolerance=float(estimator.tol), patience=estimator.n_iter_no_change)
    if after is not None:
        rule.best, rule.stale_epochs = after.best, after.stale_epochs
    return rule
