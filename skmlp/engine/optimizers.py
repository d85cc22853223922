"""First-order optimizers: update rules, their coefficients and their state.

An optimizer is a frozen dataclass of its hyperparameters. The attribute `state_arrays` declares the arrays of its
state, and `kernel` is the name of the function with which a backend applies the update rule, given a named tuple of
coefficients, which ``coefficients(rate, t, arrays)`` returns for step t, counted from 1.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np


class StateArray(NamedTuple):
    """Declaration of an array of the optimizer state.

    Attributes
    ----------
    name : str
    is_scalar : bool
        Whether the array has a single element instead of one per parameter.
    initial : float
        Initial value of the elements.
    subnormal_power : float
        Values whose magnitude is below the smallest normal number to this power are periodically set to zero, before
        they or their squares become subnormal and slow down arithmetic.
    """

    name: str
    is_scalar: bool = False
    initial: float = 0.0
    subnormal_power: float = 0.375

    def allocate(self, theta):
        """Return the initial array for a flat vector of parameters, `theta`."""
        if self.is_scalar:
            return np.full(1, self.initial)
        return np.full_like(theta, self.initial)


FIRST_MOMENT = StateArray("first_moment")
# Second moments are in units of squared gradients: (tiny ** 0.375) ** 2 = tiny ** 0.75.
SECOND_MOMENT = StateArray("second_moment", subnormal_power=0.75)


class Optimizer:
    """Base class of the optimizers."""

    kernel: ClassVar[str]
    state_arrays: ClassVar[tuple[StateArray, ...]] = ()

    def allocate(self, theta):
        """Return the initial state for a flat vector of parameters, a dict of arrays by name."""
        return {declared.name: declared.allocate(theta) for declared in self.state_arrays}

    def moments(self, arrays):
        """Return the arrays of the state that have the size of theta, in the order of `state_arrays`."""
        return [arrays[declared.name] for declared in self.state_arrays if not declared.is_scalar]


class SGDCoefficients(NamedTuple):
    """Coefficients of SGD.

    The update is ``v = momentum v - rate g; theta += velocity_step v - gradient_step g``.
    """

    momentum: float
    rate: float
    velocity_step: float
    gradient_step: float


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with classical or Nesterov momentum [1]_.

    References
    ----------
    .. [1] Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
       learning", ICML 2013.
    """

    momentum: float = 0.9
    nesterov: bool = True
    kernel: ClassVar = "sgd"
    state_arrays: ClassVar[tuple[StateArray, ...]] = (StateArray("velocity"),)

    def coefficients(self, rate, t, arrays):
        """Return the coefficients of v = momentum v - rate g, followed by theta += v.

        Nesterov momentum applies theta += momentum v - rate g instead.
        """
        velocity_step, gradient_step = (self.momentum, rate) if self.nesterov else (1.0, 0.0)
        return SGDCoefficients(self.momentum, rate, velocity_step, gradient_step)


class AdamCoefficients(NamedTuple):
    """Coefficients of Adam.

    The update is ``m = keep_first m + add_first g; v = keep_second v + g^2; theta -= rate m / (sqrt(v) + epsilon)``.
    """

    keep_first: float
    add_first: float
    keep_second: float
    rate: float
    epsilon: float


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
    kernel: ClassVar = "adam"
    state_arrays: ClassVar[tuple[StateArray, ...]] = (
        FIRST_MOMENT,
        SECOND_MOMENT,
        StateArray("first_moment_scale", is_scalar=True, initial=1.0),
    )
    # Below this value, the scale is multiplied into the first moment and reset to 1.
    min_scale: ClassVar = 2.0**-10

    def coefficients(self, rate, t, arrays):
        """Return the coefficients of the update of the paper.

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        theta -= rate sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)

        The arrays contain m / (1 - b1) / scale and v / (1 - b2), which saves operations on
        arrays. Each step multiplies the scale by b1, instead of the first moment, and adds
        g / scale to the first moment. This method changes the scale.
        """
        root = math.sqrt(1 - self.beta_2)
        correction = math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        scale, keep_first = self.beta_1 * arrays["first_moment_scale"].item(), 1.0
        if scale < self.min_scale:
            scale, keep_first = 1.0, scale
        arrays["first_moment_scale"][0] = scale
        return AdamCoefficients(
            keep_first=keep_first,
            add_first=1 / scale,
            keep_second=self.beta_2,
            rate=rate * correction * (1 - self.beta_1) / root * scale,
            epsilon=self.epsilon / root,
        )


class NAdamCoefficients(NamedTuple):
    """Coefficients of NAdam.

    The update is ``m = keep_first m + g; v = keep_second v + g^2``, followed by
    ``theta -= (rate m + gradient_rate g) / (sqrt(v) + epsilon)``.
    """

    keep_first: float
    keep_second: float
    rate: float
    gradient_rate: float
    epsilon: float


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov momentum [1]_ and a constant beta_1.

    References
    ----------
    .. [1] Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    kernel: ClassVar = "nadam"
    state_arrays: ClassVar[tuple[StateArray, ...]] = (FIRST_MOMENT, SECOND_MOMENT)

    def coefficients(self, rate, t, arrays):
        """Return the coefficients of the update of the paper.

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        m' = b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t);  v' = v / (1 - b2^t)
        theta -= rate m' / (sqrt(v') + epsilon)

        The arrays contain m / (1 - b1) and v / (1 - b2).
        """
        b1, b2 = self.beta_1, self.beta_2
        root = math.sqrt(1 - b2)
        scale = rate * math.sqrt(1 - b2**t) * (1 - b1) / root
        return NAdamCoefficients(
            keep_first=b1,
            keep_second=b2,
            rate=scale * b1 / (1 - b1 ** (t + 1)),
            gradient_rate=scale / (1 - b1**t),
            epsilon=self.epsilon * math.sqrt(1 - b2**t) / root,
        )


class RMSpropCoefficients(NamedTuple):
    """Coefficients of RMSprop.

    The update is ``v = keep v + g^2; theta -= rate g / (sqrt(v) + epsilon)``.
    """

    keep: float
    rate: float
    epsilon: float


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop [1]_.

    References
    ----------
    .. [1] Tieleman and Hinton, "Lecture 6.5: RMSprop", COURSERA Neural Networks for Machine Learning, 2012.
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    kernel: ClassVar = "rmsprop"
    state_arrays: ClassVar[tuple[StateArray, ...]] = (SECOND_MOMENT,)

    def coefficients(self, rate, t, arrays):
        """Return the coefficients of the update.

        v = decay v + (1 - decay) g^2;  theta -= rate g / (sqrt(v) + epsilon)

        The array contains v / (1 - decay).
        """
        root = math.sqrt(1 - self.decay)
        return RMSpropCoefficients(self.decay, rate / root, self.epsilon / root)


OPTIMIZERS = (SGD, Adam, NAdam, RMSprop)
