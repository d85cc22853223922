"""`skmlp train`: trains a network on digits; keeps the model, its history and its curves."""

import warnings
from dataclasses import dataclass
from typing import Any

from skmlp.cli.arguments import add_command
from skmlp.cli.checkpoints import (
    begin_run,
    checkpoint_path,
    has_checkpoint,
    resume_run,
    write_settings,
)
from skmlp.cli.console import counted, percent, say, warn
from skmlp.cli.data import check_labels, load_subset, name_of, scale_of
from skmlp.cli.failures import (
    BAD_DATA,
    BAD_MODEL,
    CANNOT_WRITE,
    INTERRUPTED,
    SUCCESS,
    CommandError,
    explain,
    failing_with,
)
from skmlp.cli.records import make_directory, save_curves, save_history
from skmlp.cli.train_options import (
    BATCH_SIZE,
    EPOCHS,
    PARAMETER_OF_OPTION,
    VALIDATION_SHARE,
    add_options,
    refuse_wrong_combinations,
    take_defaults,
)

DESCRIPTION = """\
Train a multilayer perceptron on handwritten digits.

Shows the progress epoch by epoch, tells the accuracy on the test set, and
writes into the output directory:

  model.safetensors  the model, for 'skmlp evaluate' and 'skmlp predict'
  history.csv        the metrics of every epoch, to the last digit
  curves.png         loss and accuracy over the epochs

Ctrl-C ends the training early and keeps what was learned. With --checkpoint,
training that was cut off, by whatever, goes on by --resume."""

EXAMPLES = """\
examples:
  skmlp train
  skmlp train --data mnist --hidden 512,512 --epochs 10 --out mnist-run
  skmlp train --data mnist --recipe accurate
  skmlp train --data DIR --solver sgd --learning-rate 0.1 --batch-size 64
  skmlp train --data DIR --epochs 200 --early-stopping --patience 5
  skmlp train --data DIR --dropout 0.2 --batch-norm --schedule one_cycle
  skmlp train --data DIR --solver adamw --ema 0.999 --checkpoint long-run
  skmlp train --resume long-run"""


def add_parser(subparsers):
    """Add `skmlp train` to the command line."""
    parser = add_command(
        subparsers,
        "train",
        run,
        summary="train a network and keep it",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    parser.usage = "skmlp train [options]"  # all of them would be a paragraph
    add_options(parser)


def run(arguments):
    """Carry out `skmlp train`."""
    arguments, had_ended = _settle(arguments)
    sets = _load_sets(arguments)
    directory = make_directory(arguments.out, "--out")
    if arguments.checkpoint is not None and arguments.resume is None:
        begin_run(arguments)
    model = _make_model(arguments, sets.X)
    if not arguments.quiet:
        _announce(arguments, sets, had_ended)
    model, interrupted = _fit(arguments, model, sets)
    if not model.history_["loss"]:
        raise CommandError(INTERRUPTED, "interrupted within the first epoch; nothing is written")
    if not arguments.quiet:
        say(_duration(model, interrupted))
    accuracy = _keep(arguments, model, directory, sets)
    if arguments.checkpoint is not None and not interrupted:
        write_settings(arguments, arguments.checkpoint, finished=True)
    _conclude(arguments, directory, accuracy, len(sets.y_test), interrupted)
    return INTERRUPTED if interrupted else SUCCESS


def _settle(arguments):
    """Return all settings, and whether they are those of a run that had ended."""
    if arguments.resume is not None:
        return resume_run(arguments)
    take_defaults(arguments)
    refuse_wrong_combinations(arguments)
    return arguments, False


@dataclass(frozen=True)
class _Sets:
    """What is learned, what is watched beside it, and what judges it at the end."""

    X: Any
    y: Any
    X_watched: Any
    y_watched: Any
    watched: str
    X_test: Any
    y_test: Any


def _load_sets(arguments):
    import numpy as np

    X, y = load_subset(arguments.data, "train", arguments.seed)
    X_test, y_test = load_subset(arguments.data, "test", arguments.seed)
    if X.shape[1] != X_test.shape[1]:
        raise CommandError(
            BAD_DATA,
            f"{name_of(arguments.data)}: the training images have {X.shape[1]} pixels, the test "
            f"images {X_test.shape[1]}; they must have the same size",
        )
    check_labels(y_test, np.unique(y), f"the test set of {name_of(arguments.data)}")
    share = arguments.validation or (VALIDATION_SHARE if arguments.early_stopping else None)
    if share is None:
        return _Sets(X, y, X_test, y_test, "test", X_test, y_test)
    X, X_validation, y, y_validation = _hold_out(X, y, share, arguments.seed)
    return _Sets(X, y, X_validation, y_validation, "validation", X_test, y_test)


def _hold_out(X, y, share, seed):
    from sklearn.model_selection import train_test_split

    try:
        return train_test_split(X, y, test_size=share, stratify=y, random_state=seed)
    except ValueError as error:
        raise CommandError(
            BAD_DATA,
            f"cannot hold out {share} of {counted(len(X), 'training image')} with every digit in "
            f"both parts ({explain(error)}); choose another --validation",
        ) from error


def _make_model(arguments, X):
    from skmlp import MLPDigitClassifier
    from skmlp.recipes import make_recipe

    kind = "bundled" if arguments.data is None else "idx"
    given = {
        parameter: getattr(arguments, option)
        for option, parameter in PARAMETER_OF_OPTION.items()
        if getattr(arguments, option) is not None
    }
    if arguments.recipe is not None:
        model = make_recipe(arguments.recipe)
    elif arguments.solver == "lbfgs":
        model = MLPDigitClassifier(max_iter=EPOCHS[kind])
    else:
        model = MLPDigitClassifier(max_iter=EPOCHS[kind], batch_size=BATCH_SIZE[kind])
    model.set_params(**given, input_scale=scale_of(X))
    if model.batch_size != "auto" and "batch_size" not in given:
        model.batch_size = min(model.batch_size, len(X))
    return model


def _announce(arguments, sets, had_ended):
    if had_ended:
        say(f"The run of {arguments.resume} had ended; its files are written again")
    elif arguments.resume is not None:
        start = "" if has_checkpoint(arguments.resume) else ", from the start: no epoch had ended"
        say(f"Going on with the run of {arguments.resume}{start}")
    n_images, n_pixels = sets.X.shape
    purpose = "testing" if sets.watched == "test" else "validation"
    say(
        f"Training on {name_of(arguments.data)}: {counted(n_images, 'image')} of {n_pixels} pixels,"
        f" and {len(sets.y_watched):,} for {purpose}"
    )


def _fit(arguments, model, sets):
    """Train; return the model and whether Ctrl-C ended it."""
    from sklearn.exceptions import ConvergenceWarning

    from skmlp import TrainingInterruptedWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = _fit_or_resume(arguments, model, sets)
    # Reaching the last epoch is no surprise to who chose their number.
    expected = (ConvergenceWarning, TrainingInterruptedWarning)
    for each in caught:
        if not issubclass(each.category, expected):
            warn(arguments, explain(each.message))
    return model, any(issubclass(each.category, TrainingInterruptedWarning) for each in caught)


def _fit_or_resume(arguments, model, sets):
    from skmlp import ModelFormatError

    validation = {"X_val": sets.X_watched, "y_val": sets.y_watched}
    callbacks = _make_callbacks(arguments, sets.watched)
    try:
        if arguments.resume is None or not has_checkpoint(arguments.resume):
            model.set_callbacks(*callbacks)
            model.fit(sets.X, sets.y, **validation)
            return model
        return model.resume(
            checkpoint_path(arguments.resume),
            sets.X,
            sets.y,
            **validation,
            callbacks=callbacks,
            expected_parameters=model.get_params(),
        )
    except ModelFormatError as error:
        raise CommandError(BAD_MODEL, explain(error)) from error
    except ValueError as error:
        raise CommandError(BAD_DATA, _in_terms_of_options(error)) from error


def _make_callbacks(arguments, watched):
    """Return what happens at the end of each epoch: it is shown once it is kept."""
    callbacks = []
    if arguments.checkpoint is not None:
        from skmlp.callbacks import Checkpoint

        path = checkpoint_path(arguments.checkpoint)
        callbacks.append(Checkpoint(path, every=arguments.checkpoint_every or 1))
    if not arguments.quiet:
        from skmlp.cli.progress import make_progress

        callbacks.append(make_progress(watched))
    return callbacks


def _in_terms_of_options(error):
    """Tell an error of fit to who knows the options, and has no estimator to go on with."""
    message = explain(error).removesuffix(" The weights of the last whole epoch are kept.")
    return message.replace("learning_rate_init", "--learning-rate")


def _duration(model, interrupted):
    n_epochs = len(model.history_["loss"])
    text = f"{counted(n_epochs, 'epoch')} in {sum(model.history_['seconds']):.1f} s"
    if interrupted:
        return f"Interrupted after {text}"
    if n_epochs < model.max_iter:
        watched = f"validation {model.monitor}" if model.early_stopping else "training loss"
        return f"Stopped after {text}: the {watched} no longer improved"
    return f"Trained {text}"


def _keep(arguments, model, directory, sets):
    """Write the model, the history and the curves; return the test accuracy."""
    from skmlp import save_model

    with failing_with(CANNOT_WRITE):
        save_model(model, directory / "model.safetensors")
        save_history(model.history_, directory / "history.csv")
    accuracy = model.score(sets.X_test, sets.y_test)
    with failing_with(CANNOT_WRITE):
        title = f"{name_of(arguments.data)}: test accuracy {percent(accuracy)}"
        save_curves(model, directory / "curves.png", title, sets.watched)
    return accuracy


def _conclude(arguments, directory, accuracy, n_test, interrupted):
    n_right = round(accuracy * n_test)
    say(f"Test accuracy {percent(accuracy)} ({n_right:,} of {n_test:,})")
    if not arguments.quiet:
        kept = "What was learned is in" if interrupted else "Written to"
        say(f"{kept} {directory}: model.safetensors, history.csv, curves.png")
        if interrupted and arguments.checkpoint is not None:
            say(f"Go on by: skmlp train --resume {arguments.checkpoint}")
