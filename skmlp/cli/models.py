"""Models as the commands need them: loaded from a file, one class an image."""

from skmlp.cli.failures import BAD_MODEL, CommandError, failing_with


def add_model_argument(parser):
    """Add the positional argument MODEL."""
    parser.add_argument(
        "model", metavar="MODEL", help="a model file of 'skmlp train' or skmlp.save_model"
    )


def load(path):
    """Load a model that gives each image one class."""
    from skmlp import load_model

    with failing_with(BAD_MODEL):
        model = load_model(path)
    if model.out_activation_ == "logistic" and model.n_outputs_ > 1:
        raise CommandError(
            BAD_MODEL,
            f"{path}: the model is multilabel; the command line serves models with one class an "
            "image, use this one from Python",
        )
    return model
