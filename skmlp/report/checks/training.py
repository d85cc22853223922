"""Checks of the training: the validation set, overfitting, the number of epochs and dead units."""

import math
from typing import NamedTuple

import numpy as np

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.formatting import format_count, format_percent
from skmlp.report.checks.result import need_attention, pass_check, skip_check

LARGE_GAP = 0.02  # between the accuracies on the training and on the test set
SAME_LOSS = 1e-4  # relative difference of losses of the same predictions
RECENT_FRACTION = 0.1  # of the epochs, in which the loss may still decrease
LARGE_DECREASE = 0.02  # of the loss in the recent epochs, relative
SMALL_LEARNING_RATE = 0.1  # relative to the largest one
PERFECT = 0.999  # accuracy on the training set, after which its loss decreases without end
LARGE_INCREASE = 0.1  # of the validation loss since its minimum, relative
LARGE_DEAD_FRACTION = 0.05  # of the units of a layer
SINGLE_NETWORKS_ONLY = "This is only checked for single networks. Write a report on each member."


def check_validation_set(evaluation, figures):
    """Check whether the validation set of the training was the test set."""
    scored = [
        each
        for each in list_scored_networks(evaluation, figures)
        if "val_loss" in each.mlp.history_
    ]
    if not scored:
        return pass_check("No validation set was monitored during training.")
    unweighted = [each for each in scored if each.mlp.class_weight is None]
    if not unweighted:
        return skip_check("The loss and the accuracy of the validation set are weighted by class.")
    if not any(each.occurs_in_history() for each in unweighted):
        return skip_check(
            "In no epoch were the loss and the accuracy of the validation set those of the test set. Samples that both "
            "contain cannot be detected."
        )
    return need_attention(
        "The test set was monitored during training",
        "The validation set that was evaluated after each epoch is the test set: the loss and the accuracy are equal. "
        "If settings or the number of epochs were chosen by them, the accuracy on the test set is too optimistic.",
        "Hold out a fraction of the training set with `--validation 0.2` or `X_val`, use it to choose settings, and "
        "evaluate the test set once.",
    )


class ScoredNetwork(NamedTuple):
    """A network with its accuracy and its loss on the test set."""

    mlp: MLPDigitClassifier
    accuracy: float
    loss: float

    def occurs_in_history(self):
        """Return whether the validation set had the same accuracy and loss after an epoch."""
        history = self.mlp.history_
        return any(
            math.isclose(val_accuracy, self.accuracy, abs_tol=1e-9)
            and math.isclose(val_loss, self.loss, rel_tol=SAME_LOSS)
            for val_accuracy, val_loss in zip(
                history["val_accuracy"], history["val_loss"], strict=True
            )
        )


def list_scored_networks(evaluation, figures):
    """Return the ScoredNetwork in a list, or those of all members."""
    if not evaluation.is_committee:
        loss = float(evaluation.sample_losses.mean())
        return [ScoredNetwork(evaluation.model, figures["summary"]["accuracy"], loss)]
    return [
        ScoredNetwork(network, member["accuracy"], member["log_loss"])
        for network, member in zip(evaluation.networks, figures["members"]["members"], strict=True)
    ]


def check_gap(evaluation, figures):
    """Check whether the accuracy on the training set is much higher than on the test set."""
    summary = figures["summary"]
    training_accuracy = summary["training_accuracy"]
    if training_accuracy is None:
        return skip_check("The training set was not given.")
    text = (
        f"The accuracy is {format_percent(training_accuracy)} on the training set and "
        f"{format_percent(summary['accuracy'])} on the test set."
    )
    gap = training_accuracy - summary["accuracy"]
    if gap <= LARGE_GAP or training_accuracy <= summary["interval"][1]:
        return pass_check(text)
    remedies = ["more training samples", *list_unused_regularization(evaluation)]
    return need_attention("Overfitting", text, f"Use {join_alternatives(remedies)}.")


def list_unused_regularization(evaluation):
    """Return the methods of regularization that no network uses."""
    networks = evaluation.networks
    is_unused = {
        "`augmentation='digits'`": evaluation.encoder is not None
        and all(network.augmentation is None for network in networks),
        "`dropout`": not any(np.any(network.dropout) for network in networks),
        "`weight_decay`": not any(network.weight_decay for network in networks),
        "`early_stopping=True`": not any(
            network.early_stopping or network.solver == "lbfgs" for network in networks
        ),
    }
    return [name for name, unused in is_unused.items() if unused]


def join_alternatives(names):
    """Return names as "a, b or c"."""
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def check_last_epochs(evaluation, figures):
    """Check whether the loss was still decreasing when training ended."""
    if evaluation.is_committee:
        return skip_check(SINGLE_NETWORKS_ONLY)
    model, history = evaluation.model, evaluation.model.history_
    criterion = "val_loss" if "val_loss" in history else "loss"
    losses, rates = np.array(history[criterion]), np.array(history["learning_rate"])
    if len(losses) < 3 or not np.isfinite(losses).all():
        return skip_check("The training history has less than three finite losses.")
    if criterion == "loss" and history["accuracy"][-1] >= PERFECT:
        return pass_check("Nearly all training samples were predicted correctly.")
    n_recent = min(max(1, math.ceil(RECENT_FRACTION * len(losses))), len(losses) - 1)
    before = losses[-1 - n_recent]
    change = losses[-1] / before - 1 if before else 0.0
    text = (
        f"In the last {'epoch' if n_recent == 1 else f'{n_recent} epochs'}, the "
        f"{'validation' if criterion == 'val_loss' else 'training'} loss changed by {100 * change:+.1f} %."
    )
    if change >= -LARGE_DECREASE or losses.argmin() < len(losses) - 1:
        return pass_check(text)
    if model.solver == "lbfgs":
        if len(losses) < model.max_iter:
            return pass_check(f"{text} The solver had converged.")
        remedy = "Allow more iterations (`max_iter`)."
    elif rates[-1] <= SMALL_LEARNING_RATE * rates.max():
        return pass_check(f"{text} The learning rate was already small.")
    else:
        remedy = (
            "Train for more epochs (`max_iter`), or lower the learning rate at the end with "
            "`learning_rate='one_cycle'`."
        )
    return need_attention("The loss was still decreasing", text, remedy)


def check_best_epoch(evaluation, figures):
    """Check whether the validation loss has increased since its minimum."""
    if evaluation.is_committee:
        return skip_check(SINGLE_NETWORKS_ONLY)
    model = evaluation.model
    losses = np.array(model.history_.get("val_loss", []))
    if not len(losses) or not np.isfinite(losses).all():
        return skip_check("There is no complete history of the validation loss.")
    best = int(losses.argmin())
    text = (
        f"The validation loss was lowest in epoch {best + 1} of {len(losses)} with {losses[best]:.4f}; in the last "
        f"epoch it was {losses[-1]:.4f}."
    )
    if losses[-1] <= (1 + LARGE_INCREASE) * losses[best]:
        return pass_check(text)
    if model.early_stopping and model.solver != "lbfgs":
        return pass_check(f"{text} The weights with the best validation {model.monitor} were kept.")
    return need_attention(
        "The validation loss has increased",
        text,
        "Use `early_stopping=True` with `monitor='loss'`, fewer epochs, or more regularization.",
    )


def check_dead_units(evaluation, figures):
    """Check whether a layer has many dead units."""
    if evaluation.is_committee:
        return skip_check(SINGLE_NETWORKS_ONLY)
    layers = figures["network"]["hidden_layers"]
    if not layers:
        return skip_check("The network has no hidden layers.")
    if layers[0]["n_dead"] is None:
        return skip_check("All test samples are equal.")
    counts = ", ".join(
        f"{layer['n_dead']:,} of {format_count(layer['n_units'], 'unit')} in hidden layer {number}"
        for number, layer in enumerate(layers, 1)
    )
    text = f"The activation is constant for {counts}."
    if all(layer["n_dead"] <= LARGE_DEAD_FRACTION * layer["n_units"] for layer in layers):
        return pass_check(text)
    return need_attention(
        "Dead units",
        text,
        "Use fewer units, a lower learning rate, `batch_norm=True`, or an activation whose gradient is not zero for "
        "all negative inputs, such as `'leaky_relu'` or `'gelu'`.",
    )
