"""First-order optimizers: one step on flat arrays.

`step(theta, gradient, rate, slots, t, work, shrinkage, kernels)` moves `theta` in place, overwrites `gradient` and
`work`, and gives the sum of the squared weights from before. `slots` are the arrays of the optimizer's memory, by name,
which begin as what `new_slots` gives; `t` counts the steps from 1.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from skmlp.engine.kernels import numpy_kernels


class Shrinkage(NamedTuple):
    """What pulls the weights to zero, on the way of a step: the other parameters it leaves alone.

    Attributes
    ----------
    n_weights : int
        How many parameters, the first ones, are weights.
    penalty : float
        The gradient grows by penalty times the weights.
    decay : float
        The weights shrink by this factor.
    """

    n_weights: int = 0
    penalty: float = 0.0
    decay: float = 1.0


NO_SHRINKAGE = Shrinkage()
SMALLEST_SCALE = 2.0**-10


class Optimizer:
    """What all of them share: a memory that begins empty."""

    slot_names: ClassVar = ()

    def new_slots(self, theta):
        """Make the memory for parameters like `theta`, by name."""
        return {name: np.zeros_like(theta) for name in self.slot_names}


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum, Nesterov's or the classical one [1]_.

    References
    ----------
    .. [1] Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
       learning", ICML 2013.
    """

    momentum: float = 0.9
    nesterov: bool = True
    slot_names: ClassVar = ("velocity",)

    def step(
        self, theta, gradient, rate, slots, t, work, shrinkage=NO_SHRINKAGE, kernels=numpy_kernels
    ):
        """Apply v = momentum v - rate g; theta += v, or momentum v - rate g with Nesterov's momentum."""
        scalars = rate, self.momentum, self.nesterov
        return kernels.sgd(theta, gradient, slots["velocity"], *shrinkage, scalars)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam [1]_.

    References
    ----------
    .. [1] Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, https://arxiv.org/abs/1412.6980
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    slot_names: ClassVar = ("first_moment", "second_moment", "first_moment_scale")

    def new_slots(self, theta):
        """Make moments of zero, and the scale of the first one."""
        return super().new_slots(theta) | {"first_moment_scale": np.ones(1)}

    def step(
        self, theta, gradient, rate, slots, t, work, shrinkage=NO_SHRINKAGE, kernels=numpy_kernels
    ):
        """Apply the textbook's recursion with both of its corrections folded into two scalars.

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        theta -= rate sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)

        The slots hold m / (1 - b1) / scale and v / (1 - b2), which saves passes over memory. It is the scale that
        decays: g / scale enters the sum, which is left alone until the scale becomes small.
        """
        root = math.sqrt(1 - self.beta_2)
        correction = math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        first, second, kept_scale = (slots[name] for name in self.slot_names)
        scale, keep_1 = self.beta_1 * kept_scale.item(), 1.0
        if scale < SMALLEST_SCALE:
            scale, keep_1 = 1.0, scale
        kept_scale[0] = scale
        scalars = (
            keep_1,
            1 / scale,
            self.beta_2,
            rate * correction * (1 - self.beta_1) / root * scale,
            self.epsilon / root,
        )
        return kernels.adam(theta, gradient, first, second, *shrinkage, scalars)


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum [1]_, in its form with constant beta_1.

    References
    ----------
    .. [1] Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    slot_names: ClassVar = ("first_moment", "second_moment")

    def step(
        self, theta, gradient, rate, slots, t, work, shrinkage=NO_SHRINKAGE, kernels=numpy_kernels
    ):
        """Apply the paper's recursion, with slots and corrections like Adam's.

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        m' = b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t);  v' = v / (1 - b2^t)
        theta -= rate m' / (sqrt(v') + epsilon)
        """
        b1, b2 = self.beta_1, self.beta_2
        root = math.sqrt(1 - b2)
        scale = rate * math.sqrt(1 - b2**t) * (1 - b1) / root
        scalars = (
            b1,
            b2,
            scale * b1 / (1 - b1 ** (t + 1)),
            scale / (1 - b1**t),
            self.epsilon * math.sqrt(1 - b2**t) / root,
        )
        slots = slots["first_moment"], slots["second_moment"]
        return kernels.nadam(theta, gradient, *slots, work, *shrinkage, scalars)


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop [1]_.

    References
    ----------
    .. [1] Tieleman and Hinton, "Lecture 6.5: RMSprop", COURSERA Neural Networks for Machine Learning, 2012.
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    slot_names: ClassVar = ("second_moment",)

    def step(
        self, theta, gradient, rate, slots, t, work, shrinkage=NO_SHRINKAGE, kernels=numpy_kernels
    ):
        """Apply v = decay v + (1 - decay) g^2; theta -= rate g / (sqrt(v) + epsilon).

        The slot holds v / (1 - decay).
        """
        root = math.sqrt(1 - self.decay)
        scalars = self.decay, rate / root, self.epsilon / root
        return kernels.rmsprop(theta, gradient, slots["second_moment"], work, *shrinkage, scalars)
