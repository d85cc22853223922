"""Committees: fitted classifiers whose predicted probabilities are averaged, as a VotingClassifier of scikit-learn."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator import fitted
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.model_parts import (
    describe_type,
    get_names,
    get_weights,
    list_steps,
    split_model,
    unfreeze,
)
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier

MAX_TEXT = 200  # characters of a list of classes in a message
MIN_TOTAL_WEIGHT = 1e-300  # quotients of smaller numbers are not accurate


def make_committee(
    models: Iterable[BaseEstimator], weights: ArrayLike | None = None
) -> "VotingClassifier":
    """Combine fitted classifiers into one that averages their probabilities, without training.

    The result is a fitted :class:`sklearn.ensemble.VotingClassifier` with ``voting="soft"``. Its members are frozen:
    ``fit`` does not train them again. :func:`skmlp.save_model` saves it, and :func:`skmlp.export.to_onnx` exports it,
    if the members are networks, or Pipelines that end with one.

    Parameters
    ----------
    models : iterable of classifiers
        Fitted classifiers with ``predict_proba``, such as :class:`skmlp.MLPDigitClassifier`, or Pipelines that end with
        one. They must have the same classes, and take samples with the same number of features.
    weights : array-like of shape (n_models,), default=None
        Weights of the models in the average, finite and at least 0, with a positive sum. None means equal weights.

    Returns
    -------
    committee : :class:`sklearn.ensemble.VotingClassifier`
        Fitted classifier. Its members are named member_0, member_1, and so on.

    Raises
    ------
    TypeError
        If `models` is not an iterable of models, or a model has no ``predict_proba``.
    NotFittedError
        If a model is not fitted.
    ValueError
        If there is no model, the models do not fit together, a model is a multilabel classifier, or `weights` is
        invalid.

    See Also
    --------
    save_model : Save the committee to a file.
    skmlp.export.to_html : Write a page on which one can draw a digit and see what each network predicts.

    Examples
    --------
    >>> from sklearn.base import clone
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier, make_committee
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier((32,), input_scale=1 / 16, max_iter=5, n_iter_no_change=None)
    >>> networks = [clone(mlp).set_params(random_state=seed).fit(X, y) for seed in range(2)]
    >>> committee = make_committee(networks, weights=[2, 1])
    >>> committee.predict_proba(X).shape
    (1797, 10)
    """
    classifiers = list_models(models)
    for classifier in classifiers:
        check_model(classifier)
    classes = classifiers[0].classes_
    check_members(classifiers, [classes.tolist()])
    if weights is not None:
        weights = check_weights(weights, len(classifiers)).tolist()
    members = [(f"member_{index}", freeze(model)) for index, model in enumerate(classifiers)]
    return assemble_committee(members, classes, weights)


def list_models(models):
    """Return the elements of an iterable of models, or raise an error if it is something else or empty."""
    # A Pipeline is an iterable of its steps, a dict one of its keys.
    if isinstance(models, BaseEstimator | str | Mapping) or not isinstance(models, Iterable):
        hint = (
            "Pass its values." if isinstance(models, Mapping) else "Pass the classifiers in a list."
        )
        raise TypeError(
            f"models must be a list of fitted classifiers, got {describe_type(models)}. {hint}"
        )
    models = list(models)
    if not models:
        raise ValueError(
            "models must contain at least one fitted classifier, got none. Pass the classifiers in a list."
        )
    return models


def check_model(model):
    """Raise TypeError or NotFittedError unless a model is a fitted classifier that predicts probabilities."""
    if isinstance(model, type) or not hasattr(model, "predict_proba"):
        raise TypeError(
            f"models must be classifiers with predict_proba, got {describe_type(model)}. Pass fitted classifiers, such "
            "as MLPDigitClassifiers."
        )
    check_is_fitted(model)


def check_members(models, possible_classes):
    """Raise ValueError unless fitted models can be the members of one committee.

    Parameters
    ----------
    models : list of classifiers
    possible_classes : list of list
        Classes of the members: the labels and, for members that were trained by a VotingClassifier, their indices.
    """
    n_features = split_model(models[0]).n_features
    for index, model in enumerate(models):
        if is_multilabel(model):
            raise ValueError(
                f"models must predict one class per sample, got a multilabel classifier as model {index}. Average its "
                "probabilities with NumPy."
            )
        classes = model.classes_.tolist()
        if classes not in possible_classes:
            raise ValueError(
                f"models must have the same classes, {describe_classes(possible_classes[0])}, got "
                f"{describe_classes(classes)} from model {index}. Combine models of the same dataset."
            )
        number = split_model(model).n_features
        if number != n_features:
            raise ValueError(
                f"models must take samples with the same number of features, {n_features}, got {number} from model "
                f"{index}. Combine models of the same dataset."
            )


def describe_classes(classes):
    """Return a list of classes as text, with their number if it is shortened."""
    text = str(classes)
    return text if len(text) <= MAX_TEXT else f"{len(classes)} classes, {text[:MAX_TEXT]} ..."


def check_weights(weights, n_models):
    """Return the weights of models as an array, or raise ValueError if they are invalid."""
    try:
        array = np.asarray(weights)
    except ValueError:  # lists of different lengths
        array = np.empty(0)
    is_valid = array.dtype.kind in "iuf" and array.shape == (n_models,)
    if is_valid:
        with np.errstate(over="ignore"):
            total = array.sum(dtype=float)
        is_valid = array.min() >= 0 and MIN_TOTAL_WEIGHT <= total < np.inf
    if not is_valid:
        raise ValueError(
            f"weights must be {n_models} finite numbers of at least 0, one per model, with a positive and finite sum, "
            f"got {weights!r:.200}. Pass None for equal weights."
        )
    return array


def check_committee(committee):
    """Raise an error unless a VotingClassifier is fitted, averages probabilities, and its members fit together.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If a member is not a classifier that predicts probabilities.
    ValueError
        If `voting` is not 'soft', the estimators were changed after fitting, the weights are invalid, or the members do
        not fit together.
    """
    check_is_fitted(committee)
    if committee.voting != "soft":
        raise ValueError(
            f"voting of the VotingClassifier must be 'soft', got {committee.voting!r:.200}. Set it by set_params: the "
            "fitted members do not depend on it."
        )
    names = get_names(committee)
    if len(names) != len(committee.estimators_):
        raise ValueError(
            f"estimators of the VotingClassifier must be its {len(committee.estimators_)} fitted members, got "
            f"{names!s:.200}. Fit it again after changing them."
        )
    for member in committee.estimators_:
        check_model(member)
    check_members(committee.estimators_, list_possible_classes(committee.classes_))
    if committee.weights is not None:
        check_weights(get_weights(committee), len(committee.estimators_))


def list_possible_classes(classes):
    """Return the classes that a member may have: the labels, or their indices after training by a VotingClassifier."""
    return [classes.tolist(), list(range(len(classes)))]


def is_network(model):
    """Return whether a model is an MLPDigitClassifier, or a Pipeline that ends with one."""
    steps = list_steps(model)
    return bool(steps) and isinstance(steps[-1], MLPDigitClassifier)


def freeze(model):
    """Return a model that `fit` does not change, and that states its number of features.

    A Pipeline whose first step does not state it, such as 'passthrough', does not state it either.
    """
    frozen = model if isinstance(model, FrozenEstimator) else FrozenEstimator(model)
    n_features = split_model(model).n_features
    if n_features is not None and not hasattr(frozen, "n_features_in_"):
        frozen = FrozenEstimator(unfreeze(model))
        frozen.n_features_in_ = n_features
    return frozen


def is_multilabel(model):
    """Return whether a fitted model is, or ends with, a network that predicts several labels per sample."""
    classifier = split_model(model).classifier
    return isinstance(classifier, MLPDigitClassifier) and fitted.get_targets(classifier).multilabel


def assemble_committee(members, classes, weights=None, flatten_transform=True):
    """Return a fitted VotingClassifier, with the attributes that `fit` sets.

    Parameters
    ----------
    members : list of (str, classifier)
        Names and fitted classifiers.
    classes : ndarray
        Labels that the committee predicts.
    weights : list of float, default=None
    flatten_transform : bool, default=True
        Parameter of the VotingClassifier.
    """
    from sklearn.ensemble import VotingClassifier
    from sklearn.preprocessing import LabelEncoder

    committee = VotingClassifier(
        members, voting="soft", weights=weights, flatten_transform=flatten_transform
    )
    committee.le_ = LabelEncoder()
    committee.le_.classes_ = committee.classes_ = classes
    committee.estimators_ = [model for _, model in members]
    committee.named_estimators_ = Bunch(**dict(members))
    for model in committee.estimators_:
        if hasattr(model, "feature_names_in_"):
            committee.feature_names_in_ = model.feature_names_in_
    return committee
