"""Results of an epoch, and evaluation of loss and accuracy on a set of samples."""

from dataclasses import dataclass
from typing import NamedTuple

from skmlp.engine.reference.losses import LOSSES


@dataclass(frozen=True)
class EpochReport:
    """Results of an epoch.

    Attributes
    ----------
    loss : float
        Mean training loss, including the penalty, measured on each batch before its step.
    accuracy : float
        Mean training accuracy, measured on each batch before its step.
    learning_rate : float
        Learning rate of the last step; NaN for L-BFGS.
    val_loss : float or None
        Loss on the validation set after the epoch, without the penalty; None without a validation set.
    val_accuracy : float or None
        Accuracy on the validation set after the epoch; None without a validation set.
    seconds : float
        Duration of the epoch, including validation.
    message : str
        Action of the stopping rule and its reason; empty if there was no action.
    compute_seconds, transfer_seconds, scheduler_seconds : float or None
        Time that the workers of a cluster have computed and have transferred data, and the rest of the duration; None
        without a cluster.
    """

    loss: float
    accuracy: float
    learning_rate: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    seconds: float = 0.0
    message: str = ""
    compute_seconds: float | None = None
    transfer_seconds: float | None = None
    scheduler_seconds: float | None = None


class Evaluation(NamedTuple):
    """Loss and accuracy on a set of samples.

    Attributes
    ----------
    loss : float or None
        None without samples.
    accuracy : float or None
        None without samples.
    """

    loss: float | None
    accuracy: float | None


def evaluate(backend, batches, weights, loss_name):
    """Return the mean loss, without penalty and label smoothing, and the accuracy, in prediction mode.

    Parameters
    ----------
    backend : Backend
    batches : Batches or None
        Batches of the samples; None to return an Evaluation of None.
    weights : Weights
        Weights of the network.
    loss_name : str
        Key of the loss in LOSSES.

    Returns
    -------
    evaluation : Evaluation
    """
    if batches is None:
        return Evaluation(None, None)
    total_weight = batches.samples.total_weight
    loss = n_correct = 0.0
    for batch, logits in backend.logits(batches, weights):
        batch_sum = LOSSES[loss_name].loss_gradient(
            logits, batch.targets, batch.weights, total_weight
        )
        loss += batch_sum.loss
        n_correct += batch_sum.n_correct
    return Evaluation(loss / total_weight, n_correct / total_weight)
