"""Vectors of floating-point numbers, as values in functions that numba compiles.

A vector has as many lanes as a register of the processor. Kernels load it from a pointer, compute with the operators
of Python and the functions of this module, and store it::

    for i in range(0, n, lanes(x)):
        store(where(load(x, i) > 0, load(x, i), 0), x, i)

All operations work lane by lane and round like the scalar operations of IEEE 754, so that the result of an element does
not depend on its position. Scalars are converted to the type of the lanes and broadcast.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, register_model

from skmlp.engine.compiled.target import REGISTER_BYTES

INT32, INT64 = ir.IntType(32), ir.IntType(64)
CACHE_LINE_BITS = 8 * 64


class Vector(types.Type):
    """Type of a vector.

    Parameters
    ----------
    element : numba type
        Type of the lanes: float32 or float64, an integer type, or boolean for the result of a comparison.
    n_lanes : int
    """

    def __init__(self, element, n_lanes):
        self.element = element
        self.n_lanes = n_lanes
        super().__init__(f"Vector({element}, {n_lanes})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """Representation of a vector in LLVM."""

    def __init__(self, manager, vector):
        super().__init__(manager, vector, get_llvm_type(vector))


def get_llvm_type(vector):
    """Return the LLVM type of a Vector."""
    element = vector.element
    if isinstance(element, types.Boolean):
        lane = ir.IntType(1)
    elif isinstance(element, types.Integer):
        lane = ir.IntType(element.bitwidth)
    else:
        lane = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}[element]
    return ir.VectorType(lane, vector.n_lanes)


def get_vector(element):
    """Return the Vector of a floating-point type that fills a register."""
    return Vector(element, REGISTER_BYTES * 8 // element.bitwidth)


def get_mask(vector):
    """Return the type of a comparison of vectors."""
    return Vector(types.boolean, vector.n_lanes)


def is_real(vector):
    """Return whether a type is a vector of floating-point numbers."""
    return isinstance(vector, Vector) and isinstance(vector.element, types.Float)


# Code generation


def splat(builder, scalar, n_lanes):
    """Broadcast a scalar to all lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, n_lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, INT32(0))
    zeros = ir.Constant(ir.VectorType(INT32, n_lanes), [0] * n_lanes)
    return builder.shuffle_vector(first, undefined, zeros)


def broadcast_to(context, builder, value, kind, vector):
    """Convert a value of a numba type, a scalar or a vector, to a vector."""
    if isinstance(kind, Vector):
        return value
    return splat(builder, context.cast(builder, value, kind, vector.element), vector.n_lanes)


def call_llvm(builder, name, result, arguments):
    """Call an intrinsic function of LLVM that is overloaded on its result type."""
    lane = {ir.FloatType(): "f32", ir.DoubleType(): "f64"}.get(result.element) or str(
        result.element
    )
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(
        builder.module, kind, f"llvm.{name}.v{result.count}{lane}"
    )
    return builder.call(function, arguments)


def point_to(builder, pointer, index, pointee):
    """Return a pointer to a type at an index of an array."""
    return builder.bitcast(builder.gep(pointer, [index]), pointee.as_pointer())


def element_alignment(vector):
    """Return the alignment of arrays in bytes."""
    return vector.element.bitwidth // 8


# Operators

ARITHMETIC = {
    operator.add: "fadd",
    operator.sub: "fsub",
    operator.mul: "fmul",
    operator.truediv: "fdiv",
}
COMPARISONS = {
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
    operator.eq: "==",
    operator.ne: "!=",
}


def find_vector(arguments):
    """Return the vector type of operands, which may be scalars, or None if they are of another kind."""
    vectors = [kind for kind in arguments if isinstance(kind, Vector)]
    others = [kind for kind in arguments if not isinstance(kind, Vector)]
    is_consistent = len(set(vectors)) == 1 and all(
        isinstance(kind, types.Number) for kind in others
    )
    return vectors[0] if is_consistent else None


def define_operator(function, generate, result_type):
    """Define a binary operator for vectors.

    Parameters
    ----------
    function : callable
        Function of the module `operator`.
    generate : callable
        ``generate(builder, vector, left, right)`` returns the LLVM value of the result.
    result_type : callable
        ``result_type(vector)`` returns the type of the result.
    """

    @infer_global(function)
    class VectorOperator(AbstractTemplate):
        def generic(self, arguments, keywords):
            vector = find_vector(arguments)
            return vector and signature(result_type(vector), *arguments)

    def lower(context, builder, resolved, arguments):
        vector = find_vector(resolved.args)
        operands = [
            broadcast_to(context, builder, value, kind, vector)
            for value, kind in zip(arguments, resolved.args, strict=True)
        ]
        return generate(builder, vector, *operands)

    for left, right in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(function, left, right)(lower)


def define_operators():
    """Define the operators of Python for vectors."""
    for function, name in ARITHMETIC.items():
        define_operator(
            function,
            lambda builder, vector, left, right, name=name: getattr(builder, name)(left, right),
            lambda vector: vector,
        )
    for function, symbol in COMPARISONS.items():
        define_operator(function, make_comparison(symbol), get_mask)


@infer_global(operator.neg)
class Negation(AbstractTemplate):
    """Type of the negative of a vector."""

    def generic(self, arguments, keywords):
        """Return the signature for a vector."""
        (kind,) = arguments
        return signature(kind, kind) if isinstance(kind, Vector) else None


@lower_builtin(operator.neg, Vector)
def lower_negation(context, builder, resolved, arguments):
    """Generate the code of the negative of a vector."""
    return builder.fneg(arguments[0])


def make_comparison(symbol):
    """Return a generator of code for a comparison; comparisons with NaN are false, except for "!="."""

    def generate(builder, vector, left, right):
        if not is_real(vector):
            compare = builder.icmp_signed if vector.element.signed else builder.icmp_unsigned
            return compare(symbol, left, right)
        compare = builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered
        return compare(symbol, left, right)

    return generate


define_operators()


# Memory


@intrinsic
def at(typingctx, pointer, index):
    """Return a pointer to an element of an array."""

    def generate(context, builder, resolved, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), generate


@intrinsic
def lanes(typingctx, pointer):
    """Return the number of lanes of the vectors of an array."""
    vector = get_vector(pointer.dtype)
    return types.intp(pointer), lambda context, builder, resolved, arguments: INT64(vector.n_lanes)


@intrinsic
def elements_per_line(typingctx, pointer):
    """Return the number of elements of an array in a cache line."""
    n = CACHE_LINE_BITS // pointer.dtype.bitwidth
    return types.intp(pointer), lambda context, builder, resolved, arguments: INT64(n)


@intrinsic
def load(typingctx, pointer, index):
    """Return the vector that begins at an index of an array."""
    vector = get_vector(pointer.dtype)

    def generate(context, builder, resolved, arguments):
        address = point_to(builder, *arguments, get_llvm_type(vector))
        return builder.load(address, align=element_alignment(vector))

    return vector(pointer, types.intp), generate


@intrinsic
def store(typingctx, values, pointer, index):
    """Store a vector at an index of an array."""

    def generate(context, builder, resolved, arguments):
        value, pointer, index = arguments
        address = point_to(builder, pointer, index, value.type)
        builder.store(value, address, align=element_alignment(values))
        return context.get_dummy_value()

    return types.void(values, pointer, types.intp), generate


@intrinsic
def load_like(typingctx, pointer, index, like):
    """Return a vector of integers from an index of an array, with as many lanes as the vectors of the array `like`."""
    vector = Vector(pointer.dtype, get_vector(like.dtype).n_lanes)

    def generate(context, builder, resolved, arguments):
        pointer, index, _ = arguments
        address = point_to(builder, pointer, index, get_llvm_type(vector))
        return builder.load(address, align=element_alignment(vector))

    return vector(pointer, types.intp, like), generate


@intrinsic
def load_as(typingctx, pointer, index, like):
    """Return the elements from an index of an array as a vector of the array `like`; integers are converted."""
    vector = get_vector(like.dtype)
    stored = Vector(pointer.dtype, vector.n_lanes)

    def generate(context, builder, resolved, arguments):
        pointer, index, _ = arguments
        address = point_to(builder, pointer, index, get_llvm_type(stored))
        values = builder.load(address, align=element_alignment(stored))
        if is_real(stored):
            return values
        to_real = builder.sitofp if stored.element.signed else builder.uitofp
        return to_real(values, get_llvm_type(vector))

    return vector(pointer, types.intp, like), generate


@intrinsic
def store_nonzero(typingctx, values, data, indices, position, first):
    """Store the lanes of a vector that are not zero, one after the other, and their indices; return their number.

    Parameters
    ----------
    values : Vector
    data, indices : pointers
        Arrays in which as many elements as there are lanes, from an index on, are overwritten.
    position : int
        Index of the first stored element.
    first : int
        Index of the first lane.
    """
    n = values.n_lanes
    integers = ir.VectorType(INT32, n)

    def generate(context, builder, resolved, arguments):
        values, data, indices, position, first = arguments
        mask = builder.fcmp_unordered("!=", values, ir.Constant(values.type, None))
        lane_indices = builder.add(
            splat(builder, builder.trunc(first, INT32), n),
            ir.Constant(integers, list(range(n))),
        )
        for elements, pointer in ((values, data), (lane_indices, indices)):
            address = point_to(builder, pointer, position, elements.type)
            builder.store(compress(builder, elements, mask), address, align=4)
        count = builder.ctpop(builder.bitcast(mask, ir.IntType(n)))
        return builder.zext(count, INT64)

    return types.int64(values, data, indices, types.int64, types.int64), generate


def compress(builder, values, mask):
    """Return an LLVM vector that begins with the lanes for which a mask is true."""
    lane = {ir.FloatType(): "f32", ir.DoubleType(): "f64"}.get(values.type.element, "i32")
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(values.type, [values.type, mask.type, values.type]),
        f"llvm.experimental.vector.compress.v{values.type.count}{lane}",
    )
    return builder.call(function, [values, mask, ir.Constant(values.type, ir.Undefined)])


@intrinsic
def prefetch(typingctx, pointer, index):
    """Begin to load an element of an array into the second-level cache."""

    def generate(context, builder, resolved, arguments):
        address = builder.gep(arguments[0], [arguments[1]])
        operands = [address, INT32(0), INT32(2), INT32(1)]  # to be read, moderate locality, data
        kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, operands)
        return context.get_dummy_value()

    return types.void(pointer, types.intp), generate


def mask_first(builder, count, n_lanes):
    """Return a mask of the lanes whose index is less than `count`."""
    indices = ir.Constant(ir.VectorType(INT32, n_lanes), list(range(n_lanes)))
    return builder.icmp_signed("<", indices, splat(builder, builder.trunc(count, INT32), n_lanes))


@intrinsic
def load_first(typingctx, pointer, index, count):
    """Return a vector of `count` elements from an index of an array, followed by zeros."""
    vector = get_vector(pointer.dtype)

    def generate(context, builder, resolved, arguments):
        pointer, index, count = arguments
        kind = get_llvm_type(vector)
        address = point_to(builder, pointer, index, kind)
        mask = mask_first(builder, count, vector.n_lanes)
        align = INT32(element_alignment(vector))
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(kind, [address.type, INT32, mask.type, kind]),
            f"llvm.masked.load.v{vector.n_lanes}f{vector.element.bitwidth}.p0",
        )
        return builder.call(function, [address, align, mask, ir.Constant(kind, None)])

    return vector(pointer, types.intp, types.intp), generate


@intrinsic
def store_first(typingctx, values, pointer, index, count):
    """Store the first `count` lanes of a vector at an index of an array."""

    def generate(context, builder, resolved, arguments):
        value, pointer, index, count = arguments
        address = point_to(builder, pointer, index, value.type)
        store_masked(builder, value, address, count, element_alignment(values))
        return context.get_dummy_value()

    return types.void(values, pointer, types.intp, types.intp), generate


def store_masked(builder, value, address, count, align):
    """Store the first `count` lanes of an LLVM value at an address."""
    mask = mask_first(builder, count, value.type.count)
    lane = "f32" if value.type.element == ir.FloatType() else "f64"
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [value.type, address.type, INT32, mask.type]),
        f"llvm.masked.store.v{value.type.count}{lane}.p0",
    )
    builder.call(function, [value, address, INT32(align), mask])


# Functions


@intrinsic
def broadcast(typingctx, scalar, pointer):
    """Return a vector whose lanes are a scalar, of the type of the vectors of an array."""
    vector = get_vector(pointer.dtype)

    def generate(context, builder, resolved, arguments):
        return broadcast_to(context, builder, arguments[0], scalar, vector)

    return vector(scalar, pointer), generate


@intrinsic
def sqrt(typingctx, x):
    """Return the square root of a vector."""
    vector = find_vector([x])

    def generate(context, builder, resolved, arguments):
        return call_llvm(builder, "sqrt", get_llvm_type(vector), arguments)

    return vector(x), generate


@intrinsic
def multiply_add(typingctx, x, y, z):
    """Return x * y + z, rounded once."""
    vector = find_vector([x, y, z])

    def generate(context, builder, resolved, arguments):
        return call_llvm(builder, "fma", get_llvm_type(vector), arguments)

    return vector(x, y, z), generate


@intrinsic
def where(typingctx, mask, chosen, other):
    """Return the lanes of `chosen` where a mask is true, and those of `other` elsewhere."""
    vector = find_vector([chosen, other])

    def generate(context, builder, resolved, arguments):
        condition, *values = arguments
        values = [
            broadcast_to(context, builder, value, kind, vector)
            for value, kind in zip(values, resolved.args[1:], strict=True)
        ]
        return builder.select(condition, *values)

    return vector(mask, chosen, other), generate


@intrinsic
def total(typingctx, values):
    """Return the sum of the lanes, added in pairs: each half to the other, until one lane is left."""

    def generate(context, builder, resolved, arguments):
        (value,) = arguments
        n = values.n_lanes
        while n > 1:
            n //= 2
            halves = [
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(INT32, n), list(range(start, start + n))),
                )
                for start in (0, n)
            ]
            value = builder.fadd(*halves)
        return builder.extract_element(value, INT32(0))

    return values.element(values), generate
