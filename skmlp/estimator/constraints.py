"""What each constructor parameter may be, and which parameters do not go together."""

from numbers import Integral, Real

import numpy as np

from skmlp.digits.augment import AUGMENTATIONS
from skmlp.engine.initialization import INITIALIZERS
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.estimator.config import OPTIMIZERS, SCHEDULES
from skmlp.sklearn_compat import Interval, Options, StrOptions

AT_LEAST_ZERO = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
POSITIVE_INTEGER = Interval(Integral, 1, None, closed="left")
ZERO_TO_BELOW_ONE = Interval(Real, 0, 1, closed="left")

PARAMETER_CONSTRAINTS = {
    "hidden_layer_sizes": ["array-like", POSITIVE_INTEGER],
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
    "solver": [StrOptions({"lbfgs", *OPTIMIZERS})],
    "alpha": [AT_LEAST_ZERO],
    "batch_size": [StrOptions({"auto"}), POSITIVE_INTEGER],
    "learning_rate": [StrOptions(set(SCHEDULES)), callable],
    "learning_rate_init": [POSITIVE],
    "power_t": [AT_LEAST_ZERO],
    "max_iter": [POSITIVE_INTEGER],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [AT_LEAST_ZERO],
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
    "weight_decay": [AT_LEAST_ZERO, None],
    "max_norm": [POSITIVE, None],
    "clip_norm": [POSITIVE, None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "weight_init": [StrOptions({"auto", *INITIALIZERS})],
    "warmup_epochs": [AT_LEAST_ZERO],
    "ema_decay": [Interval(Real, 0, 1, closed="neither"), None],
    "monitor": [StrOptions({"accuracy", "loss"})],
    "input_scale": [POSITIVE, None],
    "augmentation": [StrOptions(set(AUGMENTATIONS)), callable, None],
    "image_shape": ["array-like", None],
    "adversarial_norm": [AT_LEAST_ZERO],
}

# The values of parameters that mean nothing to L-BFGS.
NEUTRAL_FOR_LBFGS = {
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
}


def check_lbfgs(params):
    """Raise ValueError for parameters that have no meaning for a solver that minimizes one fixed function."""
    for name, neutral in NEUTRAL_FOR_LBFGS.items():
        value = getattr(params, name)
        values = value if isinstance(value, list | tuple) else [value]
        if any(item != neutral for item in values):
            raise ValueError(
                f"{name} must be {neutral} for solver='lbfgs', which minimizes one fixed function by steps of its own. "
                f"Got {value!r}. Choose another solver, such as 'adam'."
            )


def check_partial_fit(estimator):
    """Return True if `partial_fit` is available; otherwise raise AttributeError with the reason."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers, solver='sgd' or 'adam'. Got solver='lbfgs'."
        )
    if estimator.class_weight == "balanced":
        raise AttributeError(
            "partial_fit does not support class_weight='balanced', which depends on the labels of all samples. Compute "
            "the weights with sklearn.utils.class_weight.compute_class_weight, and pass them as a dict."
        )
    return True


def check_no_early_stopping(estimator):
    """Raise ValueError, as scikit-learn does, if `partial_fit` is called with early stopping."""
    if estimator.early_stopping:
        raise ValueError(
            "partial_fit does not support early_stopping=True: a single epoch cannot be stopped early. Set "
            "early_stopping=False, or use fit."
        )
