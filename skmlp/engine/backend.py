"""The interface of a backend: what the training loops need from the arithmetic of a network.

A backend is bound to a TrainingConfig and a TrainState, and changes the state in place. It may compute a step in any
way, as a chain of layers or as one compiled function, as long as the result depends on configuration, state and batch
only.
"""

from typing import NamedTuple, Protocol

import numpy as np


class BatchGradient(NamedTuple):
    """Loss and gradient of a batch at the current weights.

    Attributes
    ----------
    loss : float
        Mean loss, weighted by the sample weights, without L2 penalty.
    n_correct : float
        Total weight of the samples that are classified correctly.
    weight : float
        Total weight of the samples.
    gradient : ndarray of shape (n_parameters,)
        Gradient of `loss`; a buffer that the next call overwrites and that the caller may overwrite.
    """

    loss: float
    n_correct: float
    weight: float
    gradient: np.ndarray


class StepResult(NamedTuple):
    """The outcome of a training step on a batch.

    Attributes
    ----------
    loss : float
        Mean loss before the step, with L2 penalty.
    n_correct : float
        Total weight of the samples that were classified correctly before the step.
    weight : float
        Total weight of the samples.
    """

    loss: float
    n_correct: float
    weight: float


class Backend(Protocol):
    """What a backend computes."""

    def gradient(self, batch):
        """Return the BatchGradient at `state.weights`, which stay as they are."""

    def step(self, batch, rate):
        """Move the state by a training step on a batch at a learning rate, and return the StepResult."""

    def logits(self, batches, weights):
        """Yield each batch with its logits in prediction, (n_outputs, batch), at any weights.

        The logits are a buffer that the next batch overwrites and that the caller may overwrite.
        """
