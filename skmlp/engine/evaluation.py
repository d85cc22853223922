"""What training reports: the outcome of an epoch, and loss and accuracy on a set of samples."""

from dataclasses import dataclass
from typing import NamedTuple

from skmlp.engine.reference.losses import LOSSES


@dataclass(frozen=True)
class EpochReport:
    """The outcome of an epoch.

    Attributes
    ----------
    loss, accuracy : float
        Means over the training batches, each measured before its step; the loss with its penalty.
    learning_rate : float
        At the last step; NaN for a solver without one.
    val_loss, val_accuracy : float or None
        On the validation set, after the epoch; the loss without penalty. None without a validation set.
    seconds : float
    message : str
        What the stopping rule did and why; empty if it did nothing.
    """

    loss: float
    accuracy: float
    learning_rate: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    seconds: float = 0.0
    message: str = ""


class Evaluation(NamedTuple):
    """Loss and accuracy on a validation set; None without one.

    Attributes
    ----------
    loss, accuracy : float or None
    """

    loss: float | None
    accuracy: float | None


def evaluate(backend, batches, weights, loss_name):
    """Return mean loss, without penalty and smoothing, and accuracy over all batches, as in prediction.

    Parameters
    ----------
    backend : Backend
    batches : Batches or None
    weights : Weights
    loss_name : str

    Returns
    -------
    evaluation : Evaluation
    """
    if batches is None:
        return Evaluation(None, None)
    total_weight = batches.samples.total_weight
    loss = n_correct = 0.0
    for batch, logits in backend.logits(batches, weights):
        batch_sum = LOSSES[loss_name].differentiate(
            logits, batch.targets, batch.weights, total_weight
        )
        loss += batch_sum.loss
        n_correct += batch_sum.n_correct
    return Evaluation(loss / total_weight, n_correct / total_weight)
