"""Measure the pieces of a compiled training step, and compare each with the least time that it needs.

    python benchmarks/pieces.py --hidden 128,128 --batch-size 128

The least time is the larger one of two: the operations of the piece over the peak of a core, and its bytes over the
rate at which a core copies memory in its cache, divided by the number of threads. Run the benchmark on an otherwise
idle machine.
"""

from time import perf_counter

import numpy as np
from data import load_data
from environment import remove_openblas_variables
from options import add_rounds, make_parser, parse_count, parse_layer_sizes
from peers.peak import N_ACCUMULATORS, make_loop
from report import describe_machine, print_table
from threadpoolctl import threadpool_limits

from skmlp.engine.batches import Batch, Samples
from skmlp.engine.compiled.backend import CompiledBackend
from skmlp.engine.compiled.program import Program
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.compiled.updater import RowUpdate
from skmlp.engine.config import NetworkConfig, TrainingConfig
from skmlp.engine.optimizers import Adam
from skmlp.engine.schedules import Constant
from skmlp.engine.state import TrainState, Weights
from skmlp.engine.stochastic import StochasticSolver
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.update import Update

N_CLASSES = 10
MIN_SECONDS = 0.005
PEAK_ITERATIONS = 10**6
COPY_SIZE = 2**16
HEADER = ["piece", "us, 1 thread", "us, all threads", "least us, all threads", "ratio", "bound"]
# Arrays of the size of the output that a kernel reads and writes. The operations of products are counted instead.
N_ARRAYS = {
    "batches.gather": 2,
    "batches.load_ahead": 1,
    "sparse.compress": 1,
    "batches.transpose": 2,
    "activations.relu.forward": 2,
    "activations.relu.backward": 3,
    "activations.identity.forward": 2,
    "activations.identity.backward": 2,
    "losses.softmax_cross_entropy": 4,
    "losses.add_up": 0,
    "updates.update_rows": 7,
}
N_UPDATE_ARRAYS = 6  # parameters and two moments, read and written


def make_step(hidden, batch_size, n_steps, dtype):
    """Return a TrainingStep on MNIST, loaded with batches, the number of its steps, and the density of the samples."""
    data = load_data(None)
    X, y = data.X.astype(dtype), np.asarray(data.y, np.int64)
    network = NetworkConfig(
        (X.shape[1], *hidden, N_CLASSES), ("relu",) * len(hidden), "softmax", (0.0,) * len(hidden)
    )
    solver = StochasticSolver(
        Update(Adam()), Constant(1e-3), StoppingRule(0.0, np.inf), batch_size, max_epochs=1
    )
    config = TrainingConfig(network, solver, alpha=1e-4)
    layout, rng = network.layout, np.random.default_rng(0)
    theta = rng.normal(0, 0.05, layout.n_parameters).astype(dtype)
    state = TrainState(
        Weights(theta, layout.initial_statistics(dtype)), np.random.RandomState(0), rng
    )
    solver.prepare(state, len(X))
    backend = CompiledBackend(config, state)
    order = rng.permutation(len(X))
    batches = [
        Batch(Samples(X, y), order[i * batch_size : (i + 1) * batch_size])
        for i in range(min(n_steps, backend.max_steps))
    ]
    backend.steps(batches, [1e-3] * len(batches))
    # Repeating the same steps makes moments subnormal, which training prevents at regular intervals.
    backend._updater._step_limits[...] = backend._updater._limits
    (step,) = backend._steps.values()
    return step, len(batches), np.count_nonzero(X) / X.size


def measure(program, n_steps):
    """Return the seconds per step of a program, as the smallest of several measurements."""
    program.run(n_steps)
    best, spent = np.inf, 0.0
    while spent < MIN_SECONDS:
        start = perf_counter()
        program.run(n_steps)
        seconds = perf_counter() - start
        best, spent = min(best, seconds / n_steps), spent + seconds
    return best


def measure_peak(dtype):
    """Return the multiply-adds per second of a core."""
    loop, n_lanes = make_loop(dtype)
    loop(1)
    seconds = min(time_call(loop, PEAK_ITERATIONS) for _ in range(5))
    return PEAK_ITERATIONS * N_ACCUMULATORS * n_lanes / seconds


def measure_copy_rate():
    """Return the bytes per second that a core reads and writes when it copies an array in its cache."""
    source, target = np.ones((2, COPY_SIZE))
    seconds = min(time_call(np.copyto, target, source) for _ in range(200))
    return 2 * source.nbytes / seconds


def time_call(function, *arguments):
    """Return the seconds that a call takes."""
    start = perf_counter()
    function(*arguments)
    return perf_counter() - start


def describe_call(call, density):
    """Return the label of a call, its multiply-adds and the bytes that it reads and writes.

    `density` is the fraction of nonzero features; kernels of the module `sparse` skip the zeros.
    """
    sizes = [argument for argument in call.arguments if isinstance(argument, int)]
    arrays = [argument for argument in call.arguments if isinstance(argument, np.ndarray)]
    itemsize = max((array.itemsize for array in arrays), default=0)
    if call.name == "products.multiply":
        n_rows, n_columns, n_inner = sizes[-3:]
        return f"{call.name} {n_rows}x{n_inner}x{n_columns}", n_rows * n_columns * n_inner, 0
    if call.name == "updates.multiply_and_update":
        # The number of samples is followed by a RowUpdate.
        n_samples, update = call.arguments[6], RowUpdate(*call.arguments[7:])
        n_rows, n_columns = update.n_rows, update.n_columns
        n_bytes = N_UPDATE_ARRAYS * n_rows * n_columns * itemsize
        label = f"{call.name} {n_rows}x{n_samples}x{n_columns}"
        return label, n_rows * n_columns * n_samples, n_bytes
    if call.name == "sparse.multiply":
        n_samples, (n_rows, n_columns) = call.arguments[6], sizes[-2:]
        label = f"{call.name} {n_rows}x{n_columns}x{n_samples}"
        return label, density * n_rows * n_columns * n_samples, 0
    if call.name == "sparse.compute_gradient_and_update":
        n_samples, update = call.arguments[7], RowUpdate(*call.arguments[12:])
        n_rows, n_columns = update.n_rows, update.n_columns
        n_bytes = N_UPDATE_ARRAYS * n_rows * n_columns * itemsize
        label = f"{call.name} {n_rows}x{n_samples}x{n_columns}"
        return label, density * n_rows * n_columns * n_samples, n_bytes
    n_rows, n_columns = sizes[-2:] if len(sizes) > 1 else (1, sizes[-1])
    n_bytes = N_ARRAYS.get(call.name, 3) * n_rows * n_columns * itemsize
    return f"{call.name} {n_rows}x{n_columns}", 0, n_bytes


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--hidden", type=parse_layer_sizes, default=(128, 128), metavar="SIZES")
    parser.add_argument("--batch-size", type=parse_count, default=128, metavar="N")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    add_rounds(parser, default=5)
    options = parser.parse_args()
    remove_openblas_variables()
    print(describe_machine(), end="\n\n")
    step, n_steps, density = make_step(options.hidden, options.batch_size, 16, options.dtype)
    n_threads = get_thread_pool().count_threads()
    peak, copy_rate = measure_peak(options.dtype), measure_copy_rate()
    print(f"one core: {2 * peak / 1e9:.0f} GFLOP/s, {copy_rate / 1e9:.0f} GB/s in the cache\n")

    regions = step.fused_regions()
    calls = [call for region in regions for call in region]
    programs = [Program([[call]]) for call in calls] + [Program(regions)]
    serial, parallel = (np.full(len(programs), np.inf) for _ in range(2))
    for _ in range(options.rounds):
        for times, limit in ((serial, 1), (parallel, n_threads)):
            with threadpool_limits(limit):
                for i, program in enumerate(programs):
                    times[i] = min(times[i], measure(program, n_steps))
    rows, least_total = [], 0.0
    for i, call in enumerate(calls):
        label, n_operations, n_bytes = describe_call(call, density)
        by_bound = {"operations": n_operations / peak, "memory": n_bytes / copy_rate}
        bound = max(by_bound, key=by_bound.get)
        least = by_bound[bound] / n_threads
        least_total += least
        rows.append(format_row(label, serial[i], parallel[i], least, bound))
    calls_total = serial[:-1].sum(), parallel[:-1].sum()
    rows.append(format_row("sum of the pieces", *calls_total, least_total, ""))
    rows.append(
        format_row(
            "whole step, regions one after the other", serial[-1], parallel[-1], least_total, ""
        )
    )
    print_table(HEADER, rows)


def format_row(label, serial, parallel, least, bound):
    """Return the cells of a row; the times are in seconds."""
    ratio = f"{parallel / least:.2f}" if least else ""
    return [label, *(f"{1e6 * seconds:.1f}" for seconds in (serial, parallel, least)), ratio, bound]


if __name__ == "__main__":
    main()
