"""Errors, special values and independence of the position of the functions of vectors."""

import ctypes
import decimal
import math
from decimal import Decimal
from functools import cache

import numpy as np
import pytest
from scipy.special import erf, expit

pytest.importorskip("numba")

from skmlp.engine.compiled import library, vector_math
from skmlp.engine.compiled.kernels import Int, Reals, compile_kernel, kernel
from skmlp.engine.compiled.simd import lanes, load, store

# Bounds of the errors in units in the last place, as documented in the module
BOUNDS = {
    "exp": 1,
    "expm1": 3,
    "log": 1,
    "tanh": 2,
    "erf": 2,
    "logistic": 3,
    "softplus": 2,
}
every_function = pytest.mark.parametrize("name", BOUNDS)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

inf, nan = math.inf, math.nan


@cache
def compile_function(name, real):
    """Return a function of C that applies a function of vectors to an array."""
    function = getattr(vector_math, name)

    @kernel
    def apply_to_array(x: Reals, y: Reals, n: Int):
        for i in range(0, n, lanes(x)):
            store(function(load(x, i)), y, i)

    symbol = f"test-{name}-{real}"
    code = compile_kernel(apply_to_array, real, "float32", symbol)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return prototype(library.link(symbol, code).function)


def apply(name, x):
    """Return the values of a function of vectors for the elements of an array."""
    n = math.ceil(x.size / 64) * 64  # a multiple of the number of lanes
    padded = np.zeros(n, x.dtype)
    padded[: x.size] = x
    y = np.empty_like(padded)
    compile_function(name, x.dtype.name)(padded.ctypes.data, y.ctypes.data, n)
    return y[: x.size]


# float32, compared with functions for float64

FLOAT64_FUNCTIONS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "tanh": np.tanh,
    "erf": erf,
    "logistic": expit,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}


@every_function
def test_error_float32(name):
    # All exponents and both signs, subnormal numbers, infinities and NaN
    x = np.arange(0, 2**32, 997, dtype=np.uint32).view(np.float32)
    y = apply(name, x)
    with np.errstate(all="ignore"):
        exact = FLOAT64_FUNCTIONS[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    is_finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~is_finite], rounded[~is_finite])
    y, exact, rounded = y[is_finite], exact[is_finite], rounded[is_finite]
    error = np.abs(y - exact) / np.spacing(np.abs(rounded))
    assert error.max() <= BOUNDS[name]
    np.testing.assert_array_equal(np.signbit(y), np.signbit(exact))


# float64, compared with decimal numbers


def decimal_expm1(x):
    if abs(x) < Decimal("1e-20"):
        return x + x * x / 2
    return x.exp() - 1


def decimal_log1p(x):
    if abs(x) < Decimal("1e-20"):
        return x - x * x / 2
    return (1 + x).ln()


def decimal_tanh(x):
    power = decimal_expm1(2 * min(max(x, Decimal(-50)), Decimal(50)))
    return power / (power + 2)


SQRT_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494").sqrt()


def decimal_erf(x):
    # 2 / sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / (3 5) + ...)
    x = min(max(x, Decimal(-7)), Decimal(7))
    term = total = x
    k = 1
    while abs(term) > abs(total) * Decimal("1e-25"):
        term *= 2 * x * x / (2 * k + 1)
        total += term
        k += 1
    return 2 / SQRT_PI * (-x * x).exp() * total


DECIMAL_FUNCTIONS = {
    "exp": Decimal.exp,
    "expm1": decimal_expm1,
    "log": Decimal.ln,
    "tanh": decimal_tanh,
    "erf": decimal_erf,
    "logistic": lambda x: 1 / (1 + (-x).exp()),
    "softplus": lambda x: decimal_log1p(x.exp()),
}

# Arguments at which the method or the kind of the result changes
BOUNDARIES = [
    *(math.log(2) * k / 2 for k in (1, 3, 5)),
    *(math.sqrt(2) * k for k in (0.25, 0.5, 1, 2)),
    math.sqrt(2) - 1,
    0.5,
    0.5625,  # tanh
    1.0,
    5.92,  # erf = 1
    19.06,  # tanh = 1
    36.74,  # logistic = 1, softplus = x
    37.43,  # expm1 = -1
    708.396,  # smallest normal exp
    745.133,  # smallest exp
    709.782,  # largest exp
    2.0**1000,
    2.0**-1022,
]


def make_float64_sample():
    """Return random numbers: any, of moderate size, and near the boundaries."""
    rng = np.random.default_rng(0)
    parts = [
        rng.integers(0, 2**64, 1000, dtype=np.uint64).view(np.float64),
        np.ldexp(rng.uniform(1, 2, 2000), rng.integers(-60, 11, 2000)),
        rng.uniform(0, 2, 2000),
        rng.uniform(0, 750, 500),
        np.ldexp(rng.uniform(1, 2, 500), rng.integers(-1075, -1020, 500)),
        1 - np.ldexp(rng.uniform(1, 2, 500), rng.integers(-54, -1, 500)),
    ]
    for boundary in BOUNDARIES:
        parts.append(boundary * (1 + rng.uniform(-1e-3, 1e-3, 100)))
        parts.append((np.float64(boundary).view(np.int64) + np.arange(-10, 11)).view(np.float64))
    x = np.concatenate(parts)
    x[rng.uniform(size=x.size) < 0.5] *= -1
    return x[np.isfinite(x)]


def choose_domain(name, x):
    """Return the numbers for which the function is finite, except for overflow just above the limit."""
    if name == "log":
        return np.abs(x[x != 0])
    if name == "log1p":
        return x[x > -1]
    if name in ("exp", "expm1", "logistic", "softplus"):
        return x[np.abs(x) < 800]
    return x


@every_function
def test_error_float64(name):
    x = choose_domain(name, make_float64_sample())
    y = apply(name, x)
    function = DECIMAL_FUNCTIONS[name]
    with decimal.localcontext(prec=45):
        for argument, result in zip(x.tolist(), y.tolist(), strict=True):
            exact = function(Decimal(argument))
            rounded = float(exact)
            if math.isinf(rounded):
                assert result == rounded
            else:
                error = abs(Decimal(result) - exact) / Decimal(math.ulp(rounded))
                assert error <= BOUNDS[name], argument
            assert math.copysign(1, result) == math.copysign(1, rounded)


# Special values

SPECIAL_VALUES = {
    "exp": {-inf: 0.0, -1e4: 0.0, 0.0: 1.0, 1e4: inf, inf: inf},
    "expm1": {-inf: -1.0, -1e4: -1.0, 0.0: 0.0, 1e4: inf, inf: inf},
    "log": {-inf: nan, -1.0: nan, -1e-40: nan, 0.0: -inf, 1.0: 0.0, inf: inf},
    "log1p": {-inf: nan, -1.5: nan, -1.0: -inf, 0.0: 0.0, inf: inf},
    "tanh": {-inf: -1.0, -1e4: -1.0, 0.0: 0.0, 1e4: 1.0, inf: 1.0},
    "erf": {-inf: -1.0, -1e4: -1.0, 0.0: 0.0, 1e4: 1.0, inf: 1.0},
    "logistic": {-inf: 0.0, -1e4: 0.0, 0.0: 0.5, 1e4: 1.0, inf: 1.0},
    "softplus": {-inf: 0.0, -1e4: 0.0, 1e4: 1e4, inf: inf},
}
ODD_FUNCTIONS_AT_ZERO = ("expm1", "log1p", "tanh", "erf")


@every_function
@every_dtype
def test_special_values(name, dtype):
    expected = np.array([*SPECIAL_VALUES[name].items(), (nan, nan)], dtype)
    y = apply(name, expected[:, 0])
    np.testing.assert_array_equal(y, expected[:, 1])
    is_number = ~np.isnan(y)
    np.testing.assert_array_equal(np.signbit(y)[is_number], np.signbit(expected[is_number, 1]))


@every_function
@every_dtype
def test_negative_zero(name, dtype):
    zeros = np.array([0.0, -0.0], dtype)
    at_zero, at_negative_zero = apply(name, zeros)
    if name in ODD_FUNCTIONS_AT_ZERO:
        assert at_zero == at_negative_zero == 0
        assert np.signbit(at_negative_zero)
    else:
        assert at_zero == at_negative_zero


@every_function
@every_dtype
def test_nan_of_any_bits(name, dtype):
    bits = np.uint32 if dtype == np.float32 else np.uint64
    infinity = np.array(inf, dtype).view(bits)
    payloads = np.arange(1, 4000, dtype=bits)
    x = (infinity | payloads).view(dtype)
    assert np.isnan(apply(name, np.concatenate([x, -x]))).all()


# Lanes


@every_function
@every_dtype
def test_result_does_not_depend_on_position(name, dtype):
    rng = np.random.default_rng(0)
    bits = np.uint32 if dtype == np.float32 else np.uint64
    any_numbers = rng.integers(0, np.iinfo(bits).max, 500, dtype=bits).view(dtype)
    x = np.concatenate([any_numbers, rng.normal(size=500).astype(dtype)])
    y = apply(name, x).view(bits)
    for shift in range(1, 17):
        np.testing.assert_array_equal(apply(name, x[shift:]).view(bits), y[shift:])


@every_function
def test_integers_are_rejected(name):
    from numba.core.errors import TypingError

    function = getattr(vector_math, name)

    @kernel
    def apply_to_integer(y: Reals, n: Int):
        store(function(n), y, 0)

    with pytest.raises(TypingError):
        compile_kernel(apply_to_integer, "float32", "float32", "test-integer")
