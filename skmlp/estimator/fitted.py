"""The fitted attributes: written while a network trains, and read back as the arrays of the engine."""

from copy import deepcopy

import numpy as np

from skmlp.engine.parameters import Layout, StatisticsViews, Views
from skmlp.estimator.history import empty_history, extend_history
from skmlp.estimator.targets import TargetEncoding

# What an epoch changes and prediction or a report needs.
CHANGING_ATTRIBUTES = (
    "coefs_",
    "intercepts_",
    "batch_norm_",
    "history_",
    "loss_curve_",
    "validation_scores_",
)


def is_fitted(estimator):
    """Return whether an estimator has weights."""
    return hasattr(estimator, "coefs_")


# Writing


def begin_attributes(estimator, config, targets):
    """Set the attributes of a training without epochs."""
    estimator.classes_ = targets.classes
    estimator.n_outputs_ = targets.n_outputs
    estimator.out_activation_ = targets.out_activation
    estimator.n_layers_ = len(config.network.layer_sizes)
    vars(estimator).update(progress_without_epochs())
    begin_scores(estimator, config.solver)


def complete_attributes(estimator, config):
    """Set the attributes of the progress that are missing where a user set the weights by hand."""
    for name, value in progress_without_epochs().items():
        vars(estimator).setdefault(name, value)
    if not hasattr(estimator, "validation_scores_"):
        begin_scores(estimator, config.solver)


def progress_without_epochs():
    """Return the attributes that record the progress, by name, before the first epoch."""
    return {
        "n_iter_": 0,
        "t_": 0,
        "loss_": np.nan,
        "loss_curve_": [],
        "history_": empty_history(),
    }


def begin_scores(estimator, solver):
    """Set the attributes of the best epoch, before the first epoch of a solver that monitors another quantity."""
    monitors_validation = solver.monitors_validation
    estimator.best_loss_ = None if monitors_validation else np.inf
    estimator.validation_scores_ = [] if monitors_validation else None
    estimator.best_validation_score_ = -np.inf if monitors_validation else None


def has_scores_of(estimator, solver):
    """Return whether the attributes of the best epoch belong to the kind of quantity that a solver monitors."""
    return (estimator.validation_scores_ is not None) == solver.monitors_validation


def publish_weights(estimator, layout, weights):
    """Make the weights of an estimator views of flat vectors, so that training changes them in place."""
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


def record_epoch(estimator, report, stopping_score):
    """Update the attributes after an epoch.

    Parameters
    ----------
    estimator : MLPDigitClassifier
    report : EpochReport
    stopping_score : float or None
        The score that decides when to stop, if it is one of the validation set.
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
    """Print an epoch as scikit-learn does."""
    print(f"Iteration {number}, loss = {report.loss:.8f}")
    if report.val_accuracy is not None:
        print(f"Validation score: {report.val_accuracy:f}")
    if report.message:
        print(report.message)


# Reading


def targets_of(estimator):
    """Return the encoding of the targets."""
    multilabel = estimator.out_activation_ == "logistic" and estimator.n_outputs_ > 1
    return TargetEncoding(estimator.classes_, multilabel)


def layout_of(estimator):
    """Return where the parameters are in a flat vector."""
    hidden_and_output = (len(biases) for biases in estimator.intercepts_)
    return Layout((estimator.n_features_in_, *hidden_and_output), batch_norm_of(estimator) != {})


def parameters_of(estimator):
    """Return the parameters in the engine's orientation."""
    norm = batch_norm_of(estimator)
    return Views(
        weights=[coef.T for coef in estimator.coefs_],
        # The shifts of batch normalization take the place of the biases of the hidden layers.
        biases=estimator.intercepts_[-1:] if norm else estimator.intercepts_,
        gains=norm.get("gain", []),
        shifts=norm.get("shift", []),
    )


def statistics_of(estimator):
    """Return the running means and variances."""
    norm = batch_norm_of(estimator)
    return StatisticsViews(norm.get("mean", []), norm.get("variance", []))


def batch_norm_of(estimator):
    """Return the attribute `batch_norm_`, an empty dict without batch normalization."""
    return getattr(estimator, "batch_norm_", None) or {}


def are_views(estimator, weights):
    """Return whether the fitted attributes are views of Weights, as training publishes them."""
    flat = (weights.theta, weights.statistics)
    norm = batch_norm_of(estimator)
    biases = estimator.intercepts_[-1:] if norm else estimator.intercepts_
    arrays = [array for arrays in (estimator.coefs_, biases, *norm.values()) for array in arrays]
    return all(any(np.may_share_memory(array, vector) for vector in flat) for array in arrays)


def without_views(attributes, estimator):
    """Return the attributes of an estimator to be copied, with a Layout in place of views of its training state."""
    state = attributes.get("_state")
    if state is None or not is_fitted(estimator):
        return attributes
    if not are_views(estimator, state.prediction_weights):
        return attributes
    views = ("coefs_", "intercepts_", "batch_norm_")
    stored = {name: value for name, value in attributes.items() if name not in views}
    return stored | {"_layout": layout_of(estimator)}


def copied_training(estimator):
    """Return copies of all that training continues to change; an estimator with them trains with a fresh optimizer."""
    copies = {name: deepcopy(getattr(estimator, name)) for name in CHANGING_ATTRIBUTES}
    return {"_state": None} | copies
