"""Cost model of training on a cluster, and a simulation for larger clusters and datasets.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --rate 100 --bandwidth 12.5 --task-cost 0.5

An epoch consists of steps (exact mode) or rounds (local mode), which begin when the previous one has
ended. With n workers and one block per worker, each takes

    t = samples / n * (operations / R + s) + bytes / B + weights * u + stages * latency + tasks * c,

where R is the rate of a worker, s and u are costs per sample and per weight, B is the bandwidth of the
worker that has the weights, and c is the cost of a task. The operations are 6 per weight. The bytes are
those that this worker sends and receives: the weights (exact) or the weights and both moments of Adam
(local), to n - 1 workers and back; more than 8 results are combined in groups, on several workers.
Computation and transfer do not overlap, because each step needs the weights of the previous one. The
constants are those that `cluster.py` measured on two cores; the options replace them.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import NamedTuple

from options import make_parser
from report import print_table

N_FEATURES, N_CLASSES = 784, 10
OPERATIONS_PER_WEIGHT = 6  # a multiplication and an addition in each of three products
BYTES_PER_WEIGHT = 4
MAX_COMBINED = 8  # results that a task combines
WORKERS = (8, 64, 512)
SAMPLES = (10**7, 10**8, 10**9, 10**10)
NETWORKS = [(128, 128), (512, 512), (2048, 1024, 512)]


class Speed(NamedTuple):
    """Speed of training, fitted to measurements.

    Attributes
    ----------
    rate : float
        Operations per second.
    sample_cost : float
        Seconds per sample, for what does not depend on the number of weights.
    weight_cost : float
        Seconds per weight and step (exact) or round (local), for copies and updates.
    n_copies : int
        Arrays of the size of the weights that are sent: weights or gradients; or weights and two moments of Adam.
    """

    rate: float
    sample_cost: float
    weight_cost: float = 0.0
    n_copies: int = 0


# One process that uses two cores, and workers with one thread. Compiled kernels skip the products with zeros, so that
# the rate of the operations that are counted here may exceed that of the processor.
ONE_PROCESS = Speed(rate=230e9, sample_cost=0.2e-6)
EXACT = Speed(rate=95e9, sample_cost=2.3e-6, weight_cost=15e-9, n_copies=1)
LOCAL = Speed(rate=140e9, sample_cost=0.2e-6, weight_cost=30e-9, n_copies=3)


@dataclass(frozen=True)
class Machine:
    """Workers, each with one block of the samples.

    Attributes
    ----------
    n_workers : int
    exact, local : Speed
    bandwidth : float
        Bytes per second of the connection of a worker.
    latency : float
        Seconds from the end of a task to the beginning of a task that depends on it.
    task_cost : float
        Seconds of the scheduler for a task.
    """

    n_workers: int = 1
    exact: Speed = EXACT
    local: Speed = LOCAL
    bandwidth: float = 1.25e9
    latency: float = 3e-3
    task_cost: float = 1e-3


def main():
    machine = parse_arguments()
    rates = [f"{speed.rate / 1e9:g} GFLOP/s" for speed in (machine.exact, machine.local)]
    print(
        f"Bandwidth {machine.bandwidth / 1e9:g} GB/s, latency {1000 * machine.latency:g} ms, "
        f"{1000 * machine.task_cost:g} ms per task, {rates[0]} (exact) and {rates[1]} (local) "
        "per worker.\n"
        "Time per epoch. exact: batches of 200 and of 10,000 samples; local: 50 steps of 200 samples between two "
        "averages, and one average per epoch.\n"
    )
    for hidden in NETWORKS:
        print(f"hidden layers {hidden}, {count_weights(hidden):,} weights\n")
        rows = [row for n_samples in SAMPLES for row in make_rows(machine, hidden, n_samples)]
        print_table(["samples", "workers", "one machine", *CASES, "fastest"], rows)


def make_rows(machine, hidden, n_samples):
    """Yield a row for each number of workers."""
    single = compute_samples(ONE_PROCESS, hidden, n_samples)
    for n_workers in WORKERS:
        cluster = replace(machine, n_workers=n_workers)
        times = {
            name: predict_epoch(cluster, hidden, n_samples, case) for name, case in CASES.items()
        }
        best = min(times, key=times.get)
        yield [
            f"{n_samples:.0e}",
            n_workers,
            format_time(single),
            *map(format_time, times.values()),
            best if times[best] < single else "one machine",
        ]


CASES = {
    "exact, 200": SimpleNamespace(mode="exact", batch_size=200, local_steps=None),
    "exact, 10,000": SimpleNamespace(mode="exact", batch_size=10_000, local_steps=None),
    "local, 50": SimpleNamespace(mode="local", batch_size=200, local_steps=50),
    "local, epoch": SimpleNamespace(mode="local", batch_size=200, local_steps=None),
}


def predict_epoch(machine, hidden, n_samples, case):
    """Return the seconds of an epoch.

    Parameters
    ----------
    machine : Machine
    hidden : tuple of int
        Sizes of the hidden layers.
    n_samples : int
    case : object
        Object with the attributes `mode`, `batch_size` and `local_steps`.
    """
    n, speed, n_weights = machine.n_workers, getattr(machine, case.mode), count_weights(hidden)
    if case.mode == "exact":
        n_rounds = -(-n_samples // case.batch_size)
        n_stages = 3  # weights, gradients, update
    else:
        n_steps = -(-n_samples // (n * case.batch_size))
        n_rounds = -(-n_steps // (case.local_steps or n_steps))
        n_stages = 2  # steps of the blocks, average
    n_sent, n_groups = n - 1, n
    while n_groups > MAX_COMBINED:
        n_groups = -(-n_groups // MAX_COMBINED)
        n_stages += 1
    n_received = min(n - 1, MAX_COMBINED * n_stages)
    n_bytes = (n_sent + n_received) * speed.n_copies * BYTES_PER_WEIGHT * n_weights
    compute = compute_samples(speed, hidden, n_samples / n_rounds / n)
    update = n_weights * speed.weight_cost
    overhead = n_stages * machine.latency + (n + 3) * machine.task_cost
    return n_rounds * (compute + n_bytes / machine.bandwidth + update + overhead)


def compute_samples(speed, hidden, n_samples):
    """Return the seconds in which a process computes a number of samples."""
    return n_samples * (count_operations(hidden) / speed.rate + speed.sample_cost)


def count_weights(hidden):
    """Return the number of weights of a network for digits of 28 x 28 pixels."""
    return sum(a * b for a, b in pairwise((N_FEATURES, *hidden, N_CLASSES)))


def count_operations(hidden):
    """Return the number of operations per sample."""
    return OPERATIONS_PER_WEIGHT * count_weights(hidden)


def format_time(seconds):
    """Return a duration as text."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


def parse_arguments():
    """Return the Machine that the options describe."""
    parser, machine = make_parser(__doc__), Machine()
    for name, default, unit in (
        ("rate", None, "GFLOP/s per worker; by default the measured ones"),
        ("bandwidth", machine.bandwidth / 1e9, "GB/s per worker"),
        ("latency", machine.latency * 1e3, "milliseconds between two tasks"),
        ("task-cost", machine.task_cost * 1e3, "milliseconds of the scheduler per task"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, metavar="X", help=unit)
    options = parser.parse_args()
    if options.rate:
        machine = replace(
            machine,
            exact=machine.exact._replace(rate=options.rate * 1e9),
            local=machine.local._replace(rate=options.rate * 1e9),
        )
    return replace(
        machine,
        bandwidth=options.bandwidth * 1e9,
        latency=options.latency * 1e-3,
        task_cost=options.task_cost * 1e-3,
    )


if __name__ == "__main__":
    main()
