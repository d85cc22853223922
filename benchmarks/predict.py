"""Prediction of all training images at once, of one image, from many threads; time and memory.

    python benchmarks/predict.py --rounds 5 --hidden 512,512

Every peer that is installed predicts probabilities with the same network, which it has trained a little: only the shape
matters here. Each sits in a process of its own, and they work in turn; each round begins with another one. Run it on a
machine that does nothing else.
"""

from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter

import numpy as np
import resident
from data import load_data
from options import make_parser, positive
from peers import PEERS, Recipe, make_peer, start_peers
from report import describe_machine, middle, print_table, ratio, spread
from workers import Crew

READING = """\
The samples are in each library's own type of array beforehand; the probabilities come back as a NumPy array.
/ products: the time as a multiple of the matrix products alone, `np.dot(..., out=)` in blocks of 1,024 rows.
skmlp-... / peer: 0.75 says that skmlp takes 0.75 of the peer's time. extra memory: by how much the first prediction of
all samples raises the peak of the process, result included, after one of 1,000 samples."""
RATIOS = ["/ products", "skmlp-numpy / peer", "skmlp-numba / peer"]
FITTED_ROWS = 2_000
WARM_UP_ROWS = 1_000
N_THREADS = 8


class Predictor:
    """A fitted peer and the samples it predicts, in a worker."""

    def __init__(self, key, recipe, rows):
        self._peer = make_peer(key, recipe)
        data = load_data(rows)
        self._X = self._peer.as_input(data.X)
        self._one = self._peer.as_input(data.X[:1])
        few = self._peer.as_input(data.X[:FITTED_ROWS])
        self._peer.fit(few, data.y[:FITTED_ROWS], epochs=1)
        self._peer.predict_proba(self._peer.as_input(data.X[:WARM_UP_ROWS]))
        self._peer.predict_proba(self._one)

    def extra_memory(self):
        """Predict all samples for the first time; give the extra peak in MB."""
        return resident.extra_peak(self._peer.predict_proba, self._X)

    def seconds(self):
        """Predict all samples."""
        start = perf_counter()
        self._peer.predict_proba(self._X)
        return perf_counter() - start

    def latency(self, repetitions):
        """Predict one sample again and again; give the median in microseconds."""
        taken = []
        for _ in range(repetitions):
            start = perf_counter()
            self._peer.predict_proba(self._one)
            taken.append(perf_counter() - start)
        return 1e6 * median(taken)

    def from_threads(self):
        """Predict parts one after another, then all at once, a thread each.

        Gives the two times, and whether the digits are equal.
        """
        parts = np.array_split(self._X, N_THREADS)
        start = perf_counter()
        in_sequence = [self._peer.predict(part) for part in parts]
        between = perf_counter()
        with ThreadPoolExecutor(N_THREADS) as pool:
            at_once = list(pool.map(self._peer.predict, parts))
        end = perf_counter()
        pairs = zip(in_sequence, at_once, strict=True)
        return between - start, end - between, all(np.array_equal(*pair) for pair in pairs)


def main():
    """Measure and print."""
    arguments = parse_arguments()
    recipe = Recipe(arguments.hidden, dtype=arguments.dtype)
    with Crew() as crew:
        start_peers(crew, arguments.only, Predictor, recipe, arguments.rows)
        told = resident.is_told()
        memory = {key: crew.ask(key, "extra_memory") for key in crew.names if told}
        for key in crew.names:
            crew.ask(key, "seconds")
        seconds = crew.rounds(arguments.rounds, "seconds")
        microseconds = crew.rounds(arguments.rounds, "latency", arguments.repetitions)
        own = [key for key in crew.names if key.startswith("skmlp")]
        threads = {key: crew.ask(key, "from_threads") for key in own}
    print_report(arguments, seconds, microseconds, memory, threads)
    for key, reason in crew.left_out.items():
        print(f"{key} was left out: {reason}")


def parse_arguments():
    parser = make_parser(__doc__, hidden=(512, 512))
    parser.add_argument(
        "--repetitions", type=positive, default=500, metavar="N", help="of one sample, each round"
    )
    return parser.parse_args()


def print_report(arguments, seconds, microseconds, memory, threads):
    """Print what was measured, and a table for each of the questions."""
    data = load_data(arguments.rows)
    n_samples, n_features = data.X.shape
    print(
        f"{describe_machine()}\n\n{data.name}, {n_features} features, hidden layers "
        f"{arguments.hidden}, {arguments.dtype}; {arguments.rounds} rounds.\n\n{READING}\n"
    )
    extra = {key: "" if value is None else f"{value:.1f}" for key, value in memory.items()}
    print(f"predict_proba of {n_samples:,} samples, in seconds\n")
    header = ["peer", "", "median", "fastest to slowest", *RATIOS, "extra memory, MB"]
    print_table(header, [[*row(key, seconds, 3), extra.get(key, "")] for key in seconds])
    print("predict_proba of one sample, in microseconds\n")
    header = ["peer", "", "median", "fastest to slowest", *RATIOS]
    print_table(header, [row(key, microseconds, 0) for key in microseconds])
    print(f"predict of the {n_samples:,} samples in {N_THREADS} parts, in seconds\n")
    header = ["peer", "one after another", f"from {N_THREADS} threads at once", "equal"]
    print_table(header, [thread_row(key, *result) for key, result in threads.items() if result])


def row(key, taken, digits):
    return [
        key,
        PEERS[key].title,
        middle(taken[key], digits),
        spread(taken[key], digits),
        ratio(taken[key], taken.get("products")),
        ratio(taken.get("skmlp-numpy"), taken[key]),
        ratio(taken.get("skmlp-numba"), taken[key]),
    ]


def thread_row(key, sequential, at_once, equal):
    return [key, f"{sequential:.3f}", f"{at_once:.3f}", "yes" if equal else "NO"]


if __name__ == "__main__":
    main()
