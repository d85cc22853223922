"""From constructor parameters to engine objects: constraints, cross-checks, and the frozen Plan."""

import warnings
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from skmlp.digits.augment import AUGMENTATIONS
from skmlp.digits.shape import image_shape_of
from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.batches import Augmentation, Batches
from skmlp.engine.initialization import INITIALIZERS, scikit_learn
from skmlp.engine.kernels import load_kernels
from skmlp.engine.losses import LOSSES
from skmlp.engine.network import Design
from skmlp.engine.objective import Objective
from skmlp.engine.optimizers import SGD, Adam, NAdam, RMSprop
from skmlp.engine.parameters import Layout
from skmlp.engine.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    StepDecay,
    Warmup,
)
from skmlp.engine.stopping import Plateau
from skmlp.engine.training import Problem
from skmlp.engine.update import Update

VALIDATION_BATCH_SIZE = 1024
ADAMW_WEIGHT_DECAY = 0.01

OPTIMIZERS = {
    "sgd": lambda p: SGD(float(p.momentum), bool(p.nesterovs_momentum)),
    "adam": lambda p: Adam(float(p.beta_1), float(p.beta_2), float(p.epsilon)),
    "adamw": lambda p: Adam(float(p.beta_1), float(p.beta_2), float(p.epsilon)),
    "nadam": lambda p: NAdam(float(p.beta_1), float(p.beta_2), float(p.epsilon)),
    "rmsprop": lambda p: RMSprop(float(p.beta_2), float(p.epsilon)),
}

# "adaptive" is constant until a plateau lowers it.
SCHEDULES = {
    "constant": lambda p: Constant(float(p.learning_rate_init)),
    "adaptive": lambda p: Constant(float(p.learning_rate_init)),
    "invscaling": lambda p: InverseScaling(float(p.learning_rate_init), float(p.power_t)),
    "step": lambda p: StepDecay(float(p.learning_rate_init)),
    "exponential": lambda p: Exponential(float(p.learning_rate_init)),
    "cosine": lambda p: Cosine(float(p.learning_rate_init)),
    "one_cycle": lambda p: OneCycle(float(p.learning_rate_init)),
}

PARAMETER_CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
    "solver": [StrOptions({"lbfgs", *OPTIMIZERS})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions(set(SCHEDULES)), callable],
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
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "input_dropout": [Interval(Real, 0, 1, closed="left")],
    "batch_norm": ["boolean"],
    "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left"), None],
    "max_norm": [Interval(Real, 0, None, closed="neither"), None],
    "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "weight_init": [StrOptions({"auto", *INITIALIZERS})],
    "warmup_epochs": [Interval(Real, 0, None, closed="left")],
    "ema_decay": [Interval(Real, 0, 1, closed="neither"), None],
    "monitor": [StrOptions({"accuracy", "loss"})],
    "input_scale": [Interval(Real, 0, None, closed="neither"), None],
    "augmentation": [StrOptions(set(AUGMENTATIONS)), callable, None],
    "image_shape": ["array-like", None],
    "adversarial_norm": [Interval(Real, 0, None, closed="left")],
}


@dataclass(frozen=True)
class Plan:
    """The network and its training, as the parameters and the data's shape decide them.

    Attributes
    ----------
    layout : Layout
    design : Design
    loss : type with the interface of SoftmaxCrossEntropy
    alpha, label_smoothing : float
    update : Update or None
        None for L-BFGS.
    schedule : callable
    batch_size : int or "auto" or None
        None for all samples at once.
    shuffle, lower_rate_on_plateau, stop_on_validation : bool
        As in `Problem`.
    monitor : str
    augmentation : Augmentation or None
    adversarial_norm : float
    """

    layout: Layout
    design: Design
    loss: Any
    alpha: float
    label_smoothing: float
    update: Any
    schedule: Any
    batch_size: Any
    shuffle: bool
    lower_rate_on_plateau: bool
    stop_on_validation: bool
    monitor: str
    augmentation: Augmentation | None
    adversarial_norm: float

    @property
    def watched(self):
        """The validation score that decides when to stop; None for the training loss."""
        return self.monitor if self.stop_on_validation else None

    def problem(self, state, samples, validation):
        """Bring plan, state and samples together; `validation` may be None."""
        theta = state.theta
        return Problem(
            layout=self.layout,
            objective=Objective(
                self.layout,
                self.design,
                self.loss,
                self.alpha,
                self.label_smoothing,
                theta,
                state.statistics,
                state.generator,
                load_kernels(state.kernels),
                self.adversarial_norm,
            ),
            batches=Batches(samples, self._clipped_batch_size(len(samples)), theta.dtype),
            validation=None
            if validation is None
            else Batches(validation, VALIDATION_BATCH_SIZE, theta.dtype),
            augmentation=self.augmentation,
            update=self.update,
            schedule=self.schedule,
            shuffle=self.shuffle,
            lower_rate_on_plateau=self.lower_rate_on_plateau,
            stop_on_validation=self.stop_on_validation,
            monitor=self.monitor,
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
    if not first_order:
        refuse_what_lbfgs_cannot(estimator)
    hidden = hidden_sizes(estimator.hidden_layer_sizes)
    return Plan(
        layout=Layout((n_features, *hidden, encoding.n_outputs), bool(estimator.batch_norm)),
        design=make_design(estimator, len(hidden)),
        loss=LOSSES[encoding.out_activation],
        alpha=float(estimator.alpha),
        label_smoothing=float(estimator.label_smoothing),
        update=make_update(estimator) if first_order else None,
        schedule=make_schedule(estimator),
        batch_size=estimator.batch_size if first_order else None,
        shuffle=estimator.shuffle and first_order,
        lower_rate_on_plateau=isinstance(estimator.learning_rate, str)
        and estimator.learning_rate == "adaptive",
        stop_on_validation=estimator.early_stopping and first_order,
        monitor=estimator.monitor,
        augmentation=make_augmentation(estimator, n_features),
        adversarial_norm=float(estimator.adversarial_norm),
    )


def make_design(estimator, n_hidden):
    """Say what the layers are, for a number of hidden ones."""
    return Design(
        activation_names(estimator.activation, n_hidden),
        dropout_rates(estimator.dropout, n_hidden),
        float(estimator.input_dropout),
        differentiates_inputs=estimator.adversarial_norm > 0,
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


def activation_names(activation, n_hidden):
    """Give the name of the activation of each hidden layer."""
    names = a_value_a_layer("activation", activation, n_hidden, str)
    unknown = [name for name in names if name not in ACTIVATIONS]
    if unknown:
        raise ValueError(
            f"activation must be a name, or a list of names, among {sorted(ACTIVATIONS)}. Got {unknown[0]!r}."
        )
    return names


def dropout_rates(dropout, n_hidden):
    """Give the dropout rate of each hidden layer."""
    rates = a_value_a_layer("dropout", dropout, n_hidden, Real)
    if not all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates):
        raise ValueError(
            f"dropout must be a number in [0, 1), or one for each hidden layer. Got {dropout!r}."
        )
    return tuple(float(rate) for rate in rates)


def a_value_a_layer(name, value, n_hidden, scalar_type):
    """Give a tuple with a value for each hidden layer, from one value for all or a sequence."""
    if isinstance(value, scalar_type):
        return (value,) * n_hidden
    if len(value) != n_hidden:
        raise ValueError(
            f"{name} must have one value for each of the {n_hidden} hidden layers, or be one value for all. Got "
            f"{len(value)} values, {value!r}."
        )
    return tuple(value)


def refuse_what_lbfgs_cannot(estimator):
    """Refuse what has no meaning for a solver that takes all samples at once and chooses its own steps."""
    for name, idle in {
        "dropout": 0,
        "input_dropout": 0,
        "batch_norm": False,
        "weight_decay": None,
        "max_norm": None,
        "clip_norm": None,
        "warmup_epochs": 0,
        "ema_decay": None,
        "augmentation": None,
        "adversarial_norm": 0,
    }.items():
        value = getattr(estimator, name)
        values = value if isinstance(value, list | tuple) else [value]
        if any(item != idle for item in values):
            raise ValueError(
                f"{name} must be {idle} for solver='lbfgs', which minimises one fixed function by steps of its own. "
                f"Got {value!r}. Choose another solver, such as 'adam'."
            )


def make_update(estimator):
    """Make the step of a first-order solver."""
    weight_decay = estimator.weight_decay
    if weight_decay is None:
        weight_decay = ADAMW_WEIGHT_DECAY if estimator.solver == "adamw" else 0
    return Update(
        optimizer=OPTIMIZERS[estimator.solver](estimator),
        clip_norm=none_or_float(estimator.clip_norm),
        weight_decay=float(weight_decay),
        max_norm=none_or_float(estimator.max_norm),
        ema_decay=none_or_float(estimator.ema_decay),
    )


def none_or_float(value):
    """Give a number as Python's float: NumPy's scalars would make float32 arithmetic slow."""
    return None if value is None else float(value)


def make_schedule(estimator):
    """Make the learning-rate schedule."""
    schedule = estimator.learning_rate
    if isinstance(schedule, str):
        schedule = SCHEDULES[schedule](estimator)
    return Warmup(schedule, float(estimator.warmup_epochs)) if estimator.warmup_epochs else schedule


def make_augmentation(estimator, n_features):
    """Make what changes the images of training batches, or None."""
    change = estimator.augmentation
    if change is None:
        return None
    shape = image_shape_of(estimator.image_shape, n_features)
    return Augmentation(AUGMENTATIONS[change] if isinstance(change, str) else change, shape)


def initializers(estimator, design):
    """Give the functions that draw the initial weights of each layer; the output layer is drawn like the last one."""
    n_layers = len(design.activations) + 1
    if estimator.weight_init != "auto":
        return [INITIALIZERS[estimator.weight_init]] * n_layers
    names = design.activations
    if not names:
        names = (estimator.activation if isinstance(estimator.activation, str) else "identity",)
    factors = [ACTIVATIONS[name].initial_factor for name in (*names, names[-1])]
    return [partial(scikit_learn, factor=factor) for factor in factors[-n_layers:]]


def make_plateau(estimator, after=None):
    """Make the rule that ends the training, with the count of an earlier one if there was one."""
    rule = Plateau(tolerance=float(estimator.tol), patience=estimator.n_iter_no_change)
    if after is not None:
        rule.best, rule.stale_epochs = after.best, after.stale_epochs
    return rule
