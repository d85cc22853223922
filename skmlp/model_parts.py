"""The parts of a model: a network, a Pipeline of transformers and a network, or a committee of such models."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skmlp.digits.augmenter import DigitAugmenter
from skmlp.digits.deslant import Deslant
from skmlp.digits.reader import IDXReader
from skmlp.digits.resizer import ImageResizer

#: Transformers from images to images whose pixels have the same range, except for the scale of an IDXReader.
IMAGE_TRANSFORMERS = (Deslant, DigitAugmenter, IDXReader, ImageResizer)

# Pipelines


@dataclass(frozen=True)
class ModelParts:
    """A classifier and the transformers before it.

    Attributes
    ----------
    transformers : tuple of transformers
        Empty if the model is no Pipeline. They may be fitted or not, as the model is.
    classifier : estimator
    """

    transformers: tuple[BaseEstimator, ...]
    classifier: BaseEstimator

    @property
    def steps(self):
        """The transformers and the classifier."""
        return (*self.transformers, self.classifier)

    @property
    def n_features(self):
        """Number of features of the samples that the model takes, None if no step states it."""
        # A transformer that is not fitted, such as an IDXReader, keeps the number.
        stated = (getattr(step, "n_features_in_", None) for step in self.steps)
        return next((number for number in stated if number is not None), None)

    @property
    def image_shape(self):
        """Height and width of the images that the model takes, None if it does not store them."""
        for transformer in self.transformers:
            if not isinstance(transformer, IMAGE_TRANSFORMERS):
                return None
            if getattr(transformer, "image_shape_", None) is not None:
                return transformer.image_shape_
        return self.classifier.image_shape

    @property
    def takes_images(self):
        """Whether all transformers return images with pixels in the range of the given ones."""
        return all(isinstance(each, IMAGE_TRANSFORMERS) for each in self.transformers)

    def transform(self, X):
        """Return samples as the classifier gets them."""
        return reduce(lambda samples, each: each.transform(samples), self.transformers, X)

    def predict(self, X):
        """Predict the labels."""
        return self.classifier.predict(self.transform(X))

    def predict_proba(self, X):
        """Compute the probabilities of the classes."""
        return self.classifier.predict_proba(self.transform(X))

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities."""
        return self.classifier.predict_log_proba(self.transform(X))


def split_model(model):
    """Return the ModelParts of a classifier or a Pipeline. Pipelines may be nested, and steps may be frozen.

    Steps that do nothing, such as 'passthrough', are left out.

    Raises
    ------
    TypeError
        If the model is a Pipeline without steps.
    """
    steps = list_steps(model)
    if not steps:
        raise TypeError(
            f"model must be a classifier, or a Pipeline that ends with one, got {model!r:.200}."
        )
    return ModelParts(tuple(steps[:-1]), steps[-1])


def list_steps(model):
    """Return the steps of a Pipeline and of the Pipelines in it, or the model itself, without those that do nothing."""
    model = unfreeze(model)
    if isinstance(model, Pipeline):
        return [step for _, nested in model.steps for step in list_steps(nested)]
    return [] if does_nothing(model) else [model]


def does_nothing(step):
    """Return whether a step of a Pipeline returns the samples as they are."""
    return step is None or (isinstance(step, str) and step == "passthrough")


def get_last_step(model):
    """Return the last step of a Pipeline, or the model itself, as it is."""
    return model.steps[-1][1] if isinstance(model, Pipeline) and model.steps else model


def unfreeze(model):
    """Return the model in a FrozenEstimator, or the model itself."""
    return unfreeze(model.estimator) if isinstance(model, FrozenEstimator) else model


# Messages about models that are not supported

COMMITTEE_OF_PIPELINES = (
    "Pass a committee of Pipelines, each of which contains the transformers and a member."
)


@dataclass(frozen=True)
class Core:
    """The model in FrozenEstimators and at the end of Pipelines.

    Attributes
    ----------
    model : estimator
    expression : str
        Expression in Python that returns it.
    transformers : tuple of transformers, default=()
        Those before it, without steps that do nothing.
    """

    model: Any
    expression: str
    transformers: tuple[BaseEstimator, ...] = ()

    @property
    def has_transformers(self):
        """Whether there are transformers before the model."""
        return bool(self.transformers)


def find_core(model, name):
    """Return the Core of a model, which is the variable `name` of the caller."""
    core = Core(model, name)
    while True:
        if isinstance(core.model, FrozenEstimator):
            core = replace(
                core, model=core.model.estimator, expression=f"{core.expression}.estimator"
            )
        elif isinstance(core.model, Pipeline) and core.model.steps:
            core = Core(
                get_last_step(core.model),
                f"{core.expression}[-1]",
                (*core.transformers, *list_steps(core.model[:-1])),
            )
        else:
            return core


def describe_type(model):
    """Return what a model is: its type and those of the models in it that determine whether it is supported."""
    if isinstance(model, FrozenEstimator):
        return f"a FrozenEstimator of {describe_type(model.estimator)}"
    if isinstance(model, Pipeline) and model.steps:
        name = "a Pipeline" if type(model) is Pipeline else get_full_name(model)
        return f"{name} that ends with {describe_type(get_last_step(model))}"
    if not isinstance(model, BaseEstimator) or type(model) is Pipeline:
        return f"{model!r:.200}"
    is_known = is_committee(model) or type(model).__module__.startswith("skmlp.")
    return type(model).__name__ if is_known else get_full_name(model)


def get_full_name(model):
    """Return the module and the qualified name of the type of a model, which can be a subclass of the same name."""
    return f"{type(model).__module__}.{type(model).__qualname__}"


# Committees


@dataclass(frozen=True, eq=False)
class Member:
    """Member of a committee.

    Attributes
    ----------
    name : str
    weight : float
        Weight in the average. The weights of all members add up to 1.
    model : object
        The fitted model, or a view of it, with the methods `predict_proba` and `predict_log_proba`.
    """

    name: str
    weight: float
    model: Any


@dataclass(frozen=True, eq=False)
class Committee:
    """View of a committee, whose members can be views of the fitted models too.

    Attributes
    ----------
    estimator : VotingClassifier
        Fitted committee of MLPDigitClassifiers, or Pipelines that end with one.
    members : tuple of Member
    """

    estimator: Any
    members: tuple[Member, ...]

    @classmethod
    def from_estimator(cls, estimator, make_view) -> Self:
        """Return the Committee of a fitted VotingClassifier, for a function that returns the view of a fitted model."""
        members = zip(
            get_names(estimator), get_fractions(estimator), list_members(estimator), strict=True
        )
        return cls(
            estimator,
            tuple(Member(name, float(weight), make_view(model)) for name, weight, model in members),
        )

    @property
    def models(self):
        """The models of the members, as they are in the view."""
        return [member.model for member in self.members]

    @property
    def classes_(self):
        """Labels. Those of the members can be their indices."""
        return self.estimator.classes_

    @property
    def n_features_in_(self):
        """Number of features."""
        return split_model(list_members(self.estimator)[0]).n_features

    @property
    def image_shape(self):
        """Height and width of the images, None if no member stores them, or the members store different ones."""
        shapes = list_image_shapes(self.estimator)
        return shapes[0] if len(shapes) == 1 else None

    def predict(self, X):
        """Predict the labels."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        """Compute the probabilities of the classes, as the VotingClassifier does."""
        each = [model.predict_proba(X) for model in self.models]
        return np.average(each, axis=0, weights=get_weights(self.estimator))

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities, which are never -inf."""
        each = [model.predict_log_proba(X) for model in self.models]
        return average_log_probabilities(each, get_weights(self.estimator))


def is_committee(model):
    """Return whether a model is a VotingClassifier of scikit-learn."""
    if not hasattr(model, "voting"):
        return False  # without the import, which takes a quarter of a second
    from sklearn.ensemble import VotingClassifier

    return type(model) is VotingClassifier


def get_classes(model):
    """Return the labels of a fitted model. The last step of a Pipeline has none if it does nothing."""
    return model.classes_ if is_committee(model) else split_model(model).classifier.classes_


def list_members(model):
    """Return the fitted members of a committee, which may have been frozen. Another model is its only member."""
    return list(map(unfreeze, model.estimators_)) if is_committee(model) else [model]


def get_names(committee):
    """Return the names of the members of a committee. Estimators that are 'drop' are no members."""
    return [name for name, estimator in committee.estimators if not is_dropped(estimator)]


def get_weights(committee):
    """Return the list of the weights of the members, or None for equal weights."""
    weights, estimators = committee.weights, [estimator for _, estimator in committee.estimators]
    if weights is None or np.shape(weights) != (len(estimators),):
        return weights  # None, or invalid
    pairs = zip(estimators, weights, strict=True)
    return [weight for estimator, weight in pairs if not is_dropped(estimator)]


def get_fractions(committee):
    """Return the weights of the members divided by their sum, as an array."""
    weights = np.asarray(get_weights(committee) or np.ones(len(committee.estimators_)), dtype=float)
    return weights / weights.sum()


def list_image_shapes(model):
    """Return the different heights and widths of images that a model, or the members of a committee, store."""
    shapes = (split_model(member).image_shape for member in list_members(model))
    return sorted({tuple(shape) for shape in shapes if shape is not None})


def find_input_scale(scales):
    """Return the `input_scale` that determines the range of samples for several models: they go up to its reciprocal.

    Parameters
    ----------
    scales : iterable of float or None
        Those of models that take the same samples. None for a model that stores none.

    Returns
    -------
    scale : float or None
        The smallest one of those stored, None if no model stores one.
    """
    return min((scale for scale in scales if scale is not None), default=None)


def is_dropped(estimator):
    """Return whether an estimator of a VotingClassifier is 'drop'."""
    return isinstance(estimator, str) and estimator == "drop"


def average_log_probabilities(log_probabilities, weights=None):
    """Return the logarithm of the average of probabilities, computed without underflow.

    Parameters
    ----------
    log_probabilities : array-like of shape (n_members, n_samples, n_classes)
        Logarithms of the probabilities.
    weights : array-like of shape (n_members,), default=None
        None for equal weights.

    Returns
    -------
    log_probabilities : ndarray of shape (n_samples, n_classes)
    """
    log_probabilities = np.asarray(log_probabilities)
    weights = np.ones(len(log_probabilities)) if weights is None else np.asarray(weights, float)
    fractions = weights / weights.sum()
    return logsumexp(log_probabilities, axis=0, b=fractions[:, np.newaxis, np.newaxis])
