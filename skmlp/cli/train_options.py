"""The options of `skmlp train`, and their JSON in the directory of a run."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from skmlp.cli.datasets import DATA_HELP, absolute_data
from skmlp.cli.names import (
    ACTIVATIONS,
    AUGMENTATIONS,
    CLASS_WEIGHTS,
    FIRST_ORDER_SOLVERS,
    INITIAL_WEIGHTS,
    MONITORS,
    RECIPES,
    SCHEDULES,
    SOLVERS,
)
from skmlp.cli.options import Option, declare, flag, options_of
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
    one_of,
    one_or_several,
    shown,
)

# Chosen so that `skmlp train` exceeds 97 % on the bundled digits in seconds, for any seed.
HIDDEN_LAYER_SIZES = (256,)
EPOCHS = {"bundled": 30, "idx": 20}
BATCH_SIZE = {"bundled": 32, "idx": 128}
VALIDATION_FRACTION = 0.1
PATIENCE = 10


@dataclass(frozen=True)
class TrainOption(Option):
    """An option of `skmlp train`.

    Parameters
    ----------
    parameter : str or None, default=None
        Parameter of MLPDigitClassifier that it sets.
    solvers : tuple of str, default=SOLVERS
        Solvers with which it has an effect.
    needs : str or None, default=None
        Other option without which it has no effect.
    needs_hidden_layers : bool, default=False
        Whether it has no effect without hidden layers.
    stored : bool, default=True
        Whether it belongs to the run, rather than to one call of the command.
    """

    parameter: str | None = None
    solvers: tuple[str, ...] = SOLVERS
    needs: str | None = None
    needs_hidden_layers: bool = False
    stored: bool = True


def option(group, value_type, help_text, metavar=None, *, default=None, **details):
    """Return the dataclass field of an option."""
    return declare(TrainOption(value_type, help_text, group, metavar, **details), default)


def switch(group, help_text, **details):
    """Return the dataclass field of an option without a value."""
    return option(group, FLAG, help_text, default=False, **details)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `skmlp train`.

    An option that was not given is None, or False. Its default is that of the recipe, if there is one, and otherwise
    that of MLPDigitClassifier or of this module.
    """

    data: str | None = option("data", PATH, DATA_HELP.format("what to train on"), "DIR")
    validation: float | None = option(
        "data",
        BETWEEN_0_AND_1,
        "hold out this fraction of the training set, stratified, as the validation set that is "
        "evaluated after every epoch; the test set is then evaluated only once, at the end "
        f"(default: none, the test set is evaluated; {VALIDATION_FRACTION} with --early-stopping)",
        "FRACTION",
    )

    recipe: str | None = option(
        "network",
        one_of(RECIPES),
        f"a ready-made network with all its settings, which other options change: "
        f"{', '.join(RECIPES)}; 'skmlp recipes' describes them",
        "NAME",
        solvers=FIRST_ORDER_SOLVERS,
    )
    hidden: tuple[int, ...] | None = option(
        "network",
        LAYER_SIZES,
        "units of each hidden layer, such as 256,128; none for softmax regression "
        f"(default: {','.join(map(str, HIDDEN_LAYER_SIZES))})",
        "SIZES",
        parameter="hidden_layer_sizes",
    )
    activation: str | tuple[str, ...] | None = option(
        "network",
        one_or_several(one_of(ACTIVATIONS)),
        "activation of the hidden layers, one name for all or one for each: "
        f"{', '.join(ACTIVATIONS)} (default: relu)",
        "NAME[,NAME...]",
        parameter="activation",
    )
    batch_norm: bool = switch(
        "network",
        "normalize each hidden unit over the batch, before its activation",
        parameter="batch_norm",
        solvers=FIRST_ORDER_SOLVERS,
        needs_hidden_layers=True,
    )
    weight_init: str | None = option(
        "network",
        one_of(INITIAL_WEIGHTS),
        f"distribution of the initial weights: {', '.join(INITIAL_WEIGHTS)} "
        "(default: auto, as in scikit-learn)",
        "NAME",
        parameter="weight_init",
    )

    dropout: float | tuple[float, ...] | None = option(
        "regularization",
        one_or_several(BELOW_1),
        "fraction of the hidden units dropped at each step, one rate for all layers or one for "
        "each (default: 0)",
        "RATE[,RATE...]",
        parameter="dropout",
        solvers=FIRST_ORDER_SOLVERS,
        needs_hidden_layers=True,
    )
    input_dropout: float | None = option(
        "regularization",
        BELOW_1,
        "fraction of the pixels dropped at each step (default: 0)",
        "RATE",
        parameter="input_dropout",
        solvers=FIRST_ORDER_SOLVERS,
    )
    alpha: float | None = option(
        "regularization",
        NON_NEGATIVE,
        "strength of the L2 penalty on the weights (default: 0.0001)",
        "A",
        parameter="alpha",
    )
    weight_decay: float | None = option(
        "regularization",
        NON_NEGATIVE,
        "shrink the weights at each step by D times the learning rate, decoupled from the "
        "gradient (default: 0.01 for adamw, otherwise 0)",
        "D",
        parameter="weight_decay",
        solvers=FIRST_ORDER_SOLVERS,
    )
    max_norm: float | None = option(
        "regularization",
        POSITIVE,
        "largest norm of the incoming weights of a hidden unit (default: no limit)",
        "NORM",
        parameter="max_norm",
        solvers=FIRST_ORDER_SOLVERS,
        needs_hidden_layers=True,
    )
    label_smoothing: float | None = option(
        "regularization",
        BELOW_1,
        "fraction of each label that is spread evenly over all digits (default: 0)",
        "FRACTION",
        parameter="label_smoothing",
    )
    class_weight: str | None = option(
        "regularization",
        one_of(CLASS_WEIGHTS),
        "give every digit the same total weight, however often it occurs",
        "balanced",
        parameter="class_weight",
    )
    augmentation: str | None = option(
        "regularization",
        one_of(AUGMENTATIONS),
        "train on images that are randomly rotated, scaled, shifted and deformed again in every epoch",
        "digits",
        parameter="augmentation",
        solvers=FIRST_ORDER_SOLVERS,
    )
    adversarial_norm: float | None = option(
        "regularization",
        NON_NEGATIVE,
        "train on adversarial images: each is moved by this distance in the direction in which its "
        "loss grows fastest; with pixels from 0 to 1, such as 1 (default: 0)",
        "NORM",
        parameter="adversarial_norm",
        solvers=FIRST_ORDER_SOLVERS,
    )

    solver: str | None = option(
        "training",
        one_of(SOLVERS),
        f"{', '.join(SOLVERS)} (default: adam)",
        "NAME",
        parameter="solver",
    )
    learning_rate: float | None = option(
        "training",
        POSITIVE,
        "initial learning rate of the schedule; the highest one for one_cycle "
        "(default: 0.001; not for lbfgs)",
        "RATE",
        parameter="learning_rate_init",
        solvers=FIRST_ORDER_SOLVERS,
    )
    schedule: str | None = option(
        "training",
        one_of(SCHEDULES),
        f"how the learning rate changes: {', '.join(SCHEDULES)} (default: constant; not for lbfgs)",
        "NAME",
        parameter="learning_rate",
        solvers=FIRST_ORDER_SOLVERS,
    )
    warmup_epochs: float | None = option(
        "training",
        NON_NEGATIVE,
        "increase the learning rate linearly during the first N epochs, such as 0.5 (default: 0)",
        "N",
        parameter="warmup_epochs",
        solvers=FIRST_ORDER_SOLVERS,
    )
    momentum: float | None = option(
        "training",
        FROM_0_TO_1,
        "momentum of sgd, from 0 to 1 (default: 0.9)",
        "M",
        parameter="momentum",
        solvers=("sgd",),
    )
    clip_norm: float | None = option(
        "training",
        POSITIVE,
        "largest norm of the gradient; a larger gradient is scaled down (default: no limit)",
        "NORM",
        parameter="clip_norm",
        solvers=FIRST_ORDER_SOLVERS,
    )
    batch_size: int | None = option(
        "training",
        COUNT,
        "images per step; lbfgs uses all "
        f"(default: {BATCH_SIZE['idx']}; {BATCH_SIZE['bundled']} for the bundled digits)",
        "N",
        parameter="batch_size",
        solvers=FIRST_ORDER_SOLVERS,
    )
    ema: float | None = option(
        "training",
        BETWEEN_0_AND_1,
        "predict with an exponential moving average of the weights of all steps, such as 0.999 "
        "(default: with the last weights)",
        "DECAY",
        parameter="ema_decay",
        solvers=FIRST_ORDER_SOLVERS,
    )
    seed: int = option(
        "training",
        SEED,
        "seed of everything random: splits, initial weights, shuffling, dropout (default: 0)",
        "N",
        default=0,
        parameter="random_state",
    )

    epochs: int | None = option(
        "stopping",
        COUNT,
        "maximum number of passes over the training set, or of iterations of lbfgs; training stops "
        "earlier when the loss no longer decreases "
        f"(default: {EPOCHS['idx']}; {EPOCHS['bundled']} for the bundled digits)",
        "N",
        parameter="max_iter",
    )
    early_stopping: bool = switch(
        "stopping",
        "stop when the validation set shows no more improvement, and keep the best weights",
        parameter="early_stopping",
        solvers=FIRST_ORDER_SOLVERS,
    )
    monitor: str | None = option(
        "stopping",
        one_of(MONITORS),
        f"validation metric of --early-stopping: {', '.join(MONITORS)} (default: accuracy)",
        "NAME",
        parameter="monitor",
        needs="early_stopping",
    )
    patience: int | None = option(
        "stopping",
        COUNT,
        f"epochs without improvement after which --early-stopping stops (default: {PATIENCE})",
        "N",
        parameter="n_iter_no_change",
        needs="early_stopping",
    )

    out: str = option(
        "output",
        PATH,
        "directory to write into, created if it is missing; the three files of an earlier run are "
        "replaced (default: skmlp-run)",
        "DIR",
        default="skmlp-run",
    )
    quiet: bool = switch("output", "print only the final test accuracy", stored=False)

    checkpoint: str | None = option(
        "checkpoints",
        PATH,
        "write to this directory, after every epoch, all that is needed to resume the training if "
        "it is interrupted",
        "DIR",
        solvers=FIRST_ORDER_SOLVERS,
        stored=False,
    )
    checkpoint_every: int | None = option(
        "checkpoints",
        COUNT,
        "write the checkpoint only after every N epochs (default: 1)",
        "N",
        needs="checkpoint",
    )
    resume: str | None = option(
        "checkpoints",
        PATH,
        "resume the training that wrote its checkpoints to DIR, with its data and all its options, "
        "to the same model; allows no other option but --quiet",
        "DIR",
        stored=False,
    )

    def __post_init__(self):
        check_combinations(self)

    @classmethod
    def from_arguments(cls, **given):
        """Return the options of a command line; --resume goes with --quiet alone."""
        others = [name for name in given if name not in ("resume", "quiet")]
        if "resume" in given and others:
            raise OptionError(
                f"--resume takes every option from {given['resume']}: leave out {flag(others[0])}"
            )
        return cls(**given)

    @property
    def validation_fraction(self):
        """Fraction of the training set to hold out, or None."""
        return self.validation or (VALIDATION_FRACTION if self.early_stopping else None)

    def given(self):
        """Return the values of the options that have one, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if value is not None and value is not False
        }

    def parameters(self):
        """Return the parameters of MLPDigitClassifier that the options set."""
        options = options_of(type(self))
        return {
            options[name].parameter: value
            for name, value in self.given().items()
            if options[name].parameter is not None
        }

    def with_absolute_paths(self):
        """Return the same options with paths that are valid in every working directory."""
        return replace(self, data=absolute_data(self.data), out=str(Path(self.out).absolute()))

    def to_json(self):
        """Return the options that belong to the run as a dict of values of JSON."""
        options = options_of(type(self))
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.given().items()
            if options[name].stored
        }

    @classmethod
    def from_json(cls, values, **call):
        """Return the options of the dict that :meth:`to_json` returned, and those of the call.

        Raises
        ------
        OptionError
            If there is no option of a name, a value has the wrong type or is out of range, or options do not go
            together.
        """
        stored = {name: each for name, each in options_of(cls).items() if each.stored}
        converted = {}
        for name, value in values.items():
            if name not in stored:
                raise OptionError(f"there is no option {shown(name)}")
            try:
                converted[name] = stored[name].value_type.read_json(value)
            except OptionError as error:
                raise OptionError(f"{name}: {error}") from None
        return cls(**converted, **call)


def check_combinations(options):
    """Raise an error for options that do not go together or would have no effect."""
    declared = options_of(type(options))
    given = options.given()
    solver, hidden_layer_sizes = _solver_and_hidden_layers(options)
    for name in given:
        solvers, needed = declared[name].solvers, declared[name].needs
        if solver not in solvers:
            raise OptionError(
                f"{flag(name)} has no effect with --solver {solver}: "
                f"leave it out or choose --solver {_alternatives(solvers)}"
            )
        if declared[name].needs_hidden_layers and not hidden_layer_sizes:
            raise OptionError(f"{flag(name)} has no effect with --hidden none: leave it out")
        if needed is not None and needed not in given:
            raise OptionError(f"{flag(name)} has no effect without {flag(needed)}: add it")
    for name in ("activation", "dropout"):
        values = given.get(name)
        if isinstance(values, tuple) and len(values) != len(hidden_layer_sizes):
            raise OptionError(
                f"{flag(name)} has {len(values)} values and --hidden {len(hidden_layer_sizes)}: "
                "give one value for each hidden layer, or one for all"
            )


def _solver_and_hidden_layers(options):
    """Return those of the options, or else of the recipe, or else the defaults."""
    parameters = {"solver": "adam", "hidden_layer_sizes": HIDDEN_LAYER_SIZES}
    if options.recipe is not None:
        from skmlp.recipes import make_recipe

        parameters = make_recipe(options.recipe).get_params()
    parameters = parameters | options.parameters()
    return parameters["solver"], parameters["hidden_layer_sizes"]


def _alternatives(names):
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
