"""Measure cold starts: time to an accurate network, import times, and a very small fit.

    python benchmarks/cold_start.py --rounds 5 --import-rounds 20

The first two parts start a new Python process for each measurement. The order of the peers rotates
from round to round. An untimed first round fills the file cache of the operating system. Run the
benchmark on an otherwise idle machine.
"""

import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from data import find_mnist
from environment import remove_openblas_variables
from options import add_rounds, make_parser, parse_count, parse_names
from peers import KERAS_BACKEND, PEERS, TrainingConfig
from report import (
    describe_machine,
    format_median,
    format_range,
    format_ratio,
    iterate_rounds,
    print_progress,
    print_table,
)

TARGET_ACCURACY = 0.975
SCRIPT = Path(__file__).with_name("cold_start_script.py")
TRAINED_PEERS = [name for name in PEERS if name not in ("peak", "products", "sklearn-float64")]
ONLY_PYTHON = "python"
IMPORTS = {
    ONLY_PYTHON: "pass",
    "numpy": "import numpy",
    "skmlp": "import skmlp",
    "skmlp.MLPDigitClassifier": "from skmlp import MLPDigitClassifier",
    "sklearn.neural_network": "import sklearn.neural_network",
    "torch": "import torch",
    "jax": "import jax",
    "keras": "import keras",
    "skorch": "import skorch",
}


class ProcessError(Exception):
    """A Python process failed. The message is the last line of its error output."""


def main():
    arguments = parse_arguments()
    print(f"{describe_machine()}\n")
    measure_training(arguments)
    measure_imports(arguments.import_rounds)
    measure_small_fit(arguments.small_rounds)


def parse_arguments():
    parser = make_parser(__doc__)
    add_rounds(parser, default=5)
    parser.add_argument(
        "--import-rounds", type=parse_count, default=20, metavar="N", help="rounds of imports"
    )
    parser.add_argument(
        "--small-rounds", type=parse_count, default=20, metavar="N", help="rounds of the small fit"
    )
    parser.add_argument(
        "--hidden", type=parse_count, default=256, metavar="N", help="size of the hidden layer"
    )
    parser.add_argument(
        "--epochs",
        type=parse_count,
        default=3,
        metavar="N",
        help="epochs with the one-cycle schedule",
    )
    parser.add_argument(
        "--peak-rate",
        type=float,
        default=0.01,
        metavar="RATE",
        help="peak learning rate of the one-cycle schedule",
    )
    parser.add_argument(
        "--constant-epochs",
        type=parse_count,
        default=6,
        metavar="N",
        help="epochs of the peers without a one-cycle schedule",
    )
    parser.add_argument(
        "--only",
        type=parse_trained_peers,
        default=TRAINED_PEERS,
        metavar="NAMES",
        help=f"peers to measure, separated by commas: {', '.join(TRAINED_PEERS)}",
    )
    return parser.parse_args()


def parse_trained_peers(text):
    return parse_names(text, TRAINED_PEERS)


def measure_training(arguments):
    """Measure the time from the start of Python to a network with the target accuracy."""
    directory = find_mnist()
    if directory is None:
        print("Training was skipped: it requires MNIST. Set SKMLP_MNIST to its directory.\n")
        return
    print(
        "Seconds from the start of Python to the test accuracy of a network trained on MNIST\n\n"
        f"- {arguments.hidden} hidden units, batches of 128, Adam, float32\n"
        f"- learning rate: one cycle with a peak of {arguments.peak_rate:g}; peers without this schedule: "
        f"constant, {TrainingConfig.LEARNING_RATE:g}\n"
        f"- target accuracy: {TARGET_ACCURACY:.1%}\n"
    )
    accuracies = {}

    def run(name):
        command = [SCRIPT, directory, name, arguments.hidden, n_epochs(name, arguments)]
        if PEERS[name].supports_one_cycle:
            command.append(arguments.peak_rate)
        seconds, output = run_python(map(str, command), PEERS[name].environment)
        accuracies.setdefault(name, []).append(float(output))
        return seconds

    available = [name for name in arguments.only if is_available(name)]
    times = measure_rounds(available, arguments.rounds, run)
    header = ["peer", "library", "epochs", "median", "range", "skmlp-numpy / peer"]
    header += ["skmlp-numba / peer", "test accuracy", "target"]
    rows = [make_row(name, n_epochs(name, arguments), times, accuracies[name]) for name in times]
    print_table(header, rows)


def n_epochs(name, arguments):
    """Return the number of epochs that a peer trains."""
    return arguments.epochs if PEERS[name].supports_one_cycle else arguments.constant_epochs


def is_available(name):
    """Return whether a peer can be measured, and print the reason if it cannot."""
    reason = PEERS[name].reason_to_skip(TrainingConfig())
    if reason:
        print(f"{name} was skipped: {reason}\n")
    return reason is None


def make_row(name, epochs, times, accuracies):
    return [
        name,
        PEERS[name].title,
        epochs,
        format_median(times[name], 2),
        format_range(times[name], 2),
        format_ratio(times.get("skmlp-numpy"), times[name]),
        format_ratio(times.get("skmlp-numba"), times[name]),
        f"{median(accuracies):.2%}",
        "reached" if min(accuracies) >= TARGET_ACCURACY else "MISSED",
    ]


def measure_imports(n_rounds):
    """Measure import times, minus the time that Python takes to start."""
    installed = {name: code for name, code in IMPORTS.items() if is_installed(name)}

    def run(name):
        return run_python(["-c", installed[name]], {"KERAS_BACKEND": KERAS_BACKEND})[0]

    times = measure_rounds(list(installed), n_rounds, run)
    baseline = median(times.pop(ONLY_PYTHON))
    print(
        "Import times in milliseconds, minus the start of Python, which takes "
        f"{1e3 * baseline:.0f} ms\n"
    )
    rows = []
    for name, seconds in times.items():
        milliseconds = [1e3 * (value - baseline) for value in seconds]
        rows.append(
            [installed[name], format_median(milliseconds, 0), format_range(milliseconds, 0)]
        )
    print_table(["statement", "median", "range"], rows)


def is_installed(name):
    library = name.partition(".")[0]
    return name == ONLY_PYTHON or find_spec(library) is not None


def measure_small_fit(n_rounds):
    """Measure fits on 100 samples with 20 features and default parameters, in this process."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    from skmlp import MLPDigitClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 20)), rng.integers(0, 2, 100)
    estimators = {"skmlp": MLPDigitClassifier, "scikit-learn": MLPClassifier}
    epochs = {}

    def run(name):
        start = perf_counter()
        epochs[name] = estimators[name](random_state=0).fit(X, y).n_iter_
        return 1e3 * (perf_counter() - start)

    times = measure_rounds(list(estimators), n_rounds, run)
    print("fit on 100 samples with 20 features and default parameters, in milliseconds\n")
    print_table(
        ["library", "median", "range", "skmlp / library", "epochs"],
        [
            [
                name,
                format_median(values, 1),
                format_range(values, 1),
                format_ratio(times["skmlp"], values),
                epochs[name],
            ]
            for name, values in times.items()
        ],
    )


def measure_rounds(names, n_rounds, run):
    """Run each name once untimed and then once per round; return the results of those that did not fail."""
    results, failed = {name: [] for name in names}, set()
    for i, name in iterate_rounds(names, n_rounds + 1):
        if name in failed:
            continue
        try:
            result = run(name)
        except ProcessError as error:
            print(f"{name} was skipped: {error}\n")
            failed.add(name)
            continue
        if i > 0:
            results[name].append(result)
            print_progress(f"round {i} of {n_rounds}: {name}: {result:.3f}")
    return {name: values for name, values in results.items() if name not in failed}


def run_python(arguments, environment):
    """Run Python in a new process; return the seconds and the output."""
    start = perf_counter()
    process = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    seconds = perf_counter() - start
    if process.returncode:
        raise ProcessError((process.stderr.strip().splitlines() or ["no message"])[-1])
    return seconds, process.stdout


if __name__ == "__main__":
    remove_openblas_variables()
    main()
