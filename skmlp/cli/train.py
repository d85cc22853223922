"""`skmlp train`: train a network on digits and save the model, its history, its curves and a report."""

import warnings
from dataclasses import replace
from pathlib import Path

from skmlp.cli.console import print_line, print_warning
from skmlp.cli.datasets import choose_input_scale, describe_data, load_subset
from skmlp.cli.errors import (
    BAD_DATA,
    BAD_MODEL,
    CANNOT_WRITE,
    INTERRUPTED,
    SUCCESS,
    CommandError,
    format_error,
    translate_errors,
)
from skmlp.cli.names import COMMITTEES
from skmlp.cli.outputs import make_directory, save_curves, save_history
from skmlp.cli.parser import Command
from skmlp.cli.run_directory import RunDirectory, name_member
from skmlp.cli.train_options import (
    BATCH_SIZE,
    EPOCHS,
    HIDDEN_LAYER_SIZES,
    PATIENCE,
    TrainOptions,
    find_recipes,
)
from skmlp.cli.training_data import load_training_data, select_for_report
from skmlp.formatting import format_count, format_percent

NAME = "train"
PROGRAM = f"skmlp {NAME}"

DESCRIPTION = """\
Train a multilayer perceptron on handwritten digits.

Prints the metrics of each epoch and the accuracy on the test set. Writes these
files to the output directory:

  model.safetensors  Model, for 'skmlp evaluate' and 'skmlp predict'.
  history.csv        Metrics of each epoch, in full precision.
  curves.png         Loss and accuracy per epoch.
  report.html        Where the model fails, how certain it is, and how to
                     reproduce it. See 'skmlp report'.

With --recipe committee, each network has a directory of its own in it, and
model.safetensors is the committee.

Ctrl-C stops the training and saves the model. A run with --checkpoint can be
resumed with --resume after any interruption. An option that has no effect, such
as --dropout with --solver lbfgs, is an error."""

EXAMPLES = """\
examples:
  skmlp train
  skmlp train --data mnist --hidden 512,512 --epochs 10 --out mnist-run
  skmlp train --data mnist --recipe accurate
  skmlp train --data mnist-files --solver sgd --learning-rate 0.1
  skmlp train --data mnist-files --epochs 200 --early-stopping --patience 5
  skmlp train --data mnist-files --dropout 0.2 --schedule one_cycle
  skmlp train --data mnist-files --epochs 100 --checkpoint long-run
  skmlp train --resume long-run"""


def run(options):
    """Run `skmlp train`."""
    options, finished = resolve_options(options)
    if options.recipe in COMMITTEES:
        return train_committee(options)
    return train_network(options, finished)


def train_committee(options):
    """Train each network of a committee in a run of its own, and write the committee. Return the exit status."""
    from skmlp.recipes import COMMITTEES as RECIPES_OF_COMMITTEES

    out = make_directory(options.out, "--out")
    if options.checkpoint is not None and options.resume is None:
        RunDirectory(options.checkpoint).start(options)
    recipe = RECIPES_OF_COMMITTEES[options.recipe]
    seeds = recipe.draw_seeds(options.seed)
    for number, (name, seed) in enumerate(zip(recipe.members, seeds, strict=True), 1):
        if not options.quiet:
            print_line(f"Network {number} of {len(seeds)}")
        member = resolve_options(make_member_options(options, number, name, seed))
        status = train_network(*member, is_member=True)
        if status != SUCCESS:
            if options.checkpoint is not None:
                print_line(f"To resume the committee: skmlp train --resume {options.checkpoint}")
            return status
    accuracy, n_test = save_committee(options, out, len(seeds))
    if not options.quiet:
        print_line(f"Committee of {len(seeds)} networks")
    print_line(describe_accuracy(accuracy, n_test))
    if options.checkpoint is not None:
        RunDirectory(options.checkpoint).write(options, finished=True)
    if not options.quiet:
        print_line(f"Written to {out}: model.safetensors")
    return SUCCESS


def make_member_options(options, number, recipe, seed):
    """Return the options for a network of a committee, whose files are in directories of its own.

    A run of the network that exists in the directory of a resumed run is resumed, too.

    Parameters
    ----------
    options : TrainOptions
        Options of the committee.
    number : int
        Number of the network, from 1.
    recipe : str
        Name of its recipe.
    seed : int or None
    """
    changed = {"recipe": recipe, "seed": seed, "out": str(Path(options.out, name_member(number)))}
    if options.checkpoint is not None:
        run = RunDirectory(Path(options.checkpoint, name_member(number)))
        is_resumed = options.resume is not None and run.settings.exists()
        changed |= {"checkpoint": str(run.path), "resume": str(run.path) if is_resumed else None}
    return replace(options, **changed)


def save_committee(options, out, n_networks):
    """Write the committee of the networks in the directories of their runs.

    Return its test accuracy and the number of test images.
    """
    from skmlp import load_model, make_committee, save_model

    paths = [out / name_member(number) / "model.safetensors" for number in range(1, n_networks + 1)]
    with translate_errors(BAD_MODEL, (OSError, ValueError)):
        committee = make_committee([load_model(path) for path in paths])
    with translate_errors(CANNOT_WRITE):
        save_model(committee, out / "model.safetensors")
    test = load_subset(options.data, "test", options.seed)
    return committee.score(test.X, test.y), len(test.y)


def train_network(options, finished, *, is_member=False):
    """Train a network, which may be a member of a committee, and write its files. Return the exit status."""
    data = load_training_data(options)
    transformers = fit_transformers(options, data)
    for transformer in transformers:
        data = data.transform(transformer)
    out = make_directory(options.out, "--out")
    if options.checkpoint is not None and options.resume is None:
        RunDirectory(options.checkpoint).start(options)
    model = make_model(options, data)
    if not options.quiet:
        announce(options, data, finished)
    model, interrupted = train(options, model, data)
    if not model.history_["loss"]:
        raise CommandError(INTERRUPTED, "interrupted during the first epoch. No model was saved.")
    if not options.quiet:
        print_line(describe_duration(model, interrupted))
    accuracy = save(options, transformers, model, data, out)
    if not (options.quiet and is_member):
        print_line(describe_accuracy(accuracy, len(data.y_test)))
    if options.checkpoint is not None and not interrupted:
        RunDirectory(options.checkpoint).write(options, finished=True)
    files = ["model.safetensors", "history.csv", "curves.png"]
    report_interrupted = not options.no_report and save_report(options, model, data, out)
    if not options.no_report and not report_interrupted:
        files.append("report.html")
    if not options.quiet:
        print_line(f"Written to {out}: {', '.join(files)}")
        if options.stream and "report.html" in files:
            print_line(describe_report_images(data))
        if report_interrupted:
            print_line("Interrupted: report.html was not written. 'skmlp report' writes it")
        if interrupted and options.checkpoint is not None:
            print_line(f"To resume: skmlp train --resume {options.checkpoint}")
    return INTERRUPTED if interrupted or report_interrupted else SUCCESS


def resolve_options(options):
    """Return the options of the run, read from its directory with --resume, and whether it is finished."""
    if options.resume is not None:
        return RunDirectory(options.resume).read(quiet=options.quiet)
    if options.checkpoint is not None:
        return options.with_absolute_paths(), False
    return options, False


def fit_transformers(options, data):
    """Return the transformers of the recipe, fitted to images, which they transform before training."""
    from sklearn.base import clone

    transformers = () if options.recipe is None else find_recipes(options.recipe)[0].transformers
    return [
        clone(transformer).set_params(image_shape=data.image_shape).fit(data.X[:1])
        for transformer in transformers
    ]


def make_model(options, data):
    """Return the unfitted classifier for TrainingData that the options describe."""
    from skmlp import MLPDigitClassifier

    kind = "bundled" if options.data is None else "idx"
    if options.recipe is not None:
        model = find_recipes(options.recipe)[0].make_classifier()
    elif options.solver == "lbfgs":
        model = MLPDigitClassifier(HIDDEN_LAYER_SIZES, max_iter=EPOCHS[kind])
    else:
        model = MLPDigitClassifier(
            HIDDEN_LAYER_SIZES, max_iter=EPOCHS[kind], batch_size=BATCH_SIZE[kind]
        )
    model.set_params(**options.get_parameters(), input_scale=choose_input_scale(data.X))
    height, width = data.image_shape
    if height != width:  # otherwise, the classifier derives the shape
        model.set_params(image_shape=data.image_shape)
    if options.stream:
        model.shuffle = "blocks"
    if options.early_stopping and model.n_iter_no_change is None:
        model.n_iter_no_change = PATIENCE  # recipes do not stop early
    if options.batch_size is None and model.batch_size != "auto":
        model.batch_size = min(model.batch_size, len(data.X))
    return model


def announce(options, data, finished):
    """Print the dataset and whether the run is new, resumed or finished."""
    if finished:
        print_line(f"The run of {options.resume} is finished: writing its files again")
    elif options.resume is not None:
        has_checkpoint = RunDirectory(options.resume).has_checkpoint()
        start = "" if has_checkpoint else " from the start (no checkpoint was written)"
        print_line(f"Resuming the run of {options.resume}{start}")
    n_images, n_pixels = data.X.shape
    purpose = "testing" if data.validation_name == "test" else "validation"
    print_line(
        f"Training on {describe_data(options.data)}: {format_count(n_images, 'image')} of {n_pixels} pixels,"
        f" and {len(data.y_val):,} for {purpose}"
    )


def train(options, model, data):
    """Train the model. Return it and whether Ctrl-C interrupted the training."""
    from sklearn.exceptions import ConvergenceWarning

    from skmlp import TrainingInterruptedWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fit_or_resume(options, model, data)
    # Reaching the maximum number of epochs is expected: the user chose it.
    expected = (ConvergenceWarning, TrainingInterruptedWarning)
    for each in caught:
        if not issubclass(each.category, expected):
            print_warning(PROGRAM, format_error(each.message))
    return model, any(issubclass(each.category, TrainingInterruptedWarning) for each in caught)


def fit_or_resume(options, model, data):
    """Return the fitted model, resumed from the last checkpoint if there is one."""
    from skmlp import ModelFormatError, NonFiniteLossError

    validation = {"X_val": data.X_val, "y_val": data.y_val}
    callbacks = make_callbacks(options, data.validation_name)
    try:
        if options.resume is None or not RunDirectory(options.resume).has_checkpoint():
            model.set_callbacks(*callbacks)
            model.fit(data.X, data.y, **validation)
            return model
        return model.resume(
            RunDirectory(options.resume).checkpoint,
            data.X,
            data.y,
            **validation,
            callbacks=callbacks,
            expected_parameters=model.get_params(),
        )
    except ModelFormatError as error:
        raise CommandError(BAD_MODEL, format_error(error)) from error
    except NonFiniteLossError as error:
        raise CommandError(BAD_DATA, describe_divergence(model, data.X)) from error
    except ValueError as error:
        raise CommandError(BAD_DATA, format_error(error)) from error


def make_callbacks(options, validation_name):
    """Return the callbacks. The checkpoint of an epoch is written before its line is printed."""
    callbacks = []
    if options.checkpoint is not None:
        from skmlp.callbacks import Checkpoint

        path = RunDirectory(options.checkpoint).checkpoint
        callbacks.append(Checkpoint(path, every=options.checkpoint_every or 1))
    if not options.quiet:
        from skmlp.cli.progress import make_progress

        callbacks.append(make_progress(validation_name))
    return callbacks


def describe_divergence(model, X):
    """Return the error message for a loss that is not finite."""
    if model.solver == "lbfgs":
        fix = f"Lower --alpha (now {model.alpha:g})"
    else:
        fix = f"Lower --learning-rate (now {model.learning_rate_init:g})"
    if X.dtype != "uint8":
        fix += ", or scale the pixels of the dataset to the range [0, 1]"
    return f"the training diverged: the loss is not finite. {fix}."


def describe_duration(model, interrupted):
    """Return the line with the duration of the training and the reason why it stopped."""
    n_epochs = len(model.history_["loss"])
    text = f"{format_count(n_epochs, 'epoch')} in {sum(model.history_['seconds']):.1f} s"
    if interrupted:
        return f"Interrupted after {text}"
    if n_epochs < model.max_iter:
        metric = f"validation {model.monitor}" if model.early_stopping else "training loss"
        return f"Stopped after {text}: the {metric} no longer improved"
    return f"Trained {text}"


def save(options, transformers, model, data, out):
    """Write the model with its transformers, the history and the curves, and return the test accuracy."""
    from sklearn.pipeline import make_pipeline

    from skmlp import save_model

    whole = make_pipeline(*transformers, model) if transformers else model
    with translate_errors(CANNOT_WRITE):
        save_model(whole, out / "model.safetensors")
        save_history(model.history_, out / "history.csv")
    accuracy = model.score(data.X_test, data.y_test)
    title = f"{describe_data(options.data)}: test accuracy {format_percent(accuracy)}"
    with translate_errors(CANNOT_WRITE):
        save_curves(model, out / "curves.png", title, data.validation_name)
    return accuracy


def describe_accuracy(accuracy, n_test):
    """Return the line with the test accuracy."""
    n_correct = round(accuracy * n_test)
    return f"Test accuracy {format_percent(accuracy)} ({n_correct:,} of {n_test:,})"


def describe_report_images(data):
    """Return the line with the numbers of images that the report on streamed images uses."""
    parts = [
        f"{len(select_for_report(X, y)[0]):,} of {len(X):,} {name} images"
        for X, y, name in (
            (data.X, data.y, "training"),
            (data.X_test, data.y_test, "test"),
        )
    ]
    return f"report.html shows {' and '.join(parts)}"


def save_report(options, model, data, out):
    """Write the report, with the command that trains the same model. Return whether Ctrl-C interrupted it."""
    from skmlp import write_report

    X, y, X_test, y_test = data.X, data.y, data.X_test, data.y_test
    if options.stream:
        X, y = select_for_report(X, y)
        X_test, y_test = select_for_report(X_test, y_test)
    try:
        with translate_errors(CANNOT_WRITE, OSError):
            write_report(
                model,
                X_test,
                y_test,
                out / "report.html",
                X_train=X,
                y_train=y,
                image_shape=data.image_shape,
                name=str(out / "model.safetensors"),
                command=options.get_command(),
            )
    except KeyboardInterrupt:
        return True
    return False


COMMAND = Command(
    NAME,
    summary="Train a network and save it.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=TrainOptions,
    make_options=TrainOptions.from_arguments,
    run=run,
    usage="skmlp train [options]",  # the list of all options would be long
)
