"""`skmlp combine`: write a committee, which averages the probabilities of several models."""

from dataclasses import dataclass
from pathlib import Path

from skmlp.cli.console import print_line
from skmlp.cli.datasets import join_values
from skmlp.cli.errors import BAD_MODEL, CANNOT_WRITE, SUCCESS, CommandError, translate_errors
from skmlp.cli.model_files import (
    check_single_label,
    make_view,
    read_classifier_or_pipeline,
)
from skmlp.cli.options import Option, declare
from skmlp.cli.outputs import check_output_file
from skmlp.cli.parser import Command
from skmlp.cli.values import NON_NEGATIVE, PATH, OptionError, make_list_type
from skmlp.formatting import format_count, format_size

DESCRIPTION = """\
Combine several models into a committee, one model that averages their
probabilities.

The models must take images of the same size and predict the same classes, and
can be pipelines. The committee is a model file for 'skmlp predict', 'skmlp
evaluate', 'skmlp report', 'skmlp draw', 'skmlp info' and 'skmlp export' with
--onnx or --html. It is usually more accurate than each of the models, but takes
the time of all of them."""

EXAMPLES = """\
examples:
  skmlp combine first/model.safetensors second/model.safetensors
  skmlp combine a.safetensors b.safetensors --weights 2,1 --out ab.safetensors"""


@dataclass(frozen=True, kw_only=True)
class CombineOptions:
    """Options of `skmlp combine`."""

    models: tuple[str, ...] = declare(
        Option(
            PATH,
            "Model files, two or more, written by 'skmlp train' or skmlp.save_model.",
            metavar="MODEL",
            positional=True,
            repeated=True,
        )
    )
    weights: tuple[float, ...] | float | None = declare(
        Option(
            make_list_type(NON_NEGATIVE),
            "Weights of the models in the average, separated by commas. [default: equal weights]",
            metavar="LIST",
        ),
        None,
    )
    out: str = declare(
        Option(
            PATH,
            "Model file to write. An existing file is replaced. [default: committee.safetensors]",
            metavar="FILE",
        ),
        "committee.safetensors",
    )

    def __post_init__(self):
        n_models = len(self.models)
        if n_models < 2:
            raise OptionError(f"expected at least two models, got {self.models[0]} only.")
        if self.weights is None:
            return
        n_weights = len(self.weights) if isinstance(self.weights, tuple) else 1
        if n_weights != n_models or not any(self.weights):
            raise OptionError(
                f"--weights must be {n_models} numbers, one per model, which are not all 0, got "
                f"{format_count(n_weights, 'number')}."
            )


def run(options):
    """Run `skmlp combine`."""
    from skmlp import make_committee, save_model

    check_output_file(options.out, inputs=options.models)
    models = [read_part(path) for path in options.models]
    check_same_images_and_classes(models, options.models)
    with translate_errors(CANNOT_WRITE, (OSError, ImportError)):
        save_model(make_committee(models, options.weights), options.out)
    size = format_size(Path(options.out).stat().st_size)
    print_line(f"Written to {options.out} ({size}), a committee of {len(models)} models")
    return SUCCESS


def read_part(path):
    """Load a model that can be a member of a committee."""
    hint = "Pass the files of its models, which can have different --weights."
    model = read_classifier_or_pipeline(path, hint)
    check_single_label(model, path)
    return model


def check_same_images_and_classes(models, paths):
    """Raise an error unless all models take images of the same size and predict the same classes."""
    first, *others = map(make_view, models)
    for model, path in zip(others, paths[1:], strict=True):
        if model.n_features_in_ != first.n_features_in_:
            raise CommandError(
                BAD_MODEL,
                f"{path}: the model must be for images of {first.n_features_in_} pixels, as {paths[0]} is, got "
                f"{model.n_features_in_} pixels. Combine models of the same dataset.",
            )
        classes, expected = model.classes_.tolist(), first.classes_.tolist()
        if classes != expected:
            raise CommandError(
                BAD_MODEL,
                f"{path}: the model must have the classes of {paths[0]} ({join_values(expected)}), got "
                f"{join_values(classes)}. Combine models of the same dataset.",
            )


COMMAND = Command(
    "combine",
    summary="Combine several models into a committee.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=CombineOptions,
    run=run,
)
