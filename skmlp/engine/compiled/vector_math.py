"""Mathematical functions of vectors, for kernels.

Kernels call the functions at the end of this module with vectors of float32 or float64::

    store(exp(load(x, i)), y, i)

The functions have no branches and call no library, so that all lanes are computed together, and the result of an
element does not depend on its position. NaN, infinities, signs of zeros and subnormal numbers are treated as in C.
Bounds of the errors, in units in the last place of the exact result:

========  =======  =======
function  float32  float64
========  =======  =======
exp             1        1
expm1           3        3
log             1        1
tanh            2        2
erf             2        2
logistic        3        3
softplus        2        2
========  =======  =======

numba does not compile these functions. Python calls them when a kernel is compiled, with `Lanes`, whose operators add
instructions to the kernel. Processors without fused multiply-add compute the same results, but slowly.

Notes
-----
The arguments are reduced to a small interval [1]_, in which a minimax polynomial approximates the function. The
polynomials were computed with the Remez algorithm [2]_ and 60 digits. They minimize the relative error of the result;
for float32, of the result with rounded coefficients.

References
----------
.. [1] W. J. Cody and W. Waite, "Software Manual for the Elementary Functions", Prentice-Hall, 1980.
.. [2] J.-M. Muller, "Elementary Functions: Algorithms and Implementation", 3rd edition, Birkhauser, 2016.
"""

import math
from typing import NamedTuple

from llvmlite import ir
from numba.extending import intrinsic

from skmlp.engine.compiled.simd import call_llvm, is_real

# Code generation


class PerType(NamedTuple):
    """A constant, or the coefficients of a polynomial, for each type of lanes."""

    float32: object
    float64: object


INTEGERS = PerType(ir.IntType(32), ir.IntType(64))
REALS = PerType(ir.FloatType(), ir.DoubleType())


class Lanes:
    """Vector during the generation of code: operators add instructions.

    The other operand is a Lanes, a number, or a PerType of numbers.

    Parameters
    ----------
    builder : IRBuilder
    value : LLVM value
        Vector of floating-point numbers, or of integers of the same size (their bits).
    """

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    @property
    def is_integer(self):
        """Whether the lanes are integers."""
        return isinstance(self.value.type.element, ir.IntType)

    def choose(self, constant):
        """Return the value of a PerType for the type of the lanes."""
        is_single = self.value.type.element in (ir.FloatType(), ir.IntType(32))
        return constant.float32 if is_single else constant.float64

    def fill(self, constant):
        """Return a vector of the same type whose lanes are a number."""
        if isinstance(constant, PerType):
            constant = self.choose(constant)
        kind = self.value.type
        return Lanes(self.builder, ir.Constant(kind, [constant] * kind.count))

    def get_operand(self, other):
        """Return the LLVM value of an operand."""
        return other.value if isinstance(other, Lanes) else self.fill(other).value

    def add_instruction(self, name, *operands):
        """Return the result of an instruction."""
        values = [self.get_operand(operand) for operand in operands]
        return Lanes(self.builder, getattr(self.builder, name)(*values))

    def call(self, name, *operands):
        """Return the result of an intrinsic function of LLVM."""
        values = [self.get_operand(operand) for operand in operands]
        return Lanes(self.builder, call_llvm(self.builder, name, self.value.type, values))

    def compare(self, symbol, other):
        """Return the mask of a comparison, which is false for NaN."""
        mask = self.builder.fcmp_ordered(symbol, self.value, self.get_operand(other))
        return Lanes(self.builder, mask)

    def reinterpret(self, elements):
        """Return the lanes with the same bits and another type of elements, a PerType."""
        kind = ir.VectorType(self.choose(elements), self.value.type.count)
        return Lanes(self.builder, self.builder.bitcast(self.value, kind))

    def __add__(self, other):
        return self.add_instruction("add" if self.is_integer else "fadd", self, other)

    def __sub__(self, other):
        return self.add_instruction("sub" if self.is_integer else "fsub", self, other)

    def __rsub__(self, other):
        return self.add_instruction("sub" if self.is_integer else "fsub", other, self)

    def __mul__(self, other):
        return self.add_instruction("fmul", self, other)

    def __truediv__(self, other):
        return self.add_instruction("fdiv", self, other)

    def __neg__(self):
        return self.add_instruction("fneg", self)

    def __abs__(self):
        return self.call("fabs", self)

    def __lt__(self, other):
        return self.compare("<", other)

    def __gt__(self, other):
        return self.compare(">", other)

    def __lshift__(self, other):
        return self.add_instruction("shl", self, other)

    def __rshift__(self, other):
        return self.add_instruction("lshr", self, other)

    def __and__(self, other):
        return self.add_instruction("and_", self, other)

    def __or__(self, other):
        return self.add_instruction("or_", self, other)


def get_bits(x):
    """Return the bits of floating-point lanes, as integers."""
    return x.reinterpret(INTEGERS)


def from_bits(bits):
    """Return the floating-point lanes with given bits."""
    return bits.reinterpret(REALS)


def fma(x, y, z):
    """Return x y + z, rounded once."""
    return x.call("fma", x, y, z)


def copy_sign(x, sign):
    """Return |x| with the sign of the second argument."""
    return x.call("copysign", x, sign)


def where(mask, chosen, other):
    """Return the lanes of `chosen`, a Lanes or a constant, where a mask is true, and those of `other` elsewhere."""
    return other.add_instruction("select", mask, chosen, other)


def maximum(x, bound):
    """Return the maximum of lanes and a constant; NaN stays NaN."""
    return where(x < bound, bound, x)


def minimum(x, bound):
    """Return the minimum of lanes and a constant; NaN stays NaN."""
    return where(x > bound, bound, x)


def polynomial(x, coefficients):
    """Return c[0] + c[1] x + c[2] x^2 + ...; even and odd powers are summed apart, each by Horner's rule."""
    coefficients = x.choose(coefficients)
    if len(coefficients) < 8:
        return horner(x, coefficients)
    square = x * x
    return fma(x, horner(square, coefficients[1::2]), horner(square, coefficients[::2]))


def horner(x, coefficients):
    """Return c[0] + x (c[1] + x (c[2] + ...))."""
    *others, last = coefficients
    result = x.fill(last)
    for coefficient in reversed(others):
        result = fma(result, x, coefficient)
    return result


def vector_function(generate):
    """Declare a function of kernels.

    Parameters
    ----------
    generate : callable
        ``generate(x)`` adds the instructions of the function of a Lanes to a kernel, and returns the result.
    """

    def define(typingctx, x):
        def generate_call(context, builder, resolved, arguments):
            return generate(Lanes(builder, arguments[0])).value

        return (x(x), generate_call) if is_real(x) else None

    define.__name__, define.__doc__ = generate.__name__, generate.__doc__
    return intrinsic(define)


# Powers of two

MANTISSA_BITS = PerType(23, 52)
MANTISSA_MASK = PerType(2**23 - 1, 2**52 - 1)
EXPONENT_BIAS = PerType(127, 1023)

# The sum of x and this number is rounded to an integer; its low bits are round(x) + 2 EXPONENT_BIAS.
ROUNDING = PerType(1.5 * 2**23 + 2 * 127, 1.5 * 2**52 + 2 * 1023)

# Bits of sqrt(1/2), and their difference from the bits of 1.
ROOT = PerType(0x3F3504F3, 0x3FE6A09E667F3BCD)
ONE_MINUS_ROOT = PerType(0x3F800000 - 0x3F3504F3, 0x3FF0000000000000 - 0x3FE6A09E667F3BCD)

# Bits of 2^MANTISSA_BITS, and this number plus EXPONENT_BIAS. Bits added to the former add an integer to the number.
INTEGER = PerType(0x4B000000, 0x4330000000000000)
BIASED_INTEGER = PerType(2.0**23 + 127, 2.0**52 + 1023)


def power_of_two(n):
    """Return 2^n, where the low bits of the argument are n + 2 EXPONENT_BIAS; it must be a normal number."""
    return from_bits((n - EXPONENT_BIAS) << MANTISSA_BITS)


def scale(x, n):
    """Return 2^n x, where the low bits of n are n + 2 EXPONENT_BIAS; 2^n may overflow or underflow."""
    # 2^n = 2^floor(n/2) 2^ceil(n/2)
    lower = n >> 1
    upper = n - lower
    return x * from_bits(lower << MANTISSA_BITS) * from_bits(upper << MANTISSA_BITS)


def shift_to_root(x):
    """Return bits of an exponent n and a mantissa, where x = 2^n m is normal and sqrt(1/2) <= m < sqrt(2)."""
    return get_bits(x) + ONE_MINUS_ROOT


def get_exponent(shifted):
    """Return n, as floating-point numbers, from the result of `shift_to_root`."""
    return from_bits((shifted >> MANTISSA_BITS) | INTEGER) - BIASED_INTEGER


# Exponential functions

LOG2_E = 1 / math.log(2)

# ln(2) = LN2 + LN2_REMAINDER, where LN2 is rounded to the type of the lanes.
LN2 = math.log(2)
LN2_REMAINDER = PerType(-1.904654299957768e-09, 2.3190468138462996e-17)

# exp is 0 below EXP_LOWEST and infinite above EXP_HIGHEST; expm1 is -1 below EXPM1_LOWEST.
EXP_LOWEST = PerType(-104.0, -746.0)
EXP_HIGHEST = PerType(89.0, 710.0)
EXPM1_LOWEST = PerType(-18.0, -38.0)

# (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2; relative error of exp(r) - 1: 1.6e-8 and 2.4e-17
EXP_TAIL = PerType(
    (0.49999997, 0.16666546, 0.041667305, 0.0083663855, 0.0013887151),
    (
        0.5000000000000004,
        0.16666666666666602,
        0.04166666666658398,
        0.008333333333382847,
        0.0013888888929669515,
        0.00019841269732159494,
        2.4801507196807484e-05,
        2.7557396843490315e-06,
        2.7625371974691486e-07,
        2.5056880867617097e-08,
    ),
)


def reduce_by_ln2(x):
    """Return n and r, where x = n ln(2) + r, |r| <= ln(2) / 2, and the low bits of n are n + 2 EXPONENT_BIAS."""
    rounded = fma(x, LOG2_E, ROUNDING)
    n = rounded - ROUNDING
    # r = x - n ln(2); the first step is exact
    r = fma(-n, LN2_REMAINDER, fma(-n, LN2, x))
    return get_bits(rounded), r


def reduced_exp(r):
    """Return exp(r), where |r| <= ln(2) / 2."""
    return fma(fma(polynomial(r, EXP_TAIL), r, 1.0), r, 1.0)


def exp_within_limits(x):
    """Return exp(x), where EXP_LOWEST <= x <= EXP_HIGHEST."""
    n, r = reduce_by_ln2(x)
    return scale(reduced_exp(r), n)


@vector_function
def exp(x):
    """Return e^x."""
    return exp_within_limits(minimum(maximum(x, EXP_LOWEST), EXP_HIGHEST))


@vector_function
def expm1(x):
    """Return e^x - 1."""
    n, r = reduce_by_ln2(minimum(maximum(x, EXPM1_LOWEST), EXP_HIGHEST))
    reduced_expm1 = fma(r * r, polynomial(r, EXP_TAIL), r)
    # 2 (2^(n-1) expm1(r) + 2^(n-1) - 1/2), since 2^n may overflow
    half_power = power_of_two(n - 1)
    half = fma(half_power, reduced_expm1, half_power - 0.5)
    return copy_sign(half + half, x)


@vector_function
def logistic(x):
    """Return 1 / (1 + e^-x)."""
    # e^x / (1 + e^x) if x < 0, so that neither overflow nor cancellation occurs
    power = exp_within_limits(maximum(-abs(x), EXP_LOWEST))
    return where(x < 0.0, power, power.fill(1.0)) / (power + 1.0)


# Logarithms

# Subnormal numbers are multiplied by a power of two.
SMALLEST_NORMAL = PerType(2.0**-126, 2.0**-1022)
TO_NORMAL = PerType(2.0**24, 2.0**54)
TO_NORMAL_EXPONENT = PerType(24.0, 54.0)

# float32: (log(1 + f) - f + f^2 / 2) / f^3 for sqrt(1/2) <= 1 + f <= sqrt(2); relative error of log(1 + f): 6.6e-9
# float64: (log((1 + s) / (1 - s)) / s - 2) / s^2 as a polynomial in s^2; relative error of the logarithm: 2.8e-18
LOG_TAIL = PerType(
    (
        0.33333328,
        -0.2500078,
        0.20001344,
        -0.1662466,
        0.14200747,
        -0.13148117,
        0.12762104,
        -0.07663627,
    ),
    (
        0.6666666666666715,
        0.399999999995181,
        0.2857142872265655,
        0.222222003679119,
        0.18183479903358482,
        0.15316033908822368,
        0.14777534529471403,
    ),
)


def cubic_tail(f):
    """Return log(1 + f) - f + f^2 / 2, where sqrt(1/2) <= 1 + f <= sqrt(2)."""
    square = f * f
    if f.choose(PerType(True, False)):
        return square * f * polynomial(f, LOG_TAIL)
    # log(1 + f) = log((1 + s) / (1 - s)) = 2 s + s R(s^2), and f - 2 s = s f
    s = f / (f + 2.0)
    w = s * s
    return s * fma(w, polynomial(w, LOG_TAIL), square * 0.5)


def combined_log(n, f):
    """Return n ln(2) + log(1 + f), where sqrt(1/2) <= 1 + f <= sqrt(2)."""
    # n LN2 + (f - (f^2 / 2 - (tail + n LN2_REMAINDER)))
    small = fma(f * f, -0.5, fma(n, LN2_REMAINDER, cubic_tail(f)))
    return fma(n, LN2, f + small)


def complete_log(result, x):
    """Return a logarithm for positive x, and its limits for the other x."""
    result = where(x < math.inf, result, x)
    return where(x > 0.0, result, where(x.compare("==", 0.0), -math.inf, x.fill(math.nan)))


@vector_function
def log(x):
    """Return the natural logarithm of x."""
    is_subnormal = x < SMALLEST_NORMAL
    normal = where(is_subnormal, x * TO_NORMAL, x)
    # x = 2^n m
    shifted = shift_to_root(normal)
    m = from_bits((shifted & MANTISSA_MASK) + ROOT)
    n = get_exponent(shifted)
    n = where(is_subnormal, n - TO_NORMAL_EXPONENT, n)
    return complete_log(combined_log(n, m - 1.0), x)


@vector_function
def softplus(x):
    """Return log(1 + e^x)."""
    # max(x, 0) + log(1 + e^-|x|)
    power = exp_within_limits(maximum(-abs(x), EXP_LOWEST))
    # 1 + e^-|x| = 2^n (1 + f)
    is_upper = power > math.sqrt(2) - 1
    f = where(is_upper, fma(power, 0.5, -0.5), power)
    n = where(is_upper, 1.0, power.fill(0.0))
    return maximum(x, 0.0) + combined_log(n, f)


# tanh and erf

# tanh is 1 above.
TANH_HIGHEST = PerType(9.5, 19.5)
TANH_THRESHOLD = 0.5625

# (tanh(y) - y) / y^3 = P(y^2) / Q(y^2) for y <= TANH_THRESHOLD; relative error of tanh(y): 3.1e-9 and 2.6e-18
TANH_NUMERATOR = PerType(
    (-0.33333322, -0.0015516457),
    (-0.3333333333333333, -0.02050042018557005, -0.00019924986897058166),
)
TANH_DENOMINATOR = PerType(
    (1.0, 0.40464765),
    (1.0, 0.4615012605567071, 0.02329349192491308, 0.00020661066835600566),
)

# erf is 1 above.
ERF_HIGHEST = PerType(3.93, 5.93)
ERF_THRESHOLD = PerType(0.9375, 1.0)

# erf(y) / y - 1 as a polynomial in y^2 for y <= ERF_THRESHOLD; relative error of erf(y): 2.3e-8 and 3.7e-17
ERF_COEFFICIENTS = PerType(
    (0.12837915, -0.3761247, 0.112815544, -0.026757034, 0.004979124, -0.00059194147),
    (
        0.12837916709551256,
        -0.3761263890318352,
        0.11283791670944184,
        -0.02686617064311139,
        0.0052239776061179435,
        -0.0008548325929292631,
        0.00012055293576319091,
        -1.4924712291841904e-05,
        1.64471314551589e-06,
        -1.6206312924783335e-07,
        1.3710976983574445e-08,
        -7.779462407667251e-10,
    ),
)

# log(1 - erf(y)) for ERF_THRESHOLD <= y <= ERF_HIGHEST; relative error of erf(y): 1.7e-9 and 2.2e-17
LOG_ERFC_COEFFICIENTS = PerType(
    (
        -0.00022353322,
        -1.1275611,
        -0.6373741,
        -0.10376408,
        0.022146542,
        -0.0030231348,
        0.00019389867,
    ),
    (
        -5.028665877055682e-07,
        -1.1283740893225418,
        -0.6366436287404063,
        -0.10270343780532495,
        0.018990175729229602,
        0.00041063213779269226,
        -0.0019159477914921137,
        0.0007706469287394449,
        -0.000135052852657593,
        -2.0265341870525433e-05,
        2.2821950875830603e-05,
        -8.666983710544418e-06,
        2.1356316820171184e-06,
        -3.732940280075256e-07,
        4.642162803257398e-08,
        -3.934136874483911e-09,
        2.044889693627304e-10,
        -4.9284234570129476e-12,
    ),
)


@vector_function
def tanh(x):
    """Return the hyperbolic tangent of x."""
    y = minimum(abs(x), TANH_HIGHEST)
    # y + y^3 P(y^2) / Q(y^2) for small y, otherwise 1 - 2 / (e^(2 y) + 1)
    is_small = y < TANH_THRESHOLD
    square = y * y
    n, r = reduce_by_ln2(y + y)
    numerator = where(is_small, square * y * polynomial(square, TANH_NUMERATOR), y.fill(-2.0))
    denominator = where(
        is_small,
        polynomial(square, TANH_DENOMINATOR),
        fma(reduced_exp(r), power_of_two(n), 1.0),
    )
    return copy_sign(where(is_small, y, y.fill(1.0)) + numerator / denominator, x)


@vector_function
def erf(x):
    """Return the error function of x, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    y = minimum(abs(x), ERF_HIGHEST)
    # 1 - exp(log(1 - erf(y)))
    n, r = reduce_by_ln2(polynomial(y, LOG_ERFC_COEFFICIENTS))
    outer = fma(-reduced_exp(r), power_of_two(n), 1.0)
    # y + y P(y^2)
    inner = fma(y, polynomial(y * y, ERF_COEFFICIENTS), y)
    return copy_sign(where(y < ERF_THRESHOLD, inner, outer), x)
