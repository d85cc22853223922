"""Activations compared with SciPy and with the formulas of the papers, also for large arguments."""

import numpy as np
import pytest
from scipy.special import erf, expit

from skmlp.engine.reference.activations import ACTIVATIONS

FORMULAS = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "selu": lambda z: (
        1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0)))
    ),
    "gelu": lambda z: z / 2 * (1 + erf(z / np.sqrt(2))),
    "silu": lambda z: z * expit(z),
    "softplus": lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0),
}
DERIVATIVES = {
    "identity": np.ones_like,
    "logistic": lambda z: expit(z) * expit(-z),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: np.where(z > 0, 1.0, 0),
    "leaky_relu": lambda z: np.where(z > 0, 1, 0.01),
    "elu": lambda z: np.where(z > 0, 1, np.exp(np.minimum(z, 0))),
    "selu": lambda z: (
        1.0507009873554805 * np.where(z > 0, 1, 1.6732632423543772 * np.exp(np.minimum(z, 0)))
    ),
    "gelu": lambda z: (1 + erf(z / np.sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    "silu": lambda z: expit(z) * (1 + z * expit(-z)),
    "softplus": expit,
}
DTYPES = [np.float32, np.float64]

every_activation = pytest.mark.parametrize("name", list(ACTIVATIONS))
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def compute_activation(name, z, delta=None):
    """Return the activations and, if delta is given, its product with the derivative."""
    a, work = z.copy(), np.full_like(z, np.nan)
    ACTIVATIONS[name].forward(a, work)
    if delta is None:
        return a
    delta = delta.copy()
    ACTIVATIONS[name].backward(a, delta, work)
    return a, delta


def make_moderate_values(dtype=np.float64):
    z = np.concatenate([np.linspace(-8, 8, 41), np.logspace(-9, 0, 20), -np.logspace(-9, 0, 19)])
    return z[z != 0].reshape(1, -1).astype(dtype)


def test_every_activation_has_a_formula():
    assert set(FORMULAS) == set(DERIVATIVES) == set(ACTIVATIONS)


@every_activation
@every_dtype
def test_forward_matches_the_formula(name, dtype):
    z = make_moderate_values(dtype)
    a = compute_activation(name, z)
    assert a.dtype == dtype
    rtol = 3e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(a, FORMULAS[name](z.astype(float)), rtol=rtol, atol=rtol / 100)


@every_activation
@every_dtype
def test_backward_multiplies_by_the_derivative(name, dtype):
    z = make_moderate_values(dtype)
    delta = np.random.default_rng(0).normal(size=z.shape).astype(dtype)
    _, actual = compute_activation(name, z, delta)
    assert actual.dtype == dtype
    expected = delta * DERIVATIVES[name](z.astype(float))
    tolerance = 3e-6 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@every_activation
@every_dtype
def test_huge_arguments_give_the_limits_without_warnings(name, dtype):
    z = np.array([[-1e30, -300, -90, 90, 300, 1e30]], dtype)
    a, delta = compute_activation(name, z, np.ones_like(z))
    exact = z.astype(float)
    with np.errstate(over="ignore"):
        expected, derivative = FORMULAS[name](exact), DERIVATIVES[name](exact)
    np.testing.assert_allclose(a, expected, rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(delta, derivative, rtol=1e-5, atol=1e-6)


@every_activation
def test_nan_is_propagated(name):
    # Training suppresses these warnings, and checks the loss for NaN.
    with np.errstate(invalid="ignore"):
        assert np.isnan(compute_activation(name, np.array([[np.nan]]))).all()


@pytest.mark.parametrize("name", ["gelu", "silu", "softplus", "elu", "selu"])
def test_activations_have_the_known_values(name):
    points = {
        "gelu": (1.0, 0.8413447460685429),
        "silu": (1.0, 0.7310585786300049),
        "softplus": (0.0, 0.6931471805599453),
        "elu": (-1.0, -0.6321205588285577),
        "selu": (-1.0, -1.1113307378125625),
    }
    z, expected = points[name]
    np.testing.assert_allclose(compute_activation(name, np.array([[z]])), [[expected]], rtol=1e-12)
