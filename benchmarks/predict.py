"""Measure prediction: throughput, latency of a single image, memory, and concurrent threads.

    python benchmarks/predict.py --rounds 5 --hidden 512,512

All installed peers predict probabilities with the same network. It is trained for one epoch on a
few samples only, because the speed depends on its shape, not on its weights. Each peer runs in its
own process. They predict one at a time, and their order rotates from round to round. Run the
benchmark on an otherwise idle machine.
"""

from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

import numpy as np
import process_memory
from data import load_data
from environment import remove_openblas_variables
from options import make_peer_parser, parse_count
from peers import PEERS, PREDICTION_BATCH_SIZE, TrainingConfig, make_peer, start_peers
from report import describe_machine, format_median, format_range, format_ratio, print_table
from workers import WorkerGroup

N_TRAINING_SAMPLES = 2_000
N_WARM_UP_SAMPLES = 1_000
N_THREADS = 8
RATIOS = ["skmlp-numpy / peer", "skmlp-numba / peer"]
LEGEND = f"""\
The input is an array of the library's own type, the output is a NumPy array.

- peak: as many fused multiply-adds as the matrix products, in registers, on all cores
- / peak: ratio to that time; compiled kernels skip the products with zeros
- products: the matrix products alone, by OpenBLAS, in blocks of {PREDICTION_BATCH_SIZE:,} samples
- skmlp-... / peer: a value of 0.75 means that skmlp takes 0.75 of the peer's time
- extra memory: increase of the peak memory of the process during the first prediction of all samples, including the
  result, after a prediction of {N_WARM_UP_SAMPLES:,} samples"""


class Predictor:
    """A fitted peer and samples to predict, in a worker."""

    def __init__(self, name, config, n_samples):
        self._peer = make_peer(name, config)
        data = load_data(n_samples)
        self._X = self._peer.as_input(data.X)
        self._one_sample = self._peer.as_input(data.X[:1])
        X_train = self._peer.as_input(data.X[:N_TRAINING_SAMPLES])
        self._peer.fit(X_train, data.y[:N_TRAINING_SAMPLES], epochs=1)
        self._peer.predict_proba(self._peer.as_input(data.X[:N_WARM_UP_SAMPLES]))
        self._peer.predict_proba(self._one_sample)

    def measure_memory(self):
        """Predict all samples for the first time; return the increase of the peak memory in MB."""
        return process_memory.measure_extra_peak(self._peer.predict_proba, self._X)

    def measure_time(self):
        """Predict all samples; return the seconds."""
        start = perf_counter()
        self._peer.predict_proba(self._X)
        return perf_counter() - start

    def measure_latency(self, n_repetitions):
        """Predict one sample repeatedly; return the median in microseconds, or None for the peak of the machine."""
        if not self._peer.predicts:
            return None
        times = []
        for _ in range(n_repetitions):
            start = perf_counter()
            self._peer.predict_proba(self._one_sample)
            times.append(perf_counter() - start)
        return 1e6 * median(times)

    def measure_threads(self):
        """Predict parts of the samples sequentially, then each part in its own thread.

        Return the two times, and whether the predictions are equal.
        """
        parts = np.array_split(self._X, N_THREADS)
        start = perf_counter()
        sequential = [self._peer.predict(part) for part in parts]
        middle = perf_counter()
        with ThreadPoolExecutor(N_THREADS) as pool:
            concurrent = list(pool.map(self._peer.predict, parts))
        end = perf_counter()
        pairs = zip(sequential, concurrent, strict=True)
        return middle - start, end - middle, all(np.array_equal(*pair) for pair in pairs)


def main():
    arguments = parse_arguments()
    config = TrainingConfig(arguments.hidden, dtype=arguments.dtype)
    with WorkerGroup() as group:
        start_peers(group, arguments.only, Predictor, config, arguments.samples)
        memory = {}
        if process_memory.is_available():
            memory = {name: group.call(name, "measure_memory") for name in group.names}
        for name in group.names:
            group.call(name, "measure_time")
        times = group.run_rounds(arguments.rounds, "measure_time")
        latencies = group.run_rounds(arguments.rounds, "measure_latency", arguments.repetitions)
        skmlp_names = [name for name in group.names if name.startswith("skmlp")]
        threads = {name: group.call(name, "measure_threads") for name in skmlp_names}
    print_report(arguments, times, latencies, memory, threads)
    for name, reason in group.skipped.items():
        print(f"{name} was skipped: {reason}")


def parse_arguments():
    parser = make_peer_parser(__doc__, hidden=(512, 512))
    parser.add_argument(
        "--repetitions",
        type=parse_count,
        default=500,
        metavar="N",
        help="predictions of one sample in each round",
    )
    return parser.parse_args()


def print_report(arguments, times, latencies, memory, threads):
    """Print the settings, and a table for each measurement."""
    data = load_data(arguments.samples)
    n_samples, n_features = data.X.shape
    print(
        f"{describe_machine()}\n\n{data.name}, {n_features} features, hidden layers "
        f"{arguments.hidden}, {arguments.dtype}; rounds: {arguments.rounds}.\n\n{LEGEND}\n"
    )
    extra = {name: "" if value is None else f"{value:.1f}" for name, value in memory.items()}
    print(f"predict_proba of {n_samples:,} samples, in seconds\n")
    header = ["peer", "library", "median", "range", *RATIOS, "/ peak", "extra memory, MB"]
    peak = times.get("peak")
    rows = [
        [*make_row(name, times, 3), format_ratio(times[name], peak), extra.get(name, "")]
        for name in times
    ]
    print_table(header, rows)
    print("predict_proba of one sample, in microseconds\n")
    header = ["peer", "library", "median", "range", *RATIOS]
    print_table(header, [make_row(name, latencies, 0) for name in latencies if latencies[name]])
    print(f"predict of {n_samples:,} samples in {N_THREADS} parts, in seconds\n")
    header = ["peer", "sequential", f"{N_THREADS} concurrent threads", "equal"]
    rows = [make_thread_row(name, *result) for name, result in threads.items() if result]
    print_table(header, rows)


def make_row(name, times, digits):
    return [
        name,
        PEERS[name].title,
        format_median(times[name], digits),
        format_range(times[name], digits),
        format_ratio(times.get("skmlp-numpy"), times[name]),
        format_ratio(times.get("skmlp-numba"), times[name]),
    ]


def make_thread_row(name, sequential, concurrent, equal):
    return [name, f"{sequential:.3f}", f"{concurrent:.3f}", "yes" if equal else "NO"]


if __name__ == "__main__":
    remove_openblas_variables()
    main()
