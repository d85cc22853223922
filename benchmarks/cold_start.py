"""From the start of Python to a network that is good, to a library that is imported, and a very small fit.

    python benchmarks/cold_start.py --rounds 5 --import-rounds 20

Everything but the small fit runs in a fresh Python each time, in turn; each round begins with another peer. The files
are in the system's cache: a first round warms it up and does not count. Run it on a machine that does nothing else.
"""

import argparse
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from data import mnist_directory
from options import peers, positive
from peers import KERAS_BACKEND, PEERS, Recipe
from report import describe_machine, in_turn, middle, print_table, ratio, spread, tell

GOAL = 0.975
FROM_COLD = Path(__file__).with_name("from_cold.py")
NETWORKS = [key for key in PEERS if key not in ("products", "sklearn-float64")]
IMPORTS = {
    "python alone": "pass",
    "numpy": "import numpy",
    "skmlp": "import skmlp",
    "skmlp.MLPDigitClassifier": "from skmlp import MLPDigitClassifier",
    "sklearn.neural_network": "import sklearn.neural_network",
    "torch": "import torch",
    "jax": "import jax",
    "keras": "import keras",
    "skorch": "import skorch",
}


class RunError(Exception):
    """A fresh Python ended with an error; the message is its last line."""


def main():
    """Measure and print."""
    arguments = parse_arguments()
    print(f"{describe_machine()}\n")
    measure_networks(arguments)
    measure_imports(arguments.import_rounds)
    measure_small_fit(arguments.small_rounds)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="of networks")
    parser.add_argument("--import-rounds", type=positive, default=20, metavar="N")
    parser.add_argument("--small-rounds", type=positive, default=20, metavar="N")
    parser.add_argument("--hidden", type=positive, default=256, metavar="N")
    parser.add_argument("--epochs", type=positive, default=3, metavar="N", help="of one cycle")
    parser.add_argument(
        "--peak-rate", type=float, default=0.01, metavar="RATE", help="of one cycle"
    )
    parser.add_argument(
        "--constant-epochs",
        type=positive,
        default=6,
        metavar="N",
        help="of those that have no schedule of the learning rate",
    )
    parser.add_argument(
        "--only", type=peers, default=NETWORKS, metavar="NAMES", help=f"of {', '.join(NETWORKS)}"
    )
    return parser.parse_args()


def measure_networks(arguments):
    """Time the way from the start of Python to a network of the accuracy that is the goal."""
    directory = mnist_directory()
    if directory is None:
        print("The way to a good network was left out: it needs MNIST, in $SKMLP_MNIST.\n")
        return
    print(
        "From the start of Python to a network's test accuracy, in seconds: "
        f"{arguments.hidden} hidden units, batches of 128, Adam, float32; {arguments.epochs} epochs of "
        f"MNIST with one cycle of the learning rate, up to {arguments.peak_rate:g}, and "
        f"{arguments.constant_epochs} at {Recipe.LEARNING_RATE:g} for those that have no such schedule; "
        f"the goal is {GOAL:.1%} of the test images\n"
    )
    accuracies = {}

    def run(key):
        command = [FROM_COLD, directory, key, arguments.hidden, epochs_of(key, arguments)]
        if PEERS[key].has_schedule:
            command.append(arguments.peak_rate)
        seconds, output = run_python(map(str, command), PEERS[key].environment)
        accuracies.setdefault(key, []).append(float(output))
        return seconds

    able = [key for key in arguments.only if can_run(key)]
    seconds = measure_in_turn(able, arguments.rounds, run)
    header = ["peer", "", "epochs", "median", "fastest to slowest", "skmlp-numpy / peer"]
    header += ["skmlp-numba / peer", "test accuracy", "goal"]
    rows = [
        network_row(key, epochs_of(key, arguments), seconds, accuracies[key]) for key in seconds
    ]
    print_table(header, rows)


def epochs_of(key, arguments):
    """Give the number of epochs that a peer trains."""
    return arguments.epochs if PEERS[key].has_schedule else arguments.constant_epochs


def can_run(key):
    """Tell whether a peer is installed, and name it where it is not."""
    reason = PEERS[key].reason_to_skip(Recipe())
    if reason:
        print(f"{key} was left out: {reason}\n")
    return reason is None


def network_row(key, epochs, seconds, accuracies):
    return [
        key,
        PEERS[key].title,
        epochs,
        middle(seconds[key], 2),
        spread(seconds[key], 2),
        ratio(seconds.get("skmlp-numpy"), seconds[key]),
        ratio(seconds.get("skmlp-numba"), seconds[key]),
        f"{median(accuracies):.2%}",
        "reached" if min(accuracies) >= GOAL else "MISSED",
    ]


def measure_imports(rounds):
    """Time imports, beyond what Python alone takes."""
    installed = {name: code for name, code in IMPORTS.items() if is_installed(name)}

    def run(name):
        return run_python(["-c", installed[name]], {"KERAS_BACKEND": KERAS_BACKEND})[0]

    seconds = measure_in_turn(list(installed), rounds, run)
    bare = median(seconds["python alone"])
    print(f"Importing, in milliseconds, without the {1e3 * bare:.0f} of Python alone\n")
    rows = []
    for name, taken in seconds.items():
        beyond = [1e3 * (second - bare) for second in taken]
        rows.append([installed[name], middle(beyond, 0), spread(beyond, 0)])
    print_table(["", "median", "fastest to slowest"], rows[1:])


def is_installed(name):
    library = name.partition(".")[0]
    return name == "python alone" or find_spec(library) is not None


def measure_small_fit(rounds):
    """Time fits of 100 samples with 20 features, default parameters, in this process."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    from skmlp import MLPDigitClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 20)), rng.integers(0, 2, 100)
    classes = {"skmlp": MLPDigitClassifier, "scikit-learn": MLPClassifier}
    epochs = {}

    def run(name):
        start = perf_counter()
        epochs[name] = classes[name](random_state=0).fit(X, y).n_iter_
        return 1e3 * (perf_counter() - start)

    taken = measure_in_turn(list(classes), rounds, run)
    print("fit of 100 samples with 20 features, default parameters, in milliseconds\n")
    print_table(
        ["", "median", "fastest to slowest", "skmlp / it", "epochs"],
        [
            [name, middle(ms, 1), spread(ms, 1), ratio(taken["skmlp"], ms), epochs[name]]
            for name, ms in taken.items()
        ],
    )


def measure_in_turn(names, rounds, run):
    """Run each name once untimed, then once a round; give the results of those that never failed."""
    results, failed = {name: [] for name in names}, set()
    for number, name in in_turn(names, rounds + 1):
        if name in failed:
            continue
        try:
            result = run(name)
        except RunError as error:
            print(f"{name} was left out: {error}\n")
            failed.add(name)
            continue
        if number > 0:
            results[name].append(result)
            tell(f"round {number} of {rounds}: {name}: {result:.3f}")
    return {name: taken for name, taken in results.items() if name not in failed}


def run_python(arguments, environment):
    """Run a fresh Python; give its seconds and what it printed."""
    start = perf_counter()
    ended = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    seconds = perf_counter() - start
    if ended.returncode:
        raise RunError((ended.stderr.strip().splitlines() or ["no message"])[-1])
    return seconds, ended.stdout


if __name__ == "__main__":
    main()
