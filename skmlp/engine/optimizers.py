"""First-order optimizers: one step on flat arrays.

`step(theta, gradient, rate, slots, t, work)` moves `theta` in place and overwrites `gradient` and `work`. `slots` are
the arrays of the optimizer's memory, by name, which begin as zeros; `t` counts the steps from 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum, Nesterov's or the classical one [1]_.

    References
    ----------
    .. [1] Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
       learning", ICML 2013.
    """

    momentum: float = 0.9
    nesterov: bool = True
    slot_names: ClassVar = ("velocity",)

    def step(self, theta, gradient, rate, slots, t, work):
        """Apply v = momentum v - rate g; theta += v, or momentum v - rate g with Nesterov's momentum."""
        velocity = slots["velocity"]
        gradient *= -rate
        velocity *= self.momentum
        velocity += gradient
        if self.nesterov:
            np.multiply(velocity, self.momentum, out=work)
            gradient += work
            theta += gradient
        else:
            theta += velocity


@dataclass(frozen=True)
class Adam:
    """Adam [1]_.

    References
    ----------
    .. [1] Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, https://arxiv.org/abs/1412.6980
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    slot_names: ClassVar = ("first_moment", "second_moment")

    def step(self, theta, gradient, rate, slots, t, work):
        """Apply the textbook's recursion with both of its corrections folded into two scalars.

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        theta -= rate sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)

        The slots hold m / (1 - b1) and v / (1 - b2), which saves two passes over memory.
        """
        first_moment, second_moment = slots["first_moment"], slots["second_moment"]
        root = np.sqrt(1 - self.beta_2)
        correction = np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)

        first_moment *= self.beta_1
        first_moment += gradient
        np.multiply(gradient, gradient, out=gradient)
        second_moment *= self.beta_2
        second_moment += gradient

        np.sqrt(second_moment, out=gradient)
        gradient += float(self.epsilon / root)
        np.divide(first_moment, gradient, out=gradient)
        gradient *= float(rate * correction * (1 - self.beta_1) / root)
        theta -= gradient


@dataclass(frozen=True)
class NAdam:
    """Adam with Nesterov's momentum [1]_, in its form with constant beta_1.

    References
    ----------
    .. [1] Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    slot_names: ClassVar = ("first_moment", "second_moment")

    def step(self, theta, gradient, rate, slots, t, work):
        """Apply the paper's recursion.

        m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
        m' = b1 m / (1 - b1^(t+1)) + (1 - b1) g / (1 - b1^t);  v' = v / (1 - b2^t)
        theta -= rate m' / (sqrt(v') + epsilon)
        """
        first_moment, second_moment = slots["first_moment"], slots["second_moment"]
        b1, b2 = self.beta_1, self.beta_2
        np.multiply(gradient, 1 - b1, out=work)
        first_moment *= b1
        first_moment += work
        work /= 1 - b1**t
        np.multiply(gradient, gradient, out=gradient)
        gradient *= 1 - b2
        second_moment *= b2
        second_moment += gradient

        np.multiply(first_moment, b1 / (1 - b1 ** (t + 1)), out=gradient)
        work += gradient
        np.multiply(second_moment, 1 / (1 - b2**t), out=gradient)
        np.sqrt(gradient, out=gradient)
        gradient += self.epsilon
        work /= gradient
        work *= rate
        theta -= work


@dataclass(frozen=True)
class RMSprop:
    """RMSprop [1]_.

    References
    ----------
    .. [1] Tieleman and Hinton, "Lecture 6.5: RMSprop", COURSERA Neural Networks for Machine Learning, 2012.
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    slot_names: ClassVar = ("second_moment",)

    def step(self, theta, gradient, rate, slots, t, work):
        """Apply v = decay v + (1 - decay) g^2; theta -= rate g / (sqrt(v) + epsilon)."""
        second_moment = slots["second_moment"]
        np.multiply(gradient, gradient, out=work)
        work *= 1 - self.decay
        second_moment *= self.decay
        second_moment += work
        np.sqrt(second_moment, out=work)
        work += self.epsilon
        gradient /= work
        gradient *= rate
        theta -= gradient


def flush_subnormals(*arrays):
    """Set numbers too small for full precision to zero: each operation that meets one is many times slower.

    They are common: the weights of a pixel that is never inked have no gradient but the penalty's, and shrink for ever.
    """
    for values in arrays:
        values[np.abs(values) < np.finfo(values.dtype).tiny] = 0
