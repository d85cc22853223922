"""Activation functions: forward and backward kernels, with the biases.

Arrays have the shape ``(units, samples)``; each thread computes a range of units. The formulas are those of
`skmlp.engine.reference.activations`.
"""

from typing import NamedTuple

from skmlp.engine.compiled import vector_math
from skmlp.engine.compiled.kernels import Int, Reals, inlined, kernel, split
from skmlp.engine.compiled.simd import (
    at,
    broadcast,
    lanes,
    load,
    store,
    total,
    where,
)
from skmlp.engine.compiled.vector_math import erf, exp, expm1
from skmlp.engine.reference.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from skmlp.engine.reference.normal_distribution import DENSITY_AT_ZERO

SELU_PRODUCT = SELU_SCALE * SELU_ALPHA
SQRT_HALF = 0.7071067811865476


class Activation(NamedTuple):
    """Kernels of an activation function.

    Attributes
    ----------
    forward : kernel
        Turns z into a = f(z + b). The kernels of `settings.WITH_STORED_DERIVATIVE` also store the derivatives.
    backward : kernel
        Turns dL/da into dL/dz = dL/da f'(z + b), given the stored derivatives or else a, and computes
        dL/db = sum(dL/dz).
    """

    forward: object
    backward: object


def define_forward(function):
    """Return the forward kernel of a function of a vector."""
    function = inlined(function)

    @kernel
    def forward(
        z: Reals,
        biases: Reals,
        derivatives: Reals,
        n_units: Int,
        row: Int,
        thread: Int,
        n_threads: Int,
    ):
        start, stop = split(n_units, 1, thread, n_threads)
        for i in range(start, stop):
            bias, z_i = broadcast(biases[i], z), at(z, i * row)
            for j in range(0, row, lanes(z)):
                store(function(load(z_i, j) + bias), z_i, j)

    return forward


def define_forward_with_derivative(function):
    """Return the forward kernel of a function of a vector that returns a and da/dz."""
    function = inlined(function)

    @kernel
    def forward(
        z: Reals,
        biases: Reals,
        derivatives: Reals,
        n_units: Int,
        row: Int,
        thread: Int,
        n_threads: Int,
    ):
        start, stop = split(n_units, 1, thread, n_threads)
        for i in range(start, stop):
            bias, z_i, derivatives_i = (
                broadcast(biases[i], z),
                at(z, i * row),
                at(derivatives, i * row),
            )
            for j in range(0, row, lanes(z)):
                a, derivative = function(load(z_i, j) + bias)
                store(a, z_i, j)
                store(derivative, derivatives_i, j)

    return forward


def define_backward(function):
    """Return the backward kernel, given a function that computes dL/dz from the vectors dL/da and a, or da/dz."""
    function = inlined(function)

    @kernel
    def backward(
        delta: Reals,
        biases_gradient: Reals,
        a: Reals,
        n_units: Int,
        row: Int,
        thread: Int,
        n_threads: Int,
    ):
        start, stop = split(n_units, 1, thread, n_threads)
        for i in range(start, stop):
            delta_i, a_i, sums = at(delta, i * row), at(a, i * row), broadcast(0, delta)
            for j in range(0, row, lanes(delta)):
                values = function(load(delta_i, j), load(a_i, j))
                store(values, delta_i, j)
                sums = sums + values
            biases_gradient[i] = total(sums)

    return backward


def define_identity():
    """Return the Activation of the identity."""

    @kernel
    def backward(
        delta: Reals,
        biases_gradient: Reals,
        a: Reals,
        n_units: Int,
        row: Int,
        thread: Int,
        n_threads: Int,
    ):
        """Compute dL/db = sum(dL/dz), where dL/dz = dL/da.

        `delta` is only read, because other threads read the gradient with respect to the logits at the same time.
        """
        start, stop = split(n_units, 1, thread, n_threads)
        for i in range(start, stop):
            delta_i, sums = at(delta, i * row), broadcast(0, delta)
            for j in range(0, row, lanes(delta)):
                sums = sums + load(delta_i, j)
            biases_gradient[i] = total(sums)

    return Activation(define_forward(lambda z: z), backward)


def define_activation(forward, backward):
    """Return the Activation of a function f(z), given dL/dz as a function of dL/da and a."""
    return Activation(define_forward(forward), define_backward(backward))


def define_activation_with_derivative(forward):
    """Return the Activation of a function of z that returns a and da/dz."""
    backward = define_backward(lambda delta, derivative: delta * derivative)
    return Activation(define_forward_with_derivative(forward), backward)


def elu_forward(z):
    """Return a = z where z > 0, else exp(z) - 1."""
    return where(z > 0, z, expm1(z))


def selu_forward(z):
    """Return a = scale z where z > 0, else scale alpha (exp(z) - 1)."""
    return where(z > 0, SELU_SCALE * z, SELU_PRODUCT * expm1(z))


def selu_backward(delta, a):
    """Return dL/dz, where da/dz = scale if a > 0, else a + scale alpha."""
    return delta * where(a > 0, SELU_SCALE, a + SELU_PRODUCT)


def gelu_forward(z):
    """Return a = z Phi(z) and da/dz = Phi(z) + z phi(z), where Phi(z) = (1 + erf(z / sqrt(2))) / 2."""
    cdf = 0.5 + 0.5 * erf(z * SQRT_HALF)
    return z * cdf, cdf + z * DENSITY_AT_ZERO * exp(-0.5 * z * z)


def silu_forward(z):
    """Return a = z s and da/dz = s + a (1 - s), where s = 1 / (1 + exp(-z))."""
    s = vector_math.logistic(z)
    a = z * s
    return a, s + a * (1 - s)


# Comparisons with NaN are false; each function propagates it. Intrinsics are called by Python functions, because numba
# would change an intrinsic that is declared as inlined.
identity = define_identity()
logistic = define_activation(
    lambda z: vector_math.logistic(z), lambda delta, a: delta * a * (1 - a)
)
tanh = define_activation(lambda z: vector_math.tanh(z), lambda delta, a: delta * (1 - a * a))
relu = define_activation(
    lambda z: where(z < 0, 0, z),
    lambda delta, a: where(a > 0, delta, 0),
)
leaky_relu = define_activation(
    lambda z: where(z < 0, LEAKY_SLOPE * z, z),
    lambda delta, a: where(a > 0, delta, LEAKY_SLOPE * delta),
)
elu = define_activation(elu_forward, lambda delta, a: where(a > 0, delta, delta * (a + 1)))
selu = define_activation(selu_forward, selu_backward)
gelu = define_activation_with_derivative(gelu_forward)
silu = define_activation_with_derivative(silu_forward)
softplus = define_activation(lambda z: vector_math.softplus(z), lambda delta, a: -delta * expm1(-a))
