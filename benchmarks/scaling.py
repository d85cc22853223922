"""Cost model of training on a cluster, and a simulation for larger clusters and datasets.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --rate 100 --bandwidth 12.5 --task-cost 0.5

An epoch consists of steps (exact mode) or rounds (local mode). With n workers, one block per worker, a rate of R
operations per second and worker, and a link with bandwidth B,

    t = max(operations / (n R), bytes / B) + latency + tasks * cost of a task,

where the operations are 6 per weight and sample, and the bytes are those that the worker with the weights sends and
receives: the weights (exact) or the weights and both moments of Adam (local), to n - 1 workers and back. The constants
are those that `cluster.py` measured on two cores; the options replace them.
"""

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

from options import make_parser
from report import print_table

N_FEATURES, N_CLASSES = 784, 10
OPERATIONS_PER_WEIGHT = 6  # a multiplication and an addition in each of three products
BYTES_PER_WEIGHT = 4
# Copies of the weights that are sent: gradients or weights in exact mode; weights and two moments in local mode.
COPIES = {"exact": 1, "local": 3}
# Tasks that wait for each other in a step or round.
STAGES = 2
WORKERS = (8, 64, 512)
SAMPLES = (10**7, 10**8, 10**9, 10**10)
NETWORKS = [(128, 128), (512, 512), (2048, 1024, 512)]


@dataclass(frozen=True)
class Link:
    """Connection of a worker.

    Attributes
    ----------
    bandwidth : float
        Bytes per second.
    latency : float
        Seconds from the end of a task to the beginning of a task that depends on it.
    task_cost : float
        Seconds of the scheduler for a task.
    """

    bandwidth: float
    latency: float
    task_cost: float


@dataclass(frozen=True)
class Machine:
    """Workers, each with one block of the samples.

    Attributes
    ----------
    n_workers : int
    rate : dict of {str: float}
        Operations per second and worker for each mode.
    link : Link
    """

    n_workers: int
    rate: dict
    link: Link


# Measured by cluster.py on two cores of an AMD EPYC processor (Zen 4), in one machine.
LINK = {
    "this machine": Link(bandwidth=0.5e9, latency=6e-3, task_cost=1e-3),
    "10 Gbit/s": Link(bandwidth=1.25e9, latency=6e-3, task_cost=1e-3),
}
MACHINE = Machine(1, {"exact": 60e9, "local": 110e9}, LINK["10 Gbit/s"])
# Operations per second of one machine with two cores and compiled kernels.
SINGLE_RATE = 200e9


def main():
    arguments = parse_arguments()
    link = Link(arguments.bandwidth * 1e9, arguments.latency * 1e-3, arguments.task_cost * 1e-3)
    rate = dict.fromkeys(MACHINE.rate, arguments.rate * 1e9) if arguments.rate else MACHINE.rate
    rates = " and ".join(f"{value / 1e9:g} GFLOP/s ({mode})" for mode, value in rate.items())
    print(
        f"Bandwidth {link.bandwidth / 1e9:g} GB/s, latency {1000 * link.latency:g} ms, "
        f"{1000 * link.task_cost:g} ms per task, {rates} per worker.\n"
        "Time per epoch. exact: batches of 200 and of 10,000 samples; local: 50 steps of 200 samples between two "
        "averages, and one average per epoch.\n"
    )
    for hidden in NETWORKS:
        rows = []
        for n_samples in SAMPLES:
            single = n_samples * count_operations(hidden) / SINGLE_RATE
            rows.append([f"{n_samples:.0e}", "one machine", format_time(single), *[""] * 3, ""])
            for n_workers in WORKERS:
                machine = Machine(n_workers, rate, link)
                times = {
                    name: predict_epoch(machine, hidden, n_samples, case)
                    for name, case in CASES.items()
                }
                best = min(times, key=times.get)
                fastest = best if times[best] < single else "one machine"
                cells = [format_time(seconds) for seconds in times.values()]
                rows.append([f"{n_samples:.0e}", f"{n_workers} workers", *cells, fastest])
        print(f"hidden layers {hidden}, {count_weights(hidden):,} weights\n")
        print_table(["samples", "machines", *CASES, "fastest"], rows)


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
    n, link = machine.n_workers, machine.link
    if case.mode == "exact":
        n_rounds = -(-n_samples // case.batch_size)
    else:
        steps = -(-n_samples // (n * case.batch_size))
        n_rounds = -(-steps // (case.local_steps or steps))
    operations = n_samples / n_rounds * count_operations(hidden)
    n_bytes = 2 * (n - 1) * COPIES[case.mode] * BYTES_PER_WEIGHT * count_weights(hidden)
    compute = operations / (n * machine.rate[case.mode])
    overhead = STAGES * link.latency + (n + 1) * link.task_cost
    return n_rounds * (max(compute, n_bytes / link.bandwidth) + overhead)


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
    parser = make_parser(__doc__)
    link = LINK["10 Gbit/s"]
    for name, default, unit in (
        ("rate", None, "GFLOP/s per worker; by default the measured ones"),
        ("bandwidth", link.bandwidth / 1e9, "GB/s per worker"),
        ("latency", link.latency * 1e3, "milliseconds between two tasks"),
        ("task-cost", link.task_cost * 1e3, "milliseconds of the scheduler per task"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, metavar="X", help=unit)
    return parser.parse_args()


if __name__ == "__main__":
    main()
