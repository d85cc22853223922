"""Rule by which a gradient changes the weights: clipping, optimizer, max-norm constraint and averaging."""

from dataclasses import dataclass

import numpy as np

from skmlp.engine.optimizers import Optimizer

# Tiny values are set to zero once in so many steps.
SUBNORMAL_INTERVAL = 100


@dataclass(frozen=True)
class Update:
    """Rule by which a gradient changes the weights. The backends apply it.

    The gradient includes that of the L2 penalty. In each step, it is clipped [1]_, the weights decay [2]_, the
    optimizer changes the parameters, the norms of the weights are limited [3]_, and the average is updated.

    Attributes
    ----------
    optimizer : Optimizer
    clip_norm : float or None
        Maximum norm of the gradient; None for no clipping.
    weight_decay : float
        Coefficient of decoupled weight decay: each step multiplies the weights by ``1 - rate * weight_decay``.
    max_norm : float or None
        Maximum norm of the incoming weights of a hidden unit; None for no limit.
    ema_decay : float or None
        Decay of the exponential moving average of the weights; None for no average.

    References
    ----------
    .. [1] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       https://arxiv.org/abs/1211.5063
    .. [2] Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, https://arxiv.org/abs/1711.05101
    .. [3] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014, section 5.1.
    """

    optimizer: Optimizer
    clip_norm: float | None = None
    weight_decay: float = 0.0
    max_norm: float | None = None
    ema_decay: float | None = None

    def prepare(self, state):
        """Allocate missing optimizer state and averages in a TrainState; discard unused ones."""
        names = {declared.name for declared in self.optimizer.state_arrays}
        if set(state.optimizer_arrays) != names:
            state.optimizer_arrays = self.optimizer.allocate(state.weights.theta)
            state.step = 0
        if self.ema_decay is None:
            state.average = None
        elif state.average is None:
            state.average = state.weights.copy()


def find_subnormal_limits(optimizer, dtype):
    """Return the values below which elements of the parameters, and of each moment of an optimizer, are set to zero.

    They are set to zero before they or their squares become subnormal. Subnormal numbers slow down arithmetic. The
    weights of a pixel that is always zero have no gradient except that of the penalty, and therefore decay toward zero,
    all at the same rate. The values that are set to zero are far below the rounding errors of the sums that they
    contribute to.
    """
    smallest_normal = float(np.finfo(dtype).tiny)
    moments = [declared for declared in optimizer.state_arrays if not declared.is_scalar]
    return [smallest_normal**power for power in (0.25, *(m.subnormal_power for m in moments))]


def compute_ema_decay(decay, t):
    """Return the decay of the moving average in step t.

    It is smaller in early steps, so that the influence of the initial weights decays faster.
    """
    return min(decay, t / (t + 9))
