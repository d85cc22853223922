"""Loading of model files for the commands, and a uniform view of the models in them.

The commands use these attributes of a model: `classes_`, `n_features_in_`, `image_shape`, `input_scale` and
`random_state`, and the methods `predict_proba` and `predict_log_proba`. A classifier has them; PipelineModel and
CommitteeModel give them to pipelines and committees.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any

from skmlp.cli.errors import BAD_MODEL, CommandError, translate_errors
from skmlp.cli.options import Option, declare
from skmlp.cli.values import PATH
from skmlp.formatting import format_count

PIXEL_SCALE = 1 / 255


def declare_model_argument():
    """Return the dataclass field of the positional argument MODEL."""
    text = "Model file, written by 'skmlp train', 'skmlp combine' or skmlp.save_model."
    return declare(Option(PATH, text, metavar="MODEL", positional=True))


# Loading


def read_any_model(path):
    """Load a model: a classifier, a Pipeline or a VotingClassifier."""
    from skmlp import load_model

    with translate_errors(BAD_MODEL, (OSError, EOFError, ValueError, ImportError)):
        return load_model(path)


def read_classifier_or_pipeline(path, hint):
    """Load a model, or raise an error with a hint if it is a committee."""
    model = read_any_model(path)
    if not is_classifier(model) and not is_pipeline(model):
        raise CommandError(
            BAD_MODEL,
            f"{path}: the model must be a classifier or a pipeline, got {describe_kind(model)}. {hint}",
        )
    return model


def read_single_label_model(path):
    """Load a model that predicts one class per image, and return it or a view with the same attributes."""
    model = read_any_model(path)
    check_single_label(model, path)
    return make_view(model)


def check_single_label(model, path):
    """Raise an error for a multilabel model."""
    if is_multilabel(model):
        raise CommandError(
            BAD_MODEL,
            f"{path}: the model must predict one class per image, got a multilabel model. "
            "Use it from Python.",
        )


def is_classifier(model):
    """Return whether a model is a classifier."""
    from skmlp import MLPDigitClassifier

    return isinstance(model, MLPDigitClassifier)


def is_pipeline(model):
    """Return whether a model is a Pipeline."""
    from sklearn.pipeline import Pipeline

    return isinstance(model, Pipeline)


def is_multilabel(model):
    """Return whether a model can predict several labels for an image. Committees cannot."""
    from skmlp.model_parts import split_model

    classifier = split_model(model).classifier
    is_logistic = is_classifier(classifier) and classifier.out_activation_ == "logistic"
    return is_logistic and classifier.n_outputs_ > 1


def describe_kind(model):
    """Return what a model is, for messages."""
    if is_classifier(model):
        return "a classifier"
    if is_pipeline(model):
        return f"a pipeline of {describe_steps(model)}"
    return f"a committee of {format_count(len(model.estimators_), 'model')}"


def describe_steps(pipeline):
    """Return the types of the steps of a Pipeline."""
    return ", ".join(
        step if isinstance(step, str) else type(step).__name__ for _, step in pipeline.steps
    )


# Uniform view


def make_view(model):
    """Return an object with the attributes of a classifier for a model."""
    from skmlp.model_parts import Committee

    if is_classifier(model):
        return model
    if is_pipeline(model):
        return PipelineModel(model)
    return CommitteeModel(Committee.from_estimator(model, make_view))


@dataclass(frozen=True)
class PipelineModel:
    """Pipeline with the attributes of a classifier.

    Parameters
    ----------
    estimator : Pipeline
    factor : float or None, default=None
        Factor of the pixels before the first step.
    """

    estimator: Any
    factor: float | None = None

    @property
    def parts(self):
        """Transformers and classifier, without steps that do nothing."""
        from skmlp.model_parts import split_model

        return split_model(self.estimator)

    @property
    def takes_images(self):
        """Whether all steps before the classifier transform images of digits to such images."""
        return self.parts.takes_images

    @property
    def classes_(self):
        """Labels."""
        return self.estimator.classes_

    @property
    def n_features_in_(self):
        """Number of pixels."""
        return self.parts.n_features

    @property
    def random_state(self):
        """Seed of the classifier."""
        return self.parts.classifier.random_state

    @property
    def image_shape(self):
        """Height and width of the images that the pipeline takes, if it stores them."""
        return self.parts.image_shape

    @property
    def input_scale(self):
        """Factor of the pixels that the pipeline stores, or `factor`."""
        from skmlp import IDXReader

        if self.factor is not None:
            return self.factor
        first = self.parts.steps[0]
        if isinstance(first, IDXReader) and first.scale:
            return PIXEL_SCALE
        return self.parts.classifier.input_scale if self.takes_images else None

    def scale_pixels(self, factor):
        """Return a model that multiplies the pixels by a factor."""
        return replace(self, factor=factor)

    def predict_proba(self, X):
        """Compute the probabilities of the classes."""
        return self.estimator.predict_proba(self.prepare(X))

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities."""
        return self.estimator.predict_log_proba(self.prepare(X))

    def transform(self, X):
        """Return the features that the classifier gets."""
        return self.parts.transform(self.prepare(X))

    def prepare(self, X):
        """Return images whose pixels are multiplied by the factor, if there is one."""
        import numpy as np

        return X if self.factor is None else X * np.float32(self.factor)


@dataclass(frozen=True)
class CommitteeModel:
    """Committee with the attributes of a classifier: those that all members share.

    Parameters
    ----------
    committee : Committee
        View whose members are views too.
    """

    committee: Any

    @property
    def estimator(self):
        """The VotingClassifier."""
        return self.committee.estimator

    @property
    def members(self):
        """Views of the members: MLPDigitClassifiers and PipelineModels."""
        return self.committee.models

    @property
    def classes_(self):
        """Labels. Those of the members can be their indices."""
        return self.committee.classes_

    @property
    def n_features_in_(self):
        """Number of pixels."""
        return self.committee.n_features_in_

    @property
    def image_shape(self):
        """Height and width of the images, None if the members store different ones."""
        return self.committee.image_shape

    @property
    def random_state(self):
        """Seed of all members, None if they differ."""
        seeds = {member.random_state for member in self.members}
        return seeds.pop() if len(seeds) == 1 else None

    @property
    def input_scale(self):
        """Factor of the pixels that determines their range, None if no member with a weight above 0 stores one."""
        from skmlp.model_parts import find_input_scale

        return find_input_scale(
            member.model.input_scale for member in self.committee.members if member.weight > 0
        )

    def scale_pixels(self, factor):
        """Return a committee whose members that do not store a factor multiply the pixels by the given one."""
        members = (
            replace(member, model=scale_pixels(member.model, factor))
            if member.model.input_scale is None
            else member
            for member in self.committee.members
        )
        return CommitteeModel(replace(self.committee, members=tuple(members)))

    def predict_proba(self, X):
        """Compute the probabilities of the classes, as the VotingClassifier does."""
        return self.committee.predict_proba(X)

    def predict_log_proba(self, X):
        """Compute the logarithms of the probabilities, which are never -inf."""
        return self.committee.predict_log_proba(X)


def get_classifier(view):
    """Return the classifier of a view of a pipeline, or the classifier itself."""
    return view.parts.classifier if isinstance(view, PipelineModel) else view


def get_features(view, X):
    """Return images as the classifier of a view gets them."""
    return view.transform(X) if isinstance(view, PipelineModel) else X


def lacks_scale(view):
    """Return whether a model, or a member of a committee, stores no factor of the pixels."""
    views = view.members if isinstance(view, CommitteeModel) else [view]
    return any(each.input_scale is None for each in views)


def scale_pixels(model, factor):
    """Return a copy of a classifier, or a view, that multiplies the pixels by a factor."""
    if not is_classifier(model):
        return model.scale_pixels(factor)
    scaled = copy.copy(model)
    scaled.input_scale = factor
    return scaled
