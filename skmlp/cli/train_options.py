"""Options of `skmlp train`, their JSON in the directory of a run, and their command line."""

import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path

from skmlp.cli.datasets import DATA_HELP, make_data_absolute
from skmlp.cli.names import (
    ACTIVATIONS,
    AUGMENTATIONS,
    CLASS_WEIGHTS,
    COMMITTEES,
    FIRST_ORDER_SOLVERS,
    IMAGE_FEATURES,
    INITIAL_WEIGHTS,
    MONITORS,
    RECIPES,
    SCHEDULES,
    SOLVERS,
)
from skmlp.cli.options import Option, declare, get_options, to_flag
from skmlp.cli.values import (
    BELOW_1,
    BETWEEN_0_AND_1,
    COUNT,
    FLAG,
    FROM_0_TO_1,
    LAYER_SIZES,
    NON_NEGATIVE,
    PATH,
    POSITIVE,
    SEED,
    OptionError,
    format_argument,
    format_value,
    make_choice_type,
    make_list_type,
)

# Chosen so that `skmlp train` exceeds 97 % on the bundled digits in seconds, for any seed.
HIDDEN_LAYER_SIZES = (256,)
EPOCHS = {"bundled": 30, "idx": 20}
BATCH_SIZE = {"bundled": 32, "idx": 128}
VALIDATION_FRACTION = 0.1
PATIENCE = 10


def join_names(names):
    """Return names as an enumeration: "a, b or c"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


@dataclass(frozen=True)
class TrainOption(Option):
    """Option of `skmlp train`.

    Parameters
    ----------
    parameter : str or None, default=None
        Parameter of MLPDigitClassifier that the option sets.
    solvers : tuple of str, default=SOLVERS
        Solvers with which the option has an effect.
    needs : str or None, default=None
        Another option that is required for the option to have an effect.
    needs_hidden_layers : bool, default=False
        Whether the option has no effect without hidden layers.
    stored : bool, default=True
        Whether the option is stored with the run, as opposed to an option of a single command.
    """

    parameter: str | None = None
    solvers: tuple[str, ...] = SOLVERS
    needs: str | None = None
    needs_hidden_layers: bool = False
    stored: bool = True


def declare_option(group, value_type, help_text, metavar=None, *, default=None, **details):
    """Return the dataclass field of an option."""
    return declare(TrainOption(value_type, help_text, group, metavar, **details), default)


def declare_switch(group, help_text, **details):
    """Return the dataclass field of an option without a value."""
    return declare_option(group, FLAG, help_text, default=False, **details)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of `skmlp train`.

    An option that was not given is None or False. Its default is that of the recipe, if one is given, and otherwise
    that of this module or of MLPDigitClassifier.
    """

    data: str | None = declare_option("data", PATH, DATA_HELP.format("Dataset to train on"), "DIR")
    validation: float | None = declare_option(
        "data",
        BETWEEN_0_AND_1,
        "Fraction of the training set to hold out as the validation set, in the range (0, 1). The "
        "split is stratified by class. The validation set is evaluated after each epoch, and the "
        "test set only after training. Without a validation set, the test set is evaluated after "
        f"each epoch. [default: none; {VALIDATION_FRACTION} with --early-stopping]",
        "FRACTION",
    )
    stream: bool = declare_switch(
        "data",
        "Do not load the images but read them from their files in each epoch, for files larger than "
        "memory, which must not be compressed. The images are shuffled in blocks, and the "
        "validation set consists of the last training images.",
        solvers=FIRST_ORDER_SOLVERS,
        needs="data",
    )

    recipe: str | None = declare_option(
        "network",
        make_choice_type((*RECIPES, *COMMITTEES)),
        f"Ready-made network with its training settings: {join_names((*RECIPES, *COMMITTEES))}. "
        "Other options override its settings. See 'skmlp recipes' for a description.",
        "NAME",
        solvers=FIRST_ORDER_SOLVERS,
    )
    hidden: tuple[int, ...] | None = declare_option(
        "network",
        LAYER_SIZES,
        "Number of units in each hidden layer, such as 256,128, or 'none' for softmax regression. "
        f"[default: {','.join(map(str, HIDDEN_LAYER_SIZES))}]",
        "SIZES",
        parameter="hidden_layer_sizes",
    )
    activation: str | tuple[str, ...] | None = declare_option(
        "network",
        make_list_type(make_choice_type(ACTIVATIONS)),
        "Activation of the hidden layers, one for all or one for each: "
        f"{join_names(ACTIVATIONS)}. [default: relu]",
        "NAME[,NAME...]",
        parameter="activation",
    )
    batch_norm: bool = declare_switch(
        "network",
        "Apply batch normalization before the activation of each hidden layer.",
        parameter="batch_norm",
        solvers=FIRST_ORDER_SOLVERS,
        needs_hidden_layers=True,
    )
    weight_init: str | None = declare_option(
        "network",
        make_choice_type(INITIAL_WEIGHTS),
        f"Distribution of the initial weights: {join_names(INITIAL_WEIGHTS)}. "
        "[default: auto, as in scikit-learn]",
        "NAME",
        parameter="weight_init",
    )

    image_features: str | None = declare_option(
        "network",
        make_choice_type(IMAGE_FEATURES),
        "Inputs of the network: 'gradients' for the strength of the intensity gradient in eight "
        "directions. [default: the pixels]",
        "gradients",
        parameter="image_features",
    )

    dropout: float | tuple[float, ...] | None = declare_option(
        "regularization",
        make_list_type(BELOW_1),
        "Fraction of the hidden units to drop in each step, in the range [0, 1), one for all "
        "hidden layers or one for each. [default: 0]",
        "RATE[,RATE...]",
        parameter="dropout",
        solvers=FIRST_ORDER_SOLVERS,
        needs_hidden_layers=True,
    )
    input_dropout: float | None = declare_option(
        "regularization",
        BELOW_1,
        "Fraction of the pixels to drop in each step, in the range [0, 1). [default: 0]",
        "RATE",
        parameter="input_dropout",
        solvers=FIRST_ORDER_SOLVERS,
    )
    alpha: float | None = declare_option(
        "regularization",
        NON_NEGATIVE,
        "Strength of the L2 penalty on the weights, at least 0. [default: 0.0001]",
        "A",
        parameter="alpha",
    )
    weight_decay: float | None = declare_option(
        "regularization",
        NON_NEGATIVE,
        "Decoupled weight decay, at least 0: each step shrinks the weights by D times the "
        "learning rate. [default: 0.01 for adamw, 0 for other solvers]",
        "D",
        parameter="weight_decay",
        solvers=FIRST_ORDER_SOLVERS,
    )
    max_norm: float | None = declare_option(
        "regularization",
        POSITIVE,
        "Maximum L2 norm of the incoming weights of a hidden unit, above 0. [default: no limit]",
        "NORM",
        parameter="max_norm",
        solvers=FIRST_ORDER_SOLVERS,
        needs_hidden_layers=True,
    )
    label_smoothing: float | None = declare_option(
        "regularization",
        BELOW_1,
        "Fraction of each label to distribute evenly over all classes, in the range [0, 1). "
        "[default: 0]",
        "FRACTION",
        parameter="label_smoothing",
    )
    class_weight: str | None = declare_option(
        "regularization",
        make_choice_type(CLASS_WEIGHTS),
        "Weight the images inversely to the frequency of their class. [default: equal weights]",
        "balanced",
        parameter="class_weight",
    )
    augmentation: str | None = declare_option(
        "regularization",
        make_choice_type(AUGMENTATIONS),
        "Randomly rotate, scale, shift and deform the training images in each epoch. "
        "[default: no augmentation]",
        "digits",
        parameter="augmentation",
        solvers=FIRST_ORDER_SOLVERS,
    )
    adversarial_norm: float | None = declare_option(
        "regularization",
        NON_NEGATIVE,
        "Adversarial training: move each image by this L2 distance, at least 0, along the gradient "
        "of its loss. A typical value for pixels from 0 to 1 is 1. [default: 0]",
        "NORM",
        parameter="adversarial_norm",
        solvers=FIRST_ORDER_SOLVERS,
    )
    virtual_adversarial_norm: float | None = declare_option(
        "regularization",
        NON_NEGATIVE,
        "Virtual adversarial training: keep the predictions constant if an image moves by this L2 "
        "distance, at least 0, whatever its label. A typical value for pixels from 0 to 1 is 2. "
        "[default: 0]",
        "NORM",
        parameter="virtual_adversarial_norm",
        solvers=FIRST_ORDER_SOLVERS,
    )

    solver: str | None = declare_option(
        "training",
        make_choice_type(SOLVERS),
        f"Optimization algorithm: {join_names(SOLVERS)}. [default: adam]",
        "NAME",
        parameter="solver",
    )
    learning_rate: float | None = declare_option(
        "training",
        POSITIVE,
        "Initial learning rate, or the maximum of the one_cycle schedule, above 0. "
        "[default: 0.001]",
        "RATE",
        parameter="learning_rate_init",
        solvers=FIRST_ORDER_SOLVERS,
    )
    schedule: str | None = declare_option(
        "training",
        make_choice_type(SCHEDULES),
        f"Learning-rate schedule: {join_names(SCHEDULES)}. [default: constant]",
        "NAME",
        parameter="learning_rate",
        solvers=FIRST_ORDER_SOLVERS,
    )
    warmup_epochs: float | None = declare_option(
        "training",
        NON_NEGATIVE,
        "Number of epochs of linear learning-rate warm-up, at least 0, such as 0.5. [default: 0]",
        "N",
        parameter="warmup_epochs",
        solvers=FIRST_ORDER_SOLVERS,
    )
    momentum: float | None = declare_option(
        "training",
        FROM_0_TO_1,
        "Momentum of sgd, in the range [0, 1]. [default: 0.9]",
        "M",
        parameter="momentum",
        solvers=("sgd",),
    )
    clip_norm: float | None = declare_option(
        "training",
        POSITIVE,
        "Maximum L2 norm of the gradient, above 0. Larger gradients are scaled down. "
        "[default: no limit]",
        "NORM",
        parameter="clip_norm",
        solvers=FIRST_ORDER_SOLVERS,
    )
    batch_size: int | None = declare_option(
        "training",
        COUNT,
        "Number of images in each step, at least 1. lbfgs uses all images. "
        f"[default: {BATCH_SIZE['idx']}; {BATCH_SIZE['bundled']} for the bundled digits]",
        "N",
        parameter="batch_size",
        solvers=FIRST_ORDER_SOLVERS,
    )
    ema: float | None = declare_option(
        "training",
        BETWEEN_0_AND_1,
        "Decay of an exponential moving average of the weights, in the range (0, 1), such as "
        "0.999. The model predicts with the averaged weights. [default: no averaging]",
        "DECAY",
        parameter="ema_decay",
        solvers=FIRST_ORDER_SOLVERS,
    )
    seed: int = declare_option(
        "training",
        SEED,
        "Seed of the random numbers, from 0 to 4294967295: splits, initial weights, shuffling, "
        "dropout, augmentation. [default: 0]",
        "N",
        default=0,
        parameter="random_state",
    )

    epochs: int | None = declare_option(
        "stopping",
        COUNT,
        "Maximum number of epochs, or of iterations of lbfgs, at least 1. Training stops earlier "
        "when the training loss no longer decreases. "
        f"[default: {EPOCHS['idx']}; {EPOCHS['bundled']} for the bundled digits]",
        "N",
        parameter="max_iter",
    )
    early_stopping: bool = declare_switch(
        "stopping",
        "Stop when the validation metric no longer improves, and keep the best weights.",
        parameter="early_stopping",
        solvers=FIRST_ORDER_SOLVERS,
    )
    monitor: str | None = declare_option(
        "stopping",
        make_choice_type(MONITORS),
        f"Validation metric of --early-stopping: {join_names(MONITORS)}. [default: accuracy]",
        "NAME",
        parameter="monitor",
        needs="early_stopping",
    )
    patience: int | None = declare_option(
        "stopping",
        COUNT,
        "Number of epochs without improvement, at least 1, after which --early-stopping stops. "
        f"[default: {PATIENCE}]",
        "N",
        parameter="n_iter_no_change",
        needs="early_stopping",
    )

    out: str = declare_option(
        "output",
        PATH,
        "Output directory. Created if it does not exist. The files of an earlier run are replaced. "
        "[default: skmlp-run]",
        "DIR",
        default="skmlp-run",
    )
    no_report: bool = declare_switch(
        "output",
        "Do not write report.html, which takes some seconds, or longer for large networks and "
        "datasets. That of an earlier run is kept.",
    )
    quiet: bool = declare_switch("output", "Print only the final test accuracy.", stored=False)

    checkpoint: str | None = declare_option(
        "checkpoint",
        PATH,
        "Directory to write a checkpoint to after each epoch, for --resume. Created if it does not "
        "exist. [default: no checkpoints]",
        "DIR",
        solvers=FIRST_ORDER_SOLVERS,
        stored=False,
    )
    checkpoint_every: int | None = declare_option(
        "checkpoint",
        COUNT,
        "Number of epochs between checkpoints, at least 1. [default: 1]",
        "N",
        needs="checkpoint",
    )
    resume: str | None = declare_option(
        "checkpoint",
        PATH,
        "Resume the run whose checkpoints are in DIR, with its data and options. The resulting "
        "model is that of an uninterrupted run. The only other option allowed is --quiet.",
        "DIR",
        stored=False,
    )

    def __post_init__(self):
        check_combinations(self)

    @classmethod
    def from_arguments(cls, **given):
        """Return the options of a command line, where --resume only allows --quiet."""
        others = [name for name in given if name not in ("resume", "quiet")]
        if "resume" in given and others:
            raise OptionError(
                f"--resume reads the options from {given['resume']}. Leave out {to_flag(others[0])}."
            )
        return cls(**given)

    @property
    def validation_fraction(self):
        """Fraction of the training set to hold out, or None."""
        return self.validation or (VALIDATION_FRACTION if self.early_stopping else None)

    def get_given_values(self):
        """Return the values of the options that were given or have a default, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if value is not None and value is not False
        }

    def get_parameters(self):
        """Return the parameters of MLPDigitClassifier that the options set."""
        options = get_options(type(self))
        return {
            options[name].parameter: value
            for name, value in self.get_given_values().items()
            if options[name].parameter is not None
        }

    def get_command(self):
        """Return the command line that trains the same model, without options that do not influence it."""
        options = get_options(type(self))
        arguments = []
        for each in fields(self):
            option, value = options[each.name], getattr(self, each.name)
            if value == each.default or not option.stored or option.group == "checkpoint":
                continue
            text = format_argument(value)
            if option.value_type is FLAG:
                arguments.append(to_flag(each.name))
            elif text.startswith("-"):
                arguments.append(f"{to_flag(each.name)}={text}")
            else:
                arguments += [to_flag(each.name), text]
        return shlex.join(["skmlp", "train", *arguments])

    def with_absolute_paths(self):
        """Return the same options with paths that are valid in every working directory."""
        return replace(self, data=make_data_absolute(self.data), out=str(Path(self.out).absolute()))

    def to_json(self):
        """Return the options that are stored with the run as a dict of JSON values."""
        options = get_options(type(self))
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.get_given_values().items()
            if options[name].stored
        }

    @classmethod
    def from_json(cls, values, **command):
        """Return the options of a dict that :meth:`to_json` returned, with those of the command.

        Raises
        ------
        OptionError
            If an option is unknown, a value is invalid, or the options are incompatible.
        """
        stored = {name: each for name, each in get_options(cls).items() if each.stored}
        converted = {}
        for name, value in values.items():
            if name not in stored:
                raise OptionError(f"unknown option {format_value(name)}.")
            try:
                converted[name] = stored[name].value_type.parse_json(value)
            except OptionError as error:
                raise OptionError(f"{name} {error}") from None
        return cls(**converted, **command)


def check_combinations(options):
    """Raise an error for options that are incompatible or would have no effect."""
    declared = get_options(type(options))
    given = options.get_given_values()
    solver, hidden_layer_sizes = find_solver_and_layer_sizes(options)
    for name in given:
        solvers, needed = declared[name].solvers, declared[name].needs
        if solver not in solvers:
            raise OptionError(
                f"{to_flag(name)} has no effect with --solver {solver}. "
                f"Leave it out, or use --solver {join_names(solvers)}."
            )
        if declared[name].needs_hidden_layers and not hidden_layer_sizes:
            raise OptionError(f"{to_flag(name)} has no effect with --hidden none. Leave it out.")
        if needed is not None and needed not in given:
            raise OptionError(
                f"{to_flag(name)} has no effect without {to_flag(needed)}. Add {to_flag(needed)}."
            )
    if options.stream and options.data == "mnist":
        raise OptionError(
            "--stream needs a directory of uncompressed files, got --data mnist. Leave out --stream, or decompress the "
            "files and pass their directory."
        )
    if options.recipe in COMMITTEES and options.data is None:
        raise OptionError(
            f"--recipe {options.recipe} requires --data: the seeds of its networks would divide scikit-learn's bundled "
            "digits differently into training and test images. Add --data mnist or a directory of IDX files."
        )
    if options.stream and options.recipe is not None and has_transformers(options.recipe):
        raise OptionError(
            f"--stream has no effect with --recipe {options.recipe}, which transforms all images before training. "
            "Leave out --stream, or use another recipe."
        )
    for name in ("activation", "dropout"):
        values = given.get(name)
        if isinstance(values, tuple) and len(values) != len(hidden_layer_sizes):
            raise OptionError(
                f"{to_flag(name)} must have one value for all hidden layers or one for each "
                f"({len(hidden_layer_sizes)}), got {len(values)}."
            )


def has_transformers(recipe):
    """Return whether a recipe transforms the images before training."""
    return any(each.transformers for each in find_recipes(recipe))


def find_recipes(name):
    """Return the Recipe of a name, or those of the networks of a committee, as a list."""
    from skmlp.recipes import COMMITTEES, RECIPES

    members = COMMITTEES[name].members if name in COMMITTEES else [name]
    return [RECIPES[member] for member in members]


def find_solver_and_layer_sizes(options):
    """Return the solver and the hidden layer sizes of the options, the recipe or the defaults."""
    parameters = {"solver": "adam", "hidden_layer_sizes": HIDDEN_LAYER_SIZES}
    if options.recipe is not None:
        parameters = find_recipes(options.recipe)[0].make_classifier().get_params()
    parameters = parameters | options.get_parameters()
    return parameters["solver"], parameters["hidden_layer_sizes"]
