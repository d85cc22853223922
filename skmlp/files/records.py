"""Conversion of a fitted estimator to JSON values and arrays, and back, for model files and checkpoints."""

import platform
from dataclasses import fields, is_dataclass

import numpy as np
import scipy
import sklearn

from skmlp import __version__
from skmlp.digits import augment, displacements, gradients, intensities, patches, upright
from skmlp.engine import schedules
from skmlp.engine.parameters import Layout
from skmlp.estimator import fitted
from skmlp.estimator.config import make_extraction
from skmlp.estimator.targets import TargetEncoding
from skmlp.exceptions import ModelFormatError
from skmlp.files.encoding import (
    COPY_AGAIN,
    MAX_BYTES,
    NON_FINITE,
    number_from_json,
    number_to_json,
)
from skmlp.image_shape import resolve_image_shape

NUMBER_ATTRIBUTES = ("n_iter_", "t_", "loss_", "best_loss_", "best_validation_score_")
CLASS_DTYPE_CHARS = "?bBhHiIlLqQefd"
# What can be saved instead of a custom callable
REPLACEMENT = "Use a class of skmlp.schedules or skmlp.augment, or set another value before saving."
REPLACEMENTS = {"image_features": "Train with skmlp.GradientFeatures."}
# Of images whose features are inputs of a network, in pixels. Images of any dataset are smaller.
MAX_SIDE = 4096
BATCH_NORM_ARRAYS = ("gain", "shift", "mean", "variance")
# Dataclasses whose instances can be saved as parameters, field by field.
DATACLASSES = {
    item.__name__: item
    for module in (schedules, augment, displacements, gradients, intensities, patches, upright)
    for item in vars(module).values()
    if isinstance(item, type) and is_dataclass(item)
}


# From the estimator


def collect_arrays(model):
    """Return the arrays of a fitted classifier by name."""
    arrays = {f"coefs.{i}": coef for i, coef in enumerate(model.coefs_)}
    arrays |= {f"intercepts.{i}": intercept for i, intercept in enumerate(model.intercepts_)}
    for name, layers in (model.batch_norm_ or {}).items():
        arrays |= {f"batch_norm.{name}.{i}": values for i, values in enumerate(layers)}
    arrays |= {f"history.{name}": np.array(column) for name, column in model.history_.items()}
    if model.validation_scores_ is not None:
        arrays["validation_scores"] = np.array(model.validation_scores_)
    return arrays


def describe_estimator(model):
    """Return the parameters and the fitted attributes that are not arrays, as JSON values."""
    names = getattr(model, "feature_names_in_", None)
    parameters = {
        name: parameter_to_json(name, value)
        for name, value in model.get_params(deep=False).items()
        if name not in model._unsaved_parameters
    }
    fitted.get_extraction(model)  # raises ValueError if the file could not be loaded
    return {
        "estimator": type(model).__name__,
        "parameters": parameters,
        "n_features": model.n_features_in_,
        "layer_sizes": [len(model.coefs_[0]), *(len(biases) for biases in model.intercepts_)],
        "batch_norm": model.batch_norm_ is not None,
        "out_activation": model.out_activation_,
        "classes": classes_to_json(model.classes_),
        "feature_names": None if names is None else names.tolist(),
        "numbers": {name: number_to_json(getattr(model, name, None)) for name in NUMBER_ATTRIBUTES},
        "history": list(model.history_),
    }


def describe_versions():
    """Return the versions of Python and of the packages that influence a model."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "skmlp": __version__,
    }


def parameter_to_json(name, value):
    """Convert a parameter of the estimator to a JSON value."""
    if isinstance(value, np.random.RandomState):
        return {"MT19937": random_state_to_json(value)}
    if type(value) in DATACLASSES.values():
        values = {
            field.name: parameter_to_json(name, getattr(value, field.name))
            for field in fields(value)
        }
        return {"object": type(value).__name__, "fields": values}
    if callable(value):
        raise TypeError(
            f"{name} must not be a custom callable when the estimator is saved, got {value!r}. Files cannot contain "
            f"code. {REPLACEMENTS.get(name, REPLACEMENT)}"
        )
    if isinstance(value, dict):
        return {
            "pairs": [
                [number_to_json(key), number_to_json(weight)] for key, weight in value.items()
            ]
        }
    if isinstance(value, list | tuple | np.ndarray):
        return [parameter_to_json(name, item) for item in value]
    return number_to_json(value)


def random_state_to_json(random_state):
    """Return the state of a RandomState as a list of JSON values."""
    _, keys, position, has_gauss, cached_gaussian = random_state.get_state(legacy=True)
    return [keys.tolist(), position, has_gauss, cached_gaussian]


def classes_to_json(classes):
    """Return the dtype and the list of class labels as JSON values."""
    if classes.dtype.char in CLASS_DTYPE_CHARS:
        return {"type": classes.dtype.name, "labels": classes.tolist()}
    labels = classes.tolist()
    if all(isinstance(label, str) for label in labels):
        return {"type": "object" if classes.dtype == object else "str", "labels": labels}
    raise TypeError(
        f"The classes of a saved model must be numbers, booleans or strings, got {labels[:3]} of dtype "
        f"{classes.dtype}. Encode them first, for example with sklearn.preprocessing.LabelEncoder."
    )


# To the estimator


def get_expected_shapes(layout):
    """Return the shapes of the weights, biases and batch-normalization arrays by name."""
    sizes = layout.layer_sizes
    expected = {f"coefs.{i}": shape[::-1] for i, shape in enumerate(layout.shapes.weights)}
    expected |= {f"intercepts.{i}": (units,) for i, units in enumerate(sizes[1:])}
    for name in BATCH_NORM_ARRAYS:
        expected |= {f"batch_norm.{name}.{i}": shape for i, shape in enumerate(layout.shapes.gains)}
    return expected


def check_shapes(description, arrays):
    """Return the Layout, or raise ModelFormatError if the shapes of the arrays do not match the description."""
    sizes = tuple(description["layer_sizes"])
    if len(sizes) < 2 or not all(type(size) is int and size > 0 for size in sizes):
        raise ModelFormatError(
            f"expected two or more positive integers as layer sizes, got {sizes}. {COPY_AGAIN}"
        )
    layout = Layout(sizes, bool(description["batch_norm"]))
    expected = get_expected_shapes(layout)
    n_epochs = len(arrays.get("history.loss", ()))
    expected |= {f"history.{name}": (n_epochs,) for name in description["history"]}
    if "validation_scores" in arrays:
        expected["validation_scores"] = (len(arrays["validation_scores"]),)
    found = {name: array.shape for name, array in arrays.items()}
    if found != expected:
        raise ModelFormatError(
            f"expected arrays of the shapes {expected}, got {found}. {COPY_AGAIN}"
        )
    dtypes = {arrays[name].dtype for name in get_expected_shapes(layout)}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ModelFormatError(
            "expected all weights in one dtype, float32 or float64, got "
            f"{', '.join(sorted(map(str, dtypes)))}. {COPY_AGAIN}"
        )
    return layout


def check_finite(arrays, layout):
    """Raise ModelFormatError if a weight is NaN or infinite."""
    if not all(np.isfinite(arrays[name]).all() for name in get_expected_shapes(layout)):
        raise ModelFormatError(
            "expected finite weights, got NaN or infinite values. Train the model again."
        )


def build_estimator(model_class, description, arrays, layout):
    """Return the estimator for a checked description and its arrays."""
    parameters = description["parameters"]
    model = model_class(**{name: parameter_from_json(value) for name, value in parameters.items()})
    model._validate_params()

    multilabel = description["out_activation"] == "logistic" and layout.layer_sizes[-1] > 1
    encoding = TargetEncoding(classes_from_json(description["classes"]), multilabel)
    if (encoding.out_activation, encoding.n_outputs) != (
        description["out_activation"],
        layout.layer_sizes[-1],
    ):
        raise ModelFormatError(
            f"expected {encoding.n_outputs} outputs with activation {encoding.out_activation!r} for "
            f"{len(encoding.classes)} classes, got {layout.layer_sizes[-1]} outputs with activation "
            f"{description['out_activation']!r}. {COPY_AGAIN}"
        )
    model.classes_ = encoding.classes
    model.out_activation_ = encoding.out_activation
    model.n_outputs_ = encoding.n_outputs
    model.n_features_in_ = check_n_features(model, description["n_features"], layout)
    model.n_layers_ = len(layout.layer_sizes)
    if description["feature_names"] is not None:
        names = np.array(check_strings(description["feature_names"]), dtype=object)
        if names.shape != (model.n_features_in_,):
            raise ModelFormatError(
                f"expected {model.n_features_in_} feature names, got {len(names)}. {COPY_AGAIN}"
            )
        model.feature_names_in_ = names
    for name in NUMBER_ATTRIBUTES:
        setattr(model, name, number_from_json(description["numbers"][name]))
    set_arrays(model, description, arrays, layout)
    return model


def check_n_features(model, n_features, layout):
    """Return the number of features of a model, or raise ModelFormatError if it does not match the first layer."""
    if type(n_features) is not int or n_features < 1:
        raise ModelFormatError(
            f"expected a positive number of features, got {n_features!r}. {COPY_AGAIN}"
        )
    if model.image_features is not None:
        check_image_features(model.image_features, model.image_shape, n_features)
    extraction = make_extraction(model, n_features)
    n_inputs = n_features if extraction is None else extraction.n_features
    if n_inputs != layout.layer_sizes[0]:
        raise ModelFormatError(
            f"expected {layout.layer_sizes[0]} inputs of the first layer, got {n_inputs} for {n_features} features "
            f"and image_features={model.image_features!r}. {COPY_AGAIN}"
        )
    return n_features


def check_image_features(image_features, image_shape, n_features):
    """Raise ModelFormatError unless the image features can be counted without computing those of a huge image."""
    if not isinstance(image_features, str | gradients.GradientFeatures):
        raise ModelFormatError(
            f"expected GradientFeatures or a name as image_features, got {image_features!r}. {COPY_AGAIN}"
        )
    # The number of inputs of the network does not limit that of the pixels, nor the sides of the images.
    sides = resolve_image_shape(image_shape, n_features)
    if max(sides) > MAX_SIDE:
        raise ModelFormatError(
            f"expected images of at most {MAX_SIDE} x {MAX_SIDE} pixels, got {sides[0]} x {sides[1]}. {COPY_AGAIN}"
        )


def set_arrays(model, description, arrays, layout):
    """Set the fitted attributes that are arrays or lists of numbers."""
    layers = range(len(layout.shapes.weights))
    # The layout after `fit`. It affects how products are rounded.
    model.coefs_ = [np.asfortranarray(arrays[f"coefs.{i}"]) for i in layers]
    model.intercepts_ = [arrays[f"intercepts.{i}"] for i in layers]
    model.batch_norm_ = None
    if layout.batch_norm:
        hidden = range(len(layout.hidden_sizes))
        model.batch_norm_ = {
            name: [arrays[f"batch_norm.{name}.{i}"] for i in hidden] for name in BATCH_NORM_ARRAYS
        }
    model.history_ = {name: arrays[f"history.{name}"].tolist() for name in description["history"]}
    model.loss_curve_ = list(model.history_["loss"])
    scores = arrays.get("validation_scores")
    model.validation_scores_ = None if scores is None else scores.tolist()


def parameter_from_json(value):
    """Convert a JSON value to a parameter of the estimator."""
    if isinstance(value, list):
        return tuple(parameter_from_json(item) for item in value)
    if not isinstance(value, dict):
        return float(value) if value in NON_FINITE else value
    if "MT19937" in value:
        return random_state_from_json(value["MT19937"])
    if "object" in value:
        values = {name: parameter_from_json(field) for name, field in value["fields"].items()}
        return DATACLASSES[value["object"]](**values)
    return dict(value["pairs"])


def random_state_from_json(state):
    """Return a RandomState for the list of its state."""
    random_state = np.random.RandomState()
    random_state.set_state(("MT19937", *state))
    return random_state


def check_strings(values):
    """Return a list of strings, or raise ModelFormatError if an item is not a string."""
    if not all(isinstance(value, str) for value in values):
        raise ModelFormatError(f"expected strings, got {values!r}. {COPY_AGAIN}")
    return values


def classes_from_json(stored):
    """Return the class labels for their dtype and list."""
    labels = stored["labels"]
    if stored["type"] in ("str", "object"):
        length = max(map(len, check_strings(labels)), default=0)
        # An array of str allocates the length of the longest label for each label.
        if stored["type"] == "str" and 4 * length * len(labels) > MAX_BYTES:
            raise ModelFormatError(
                f"expected classes of at most {MAX_BYTES} bytes, got {len(labels)} labels of up to {length} characters."
            )
        return np.array(labels, dtype=stored["type"])
    dtype = np.dtype(stored["type"])
    # A type such as U100000000 is rejected before an array is allocated.
    classes = np.array(labels, dtype=dtype) if dtype.char in CLASS_DTYPE_CHARS else None
    if classes is None or classes.ndim != 1:
        raise ModelFormatError(
            f"expected classes that are numbers, booleans or strings, got {labels!r} of type {stored['type']!r}. "
            f"{COPY_AGAIN}"
        )
    return classes
