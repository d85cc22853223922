"""A fitted estimator as plain values and arrays, and back: what model files and checkpoints share."""

import platform
from dataclasses import fields, is_dataclass

import numpy as np
import scipy
import sklearn

from skmlp import __version__
from skmlp.digits import augment
from skmlp.engine import schedules
from skmlp.engine.parameters import Layout
from skmlp.exceptions import ModelFormatError
from skmlp.files.encoding import COPY_AGAIN, NOT_FINITE, own_number, plain_number
from skmlp.targets import TargetEncoding

NUMBERS = ("n_iter_", "t_", "loss_", "best_loss_", "best_validation_score_")
CLASS_TYPES = "?bBhHiIlLqQefd"
BATCH_NORM_PARTS = ("gain", "shift", "mean", "variance")
# What a parameter may be, besides numbers, strings and lists: an object that is nothing but its fields.
PLAIN_OBJECTS = {
    item.__name__: item
    for module in (schedules, augment)
    for item in vars(module).values()
    if isinstance(item, type) and is_dataclass(item)
}


# From the estimator


def arrays_of(model):
    """Name the arrays of a fitted classifier."""
    arrays = {f"coefs.{i}": coef for i, coef in enumerate(model.coefs_)}
    arrays |= {f"intercepts.{i}": intercept for i, intercept in enumerate(model.intercepts_)}
    for part, layers in (model.batch_norm_ or {}).items():
        arrays |= {f"batch_norm.{part}.{i}": values for i, values in enumerate(layers)}
    arrays |= {f"history.{name}": np.array(column) for name, column in model.history_.items()}
    if model.validation_scores_ is not None:
        arrays["validation_scores"] = np.array(model.validation_scores_)
    return arrays


def describe(model):
    """Put everything of a fitted classifier that is no array into values that JSON knows."""
    names = getattr(model, "feature_names_in_", None)
    return {
        "estimator": type(model).__name__,
        "parameters": {
            name: plain_parameter(name, value)
            for name, value in model.get_params(deep=False).items()
        },
        "layer_sizes": [model.n_features_in_, *(len(biases) for biases in model.intercepts_)],
        "batch_norm": model.batch_norm_ is not None,
        "out_activation": model.out_activation_,
        "classes": plain_classes(model.classes_),
        "feature_names": None if names is None else names.tolist(),
        "numbers": {name: plain_number(getattr(model, name, None)) for name in NUMBERS},
        "history": list(model.history_),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "skmlp": __version__,
        },
    }


def plain_parameter(name, value):
    """Turn a parameter into a value that JSON knows."""
    if isinstance(value, np.random.RandomState):
        return {"MT19937": plain_random_state(value)}
    if type(value) in PLAIN_OBJECTS.values():
        parts = {
            part.name: plain_parameter(name, getattr(value, part.name)) for part in fields(value)
        }
        return {"object": type(value).__name__, "fields": parts}
    if callable(value):
        raise TypeError(
            f"A function of your own, {name}={value!r}, cannot be kept in a file, for no file may run code. Use "
            "what is in skmlp.schedules or skmlp.augment, or set another one before you save."
        )
    if isinstance(value, dict):
        return {
            "pairs": [[plain_number(key), plain_number(weight)] for key, weight in value.items()]
        }
    if isinstance(value, list | tuple | np.ndarray):
        return [plain_parameter(name, item) for item in value]
    return plain_number(value)


def plain_random_state(random_state):
    """Give the state of a RandomState as a list."""
    _, keys, position, has_gauss, cached_gaussian = random_state.get_state(legacy=True)
    return [keys.tolist(), position, has_gauss, cached_gaussian]


def plain_classes(classes):
    """Turn class labels into their type and a list."""
    if classes.dtype.char in CLASS_TYPES:
        return {"type": classes.dtype.name, "labels": classes.tolist()}
    labels = classes.tolist()
    if all(isinstance(label, str) for label in labels):
        return {"type": "object" if classes.dtype == object else "str", "labels": labels}
    raise TypeError(
        f"The classes of a saved model must be numbers, booleans or strings. Got classes of type {classes.dtype}: "
        f"{labels[:3]}. Encode them first, for example with sklearn.preprocessing.LabelEncoder."
    )


# Back to the estimator


def expected_parameters(layout):
    """Name the arrays of weights, biases and batch normalisation, with their shapes."""
    shapes = layout.shapes
    expected = {f"coefs.{i}": shape[::-1] for i, shape in enumerate(shapes.weights)}
    expected |= {f"intercepts.{i}": shape for i, shape in enumerate(shapes.biases)}
    for part in BATCH_NORM_PARTS:
        expected |= {f"batch_norm.{part}.{i}": shape for i, shape in enumerate(shapes.gains)}
    return expected


def check_shapes(description, arrays):
    """Check that the arrays are those that the description speaks of; give their layout."""
    sizes = tuple(description["layer_sizes"])
    if len(sizes) < 2 or not all(type(size) is int and size > 0 for size in sizes):
        raise ModelFormatError(f"the sizes of the layers cannot be {sizes}.")
    layout = Layout(sizes, bool(description["batch_norm"]))
    expected = expected_parameters(layout)
    n_epochs = len(arrays.get("history.loss", ()))
    expected |= {f"history.{name}": (n_epochs,) for name in description["history"]}
    if "validation_scores" in arrays:
        expected["validation_scores"] = (len(arrays["validation_scores"]),)
    found = {name: array.shape for name, array in arrays.items()}
    if found != expected:
        raise ModelFormatError(
            f"the arrays should have the shapes {expected}, but have {found}. {COPY_AGAIN}"
        )
    types = {arrays[name].dtype for name in expected_parameters(layout)}
    if len(types) != 1 or not types <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ModelFormatError(
            f"weights should be all float32 or all float64, but are {sorted(map(str, types))}."
        )
    return layout


def check_finite(arrays, layout):
    """Refuse weights that are not finite."""
    if not all(np.isfinite(arrays[name]).all() for name in expected_parameters(layout)):
        raise ModelFormatError("there are weights that are not finite, so the model is of no use.")


def build(model_class, description, arrays, layout):
    """Make the estimator from checked parts."""
    parameters = description["parameters"]
    model = model_class(**{name: own_parameter(value) for name, value in parameters.items()})
    model._validate_params()

    multilabel = description["out_activation"] == "logistic" and layout.layer_sizes[-1] > 1
    encoding = TargetEncoding(own_classes(description["classes"]), multilabel)
    if (encoding.out_activation, encoding.n_outputs) != (
        description["out_activation"],
        layout.layer_sizes[-1],
    ):
        raise ModelFormatError(
            f"{len(encoding.classes)} classes do not go with {layout.layer_sizes[-1]} outputs and the activation "
            f"{description['out_activation']!r}."
        )
    model.classes_ = encoding.classes
    model.out_activation_ = encoding.out_activation
    model.n_outputs_ = encoding.n_outputs
    model.n_features_in_ = layout.layer_sizes[0]
    model.n_layers_ = len(layout.layer_sizes)
    if description["feature_names"] is not None:
        names = np.array(own_names(description["feature_names"]), dtype=object)
        if names.shape != (model.n_features_in_,):
            raise ModelFormatError(
                f"{len(names)} feature names do not go with {model.n_features_in_} features."
            )
        model.feature_names_in_ = names
    for name in NUMBERS:
        setattr(model, name, own_number(description["numbers"][name]))

    layers = range(len(layout.shapes.weights))
    model.coefs_ = [arrays[f"coefs.{i}"] for i in layers]
    model.intercepts_ = [arrays[f"intercepts.{i}"] for i in layers]
    model.batch_norm_ = None
    if layout.batch_norm:
        hidden = range(len(layout.hidden_sizes))
        model.batch_norm_ = {
            part: [arrays[f"batch_norm.{part}.{i}"] for i in hidden] for part in BATCH_NORM_PARTS
        }
    model.history_ = {name: arrays[f"history.{name}"].tolist() for name in description["history"]}
    model.loss_curve_ = list(model.history_["loss"])
    scores = arrays.get("validation_scores")
    model.validation_scores_ = None if scores is None else scores.tolist()
    return model


def own_parameter(value):
    """Turn a value that JSON knows back into a parameter."""
    if isinstance(value, list):
        return tuple(own_parameter(item) for item in value)
    if not isinstance(value, dict):
        return float(value) if value in NOT_FINITE else value
    if "MT19937" in value:
        return own_random_state(value["MT19937"])
    if "object" in value:
        parts = {name: own_parameter(part) for name, part in value["fields"].items()}
        return PLAIN_OBJECTS[value["object"]](**parts)
    return dict(value["pairs"])


def own_random_state(state):
    """Make a RandomState from a list."""
    random_state = np.random.RandomState()
    random_state.set_state(("MT19937", *state))
    return random_state


def own_names(values):
    """Check a list of strings."""
    if not all(isinstance(value, str) for value in values):
        raise ModelFormatError(f"strings should stand where {values!r} stand.")
    return values


def own_classes(stored):
    """Turn a type and a list back into class labels."""
    labels = stored["labels"]
    if stored["type"] in ("str", "object"):
        return np.array(own_names(labels), dtype=stored["type"])
    dtype = np.dtype(stored["type"])
    classes = np.array(labels, dtype=dtype)
    if dtype.char not in CLASS_TYPES or classes.ndim != 1:
        raise ModelFormatError(f"classes cannot be {labels!r} of the type {stored['type']!r}.")
    return classes
