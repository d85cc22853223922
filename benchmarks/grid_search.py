"""Compare GridSearchCV and cross_validate with one process and with two, on the backends of joblib.

    python benchmarks/grid_search.py --rounds 3

joblib and Dask divide the cores among the processes: on two cores, each of two processes uses one
thread of BLAS. In threads of one process, the libraries divide them themselves. The rounding errors
of BLAS depend on the number of threads. The scores are therefore compared with those of one process
limited to one thread. The processor time of all processes shows whether threads wait for each other.
"""

import os
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import psutil
from data import load_data
from environment import remove_openblas_variables
from joblib import parallel_config
from options import add_rounds, make_parser, parse_count
from report import (
    describe_machine,
    format_median,
    format_range,
    format_ratio,
    iterate_rounds,
    print_progress,
    print_table,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from skmlp import MLPDigitClassifier

GRID = {"hidden_layer_sizes": [(64,), (128, 128)], "alpha": [1e-5, 1e-3]}
N_FOLDS = 3
ESTIMATORS = {"skmlp": MLPDigitClassifier, "scikit-learn": MLPClassifier}
ONE_THREAD = "1 process, 1 thread"
# Arguments of joblib.parallel_config.
BACKENDS = {
    "1 process": {"backend": "loky", "n_jobs": 1},
    ONE_THREAD: {"backend": "loky", "n_jobs": 1},
    "loky, 2": {"backend": "loky", "n_jobs": 2},
    "threading, 2": {"backend": "threading", "n_jobs": 2},
    "dask, 2": {"backend": "dask", "n_jobs": 2},
}


@dataclass
class Measurements:
    """Results of the rounds of a case."""

    seconds: list = field(default_factory=list)
    processor_seconds: list = field(default_factory=list)
    scores: np.ndarray | None = None


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    os.environ["PYTHONWARNINGS"] = "ignore"  # for worker processes
    data = load_data(arguments.samples)
    print(
        f"{describe_machine()}\n\n{len(data.X):,} samples, epochs: {arguments.epochs}; {data.name}.\n"
        "Times in seconds; processor: time of all processes.\n"
    )
    with start_dask():
        for title, run, n_fits in (
            (
                "GridSearchCV",
                search,
                N_FOLDS * len(GRID["alpha"]) * len(GRID["hidden_layer_sizes"]),
            ),
            ("cross_validate", validate, 2 * N_FOLDS),
        ):
            measured = measure(title, run, data, arguments)
            print(f"{title}, {n_fits} fits\n")
            header = ["library", "backend", "median", "range", "fits/s", "/ 1 process", "processor"]
            print_table([*header, "scores vs. one thread"], make_rows(measured, n_fits))


def parse_arguments():
    parser = make_parser(__doc__)
    add_rounds(parser, default=3)
    parser.add_argument(
        "--samples",
        type=parse_count,
        default=10_000,
        metavar="N",
        help="number of training samples",
    )
    parser.add_argument(
        "--epochs", type=parse_count, default=5, metavar="N", help="epochs of each fit"
    )
    return parser.parse_args()


def start_dask():
    """Return a context in which two workers of a Dask cluster run, each with one thread."""
    from distributed import Client, LocalCluster

    stack = ExitStack()
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    stack.enter_context(cluster)
    stack.enter_context(Client(cluster))
    return stack


def measure(title, run, data, arguments):
    """Return the Measurements of each library and backend."""
    measured = {(name, backend): Measurements() for name in ESTIMATORS for backend in BACKENDS}
    for i, (name, backend) in iterate_rounds(measured, arguments.rounds + 1):
        estimator = ESTIMATORS[name](max_iter=arguments.epochs, random_state=0)
        case = measured[name, backend]
        processor_start, start = measure_processor_time(), perf_counter()
        with (
            parallel_config(**BACKENDS[backend]),
            threadpool_limits(1 if backend == ONE_THREAD else None),
        ):
            case.scores = run(estimator, data)
        seconds = perf_counter() - start
        if i > 0:  # the first round starts the processes
            case.seconds.append(seconds)
            case.processor_seconds.append(measure_processor_time() - processor_start)
            print_progress(
                f"{title}, round {i} of {arguments.rounds}: {name}, {backend}: {seconds:.2f} s"
            )
    return measured


def measure_processor_time():
    """Return the processor time of this process and its descendants, in seconds."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def search(estimator, data):
    """Run the grid search, and return the score of each candidate in each fold."""
    grid = GridSearchCV(estimator, GRID, cv=N_FOLDS, refit=False).fit(data.X, data.y)
    return np.array([grid.cv_results_[f"split{fold}_test_score"] for fold in range(N_FOLDS)])


def validate(estimator, data):
    """Run cross-validation, and return the score of each fold."""
    return cross_validate(estimator, data.X, data.y, cv=2 * N_FOLDS)["test_score"]


def make_rows(measured, n_fits):
    """Return the rows of the table."""
    return [
        [
            name,
            backend,
            format_median(case.seconds, 2),
            format_range(case.seconds, 2),
            f"{n_fits / np.median(case.seconds):.2f}",
            format_ratio(case.seconds, measured[name, "1 process"].seconds),
            format_median(case.processor_seconds, 1),
            compare(case.scores, measured[name, ONE_THREAD].scores),
        ]
        for (name, backend), case in measured.items()
    ]


def compare(scores, reference):
    """Return the largest difference between two sets of scores as text."""
    difference = np.abs(scores - reference).max()
    return "identical" if difference == 0 else f"differ by up to {difference:.4f}"


if __name__ == "__main__":
    remove_openblas_variables()
    main()
