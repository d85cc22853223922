"""`skmlp report`: write an HTML report on a model."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from skmlp.cli.console import print_warning
from skmlp.cli.datasets import (
    DATA_HELP,
    PASS_SCALE,
    SCALE_HELP,
    SEED_HELP,
    apply_scale,
    check_scale_of_committee,
    check_seed,
    choose_seed,
    describe_data,
    join_values,
    load_subset_for_models,
    warn_about_training_images,
    warn_about_unscaled_pixels,
)
from skmlp.cli.errors import BAD_MODEL, CANNOT_WRITE, SUCCESS, CommandError, translate_errors
from skmlp.cli.model_files import (
    CommitteeModel,
    PipelineModel,
    declare_model_argument,
    describe_kind,
    get_classifier,
    read_single_label_model,
)
from skmlp.cli.options import Option, declare
from skmlp.cli.outputs import check_output_file
from skmlp.cli.parser import Command
from skmlp.cli.values import FACTOR, FLAG, PATH, SEED
from skmlp.formatting import format_count, format_p_value, format_percent

NAME = "report"
PROGRAM = f"skmlp {NAME}"

DESCRIPTION = """\
Write an HTML report on a model: its accuracy, its mistakes and the calibration
of its probabilities.

The model can be a committee, written by 'skmlp combine'; the report then
describes its members instead of the training and the layers.

The model is evaluated on the test set. The training set is used to find
overfitting, duplicates and possible label errors. Prints the accuracy and the
findings that need attention. The report is one file, without scripts and
network requests.

'skmlp train' writes the same report on its model, with the command."""

EXAMPLES = """\
examples:
  skmlp report skmlp-run/model.safetensors
  skmlp report mnist-run/model.safetensors --data mnist --out mnist.html
  skmlp report new/model.safetensors --compare-with old/model.safetensors
  skmlp report skmlp-run/model.safetensors --json"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of `skmlp report`."""

    model: str = declare_model_argument()
    compare_with: str | None = declare(
        Option(
            PATH,
            "Second model file, to compare the accuracies on the test set. [default: none]",
            metavar="MODEL",
        ),
        None,
    )
    data: str | None = declare(
        Option(PATH, DATA_HELP.format("Dataset that the model was trained on"), "data", "DIR"), None
    )
    seed: int | None = declare(Option(SEED, SEED_HELP, "data", "N"), None)
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "data", "FACTOR"), None)
    out: str = declare(
        Option(
            PATH,
            "HTML file to write. An existing file is replaced. [default: report.html]",
            "output",
            "FILE",
        ),
        "report.html",
    )
    json: bool = declare(
        Option(FLAG, "Print all figures of the report as one JSON object.", "output"), False
    )

    def __post_init__(self):
        check_seed(self.seed, self.data)


def run(options):
    """Run `skmlp report`."""
    from skmlp import write_report

    models = read_models(options)
    check_output_file(options.out, inputs=(options.model, options.compare_with))
    training, test = (
        load_subset_for_models(models, options.data, subset, options.seed)
        for subset in ("train", "test")
    )
    if options.data is None:
        warn_about_training_images(models[0], choose_seed(options.seed, models[0]), PROGRAM)
    models = scale_models(options.scale, models)
    warn_about_unscaled_pixels(test.X, models, PROGRAM, choose_scale_remedy(models))
    training, test = (transform_images(models[0], images) for images in (training, test))
    model, second = get_estimators(models)
    with translate_errors(CANNOT_WRITE, OSError):
        figures = write_report(
            model,
            test.X,
            test.y,
            options.out,
            X_train=training.X,
            y_train=training.y,
            image_shape=test.image_shape,
            compare_with=second,
            name=options.model,
            compare_name=options.compare_with,
        )
    source = describe_data(options.data)
    if options.json:
        files = {"model": options.model, "compare_with": options.compare_with, "data": source}
        print(json.dumps(files | figures))
    else:
        images = format_count(len(test.X), "image")
        print(f"{options.model} on the test set of {source}, {images}\n")
        print_summary(figures["summary"], options.compare_with)
        print_findings(figures["findings"])
        print(f"Written to {options.out} ({Path(options.out).stat().st_size / 1e6:.2f} MB)")
    return SUCCESS


def read_models(options):
    """Return the model in a list, with the second one if it is given."""
    model = read_single_label_model(options.model)
    if isinstance(model, PipelineModel) and not model.takes_images:
        raise CommandError(
            BAD_MODEL,
            f"{options.model}: the model must be a classifier, a pipeline of transformers of skmlp that ends with one, "
            f"or a committee, got {describe_kind(model.estimator)}. Use 'skmlp evaluate'.",
        )
    if options.compare_with is None:
        return [model]
    second = read_single_label_model(options.compare_with)
    check_comparable(model, second, options)
    return [model, second]


def scale_models(scale, models):
    """Return the models, where those that store no `input_scale` get the value of --scale."""
    scaled = apply_scale(scale, models)
    if scale is not None:
        for model in models:
            check_scale_of_committee(model)
    return scaled


def choose_scale_remedy(models):
    """Return what to do with models that store no `input_scale`. With a committee, --scale is an error."""
    if any(isinstance(model, CommitteeModel) for model in models):
        return "set its input_scale in Python and save it again"
    return PASS_SCALE


def get_estimators(models):
    """Return the estimator of the report and the one that it is compared with, or None.

    A committee is compared on the images, and the classifier of a pipeline on the transformed images.
    """
    first, second = models if len(models) == 2 else (*models, None)
    if second is None:
        return get_reported(first), None
    has_committee = any(isinstance(model, CommitteeModel) for model in models)
    compared = getattr(second, "estimator", second) if has_committee else get_classifier(second)
    return get_reported(first), compared


def get_reported(model):
    """Return the estimator that a report describes."""
    return model.estimator if isinstance(model, CommitteeModel) else get_classifier(model)


def get_transformers(model):
    """Return the transformers of a pipeline; other models have none."""
    return model.parts.transformers if isinstance(model, PipelineModel) else ()


def transform_images(model, images):
    """Return LabeledImages as the classifier of a model gets them."""
    from skmlp import ImageResizer

    if not isinstance(model, PipelineModel):
        return images
    resizers = [step for step in get_transformers(model) if isinstance(step, ImageResizer)]
    shape = tuple(resizers[-1].shape) if resizers else images.image_shape
    return replace(images, X=model.transform(images.X), image_shape=shape)


def check_comparable(model, second, options):
    """Raise an error if the second model cannot predict the classes of the same images.

    Print a warning if the test set is not that of the second model.
    """
    if second.n_features_in_ != model.n_features_in_:
        raise CommandError(
            BAD_MODEL,
            f"{options.compare_with}: the model must be for images of {model.n_features_in_} pixels, as "
            f"{options.model} is, got {second.n_features_in_} pixels. Compare models of the same dataset.",
        )
    classes, others = model.classes_.tolist(), second.classes_.tolist()
    if not set(classes) <= set(others):
        raise CommandError(
            BAD_MODEL,
            f"{options.compare_with}: the model must have the classes of {options.model} "
            f"({join_values(classes)}), got {join_values(others)}. Compare models of the same dataset.",
        )
    check_same_transformers(model, second, options)
    seed, other_seed = choose_seed(options.seed, model), choose_seed(None, second)
    if options.data is None and seed != other_seed:
        print_warning(
            PROGRAM,
            f"the test set of the split with seed {seed} may contain training images of {options.compare_with}, whose "
            f"seed is {other_seed}. Train both models with the same --seed.",
        )


def check_same_transformers(model, second, options):
    """Raise an error unless the classifiers of both models get the same images. A committee gets the original ones."""
    if isinstance(model, CommitteeModel):
        return
    transformers = get_transformers(model)
    if isinstance(second, CommitteeModel):
        if transformers:
            raise CommandError(
                BAD_MODEL,
                f"{options.compare_with}: the model must have the transformers of {options.model} "
                f"({join_values(transformers)}), got {describe_kind(second.estimator)}. Exchange the models.",
            )
        return
    others = get_transformers(second)
    if list(map(repr, transformers)) != list(map(repr, others)):
        raise CommandError(
            BAD_MODEL,
            f"{options.compare_with}: the model must have the transformers of {options.model} "
            f"({join_values(transformers) or 'none'}), got {join_values(others) or 'none'}. Use 'skmlp evaluate' for "
            "each model.",
        )


def print_summary(summary, compared_with):
    """Print the accuracy with its interval, also of the second model, and the test of the difference."""
    n_images = summary["n_samples"]
    print_accuracy(summary["accuracy"], summary["interval"], summary["n_errors"], n_images)
    print()
    if compared_with is not None:
        second = summary["comparison"]
        n_errors = second["n_both_wrong"] + second["n_only_this_correct"]
        print(f"Compared with {compared_with}:")
        print_accuracy(second["accuracy"], second["interval"], n_errors, n_images)
        print(f"McNemar's test of the difference: {format_p_value(second['p_value'])}\n")


def print_accuracy(accuracy, interval, n_errors, n_images):
    """Print the accuracy of a model."""
    low, high = map(format_percent, interval)
    print(f"accuracy  {format_percent(accuracy)}, 95 % interval {low} to {high}")
    print(f"errors    {n_errors:,} of {n_images:,}")


def print_findings(findings):
    """Print the number of findings, and those that need attention."""
    selected = [finding for finding in findings if finding["status"] == "attention"]
    verb = "needs" if len(selected) == 1 else "need"
    print(f"{len(selected)} of {format_count(len(findings), 'check')} {verb} attention")
    for finding in selected:
        print(f"- {finding['title']}: {finding['text']}")


COMMAND = Command(
    NAME,
    summary="Write an HTML report on a model.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=ReportOptions,
    run=run,
)
