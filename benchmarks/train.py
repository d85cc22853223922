"""Seconds per epoch of training: skmlp, its peers, and the matrix products alone.

    python benchmarks/train.py --rounds 5 --epochs 3 --hidden 128,128

Every peer that is installed trains the same network on the same samples: the same sizes of layers and
batches, optimizer, learning rate and type of numbers, new batches every epoch. Each sits in a process
of its own, and they train in turn; each round begins with another one. Run it on a machine that does
nothing else.
"""

from statistics import median
from time import perf_counter

from data import load_data
from options import make_parser, positive
from peers import PEERS, Recipe, make_peer, start_peers
from report import describe_machine, middle, print_table, ratio, spread
from workers import Crew

READING = """\
s/epoch: the time of `fit` divided by its epochs. / products: that time as a multiple of the matrix products alone.
skmlp-... / peer: 0.75 says that skmlp takes 0.75 of the peer's time. start-up: what the first fit takes beyond an epoch
(compiling, loading kernels), without imports. skmlp and scikit-learn also compute the L2 penalty, alpha=1e-4, which
is their default; the others train without one."""
HEADER = [
    "peer",
    "",
    "s/epoch, median",
    "fastest to slowest",
    "/ products",
    "skmlp-numpy / peer",
    "skmlp-numba / peer",
    "test accuracy",
    "start-up, s",
]


class Trainer:
    """A peer and its data, in a worker."""

    def __init__(self, key, recipe, rows):
        self._peer = make_peer(key, recipe)
        data = load_data(rows)
        self._X, self._y = self._peer.as_input(data.X), data.y
        self._X_test, self._y_test = self._peer.as_input(data.X_test), data.y_test

    def seconds_per_epoch(self, epochs):
        """Train from new weights; give the time divided by the epochs."""
        start = perf_counter()
        self._peer.fit(self._X, self._y, epochs)
        return (perf_counter() - start) / epochs

    def accuracy(self):
        """Give the accuracy of the last fit on the test samples."""
        return self._peer.score(self._X_test, self._y_test)


def main():
    """Measure and print."""
    arguments = parse_arguments()
    recipe = Recipe(
        arguments.hidden,
        arguments.batch_size,
        arguments.solver,
        arguments.dtype,
        arguments.dropout,
        arguments.batch_norm,
    )
    with Crew() as crew:
        start_peers(crew, arguments.only, Trainer, recipe, arguments.rows)
        first = {key: crew.ask(key, "seconds_per_epoch", 1) for key in crew.names}
        seconds = crew.rounds(arguments.rounds, "seconds_per_epoch", arguments.epochs)
        accuracy = {key: crew.ask(key, "accuracy") for key in crew.names}
    print_report(arguments, recipe, first, seconds, accuracy, crew.left_out)


def parse_arguments():
    parser = make_parser(__doc__, hidden=(128, 128))
    parser.add_argument("--epochs", type=positive, default=3, metavar="N", help="in each round")
    parser.add_argument("--batch-size", type=positive, default=128, metavar="N")
    parser.add_argument("--solver", choices=["adam", "sgd", "lbfgs"], default="adam")
    parser.add_argument("--dropout", type=float, default=0.0, metavar="RATE")
    parser.add_argument("--batch-norm", action="store_true")
    return parser.parse_args()


def print_report(arguments, recipe, first, seconds, accuracy, left_out):
    """Print what was measured, the table, and who was left out."""
    data = load_data(arguments.rows)
    extras = f" with {' and '.join(sorted(recipe.extras))}" if recipe.extras else ""
    print(
        f"{describe_machine()}\n\n{data.name}, {data.X.shape[0]} x {data.X.shape[1]}, "
        f"hidden layers {recipe.hidden}{extras}, batches of {recipe.batch_size}, {recipe.solver}, "
        f"{recipe.dtype}; {arguments.rounds} rounds of {arguments.epochs} epochs.\n\n{READING}\n"
    )
    print_table(HEADER, [row(key, first, seconds, accuracy) for key in seconds if seconds[key]])
    for key, reason in left_out.items():
        print(f"{key} was left out: {reason}")


def row(key, first, seconds, accuracy):
    taken = seconds[key]
    score = accuracy.get(key)
    return [
        key,
        PEERS[key].title,
        middle(taken),
        spread(taken),
        ratio(taken, seconds.get("products")),
        ratio(seconds.get("skmlp-numpy"), taken),
        ratio(seconds.get("skmlp-numba"), taken),
        "" if score is None else f"{score:.2%}",
        f"{max(first[key] - median(taken), 0):.1f}",
    ]


if __name__ == "__main__":
    main()
