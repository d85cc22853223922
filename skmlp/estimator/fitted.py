"""The fitted attributes: setting them during training, and converting them to arrays of the engine."""

from copy import deepcopy

import numpy as np

from skmlp.engine.parameters import Layout, StatisticsViews, Views
from skmlp.estimator.config import make_extraction
from skmlp.estimator.history import extend_history, make_history
from skmlp.estimator.targets import TargetEncoding

# Attributes that change in each epoch and that prediction or reports use.
CHANGING_ATTRIBUTES = (
    "coefs_",
    "intercepts_",
    "batch_norm_",
    "history_",
    "loss_curve_",
    "validation_scores_",
)


def is_fitted(estimator):
    """Return whether an estimator has fitted weights."""
    return hasattr(estimator, "coefs_")


# Writing


def initialize_attributes(estimator, config, targets):
    """Set the fitted attributes to their values before the first epoch."""
    estimator.classes_ = targets.classes
    estimator.n_outputs_ = targets.n_outputs
    estimator.out_activation_ = targets.out_activation
    estimator.n_layers_ = len(config.network.layer_sizes)
    vars(estimator).update(make_initial_progress())
    reset_scores(estimator, config.solver)


def add_missing_attributes(estimator, config):
    """Set the progress attributes that are missing if a user has assigned the weights."""
    for name, value in make_initial_progress().items():
        vars(estimator).setdefault(name, value)
    if not hasattr(estimator, "validation_scores_"):
        reset_scores(estimator, config.solver)


def make_initial_progress():
    """Return a dict of the attributes that record progress, with their values before the first epoch."""
    return {
        "n_iter_": 0,
        "t_": 0,
        "loss_": np.nan,
        "loss_curve_": [],
        "history_": make_history(),
    }


def reset_scores(estimator, solver):
    """Reset the attributes that record scores, for the quantity that a solver monitors."""
    monitors_validation = solver.monitors_validation
    estimator.best_loss_ = None if monitors_validation else np.inf
    estimator.validation_scores_ = [] if monitors_validation else None
    estimator.best_validation_score_ = -np.inf if monitors_validation else None


def has_scores_of(estimator, solver):
    """Return whether the recorded scores are of the kind that a solver monitors."""
    return (estimator.validation_scores_ is not None) == solver.monitors_validation


def publish_weights(estimator, layout, weights):
    """Set the weights of an estimator to views of Weights, so that training updates them in place."""
    parameters = layout.views(weights.theta)
    n_unbiased = len(parameters.weights) - len(parameters.biases)
    zeros = [np.zeros(units, weights.theta.dtype) for units in layout.hidden_sizes[:n_unbiased]]
    estimator.coefs_ = [matrix.T for matrix in parameters.weights]
    estimator.intercepts_ = zeros + parameters.biases
    estimator.batch_norm_ = None
    if layout.batch_norm:
        statistics = layout.statistics_views(weights.statistics)
        estimator.batch_norm_ = {
            "gain": parameters.gains,
            "shift": parameters.shifts,
            "mean": statistics.means,
            "variance": statistics.variances,
        }


def divide_logits(estimator, divisor):
    """Divide the weights and biases of the output layer, and remove the training state.

    The state contains other copies of the weights, such as averaged ones.
    """
    estimator._state = None
    estimator.coefs_ = [*estimator.coefs_[:-1], estimator.coefs_[-1] / divisor]
    estimator.intercepts_ = [*estimator.intercepts_[:-1], estimator.intercepts_[-1] / divisor]


def record_epoch(estimator, report, stopping_score):
    """Update the fitted attributes after an epoch.

    Parameters
    ----------
    estimator : MLPDigitClassifier
    report : EpochReport
    stopping_score : float or None
        Validation score that determines when to stop. None if the training loss determines it.
    """
    estimator.n_iter_ += 1
    estimator.loss_ = report.loss
    estimator.loss_curve_.append(report.loss)
    if stopping_score is None:
        estimator.best_loss_ = min(estimator.best_loss_, report.loss)
    else:
        estimator.validation_scores_.append(stopping_score)
        estimator.best_validation_score_ = max(estimator.best_validation_score_, stopping_score)
    extend_history(estimator.history_, report)


def print_epoch(number, report):
    """Print the results of an epoch in the format of scikit-learn."""
    print(f"Iteration {number}, loss = {report.loss:.8f}")
    if report.val_accuracy is not None:
        print(f"Validation score: {report.val_accuracy:f}")
    if report.message:
        print(report.message)


# Reading


def get_targets(estimator):
    """Return the TargetEncoding of a fitted estimator."""
    multilabel = estimator.out_activation_ == "logistic" and estimator.n_outputs_ > 1
    return TargetEncoding(estimator.classes_, multilabel)


def get_layout(estimator):
    """Return the Layout of the parameters in a flat vector."""
    hidden_and_output = (len(biases) for biases in estimator.intercepts_)
    return Layout((len(estimator.coefs_[0]), *hidden_and_output), get_batch_norm(estimator) != {})


def get_extraction(estimator):
    """Return the FeatureExtraction of a fitted estimator, or None if its inputs are the features of X.

    Raises
    ------
    ValueError
        If `image_features` or `image_shape` was changed so that the number of inputs is not that of the fitted weights.
    """
    extraction = make_extraction(estimator, estimator.n_features_in_)
    n_inputs = estimator.n_features_in_ if extraction is None else extraction.n_features
    n_expected = len(estimator.coefs_[0])
    if n_inputs != n_expected:
        raise ValueError(
            f"image_features must give {n_expected} inputs, as many as the first layer has, got {n_inputs} with "
            f"image_features={estimator.image_features!r}. Restore the parameters image_features and image_shape of "
            "the training run."
        )
    return extraction


def get_parameters(estimator):
    """Return the Views of the parameters. The engine stores weight matrices as (fan_out, fan_in)."""
    norm = get_batch_norm(estimator)
    return Views(
        weights=[coef.T for coef in estimator.coefs_],
        # With batch normalization, the shifts replace the biases of the hidden layers.
        biases=estimator.intercepts_[-1:] if norm else estimator.intercepts_,
        gains=norm.get("gain", []),
        shifts=norm.get("shift", []),
    )


def get_statistics(estimator):
    """Return the running means and variances."""
    norm = get_batch_norm(estimator)
    return StatisticsViews(norm.get("mean", []), norm.get("variance", []))


def get_batch_norm(estimator):
    """Return `batch_norm_`, or an empty dict without batch normalization."""
    return getattr(estimator, "batch_norm_", None) or {}


def are_views(estimator, weights):
    """Return whether the fitted attributes are views of Weights, as after `publish_weights`."""
    flat = (weights.theta, weights.statistics)
    norm = get_batch_norm(estimator)
    biases = estimator.intercepts_[-1:] if norm else estimator.intercepts_
    arrays = [array for arrays in (estimator.coefs_, biases, *norm.values()) for array in arrays]
    return all(any(np.may_share_memory(array, vector) for vector in flat) for array in arrays)


def replace_views(attributes, estimator):
    """Return the attributes of an estimator, with a Layout instead of views of its training state."""
    state = attributes.get("_state")
    if state is None or not is_fitted(estimator):
        return attributes
    if not are_views(estimator, state.prediction_weights):
        return attributes
    views = ("coefs_", "intercepts_", "batch_norm_")
    stored = {name: value for name, value in attributes.items() if name not in views}
    return stored | {"_layout": get_layout(estimator)}


def copy_changing_attributes(estimator):
    """Return copies of the attributes that further training changes, without the training state."""
    copies = {name: deepcopy(getattr(estimator, name)) for name in CHANGING_ATTRIBUTES}
    return {"_state": None} | copies
