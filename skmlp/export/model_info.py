"""What every exported file says about its model."""

from dataclasses import dataclass

from skmlp import __version__
from skmlp.files.models import compute_model_digest
from skmlp.files.records import classes_to_json
from skmlp.image_shape import find_image_shape


@dataclass(frozen=True)
class ModelInfo:
    """Description of a model in an exported file.

    Parameters
    ----------
    digest : str
        SHA-256 of the weights, activations, scale and classes, see `compute_model_digest`.
    version : str
        Version of skmlp that exports the model.
    labels : list of int, float, bool or str
        Classes of the model, in the order of its probabilities.
    image_shape : tuple of int or None
        Height and width of the images, None if the features are not images.
    """

    digest: str
    version: str
    labels: list
    image_shape: tuple[int, int] | None


def describe_model(mlp, image_shape=None):
    """Return the ModelInfo of a fitted classifier.

    Parameters
    ----------
    mlp : MLPDigitClassifier
        Fitted classifier.
    image_shape : (int, int), False or None, default=None
        Height and width of the images. False if the features are not images, None for the `image_shape` of the
        classifier or, if it has none, square images.

    Returns
    -------
    info : ModelInfo

    Raises
    ------
    TypeError
        If the classes are not numbers, booleans or strings.
    ValueError
        If `image_shape` is invalid.
    """
    return ModelInfo(
        digest=compute_model_digest(mlp),
        version=__version__,
        labels=classes_to_json(mlp.classes_)["labels"],
        image_shape=find_image_shape(image_shape, mlp),
    )
