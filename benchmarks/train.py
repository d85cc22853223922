"""Measure the training time per epoch of skmlp and its peers, of the matrix products alone, and at the machine's peak.

    python benchmarks/train.py --rounds 5 --epochs 3 --hidden 128,128

All installed peers train the same network on the same samples, with the same batch size, optimizer,
learning rate and dtype, and shuffle the samples in every epoch. Each peer runs in its own process.
They train one at a time, and their order rotates from round to round. Run the benchmark on an
otherwise idle machine.
"""

from statistics import median
from time import perf_counter

import numpy as np
from data import load_data
from environment import remove_openblas_variables
from options import make_peer_parser, parse_count
from peers import PEERS, TrainingConfig, make_peer, start_peers
from report import describe_machine, format_median, format_range, format_ratio, print_table
from workers import WorkerGroup

LEGEND = """\
- s/epoch: seconds of `fit` divided by the number of epochs
- peak: as many fused multiply-adds as the matrix products, in registers, on all cores
- / peak: ratio to that time; with --no-zeros, no implementation can beat it
- products: the matrix products alone, by OpenBLAS
- skmlp-... / peer: a value of 0.75 means that skmlp takes 0.75 of the peer's time
- start-up: excess of the first fit over an ordinary epoch (compiling and loading kernels, without imports)

skmlp and scikit-learn also compute the L2 penalty, with the default alpha=1e-4. The other peers use no penalty."""
HEADER = [
    "peer",
    "library",
    "s/epoch, median",
    "range",
    "/ peak",
    "skmlp-numpy / peer",
    "skmlp-numba / peer",
    "test accuracy",
    "start-up, s",
]


class Trainer:
    """A peer and its data, in a worker."""

    def __init__(self, name, config, n_samples, has_zeros=True):
        self._peer = make_peer(name, config)
        data = load_data(n_samples)
        if not has_zeros:
            data = subtract_mean(data)
        self._X, self._y = self._peer.as_input(data.X), data.y
        self._X_test, self._y_test = self._peer.as_input(data.X_test), data.y_test

    def measure_epoch(self, epochs):
        """Train from new weights; return the seconds per epoch."""
        start = perf_counter()
        self._peer.fit(self._X, self._y, epochs)
        return (perf_counter() - start) / epochs

    def evaluate(self):
        """Return the test accuracy after the last fit."""
        return self._peer.score(self._X_test, self._y_test)


def subtract_mean(data):
    """Return a Dataset of which the mean of each feature over the training samples is zero."""
    mean = data.X.mean(axis=0) + np.float32(1e-3)  # pixels that are always zero would stay zero
    return data._replace(X=data.X - mean, X_test=data.X_test - mean)


def main():
    arguments = parse_arguments()
    config = TrainingConfig(
        arguments.hidden,
        arguments.batch_size,
        arguments.solver,
        arguments.dtype,
        arguments.dropout,
        arguments.batch_norm,
    )
    with WorkerGroup() as group:
        start_peers(
            group, arguments.only, Trainer, config, arguments.samples, not arguments.no_zeros
        )
        first = {name: group.call(name, "measure_epoch", 1) for name in group.names}
        times = group.run_rounds(arguments.rounds, "measure_epoch", arguments.epochs)
        accuracy = {name: group.call(name, "evaluate") for name in group.names}
    print_report(arguments, config, first, times, accuracy, group.skipped)


def parse_arguments():
    parser = make_peer_parser(__doc__, hidden=(128, 128))
    parser.add_argument(
        "--epochs", type=parse_count, default=3, metavar="N", help="epochs in each round"
    )
    parser.add_argument(
        "--batch-size", type=parse_count, default=128, metavar="N", help="samples in each batch"
    )
    parser.add_argument(
        "--solver", choices=["adam", "sgd", "lbfgs"], default="adam", help="optimizer"
    )
    parser.add_argument(
        "--dropout", type=float, default=0.0, metavar="RATE", help="dropout rate of hidden units"
    )
    parser.add_argument(
        "--batch-norm", action="store_true", help="apply batch normalization to the hidden layers"
    )
    parser.add_argument(
        "--no-zeros",
        action="store_true",
        help="subtract the mean from each feature, so that no products can be skipped",
    )
    return parser.parse_args()


def print_report(arguments, config, first, times, accuracy, skipped):
    """Print the settings, the table and the skipped peers."""
    data = load_data(arguments.samples)
    features = " and ".join(sorted(config.optional_features))
    print(
        f"{describe_machine()}\n\n{data.name}{' without zeros' if arguments.no_zeros else ''}, "
        f"{data.X.shape[0]:,} samples, {data.X.shape[1]} features; "
        f"hidden layers {config.hidden}{f' with {features}' if features else ''}, "
        f"batches of {config.batch_size}, {config.solver}, {config.dtype}; "
        f"rounds: {arguments.rounds}, epochs per round: {arguments.epochs}.\n\n{LEGEND}\n"
    )
    print_table(HEADER, [make_row(name, first, times, accuracy) for name in times if times[name]])
    for name, reason in skipped.items():
        print(f"{name} was skipped: {reason}")


def make_row(name, first, times, accuracy):
    values = times[name]
    score = accuracy.get(name)
    return [
        name,
        PEERS[name].title,
        format_median(values),
        format_range(values),
        format_ratio(values, times.get("peak")),
        format_ratio(times.get("skmlp-numpy"), values),
        format_ratio(times.get("skmlp-numba"), values),
        "" if score is None else f"{score:.2%}",
        f"{max(first[name] - median(values), 0):.1f}",
    ]


if __name__ == "__main__":
    remove_openblas_variables()
    main()
