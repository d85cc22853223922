"""GridSearchCV in one process and in two: whether they fight for the cores, and whether they find the same.

joblib gives each process its part of the cores: on two cores, the products of two processes have one thread each.
BLAS rounds in another way with one thread than with two: scores are compared with those of one process that is held to
one thread.

python benchmarks/grid_search.py --rounds 3
"""

import argparse
import warnings
from time import perf_counter

import numpy as np
from data import load_data
from options import positive
from report import describe_machine, in_turn, middle, print_table, ratio, spread, tell
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from skmlp import MLPDigitClassifier

GRID = {"hidden_layer_sizes": [(64,), (128, 128)], "alpha": [1e-5, 1e-3]}
ONE_THREAD = "1, one thread"
WAYS = [1, 2, ONE_THREAD]
CLASSES = {"skmlp": MLPDigitClassifier, "scikit-learn": MLPClassifier}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=3, metavar="N")
    parser.add_argument("--rows", type=positive, default=10_000, metavar="N")
    parser.add_argument("--epochs", type=positive, default=5, metavar="N")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = load_data(arguments.rows)
    keys = [(name, n_jobs) for name in CLASSES for n_jobs in WAYS]
    seconds, scores = {key: [] for key in keys}, {}
    for number, (name, n_jobs) in in_turn(keys, arguments.rounds + 1):
        taken, scores[name, n_jobs] = search(CLASSES[name], n_jobs, data, arguments.epochs)
        if number:  # the first one starts the processes
            seconds[name, n_jobs].append(taken)
            tell(f"round {number} of {arguments.rounds}: {name}, n_jobs={n_jobs}: {taken:.2f} s")
    print(
        f"{describe_machine()}\n\nGridSearchCV: {len(GRID['alpha']) * len(GRID['hidden_layer_sizes'])} candidates, "
        f"3 folds, {arguments.rows} samples of {data.name}, {arguments.epochs} epochs; seconds\n"
    )
    print_table(
        ["", "n_jobs", "median", "fastest to slowest", "/ n_jobs=1", "scores, to one thread's"],
        [
            [
                name,
                n_jobs,
                middle(seconds[name, n_jobs], 2),
                spread(seconds[name, n_jobs], 2),
                ratio(seconds[name, n_jobs], seconds[name, 1]),
                compare(scores[name, n_jobs], scores[name, ONE_THREAD]),
            ]
            for name, n_jobs in keys
        ],
    )


def search(estimator_class, n_jobs, data, epochs):
    """Search; give the seconds and the score of each candidate in each fold."""
    estimator = estimator_class(max_iter=epochs, random_state=0)
    n_processes = 1 if n_jobs == ONE_THREAD else n_jobs
    grid = GridSearchCV(estimator, GRID, cv=3, n_jobs=n_processes, refit=False)
    with threadpool_limits(1 if n_jobs == ONE_THREAD else None):
        start = perf_counter()
        grid.fit(data.X, data.y)
        seconds = perf_counter() - start
    return seconds, np.array([grid.cv_results_[f"split{fold}_test_score"] for fold in range(3)])


def compare(scores, reference):
    """Say how far scores lie apart."""
    distance = np.abs(scores - reference).max()
    return "identical" if distance == 0 else f"differ by up to {distance:.4f}"


if __name__ == "__main__":
    main()
