"""Conversion of the steps of a Pipeline before the classifier to calls of functions in C."""

import math
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

from sklearn.utils.validation import check_is_fitted

from skmlp.digits.deslant import Deslant
from skmlp.digits.resizer import ImageResizer
from skmlp.digits.spread import check_spread


class StepSource(NamedTuple):
    """Step that converts an image of 8-bit pixels to another one.

    Parameters
    ----------
    function : str
        Name of the function, which the file of the same name defines.
    arguments : tuple of str
        Arguments between the pixels and the new pixels.
    size : int
        Number of the new pixels.
    """

    function: str
    arguments: tuple[str, ...]
    size: int

    @property
    def definition(self):
        """Definition of the function in C."""
        return read_source(f"{self.function}.c")


def convert_deslanter(deslanter):
    """Return the list of the StepSource of each part of a Deslant."""
    height, width = shape = deslanter.image_shape_
    calls = [("deslant", *shape, float(deslanter.max_shear))]
    vertical, horizontal = check_spread(deslanter.spread)
    if horizontal is not None:
        calls.append(("scale", height, width, width, 1, horizontal))
    if vertical is not None:
        calls.append(("scale", width, height, 1, width, vertical))
    return [
        StepSource(function, tuple(map(repr, arguments)), height * width)
        for function, *arguments in calls
    ]


def convert_resizer(resizer):
    """Return the list of the StepSource of an ImageResizer."""
    sizes = (*resizer.image_shape_, *resizer.shape)
    return [StepSource("resize", tuple(map(str, sizes)), math.prod(resizer.shape))]


#: Functions that return the list of the StepSource of each part of a fitted transformer, by its type.
CONVERTERS = {Deslant: convert_deslanter, ImageResizer: convert_resizer}


def convert_steps(transformers, mlp):
    """Return the list of the StepSource of the transformers before a classifier.

    Parameters
    ----------
    transformers : list of fitted transformers
    mlp : MLPDigitClassifier
        Fitted classifier.

    Returns
    -------
    steps : list of StepSource

    Raises
    ------
    NotFittedError
        If a transformer is not fitted.
    TypeError
        If a transformer cannot be converted.
    ValueError
        If the output of a step is not the input of the next one.
    """
    for transformer in transformers:
        if type(transformer) not in CONVERTERS:
            names = " or ".join(converted.__name__ for converted in CONVERTERS)
            raise TypeError(
                f"The steps before the classifier must be {names} for C, got {type(transformer).__name__}. Pass the "
                "classifier alone, the last step, and transform the samples in the program that calls it, or use "
                "skmlp.export.to_onnx, which exports other steps."
            )
        check_is_fitted(transformer)
    parts = [CONVERTERS[type(transformer)](transformer) for transformer in transformers]
    for steps, (transformer, following) in zip(parts, pairwise([*transformers, mlp]), strict=True):
        size = steps[-1].size
        if size != following.n_features_in_:
            raise ValueError(
                f"{type(following).__name__} must take the {size} pixels of {type(transformer).__name__}, got "
                f"{following.n_features_in_} features. Fit the Pipeline."
            )
    return [step for steps in parts for step in steps]


def read_source(name):
    """Return the text of a file in the directory `c`."""
    return resources.files("skmlp.export").joinpath("c", name).read_text("utf-8")
