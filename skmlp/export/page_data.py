"""The data of a page: its networks, how samples are entered, and samples for the self-test.

A page has a list of members, whose probabilities are averaged. A classifier or Pipeline is the only member of its page.
The members of a committee with a weight of 0 must be valid, but the page does not contain them, and they do not affect
the range of the features.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_is_fitted

from skmlp.digits.deslant import Deslant
from skmlp.digits.normalize import IMAGE_SIZE
from skmlp.digits.spread import check_spread
from skmlp.estimator.committee import check_committee
from skmlp.estimator.prediction import load_samples
from skmlp.export.checks import generate_samples
from skmlp.export.model_info import describe_model
from skmlp.export.network import compute_probabilities, fold_network, make_image_inputs
from skmlp.export.payload import convert_label, describe_network, encode_text
from skmlp.export.quantize import quantize_network
from skmlp.export.suggestions import describe_other_model, suggest_committee
from skmlp.files.models import compute_model_digest
from skmlp.files.records import classes_to_json
from skmlp.image_shape import find_image_shape
from skmlp.model_parts import (
    ModelParts,
    find_input_scale,
    get_classes,
    get_fractions,
    get_names,
    is_committee,
    list_members,
    split_model,
    unfreeze,
)

COMBINE = "Train an MLPDigitClassifier, or combine several by make_committee."
MAX_SLIDERS = 200
N_SAMPLES = 5  # of each member, for the self-test
DIGITS = [str(digit) for digit in range(10)]
EXAMPLE = 3  # the digit that the page draws when it is opened


@dataclass(frozen=True)
class PageMember:
    """Classifier or Pipeline of a page, of which a committee has several.

    Parameters
    ----------
    name : str
        Empty for a model that is no committee.
    fraction : float
        Weight in the average. The weights of all members add up to 1.
    parts : ModelParts
        A Deslant at most, and the classifier.
    """

    name: str
    fraction: float
    parts: ModelParts

    @property
    def mlp(self):
        """The classifier."""
        return self.parts.classifier

    @property
    def deslanter(self):
        """The Deslant before the classifier, or None."""
        return self.parts.transformers[0] if self.parts.transformers else None

    @property
    def inputs(self):
        """The ImageInputs of the classifier, or None."""
        return make_image_inputs(self.mlp)

    def convert_samples(self, X):
        """Return validated samples as an array, as the classifier gets them."""
        if self.deslanter is not None and issparse(X):
            X = X.toarray()
        X = load_samples(self.mlp, self.parts.transform(X))
        return X.toarray() if issparse(X) else np.asarray(X)


def make_page_data(model, weights=None, X=None, image_shape=None):
    """Return the data of a page as JSON values.

    Parameters
    ----------
    model : classifier, Pipeline or VotingClassifier
    weights : {"int8", "float16", "float32"}, default=None
        Format of the weights. None for the default.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        Samples, which determine the range of the features.
    image_shape : (int, int), False or None, default=None
        See `find_common_shape`.

    Returns
    -------
    page : dict
    """
    check_type(model)
    model = unfreeze(model)
    members = make_members(model)
    shape = find_common_shape(members, image_shape)
    info = replace(
        describe_model(members[0].mlp, shape or False),
        digest=compute_model_digest(model),
        labels=classes_to_json(get_classes(model))["labels"],
    )
    members = [member for member in members if member.fraction > 0]
    samples = None if X is None else [member.convert_samples(X) for member in members]
    weights = weights or choose_weights(shape)
    return {
        "version": info.version,
        "digest": info.digest,
        "classes": list(map(convert_label, info.labels)),
        "members": [
            describe_member(member, weights, X)
            for member, X in zip(members, choose_test_samples(members, samples), strict=True)
        ],
        "input": describe_input(members, info, samples),
    }


# Members


def make_members(model):
    """Return the list of the PageMembers of a model, or raise an error if a page cannot contain it."""
    if not is_committee(model):
        return [make_member("", 1.0, model)]
    check_committee(model)
    fractions = get_fractions(model).tolist()
    return list(map(make_member, get_names(model), fractions, list_members(model)))


def check_type(model):
    """Raise TypeError unless a model is a classifier, a Pipeline that ends with one, or a committee of these."""
    found = describe_other_model(model)
    if found is not None:
        raise TypeError(
            "model must be a fitted MLPDigitClassifier, a Pipeline of Deslant and such a classifier, or a "
            f"VotingClassifier of these, got {found}. "
            f"{suggest_committee(model, 'model', are_expressed, COMBINE)}"
        )


def make_member(name, fraction, model):
    """Return the PageMember of a fitted model; raise TypeError for transformers other than a Deslant."""
    parts = split_model(model)
    for step in parts.steps:
        check_is_fitted(step)
    if not are_expressed(parts.transformers):
        names = ", ".join(type(each).__name__ for each in parts.transformers)
        raise TypeError(
            f"A Pipeline must consist of Deslant and a classifier, got the transformers {names}. To export the "
            "classifier alone, pass its last step."
        )
    return PageMember(name, fraction, parts)


def are_expressed(transformers):
    """Return whether a page can express the transformers before a classifier."""
    return len(transformers) <= 1 and all(isinstance(each, Deslant) for each in transformers)


def find_common_shape(members, image_shape):
    """Return the height and width of the images that all members take, or None if the features are not images.

    Parameters
    ----------
    members : list of PageMember
    image_shape : (int, int), False or None
        None for the shape that the members store or, if they store none, square images. False if the features are not
        images.

    Raises
    ------
    ValueError
        If the shape is invalid, or members take images of another one.
    """
    required = find_required_shape(members)
    stored = {tuple(each.parts.image_shape) for each in members if each.parts.image_shape}
    if required is not None:
        stored.add(required)
    if image_shape is None:
        if len(stored) > 1:
            raise ValueError(
                f"The members of a committee must take images of one shape, got {join_shapes(stored)}. Pass "
                f"image_shape={required or '(height, width)'} if the features are pixels of such images."
            )
        return find_image_shape(next(iter(stored), None), members[0].mlp)
    shape = find_image_shape(image_shape, members[0].mlp)
    if required not in (None, shape):
        choice = f"None or {required}" if len(stored) == 1 else f"{required}"
        raise ValueError(
            f"image_shape must be {choice}, the shape of the images for Deslant and image_features, got "
            f"{image_shape!r}."
        )
    return shape


def find_required_shape(members):
    """Return the height and width of the images for each Deslant and `image_features`, None without these."""
    shapes = {tuple(each.deslanter.image_shape_) for each in members if each.deslanter}
    shapes.update(each.inputs.image_shape for each in members if each.inputs)
    if len(shapes) > 1:
        raise ValueError(
            "Deslant and networks with image_features must take images of one shape for a page, got "
            f"{join_shapes(shapes)}. Export this model by to_onnx, or train all its parts on images of one shape."
        )
    return next(iter(shapes), None)


def join_shapes(shapes):
    """Return shapes of images as text."""
    return ", ".join(map(str, sorted(shapes)))


def choose_weights(image_shape):
    """Return the default format of the weights: the weights of features that are not pixels differ much in size."""
    return "float32" if image_shape is None else "int8"


def describe_member(member, weights, X):
    """Return the description of a PageMember, for the samples of its self-test as its classifier gets them."""
    network = quantize_network(fold_network(member.mlp), weights)
    return {
        "name": member.name,
        "fraction": member.fraction,
        "deslant": None if member.deslanter is None else describe_deslanter(member.deslanter),
        "network": describe_network(network),
        "samples": make_self_test(network, X),
    }


def describe_deslanter(deslanter):
    """Return the parameters of a Deslant."""
    return {"maxShear": float(deslanter.max_shear), "spread": check_spread(deslanter.spread)}


def choose_test_samples(members, samples):
    """Return the samples for the self-test of each PageMember, as its classifier gets them.

    Parameters
    ----------
    members : list of PageMember
    samples : list of ndarray or None
        Samples as the classifier of each member gets them. None for random ones, in the range that the page uses for
        all members.
    """
    if samples is not None:
        return [X[np.linspace(0, len(X) - 1, N_SAMPLES).astype(int)] for X in samples]
    scale = find_input_scale(member.mlp.input_scale for member in members)
    return [generate_samples(member.mlp.n_features_in_, scale, N_SAMPLES) for member in members]


def make_self_test(network, X):
    """Return samples and their probabilities, which the page compares with its own."""
    X = X.astype("<f4")
    probabilities = compute_probabilities(network.restore(), X)
    return {
        "features": encode_text(X.tobytes()),
        "probabilities": [[float(f"{p:.7g}") for p in row] for row in probabilities.tolist()],
    }


# Input


def describe_input(members, info, samples):
    """Return how samples are entered: by drawing, or by a slider for each feature.

    Parameters
    ----------
    members : list of PageMember
    info : ModelInfo
    samples : list of ndarray or None
        Samples as the classifier of each member gets them.
    """
    if info.image_shape is not None:
        smallest, largest = find_range(members, samples)
        are_digits = list(map(str, info.labels)) == DIGITS
        return {
            "kind": "drawing",
            "shape": info.image_shape,
            "smallest": smallest,
            "largest": largest,
            "isMnist": info.image_shape == (IMAGE_SIZE, IMAGE_SIZE),
            "examples": DIGITS if are_digits else [],
            "example": EXAMPLE if are_digits else None,
        }
    n_features = members[0].mlp.n_features_in_
    if n_features > MAX_SLIDERS:
        raise ValueError(
            f"model must have at most {MAX_SLIDERS} features if they are not images, got {n_features}. Set "
            "image_shape=(height, width) if the features are pixels."
        )
    return {"kind": "table", "features": describe_features(members, samples), "example": None}


def find_range(members, samples):
    """Return the smallest and the largest value of the features."""
    if samples is not None:
        smallest, largest = min(X.min() for X in samples), max(X.max() for X in samples)
        if smallest == largest:
            raise ValueError(
                f"X must contain pixels of different values, which determine their range, got {smallest:g} for all. "
                "Pass some training samples."
            )
        return float(smallest), float(largest)
    scale = find_input_scale(member.mlp.input_scale for member in members)
    if scale is None:
        raise ValueError(
            "X must contain samples if no classifier on the page has an input_scale, got None. Pass some training "
            "samples, which determine the range of the features."
        )
    return 0.0, 1 / scale


def describe_features(members, samples):
    """Return the name, the range and the initial value of each feature."""
    n_features = members[0].mlp.n_features_in_
    names = next(
        (each.mlp.feature_names_in_ for each in members if hasattr(each.mlp, "feature_names_in_")),
        [f"Feature {i + 1}" for i in range(n_features)],
    )
    if samples is None:
        lower, upper = (np.full(n_features, limit) for limit in find_range(members, samples))
        middle = (lower + upper) / 2
    else:
        X = samples[0]
        lower, upper, middle = X.min(axis=0), X.max(axis=0), np.median(X, axis=0)
    ranges = zip(names, lower.tolist(), upper.tolist(), middle.tolist(), strict=True)
    return [
        {"name": str(name), "min": low, "max": high, "value": value}
        for name, low, high, value in ranges
    ]
