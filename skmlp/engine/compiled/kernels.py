"""Definition of kernels: functions that numba compiles to machine code that needs neither numba nor Python.

The parameters of a kernel are annotated with the types below. If the last two are `thread` and `n_threads`, all threads
call the kernel with the same arguments, and each computes the range that `split` assigns to it.
"""

import inspect
from functools import cache

import llvmlite.binding as llvm
from numba import types
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.extending import register_jitable

from skmlp.engine.compiled.library import ARRAY_SUFFIX
from skmlp.engine.compiled.settings import MAX_COPIES

# Annotations of parameters. A type variable stands for the types with which the kernel is compiled.
REAL, SOURCE = "real", "source"
Reals = types.CPointer, REAL  # array of the type of the weights
Sources = types.CPointer, SOURCE  # array of the type of the samples
Doubles = types.CPointer(types.float64)
Indices = types.CPointer(types.int64)
Indices32 = types.CPointer(types.int32)
Bits = types.CPointer(types.uint16)
Int = types.int64


def kernel(function):
    """Declare that a function is a kernel; `library.load_kernel` compiles it."""
    function.is_kernel = True
    return function


# Declares a function that is compiled into the kernels that call it.
inlined = register_jitable(no_cpython_wrapper=True, no_cfunc_wrapper=True)


@inlined
def split(n, step, thread, n_threads):
    """Return the range of a thread, as start and stop, when n items are divided in multiples of `step`."""
    n_steps = (n + step - 1) // step
    start, stop = n_steps * thread // n_threads * step, n_steps * (thread + 1) // n_threads * step
    return min(start, n), min(stop, n)


@inlined
def select_copy(copy, thread, n_threads):
    """Return the offset of the array of a thread, and the thread and number of threads among which it is divided.

    Parameters
    ----------
    copy : int
        Distance of the copies of an array that each thread has of its own; zero if all threads share one array.
    """
    if copy > 0 and n_threads <= MAX_COPIES:
        return copy * thread, 0, 1
    return 0, thread, n_threads


def resolve_signature(function, real, source):
    """Return the numba types of the parameters of a kernel.

    Parameters
    ----------
    function : function
        The kernel.
    real : str
        Name of the type of the weights.
    source : str
        Name of the type of the samples.
    """
    variables = {REAL: getattr(types, real), SOURCE: getattr(types, source)}
    resolved = []
    for parameter in inspect.signature(function).parameters.values():
        annotation = parameter.annotation
        if isinstance(annotation, tuple):
            constructor, variable = annotation
            annotation = constructor(variables[variable])
        resolved.append(annotation)
    return resolved


@global_compiler_lock
def compile_kernel(function, real, source, symbol):
    """Compile a kernel, and return its object code.

    Parameters
    ----------
    function : function
        The kernel.
    real, source : str
        Names of the types of the weights and of the samples.
    symbol : str
        Name of the function in the object code, which has the arguments of the kernel. If the last two are the thread
        and the number of threads, there is a second function with the suffix `ARRAY_SUFFIX`, whose arguments are the
        address of an array of the other arguments, 64 bits each, the thread and the number of threads.

    Returns
    -------
    code : bytes
    """
    parameters = resolve_signature(function, real, source)
    compiled = compile_extra(
        cpu_target.typing_context,
        get_target_context(),
        function,
        parameters,
        types.void,
        make_flags(),
        {},
    )
    function_name = compiled.fndesc.mangled_name
    text = str(llvm.parse_bitcode(compiled.library.emit_bitcode()))
    text += make_entry_point(symbol, function_name, parameters)
    if list(inspect.signature(function).parameters)[-2:] == ["thread", "n_threads"]:
        text += make_array_entry_point(symbol + ARRAY_SUFFIX, function_name, parameters)
    module = llvm.parse_assembly(text)
    module.verify()
    machine = make_target_machine()
    remove_unused_functions(module, machine)
    return machine.emit_object(module)


@cache
def get_target_context():
    """Return numba's context for code that is not run in this process."""
    context = cpu_target.target_context
    context.refresh()
    return context.with_aot_codegen("skmlp", cpu_name="host")


def make_flags():
    """Return the options of numba for kernels: optimized LLVM code only, without machine code and wrappers."""
    flags = Flags()
    cpu_target.options.parse_as_flags(flags, {"nopython": True, "error_model": "numpy"})
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    return flags


def make_entry_point(symbol, function_name, parameters):
    """Return the LLVM code of a function for C that calls a function of numba."""
    kinds = [get_llvm_kind(parameter) for parameter in parameters]
    arguments = ", ".join(f"{kind} %argument{i}" for i, kind in enumerate(kinds))
    return make_function(symbol, arguments, "", function_name, arguments)


def make_array_entry_point(symbol, function_name, parameters):
    """Return the LLVM code of a function for C that reads the arguments of a kernel from an array and calls it.

    The index of the thread and the number of threads, which are the last arguments, are not in the array.
    """
    lines, arguments = [], []
    for i, parameter in enumerate(parameters[:-2]):
        kind = get_llvm_kind(parameter)
        lines += [
            f"  %address{i} = getelementptr i64, ptr %arguments, i64 {i}",
            f"  %argument{i} = load {kind}, ptr %address{i}",
        ]
        arguments.append(f"{kind} %argument{i}")
    threads = "i64 %thread, i64 %n_threads"
    return make_function(
        symbol,
        f"ptr %arguments, {threads}",
        "\n".join(lines),
        function_name,
        ", ".join([*arguments, threads]),
    )


def get_llvm_kind(parameter):
    """Return the LLVM type of a parameter of a kernel."""
    return "ptr" if isinstance(parameter, types.CPointer) else "i64"


def make_function(symbol, parameters, body, function_name, arguments):
    """Return the LLVM code of a function that calls a function of numba; the latter returns None and a status."""
    return f"""
define void @"{symbol}"({parameters}) {{
  %result = alloca ptr
  %exception = alloca ptr
{body}
  %status = call i32 @{function_name}(ptr %result, ptr %exception, {arguments})
  ret void
}}
"""


def remove_unused_functions(module, machine):
    """Remove the internal functions of an LLVM module that nothing calls."""
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=0))
    manager = llvm.create_new_module_pass_manager()
    manager.add_global_dead_code_eliminate_pass()
    manager.run(module, builder)


def make_target_machine():
    """Return the code generator of the host."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="static",
        codemodel="jitdefault",
        jit=True,
    )
