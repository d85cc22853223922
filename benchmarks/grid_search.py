"""Compare GridSearchCV with one process and with two: the time and the scores.

    python benchmarks/grid_search.py --rounds 3

joblib divides the cores among the processes: on two cores, each of two processes uses one BLAS
thread. The rounding errors of BLAS depend on the number of threads. The scores are therefore
compared with those of one process limited to one thread.
"""

import warnings
from time import perf_counter

import numpy as np
from data import load_data
from environment import remove_openblas_variables
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
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from skmlp import MLPDigitClassifier

GRID = {"hidden_layer_sizes": [(64,), (128, 128)], "alpha": [1e-5, 1e-3]}
ONE_THREAD = "1, one thread"
N_JOBS = [1, 2, ONE_THREAD]
ESTIMATORS = {"skmlp": MLPDigitClassifier, "scikit-learn": MLPClassifier}


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = load_data(arguments.samples)
    keys = [(name, n_jobs) for name in ESTIMATORS for n_jobs in N_JOBS]
    times, scores = {key: [] for key in keys}, {}
    for i, (name, n_jobs) in iterate_rounds(keys, arguments.rounds + 1):
        seconds, scores[name, n_jobs] = search(ESTIMATORS[name], n_jobs, data, arguments.epochs)
        if i > 0:  # the first round starts the processes
            times[name, n_jobs].append(seconds)
            print_progress(
                f"round {i} of {arguments.rounds}: {name}, n_jobs={n_jobs}: {seconds:.2f} s"
            )
    n_candidates = len(GRID["alpha"]) * len(GRID["hidden_layer_sizes"])
    print(
        f"{describe_machine()}\n\nGridSearchCV: {n_candidates} candidates, 3 folds, {len(data.X):,} samples, epochs: "
        f"{arguments.epochs}; {data.name}. Times in seconds.\n"
    )
    rows = [
        [
            name,
            n_jobs,
            format_median(times[name, n_jobs], 2),
            format_range(times[name, n_jobs], 2),
            format_ratio(times[name, n_jobs], times[name, 1]),
            compare(scores[name, n_jobs], scores[name, ONE_THREAD]),
        ]
        for name, n_jobs in keys
    ]
    header = ["library", "n_jobs", "median", "range", "/ n_jobs=1", "scores vs. one thread"]
    print_table(header, rows)


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


def search(estimator_class, n_jobs, data, epochs):
    """Run the grid search; return the seconds and the score of each candidate in each fold."""
    estimator = estimator_class(max_iter=epochs, random_state=0)
    n_processes = 1 if n_jobs == ONE_THREAD else n_jobs
    grid = GridSearchCV(estimator, GRID, cv=3, n_jobs=n_processes, refit=False)
    with threadpool_limits(1 if n_jobs == ONE_THREAD else None):
        start = perf_counter()
        grid.fit(data.X, data.y)
        seconds = perf_counter() - start
    return seconds, np.array([grid.cv_results_[f"split{fold}_test_score"] for fold in range(3)])


def compare(scores, reference):
    """Return the largest difference between two sets of scores as text."""
    difference = np.abs(scores - reference).max()
    return "identical" if difference == 0 else f"differ by up to {difference:.4f}"


if __name__ == "__main__":
    remove_openblas_variables()
    main()
