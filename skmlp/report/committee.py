"""Committees in reports, with the methods of a classifier."""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skmlp.model_parts import (
    ModelParts,
    average_log_probabilities,
    get_names,
    get_weights,
    list_members,
    split_model,
)


@dataclass(frozen=True, eq=False)
class Member:
    """Member of a committee.

    Attributes
    ----------
    name : str
    weight : float
        Weight in the average. The weights of all members add up to 1.
    parts : ModelParts
        Its transformers and its network, without feature names.
    """

    name: str
    weight: float
    parts: ModelParts

    @property
    def network(self):
        """The MLPDigitClassifier."""
        return self.parts.classifier

    def predict_proba(self, X):
        """Compute the probabilities of the classes."""
        return self.network.predict_proba(self.parts.transform(X))

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities."""
        return self.network.predict_log_proba(self.parts.transform(X))


@dataclass(frozen=True, eq=False)
class Committee:
    """Committee without feature names, so that it accepts arrays.

    Attributes
    ----------
    estimator : VotingClassifier
        Fitted committee of MLPDigitClassifiers, or Pipelines that end with one.
    """

    estimator: Any

    @cached_property
    def members(self):
        """Members of the committee."""
        models = list_members(self.estimator)
        weights = np.asarray(get_weights(self.estimator) or np.ones(len(models)), dtype=float)
        members = zip(get_names(self.estimator), weights / weights.sum(), models, strict=True)
        return [
            Member(name, float(weight), remove_names_from_steps(split_model(model)))
            for name, weight, model in members
        ]

    @property
    def classes_(self):
        """Labels. Those of the members can be their indices."""
        return self.estimator.classes_

    @property
    def n_features_in_(self):
        """Number of features."""
        return self.members[0].parts.n_features

    @property
    def image_shape(self):
        """Height and width of the images, None if no member stores them, or the members store different ones."""
        shapes = {member.parts.image_shape for member in self.members} - {None}
        return shapes.pop() if len(shapes) == 1 else None

    def predict(self, X):
        """Predict the labels."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        """Compute the probabilities of the classes, as the VotingClassifier does."""
        each = [member.predict_proba(X) for member in self.members]
        return np.average(each, axis=0, weights=get_weights(self.estimator))

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities, which are never -inf."""
        each = [member.predict_log_proba(X) for member in self.members]
        return average_log_probabilities(each, get_weights(self.estimator))


def remove_names_from_steps(parts):
    """Return ModelParts of copies of the steps without feature names."""
    *transformers, classifier = map(remove_feature_names, parts.steps)
    return ModelParts(tuple(transformers), classifier)


def remove_feature_names(estimator):
    """Return a copy of an estimator without feature names, which accepts arrays."""
    model = copy.copy(estimator)
    vars(model).pop("feature_names_in_", None)
    return model
