"""One step of the training: the optimizer's, with what is done to gradients before it and to weights beside it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skmlp.engine.parameters import cache_sized_parts


@dataclass(frozen=True)
class Update:
    """How a gradient changes the parameters.

    Attributes
    ----------
    optimizer : object with `slot_names` and `step`
    clip_norm : float or None
        Largest norm of the gradient.
    weight_decay : float
        Part of the weights that a learning rate of one takes away in a step.
    max_norm : float or None
        Largest norm of the incoming weights of a hidden unit.
    ema_decay : float or None
        Decay of the average of the parameters.
    """

    optimizer: Any
    clip_norm: float | None = None
    weight_decay: float = 0.0
    max_norm: float | None = None
    ema_decay: float | None = None

    def apply(self, state, gradient, rate, layout, work):
        """Move the parameters of a TrainState by one step; overwrites `gradient` and `work`."""
        state.step += 1
        if self.clip_norm is not None:
            limit_norm(gradient, self.clip_norm)
        if self.weight_decay:
            # Decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)
            state.theta[: layout.n_weights] *= 1 - rate * self.weight_decay
        for part in cache_sized_parts(len(gradient)):
            slots = {name: slot[part] for name, slot in state.slots.items()}
            self.optimizer.step(
                state.theta[part], gradient[part], rate, slots, state.step, work[part]
            )
        if self.max_norm is not None:
            for weights in layout.views(state.theta).weights[:-1]:
                limit_row_norms(weights, self.max_norm)
        if self.ema_decay is not None:
            self._average(state, work)

    def _average(self, state, work):
        """Move the averages towards the parameters and statistics: average += (1 - decay) (value - average)."""
        decay = average_decay(self.ema_decay, state.step)
        np.subtract(state.theta, state.average_theta, out=work)
        work *= 1 - decay
        state.average_theta += work
        state.average_statistics += (1 - decay) * (state.statistics - state.average_statistics)


def limit_norm(gradient, largest):
    """Scale a flat gradient down, in place, to a norm of at most `largest` [1]_.

    References
    ----------
    .. [1] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       https://arxiv.org/abs/1211.5063
    """
    norm = float(np.sqrt(np.dot(gradient, gradient)))
    if norm > largest:
        gradient *= largest / norm


def limit_row_norms(weights, largest):
    """Scale the rows of a matrix of weights down, in place, to norms of at most `largest` [1]_.

    A row holds the weights of the inputs of one unit.

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014, section 5.1.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", weights, weights))
    too_long = norms > largest
    if too_long.any():
        weights[too_long] *= (largest / norms[too_long])[:, np.newaxis]


def average_decay(decay, t):
    """Give the decay of an exponential moving average at its t-th step: smaller at first, to forget the beginning."""
    return min(decay, t / (t + 9))
