"""Loading of model files for the commands."""

from skmlp.cli.errors import BAD_MODEL, CommandError, translate_errors
from skmlp.cli.options import Option, declare
from skmlp.cli.values import PATH


def declare_model_argument():
    """Return the dataclass field of the positional argument MODEL."""
    text = "Model file, written by 'skmlp train' or skmlp.save_model."
    return declare(Option(PATH, text, metavar="MODEL", positional=True))


def read_model_or_pipeline(path):
    """Load a model, which may be a Pipeline."""
    from skmlp import load_model

    with translate_errors(BAD_MODEL, (OSError, EOFError, ValueError, ImportError)):
        return load_model(path)


def read_model(path):
    """Load a model that is a classifier."""
    from skmlp import MLPDigitClassifier

    model = read_model_or_pipeline(path)
    if not isinstance(model, MLPDigitClassifier):
        raise CommandError(
            BAD_MODEL,
            f"{path}: the model must be a classifier, got a pipeline of {describe_steps(model)}. Use it from Python.",
        )
    return model


def describe_steps(pipeline):
    """Return the types of the steps of a Pipeline."""
    return ", ".join(type(step).__name__ for _, step in pipeline.steps)


def read_single_label_model(path):
    """Load a model that predicts one class per image, and raise an error for a multilabel model."""
    model = read_model(path)
    if is_multilabel(model):
        raise CommandError(
            BAD_MODEL,
            f"{path}: the model must predict one class per image, got a multilabel model. "
            "Use it from Python.",
        )
    return model


def is_multilabel(model):
    """Return whether a model can predict several labels for an image."""
    return model.out_activation_ == "logistic" and model.n_outputs_ > 1
