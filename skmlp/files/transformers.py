"""Conversion of the transformers of skmlp to JSON values, and back, for model files."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmlp.digits.augmenter import DigitAugmenter
from skmlp.digits.deslant import Deslant
from skmlp.digits.reader import IDXReader
from skmlp.digits.resizer import ImageResizer
from skmlp.digits.spread import check_spread
from skmlp.exceptions import ModelFormatError
from skmlp.files.encoding import COPY_AGAIN
from skmlp.files.records import check_strings, parameter_from_json, parameter_to_json
from skmlp.image_shape import check_image_shape, resolve_image_shape
from skmlp.model_parts import does_nothing

TRANSFORMERS = {each.__name__: each for each in (IDXReader, ImageResizer, Deslant, DigitAugmenter)}
DTYPES = ("float32", "float64")
PASSTHROUGH = "passthrough"


def is_own_step(step):
    """Return whether a step of a Pipeline is a transformer of skmlp, or does nothing."""
    return does_nothing(step) or type(step) in TRANSFORMERS.values()


def describe_step(name, step):
    """Return the name, the type, the parameters and the fitted attributes of a step as JSON values.

    `is_own_step` must be true.
    """
    if does_nothing(step):
        return {"name": name, "type": PASSTHROUGH}
    check_is_fitted(step)
    parameters = step.get_params(deep=False)
    if "dtype" in parameters:  # a type, a dtype or a name
        parameters["dtype"] = np.dtype(parameters["dtype"]).name
    return {
        "name": name,
        "type": type(step).__name__,
        "parameters": {key: parameter_to_json(key, value) for key, value in parameters.items()},
        "attributes": describe_attributes(step),
    }


def describe_attributes(transformer):
    """Return the fitted attributes of a transformer as JSON values. An IDXReader may have none."""
    if not hasattr(transformer, "n_features_in_"):
        return None
    shape = transformer.image_shape_
    names = getattr(transformer, "feature_names_in_", None)
    return {
        "n_features": int(transformer.n_features_in_),
        "feature_names": None if names is None else names.tolist(),
        "image_shape": None if shape is None else [int(size) for size in shape],
    }


def build_step(description):
    """Return the name and the step for their description."""
    if description["type"] == PASSTHROUGH:
        return description["name"], PASSTHROUGH
    if description["type"] not in TRANSFORMERS:
        raise ModelFormatError(
            f"expected a transformer of skmlp, one of {', '.join(TRANSFORMERS)}, got {description['type']!r}. Load the "
            "file with the version of skmlp that wrote it, or with a newer one."
        )
    transformer = build_transformer(TRANSFORMERS[description["type"]], description["parameters"])
    set_attributes(transformer, description["attributes"])
    return description["name"], transformer


def build_transformer(transformer_class, description):
    """Return a transformer with checked parameters, before its attributes are set."""
    parameters = {name: parameter_from_json(value) for name, value in description.items()}
    if "dtype" in parameters:
        if parameters["dtype"] not in DTYPES:
            raise ModelFormatError(
                f"expected a dtype among {', '.join(DTYPES)}, got {parameters['dtype']!r}. {COPY_AGAIN}"
            )
        parameters["dtype"] = np.dtype(parameters["dtype"]).type
    transformer = transformer_class(**parameters)
    transformer._validate_params()
    if isinstance(transformer, Deslant):
        check_spread(transformer.spread)
    return transformer


def set_attributes(transformer, attributes):
    """Set the fitted attributes, after checking that they are those which `fit` sets for some samples."""
    if attributes is None and isinstance(transformer, IDXReader):
        return
    n_features = attributes["n_features"]
    if type(n_features) is not int or n_features < 1:
        raise ModelFormatError(
            f"expected a positive number of features, got {n_features!r}. {COPY_AGAIN}"
        )
    transformer.n_features_in_ = n_features
    transformer.image_shape_ = check_fitted_shape(transformer, attributes["image_shape"])
    if attributes["feature_names"] is not None:
        names = np.array(check_strings(attributes["feature_names"]), dtype=object)
        if names.shape != (n_features,):
            raise ModelFormatError(
                f"expected {n_features} feature names, got {len(names)}. {COPY_AGAIN}"
            )
        transformer.feature_names_in_ = names


def check_fitted_shape(transformer, stored):
    """Return the fitted image shape of a transformer, or raise ModelFormatError if the stored one is another."""
    n_features = transformer.n_features_in_
    if isinstance(transformer, IDXReader):
        # The shape of the images passed to `fit`, None for rows of pixels.
        expected = None if stored is None else resolve_image_shape(stored, n_features)
    elif isinstance(transformer, DigitAugmenter) and not has_image_shape(transformer):
        expected = None
    else:
        expected = resolve_image_shape(transformer.image_shape, n_features)
    if stored != (None if expected is None else list(expected)):
        raise ModelFormatError(
            f"expected images of the shape {expected}, got {stored!r}. {COPY_AGAIN}"
        )
    return expected


def has_image_shape(augmenter):
    """Return whether `fit` determines the image shape of a DigitAugmenter."""
    return augmenter.augmentation is not None or augmenter.image_shape is not None


def count_outputs(transformer):
    """Return the number of features that a fitted transformer of skmlp returns, or None if it is not known."""
    if isinstance(transformer, ImageResizer):
        height, width = check_image_shape(transformer.shape, "shape")
        return height * width
    return getattr(transformer, "n_features_in_", None)
