"""Seconds per epoch of skmlp, scikit-learn's MLPClassifier, and the matrix products alone.

    python benchmarks/train.py --rounds 3 --epochs 3 --hidden 128,128

The peers train in turn, in one process, with the same seed and so the same initial weights and
batches; each round begins with another peer. The data are MNIST, in $SKMLP_MNIST or in shared/mnist
beside the checkout, and else noise of the same shape. Run it on a machine that does nothing else.
"""

import argparse
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_info

import skmlp

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "mnist"
PIXEL_SCALE = np.float32(1 / 255)


@dataclass(frozen=True)
class Task:
    """What every peer trains, and on what; the data are float32 from 0 to 1."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    hidden: tuple[int, ...]
    batch_size: int
    epochs: int


@dataclass(frozen=True)
class Peer:
    """A name, and a function that trains once: Task -> seconds per epoch, test accuracy or None."""

    name: str
    train: Callable


def estimator_peer(name, estimator_class, dtype):
    """Make a peer of a class with the parameters of MLPClassifier, on data of a type."""

    def train(task):
        X, X_test = task.X.astype(dtype, copy=False), task.X_test.astype(dtype, copy=False)
        estimator = estimator_class(
            task.hidden, batch_size=task.batch_size, max_iter=task.epochs, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            start = perf_counter()
            estimator.fit(X, task.y)
            seconds = perf_counter() - start
        return seconds / estimator.n_iter_, estimator.score(X_test, task.y_test)

    return Peer(name, train)


def products_peer(name, dtype):
    """Make a peer that only multiplies: the three products of each layer and batch, into buffers."""

    def train(task):
        sizes = (task.X.shape[1], *task.hidden, len(np.unique(task.y)))
        n_full, n_last = divmod(len(task.X), task.batch_size)
        full = step_of_products(sizes, task.batch_size, dtype)
        last = step_of_products(sizes, n_last, dtype)
        start = perf_counter()
        for _ in range(task.epochs):
            for _ in range(n_full):
                full()
            if n_last:
                last()
        return (perf_counter() - start) / task.epochs, None

    return Peer(name, train)


def step_of_products(sizes, batch_size, dtype):
    """Give a function that computes the products of one training step."""
    rng = np.random.default_rng(0)

    def matrix(*shape):
        return rng.standard_normal(shape).astype(dtype)

    # Feature-major: activations (units, batch), weights (out, in).
    activations = [matrix(size, batch_size) for size in sizes]
    deltas = [matrix(size, batch_size) for size in sizes]
    weights = [matrix(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
    gradients = [np.empty_like(weight) for weight in weights]

    def step():
        for i, weight in enumerate(weights):
            np.dot(weight, activations[i], out=activations[i + 1])
        for i in reversed(range(len(weights))):
            np.dot(deltas[i + 1], activations[i].T, out=gradients[i])
            if i > 0:
                np.dot(weights[i].T, deltas[i + 1], out=deltas[i])

    return step


PEERS = (
    products_peer("the matrix products alone, float32", np.float32),
    estimator_peer("skmlp, float32", skmlp.MLPDigitClassifier, np.float32),
    estimator_peer("scikit-learn, float32", MLPClassifier, np.float32),
    products_peer("the matrix products alone, float64", np.float64),
    estimator_peer("skmlp, float64", skmlp.MLPDigitClassifier, np.float64),
    estimator_peer("scikit-learn, float64", MLPClassifier, np.float64),
)
UNIT = "skmlp, float32"


def load_data():
    """Give MNIST where it is there, else noise of the same shape, with a name for it."""
    directory = Path(os.environ.get("SKMLP_MNIST", BESIDE_THE_CHECKOUT))
    if directory.is_dir():
        X, y = skmlp.load_mnist(directory, return_X_y=True)
        X_test, y_test = skmlp.load_mnist(directory, subset="test", return_X_y=True)
        return "MNIST", (X * PIXEL_SCALE, y, X_test * PIXEL_SCALE, y_test)
    rng = np.random.default_rng(0)
    prototypes = rng.random((10, 784), dtype=np.float32)
    y, y_test = rng.integers(0, 10, 60_000), rng.integers(0, 10, 10_000)
    X, X_test = (
        (prototypes[labels] + rng.random((len(labels), 784), dtype=np.float32)) / 2
        for labels in (y, y_test)
    )
    return "noise of MNIST's shape", (X, y, X_test, y_test)


def measure(task, peers, rounds):
    """Train each peer once a round; give the seconds and the last accuracy of each."""
    seconds = {peer.name: [] for peer in peers}
    accuracy = {}
    for number in range(rounds):
        first = number % len(peers)
        for peer in peers[first:] + peers[:first]:
            taken, accuracy[peer.name] = peer.train(task)
            seconds[peer.name].append(taken)
            print(f"round {number + 1}: {peer.name}: {taken:.3f} s", file=sys.stderr)
    return seconds, accuracy


def print_table(seconds, accuracy):
    """Print the medians, what lies around them, and how they compare."""
    unit = statistics.median(seconds[UNIT])
    print("| | s/epoch, median | fastest to slowest | ratio | test accuracy |")
    print("|---|---|---|---|---|")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        score = "" if accuracy[name] is None else f"{100 * accuracy[name]:.2f} %"
        spread = f"{min(taken):.3f} to {max(taken):.3f}"
        print(f"| {name} | {median:.3f} | {spread} | {median / unit:.2f} | {score} |")


def describe_machine():
    """Tell what was measured on, and with which versions."""
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    libraries = {
        f"{p['internal_api']} {p['version']}, {p.get('architecture')}, {p['num_threads']} threads"
        for p in blas
    }
    return (
        f"{os.cpu_count()} cores, {'; '.join(sorted(libraries))}\n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}, skmlp {skmlp.__version__}"
    )


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    parser.add_argument("--hidden", default="128,128", metavar="SIZES")
    parser.add_argument("--batch-size", type=int, default=128, metavar="N")
    arguments = parser.parse_args()

    name, data = load_data()
    hidden = tuple(int(size) for size in arguments.hidden.split(","))
    task = Task(*data, hidden, arguments.batch_size, arguments.epochs)
    print(
        f"{name}, {len(task.X)} x {task.X.shape[1]}, hidden layers {arguments.hidden}, batches of "
        f"{task.batch_size}, Adam; {arguments.rounds} rounds of {task.epochs} epochs\n"
        f"{describe_machine()}\n"
    )
    print_table(*measure(task, PEERS, arguments.rounds))


if __name__ == "__main__":
    main()
