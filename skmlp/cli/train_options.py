"""The options of `skmlp train`."""

from skmlp.cli.arguments import (
    fraction,
    hidden_sizes,
    names_among,
    number_between,
    number_from_zero,
    positive_number,
    share,
    shares,
    whole_number,
)
from skmlp.cli.data import add_data_option, add_seed_option

# Chosen so that `skmlp train` passes 97 % on the bundled digits, whatever the seed, in seconds.
DEFAULTS = {
    "hidden": (256,),
    "activation": "relu",
    "solver": "adam",
    "seed": 0,
    "out": "skmlp-run",
}
EPOCHS = {"bundled": 30, "idx": 20}
BATCH_SIZE = {"bundled": 32, "idx": 128}
VALIDATION_SHARE = 0.1

# The names that the estimator knows; written out, for --help must not wait for NumPy to load.
ACTIVATIONS = (
    "identity",
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
)
FIRST_ORDER_SOLVERS = ("adam", "adamw", "nadam", "rmsprop", "sgd")
RECIPES = (
    "softmax",
    "one-hidden",
    "relu-256-sgd",
    "relu-128-adam",
    "dropout-512",
    "small-sample",
    "fast",
    "plain",
    "accurate",
)
SCHEDULES = ("constant", "invscaling", "adaptive", "step", "exponential", "cosine", "one_cycle")
INITIAL_WEIGHTS = (
    "auto",
    "he_normal",
    "he_uniform",
    "glorot_normal",
    "glorot_uniform",
    "orthogonal",
)

PARAMETER_OF_OPTION = {
    "hidden": "hidden_layer_sizes",
    "activation": "activation",
    "weight_init": "weight_init",
    "batch_norm": "batch_norm",
    "dropout": "dropout",
    "input_dropout": "input_dropout",
    "alpha": "alpha",
    "weight_decay": "weight_decay",
    "max_norm": "max_norm",
    "label_smoothing": "label_smoothing",
    "class_weight": "class_weight",
    "augmentation": "augmentation",
    "adversarial_norm": "adversarial_norm",
    "solver": "solver",
    "learning_rate": "learning_rate_init",
    "schedule": "learning_rate",
    "warmup_epochs": "warmup_epochs",
    "momentum": "momentum",
    "clip_norm": "clip_norm",
    "batch_size": "batch_size",
    "epochs": "max_iter",
    "ema": "ema_decay",
    "early_stopping": "early_stopping",
    "patience": "n_iter_no_change",
    "monitor": "monitor",
    "seed": "random_state",
}

SOLVERS_OF_OPTION = {"momentum": ("sgd",)} | dict.fromkeys(
    (
        "batch_norm",
        "dropout",
        "input_dropout",
        "weight_decay",
        "max_norm",
        "augmentation",
        "adversarial_norm",
        "recipe",
        "learning_rate",
        "schedule",
        "warmup_epochs",
        "clip_norm",
        "batch_size",
        "ema",
        "early_stopping",
        "checkpoint",
    ),
    FIRST_ORDER_SOLVERS,
)
OPTIONS_OF_HIDDEN_LAYERS = ("batch_norm", "dropout", "max_norm")
OPTION_NEEDED_BY = {
    "patience": "early_stopping",
    "monitor": "early_stopping",
    "checkpoint_every": "checkpoint",
}


def add_options(parser):
    """Add the options, in groups; what is not given is None, so that it can be told from a default."""
    _add_data_options(parser.add_argument_group("data"))
    _add_network_options(parser.add_argument_group("network"))
    _add_regularisation_options(parser.add_argument_group("regularisation"))
    _add_training_options(parser.add_argument_group("training"))
    _add_stopping_options(parser.add_argument_group("stopping"))
    _add_output_options(parser.add_argument_group("output"))
    _add_checkpoint_options(parser.add_argument_group("checkpoints"))


def take_defaults(arguments):
    """Set what was not given and has a default, the recipe's where there is one."""
    defaults = DEFAULTS if arguments.recipe is None else DEFAULTS | of_recipe(arguments.recipe)
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)


def of_recipe(name):
    """Return the options of a recipe that others are checked against."""
    from skmlp.recipes import make_recipe

    parameters = make_recipe(name).get_params()
    return {
        option: parameters[PARAMETER_OF_OPTION[option]]
        for option in ("hidden", "activation", "solver")
    }


def option(name):
    """Return an option as it is written: "--batch-size" for "batch_size"."""
    return "--" + name.replace("_", "-")


def refuse_wrong_combinations(arguments):
    """Refuse options that do not fit together, or would have no effect, rather than obey in part."""
    refuse = arguments.usage_error
    given = {name for name, value in vars(arguments).items() if value is not None}
    for name, solvers in SOLVERS_OF_OPTION.items():
        if name in given and arguments.solver not in solvers:
            refuse(
                f"{option(name)} has no effect with --solver {arguments.solver}: "
                f"leave it out or choose --solver {_alternatives(solvers)}"
            )
    for name in OPTIONS_OF_HIDDEN_LAYERS:
        if name in given and not arguments.hidden:
            refuse(f"{option(name)} has no effect with --hidden none: leave it out")
    for name, needed in OPTION_NEEDED_BY.items():
        if name in given and needed not in given:
            refuse(f"{option(name)} has no effect without {option(needed)}: add it")
    for name in ("activation", "dropout"):
        values = getattr(arguments, name)
        if isinstance(values, tuple) and len(values) != len(arguments.hidden):
            refuse(
                f"{option(name)} has {len(values)} values and --hidden {len(arguments.hidden)}: "
                "give one value for each hidden layer, or one for all"
            )


def _alternatives(names):
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


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
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        help="a ready-made network with all its settings, which the options given beside it change: "
        "%(choices)s; 'skmlp recipes' tells about them",
    )
    group.add_argument(
        "--hidden",
        type=hidden_sizes,
        metavar="SIZES",
        help="units of each hidden layer, such as 256,128; none for softmax regression "
        f"(default: {','.join(map(str, DEFAULTS['hidden']))})",
    )
    group.add_argument(
        "--activation",
        type=names_among(ACTIVATIONS),
        metavar="NAME[,NAME...]",
        help=f"what follows the hidden layers, one name for all or one for each: "
        f"{', '.join(ACTIVATIONS)} (default: {DEFAULTS['activation']})",
    )
    group.add_argument(
        "--batch-norm",
        action="store_true",
        default=None,
        help="normalise each hidden unit over the batch, before its activation",
    )
    group.add_argument(
        "--weight-init",
        choices=INITIAL_WEIGHTS,
        metavar="NAME",
        help="how the first weights are drawn: %(choices)s (default: auto, as scikit-learn)",
    )


def _add_regularisation_options(group):
    group.add_argument(
        "--dropout",
        type=shares,
        metavar="RATE[,RATE...]",
        help="the part of the hidden units left out at each step, one rate for all layers or one "
        "for each (default: 0)",
    )
    group.add_argument(
        "--input-dropout",
        type=share(),
        metavar="RATE",
        help="the part of the pixels left out at each step (default: 0)",
    )
    group.add_argument(
        "--alpha",
        type=number_from_zero(),
        metavar="A",
        help="strength of the L2 penalty on the weights (default: 0.0001)",
    )
    group.add_argument(
        "--weight-decay",
        type=number_from_zero(),
        metavar="D",
        help="shrink the weights at each step by D times the learning rate, apart from the "
        "gradient (default: 0.01 for adamw, else 0)",
    )
    group.add_argument(
        "--max-norm",
        type=positive_number(),
        metavar="NORM",
        help="the largest norm of the weights that lead into a hidden unit (default: no limit)",
    )
    group.add_argument(
        "--label-smoothing",
        type=share(),
        metavar="PART",
        help="the part of each label that is spread evenly over all digits (default: 0)",
    )
    group.add_argument(
        "--class-weight",
        choices=("balanced",),
        metavar="balanced",
        help="give every digit the same weight in all, however often it occurs",
    )

    group.add_argument(
        "--augmentation",
        choices=("digits",),
        metavar="digits",
        help="train on images that are turned, stretched, shifted and bent anew in every epoch",
    )
    group.add_argument(
        "--adversarial-norm",
        type=number_from_zero(),
        metavar="NORM",
        help="move each image by this distance to where its loss grows fastest before it is learned: "
        "with pixels from 0 to 1, such as 1 (default: 0)",
    )


def _add_training_options(group):
    group.add_argument(
        "--solver",
        choices=(*FIRST_ORDER_SOLVERS, "lbfgs"),
        metavar="NAME",
        help=f"%(choices)s (default: {DEFAULTS['solver']})",
    )
    group.add_argument(
        "--learning-rate",
        type=positive_number(),
        metavar="RATE",
        help="the learning rate from which the schedule departs; the highest one of one_cycle "
        "(default: 0.001; not for lbfgs)",
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        metavar="NAME",
        help="how the learning rate changes: %(choices)s (default: constant; not for lbfgs)",
    )
    group.add_argument(
        "--warmup-epochs",
        type=number_from_zero(),
        metavar="N",
        help="raise the learning rate evenly during the first N epochs, such as 0.5 (default: 0)",
    )
    group.add_argument(
        "--momentum",
        type=number_between(0, 1),
        metavar="M",
        help="momentum of sgd, from 0 to 1 (default: 0.9)",
    )
    group.add_argument(
        "--clip-norm",
        type=positive_number(),
        metavar="NORM",
        help="the largest norm of the gradient: a longer one is scaled down (default: no limit)",
    )
    group.add_argument(
        "--batch-size",
        type=whole_number(1),
        metavar="N",
        help="images a step, but for lbfgs, which takes all "
        f"(default: {BATCH_SIZE['idx']}; {BATCH_SIZE['bundled']} for the bundled digits)",
    )
    group.add_argument(
        "--ema",
        type=fraction(),
        metavar="DECAY",
        help="predict with an exponential moving average of the weights of all steps, such as "
        "0.999 (default: with the last weights)",
    )
    add_seed_option(
        group, None, "of all that is random: splits, first weights, shuffles, dropout (default: 0)"
    )


def _add_stopping_options(group):
    group.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="passes over the training set, or iterations of lbfgs, at most: training ends "
        "before when the loss no longer falls "
        f"(default: {EPOCHS['idx']}; {EPOCHS['bundled']} for the bundled digits)",
    )
    group.add_argument(
        "--early-stopping",
        action="store_true",
        default=None,
        help="stop when the validation set brings no more progress, and keep the best weights",
    )
    group.add_argument(
        "--monitor",
        choices=("accuracy", "loss"),
        metavar="NAME",
        help="what --early-stopping watches on the validation set: %(choices)s (default: accuracy)",
    )
    group.add_argument(
        "--patience",
        type=whole_number(1),
        metavar="N",
        help="epochs that --early-stopping waits for progress (default: 10)",
    )


def _add_output_options(group):
    group.add_argument(
        "--out",
        metavar="DIR",
        help="the directory to write into; made where missing, an earlier run's three files are "
        f"replaced (default: {DEFAULTS['out']})",
    )
    group.add_argument(
        "--quiet", action="store_true", help="print nothing but the final test accuracy"
    )


def _add_checkpoint_options(group):
    group.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="keep in this directory, after every epoch, all that is needed to go on should the "
        "training be cut off",
    )
    group.add_argument(
        "--checkpoint-every",
        type=whole_number(1),
        metavar="N",
        help="write the checkpoint after every N epochs instead (default: 1)",
    )
    group.add_argument(
        "--resume",
        metavar="DIR",
        help="go on with the training that wrote its checkpoints into DIR, with its data and all "
        "its settings, to the same model; no other option but --quiet",
    )
