"""The options of `skmlp train`."""

from skmlp.cli.arguments import (
    fraction,
    hidden_sizes,
    number_between,
    number_from_zero,
    positive_number,
    whole_number,
)
from skmlp.cli.data import add_data_option, add_seed_option

# Chosen so that `skmlp train` passes 97 % on the bundled digits, whatever the seed, in seconds.
HIDDEN = (256,)
EPOCHS = {"bundled": 30, "idx": 20}
BATCH_SIZE = {"bundled": 32, "idx": 128}
VALIDATION_SHARE = 0.1

SOLVERS_OF_OPTION = {
    "learning_rate": ("sgd", "adam"),
    "schedule": ("sgd",),
    "momentum": ("sgd",),
    "batch_size": ("sgd", "adam"),
    "early_stopping": ("sgd", "adam"),
}


def add_options(parser):
    """Add the options, in groups."""
    _add_data_options(parser.add_argument_group("data"))
    _add_network_options(parser.add_argument_group("network"))
    _add_training_options(parser.add_argument_group("training"))
    _add_output_options(parser.add_argument_group("output"))


def refuse_idle_options(arguments):
    """Refuse options that would have no effect, rather than let them pass for obeyed."""
    for name, solvers in SOLVERS_OF_OPTION.items():
        if getattr(arguments, name) is not None and arguments.solver not in solvers:
            option = "--" + name.replace("_", "-")
            arguments.usage_error(
                f"{option} has no effect with --solver {arguments.solver}: "
                f"leave it out or choose --solver {' or '.join(solvers)}"
            )
    if arguments.patience is not None and not arguments.early_stopping:
        arguments.usage_error("--patience has no effect without --early-stopping: add it")


def _add_data_options(group):
    add_data_option(group, "what to learn")
    group.add_argument(
        "--validation",
        type=fraction(),
        metavar="FRACTION",
        help="hold out this part of the training set, stratified, and watch it instead of the "
        "test set, which is then looked at once, at the end "
        f"(default: none; {VALIDATION_SHARE} with --early-stopping)",
    )


def _add_network_options(group):
    group.add_argument(
        "--hidden",
        type=hidden_sizes,
        default=HIDDEN,
        metavar="SIZES",
        help="units of each hidden layer, such as 256,128; none for softmax regression "
        f"(default: {','.join(map(str, HIDDEN))})",
    )
    group.add_argument(
        "--activation",
        choices=("identity", "logistic", "tanh", "relu"),
        default="relu",
        help="what follows each hidden layer: %(choices)s (default: %(default)s)",
        metavar="NAME",
    )


def _add_training_options(group):
    group.add_argument(
        "--solver",
        choices=("adam", "sgd", "lbfgs"),
        default="adam",
        metavar="NAME",
        help="%(choices)s (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate",
        type=positive_number(),
        metavar="RATE",
        help="the first learning rate of adam or sgd (default: 0.001)",
    )
    group.add_argument(
        "--schedule",
        choices=("constant", "invscaling", "adaptive"),
        metavar="NAME",
        help="how sgd lowers the learning rate: %(choices)s (default: constant)",
    )
    group.add_argument(
        "--momentum",
        type=number_between(0, 1),
        metavar="M",
        help="momentum of sgd, from 0 to 1 (default: 0.9)",
    )
    group.add_argument(
        "--batch-size",
        type=whole_number(1),
        metavar="N",
        help="images a step of adam or sgd "
        f"(default: {BATCH_SIZE['idx']}; {BATCH_SIZE['bundled']} for the bundled digits)",
    )
    group.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="passes over the training set, or iterations of lbfgs, at most: training ends "
        "before when the loss no longer falls "
        f"(default: {EPOCHS['idx']}; {EPOCHS['bundled']} for the bundled digits)",
    )
    group.add_argument(
        "--alpha",
        type=number_from_zero(),
        metavar="A",
        help="strength of the L2 penalty on the weights (default: 0.0001)",
    )
    group.add_argument(
        "--early-stopping",
        action="store_true",
        default=None,
        help="stop when the accuracy on the validation set no longer rises, and keep the best "
        "weights",
    )
    group.add_argument(
        "--patience",
        type=whole_number(1),
        metavar="N",
        help="epochs that --early-stopping waits for the accuracy to rise (default: 10)",
    )
    add_seed_option(group, 0, "of all that is random: splits, first weights, shuffles (default: 0)")


def _add_output_options(group):
    group.add_argument(
        "--out",
        default="skmlp-run",
        metavar="DIR",
        help="the directory to write into; made where missing, an earlier run's three files are "
        "replaced (default: %(default)s)",
    )
    group.add_argument(
        "--quiet", action="store_true", help="print nothing but the final test accuracy"
    )
