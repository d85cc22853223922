"""Interface of a backend, which computes gradients, training steps and logits.

A backend is bound to a TrainingConfig and a TrainState, and changes the state in place. It may compute a step in any
way, for example as a chain of layers or as one compiled function, as long as the result depends only on the
configuration, the state and the batch.
"""

from typing import NamedTuple, Protocol

import numpy as np


class BatchGradient(NamedTuple):
    """Loss and gradient of a batch at the current weights.

    Attributes
    ----------
    loss : float
        Mean loss, weighted by the sample weights, without the L2 penalty.
    n_correct : float
        Total weight of the correctly classified samples.
    weight : float
        Total weight of the samples.
    gradient : ndarray of shape (n_parameters,)
        Gradient of `loss`, in a buffer that the next call overwrites. The caller may also overwrite it.
    """

    loss: float
    n_correct: float
    weight: float
    gradient: np.ndarray


class StepResult(NamedTuple):
    """Result of a training step on a batch.

    Attributes
    ----------
    loss : float
        Mean loss before the step, including the L2 penalty.
    n_correct : float
        Total weight of the samples that were classified correctly before the step.
    weight : float
        Total weight of the samples.
    """

    loss: float
    n_correct: float
    weight: float


class Backend(Protocol):
    """Interface of a backend.

    Attributes
    ----------
    max_steps : int
        Maximum number of steps that one call of `steps` performs.
    """

    max_steps: int

    def gradient(self, batch):
        """Return the BatchGradient at `state.weights`, without changing them."""

    def step(self, batch, rate):
        """Perform a training step on a batch at a learning rate, and return the StepResult."""

    def steps(self, batches, rates):
        """Perform a training step on each batch, and return a list of StepResults.

        Parameters
        ----------
        batches : list of Batch
            At most `max_steps` batches of the same Samples, whose scale is None for all or for none.
        rates : list of float
            Learning rate of each step.
        """

    def logits(self, batches, weights):
        """Yield each batch with its logits, computed in prediction mode with the given weights.

        The logits are a C-contiguous array of shape (n_outputs, batch_size). They are in a buffer that the next batch
        overwrites. The caller may also overwrite it.
        """
