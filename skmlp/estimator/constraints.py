"""Constraints on the constructor parameters and on their combinations."""

from numbers import Integral, Real

import numpy as np

from skmlp.digits.augment import AUGMENTATIONS
from skmlp.digits.gradients import IMAGE_FEATURES
from skmlp.engine.initialization import INITIALIZERS
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.sources import ArrayRows, BlockRows
from skmlp.estimator.config import OPTIMIZERS, SCHEDULES
from skmlp.sklearn_compat import Interval, Options, StrOptions

NON_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
POSITIVE_INTEGER = Interval(Integral, 1, None, closed="left")
ZERO_TO_BELOW_ONE = Interval(Real, 0, 1, closed="left")

PARAMETER_CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", POSITIVE_INTEGER],
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
    "solver": [StrOptions({"lbfgs", *OPTIMIZERS})],
    "alpha": [NON_NEGATIVE],
    "batch_size": [StrOptions({"auto"}), POSITIVE_INTEGER],
    "learning_rate": [StrOptions(set(SCHEDULES)), callable],
    "learning_rate_init": [POSITIVE],
    "power_t": [NON_NEGATIVE],
    "max_iter": [POSITIVE_INTEGER],
    "shuffle": ["boolean", StrOptions({"blocks"})],
    "random_state": ["random_state"],
    "tol": [NON_NEGATIVE],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [ZERO_TO_BELOW_ONE],
    "beta_1": [ZERO_TO_BELOW_ONE],
    "beta_2": [ZERO_TO_BELOW_ONE],
    "epsilon": [POSITIVE],
    "n_iter_no_change": [POSITIVE_INTEGER, Options(Real, {np.inf}), None],
    "max_fun": [POSITIVE_INTEGER],
    "dropout": [ZERO_TO_BELOW_ONE, list, tuple],
    "input_dropout": [ZERO_TO_BELOW_ONE],
    "batch_norm": ["boolean"],
    "label_smoothing": [ZERO_TO_BELOW_ONE],
    "weight_decay": [NON_NEGATIVE, None],
    "max_norm": [POSITIVE, None],
    "clip_norm": [POSITIVE, None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "weight_init": [StrOptions({"auto", *INITIALIZERS})],
    "warmup_epochs": [NON_NEGATIVE],
    "ema_decay": [Interval(Real, 0, 1, closed="neither"), None],
    "monitor": [StrOptions({"accuracy", "loss"})],
    "input_scale": [POSITIVE, None],
    "augmentation": [StrOptions(set(AUGMENTATIONS)), callable, None],
    "image_shape": ["array-like", None],
    "image_features": [StrOptions(set(IMAGE_FEATURES)), callable, None],
    "adversarial_norm": [NON_NEGATIVE],
    "virtual_adversarial_norm": [NON_NEGATIVE],
}

# Parameters that L-BFGS does not support, with the values that disable them.
UNSUPPORTED_BY_LBFGS = {
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
    "virtual_adversarial_norm": 0,
}


def check_lbfgs(params):
    """Raise ValueError if a parameter is set that L-BFGS does not support."""
    for name, disabled in UNSUPPORTED_BY_LBFGS.items():
        value = getattr(params, name)
        values = value if isinstance(value, list | tuple) else [value]
        if any(item != disabled for item in values):
            raise ValueError(
                f"{name} must be {disabled} for solver='lbfgs', which requires a fixed loss function and computes its "
                f"own step sizes, got {value!r}. Use another solver, such as 'adam'."
            )


def check_lbfgs_samples(X):
    """Raise ValueError if samples for L-BFGS are read on demand and are not memory-mapped."""
    if isinstance(X, ArrayRows | BlockRows):
        raise ValueError(
            "X must be an array for solver='lbfgs', which uses all samples in each iteration, got X that is read on "
            "demand. Load it into an array, or use another solver, such as 'adam'."
        )


def check_partial_fit_is_available(estimator):
    """Return True if `partial_fit` is available, otherwise raise AttributeError."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic solvers, got solver='lbfgs'. Use another solver, such as "
            "'adam'."
        )
    if estimator.class_weight == "balanced":
        raise AttributeError(
            "partial_fit does not support class_weight='balanced', because the weights depend on the labels of all "
            "samples. Compute them with sklearn.utils.class_weight.compute_class_weight, and pass them as a dict."
        )
    return True


def check_no_early_stopping(estimator):
    """Raise ValueError if `partial_fit` is called with early stopping, as scikit-learn does."""
    if estimator.early_stopping:
        raise ValueError(
            "partial_fit does not support early_stopping=True, because it trains for a single epoch. Set "
            "early_stopping=False, or use fit."
        )
