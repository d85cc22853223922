"""Activation functions by name: the forward pass and the derivative, both in place.

`forward(z, work)` replaces the pre-activations z by the activations a. `backward(a, delta, work)` multiplies `delta`,
the gradient of the loss with respect to a, by da/dz. `work` is a buffer of the same shape. It is not modified between
the two calls: if the derivative cannot be computed from a alone, the forward pass stores it in `work`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from skmlp.engine.reference.normal_distribution import (
    DENSITY_AT_ZERO,
    normal_cdf,
    unnormalized_density,
)

LEAKY_SLOPE = 0.01
# The constants of the paper, for which mean 0 and variance 1 are a fixed point.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


@dataclass(frozen=True)
class Activation:
    """Activation function, its derivative and its factor in scikit-learn's initialization.

    scikit-learn draws the initial weights and biases of a layer from the uniform distribution between -b and b, with
    ``b = sqrt(weight_init_factor / (fan_in + fan_out))``.
    """

    forward: Callable
    backward: Callable
    weight_init_factor: float = 6.0


def identity(z, work):
    """Apply a = z."""


def identity_backward(a, delta, work):
    """Multiply delta by da/dz = 1."""


def logistic(z, work):
    """Apply a = 1 / (1 + exp(-z))."""
    expit(z, out=z)


def logistic_backward(a, delta, work):
    """Multiply delta by da/dz = a (1 - a)."""
    np.subtract(1, a, out=work)
    delta *= a
    delta *= work


def tanh(z, work):
    """Apply a = tanh(z)."""
    np.tanh(z, out=z)


def tanh_backward(a, delta, work):
    """Multiply delta by da/dz = 1 - a^2."""
    np.multiply(a, a, out=work)
    np.subtract(1, work, out=work)
    delta *= work


def relu(z, work):
    """Apply a = max(0, z)."""
    np.maximum(z, 0, out=z)


def relu_backward(a, delta, work):
    """Multiply delta by da/dz = 1 where a > 0, else 0."""
    delta *= np.greater(a, 0, out=boolean_view(work))


def leaky_relu(z, work):
    """Apply a = max(z, 0.01 z) (Maas et al. 2013)."""
    np.multiply(z, LEAKY_SLOPE, out=work)
    np.maximum(z, work, out=z)


def leaky_relu_backward(a, delta, work):
    """Multiply delta by da/dz = 1 where a > 0, else 0.01."""
    np.sign(a, out=work)
    np.maximum(work, LEAKY_SLOPE, out=work)
    delta *= work


def elu(z, work):
    """Apply a = z where z > 0, else exp(z) - 1 (Clevert et al. 2016, https://arxiv.org/abs/1511.07289)."""
    np.minimum(z, 0, out=work)
    np.expm1(work, out=work)
    np.maximum(z, work, out=z)


def elu_backward(a, delta, work):
    """Multiply delta by da/dz = 1 where a > 0, else exp(z) = a + 1."""
    np.minimum(a, 0, out=work)
    work += 1
    delta *= work


def selu(z, work):
    """Apply a = scale z where z > 0, else scale alpha (exp(z) - 1).

    Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.
    """
    np.minimum(z, 0, out=work)
    np.expm1(work, out=work)
    work *= SELU_SCALE * SELU_ALPHA
    np.maximum(z, 0, out=z)
    z *= SELU_SCALE
    z += work


def selu_backward(a, delta, work):
    """Multiply delta by da/dz = scale where a > 0, else scale alpha exp(z) = a + scale alpha."""
    negative = np.less_equal(a, 0, out=boolean_view(work)).copy()
    np.copyto(work, SELU_SCALE)
    np.add(a, SELU_SCALE * SELU_ALPHA, out=work, where=negative)
    delta *= work


def gelu(z, work):
    """Apply a = z Phi(z), where Phi is the standard normal cumulative distribution function.

    Store da/dz = Phi(z) + z phi(z) in `work`. This is the exact form of Hendrycks and Gimpel 2016,
    https://arxiv.org/abs/1606.08415.
    """
    unnormalized_density(z, out=work)
    cdf = normal_cdf(z, work) if z.dtype == np.float32 else ndtr(z)
    work *= DENSITY_AT_ZERO
    work *= z
    work += cdf
    z *= cdf


def silu(z, work):
    """Apply a = z s, where s = 1 / (1 + exp(-z)).

    Store da/dz = s + a (1 - s) in `work`. Elfwing et al. 2018, https://arxiv.org/abs/1702.03118.
    """
    # NumPy's exp uses vector instructions; SciPy's expit does not.
    np.negative(z, out=work)
    with np.errstate(over="ignore"):
        np.exp(work, out=work)
    work += 1
    s = np.reciprocal(work, out=work)
    second_term = 1 - s
    z *= s
    second_term *= z
    work += second_term


def stored_backward(a, delta, work):
    """Multiply delta by da/dz, which the forward pass has stored in `work`."""
    delta *= work


def softplus(z, work):
    """Apply a = log(1 + exp(z)) (Dugas et al. 2001)."""
    np.logaddexp(0, z, out=z)


def softplus_backward(a, delta, work):
    """Multiply delta by da/dz = 1 - exp(-a)."""
    np.negative(a, out=work)
    np.expm1(work, out=work)
    delta *= work
    np.negative(delta, out=delta)


def boolean_view(buffer):
    """Return a boolean array of the same shape that uses the memory of a buffer.

    Multiplying by such a mask is several times faster than assigning zeros with a boolean index.
    """
    return buffer.reshape(-1).view(np.bool_)[: buffer.size].reshape(buffer.shape)


ACTIVATIONS = {
    "identity": Activation(identity, identity_backward),
    "logistic": Activation(logistic, logistic_backward, weight_init_factor=2.0),
    "tanh": Activation(tanh, tanh_backward),
    "relu": Activation(relu, relu_backward),
    "leaky_relu": Activation(leaky_relu, leaky_relu_backward),
    "elu": Activation(elu, elu_backward),
    "selu": Activation(selu, selu_backward),
    "gelu": Activation(gelu, stored_backward),
    "silu": Activation(silu, stored_backward),
    "softplus": Activation(softplus, softplus_backward),
}
