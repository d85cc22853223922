"""What a model is that a format cannot express, and what to export instead."""

from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.committee import check_committee, is_network
from skmlp.export.onnx_steps import CONVERTERS
from skmlp.model_parts import (
    COMMITTEE_OF_PIPELINES,
    describe_type,
    find_core,
    get_names,
    is_committee,
    list_members,
    split_model,
    unfreeze,
)

TRAIN = "Train an MLPDigitClassifier."
ONNX = "or use skmlp.export.to_onnx"


def describe_other_model(model):
    """Return what a model is, or None if it is a classifier, a Pipeline that ends with one, or a committee of these.

    Raises
    ------
    NotFittedError
        If it is a committee that is not fitted.
    """
    if is_network(model):
        return None
    committee = unfreeze(model)
    if not is_committee(committee):
        return describe_type(model)
    check_is_fitted(committee)
    others = (
        f"a VotingClassifier whose member {name!r} is {describe_type(member)}"
        for name, member in zip(get_names(committee), list_members(committee), strict=False)
        if not is_network(member)
    )
    return next(others, None)


def suggest_committee(model, name, are_expressed, other):
    """Return what to pass to a format of committees instead of a model, the variable `name` of the caller.

    Parameters
    ----------
    model : object
    name : str
    are_expressed : callable
        Return whether the format can express a tuple of transformers.
    other : str
        What to do with other models than committees of networks.
    """
    core = find_core(model, name)
    if not is_committee(core.model) or describe_other_model(core.model) is not None:
        return other
    if not core.has_transformers:
        return f"Pass {core.expression}."
    if are_expressed(core.transformers):
        return COMMITTEE_OF_PIPELINES
    return f"Pass {core.expression}, which takes the transformed samples."


def suggest_network(model, name):
    """Return what to pass instead of a model, the variable `name` of the caller, to export a single classifier."""
    core = find_core(model, name)
    if is_committee(core.model):
        return suggest_member(core, model)
    if not isinstance(core.model, MLPDigitClassifier):
        return TRAIN
    if not core.has_transformers:
        return f"Pass {core.expression}."
    onnx = f", {ONNX}, which also exports Pipelines" if is_converted_to_onnx(model) else ""
    return f"Pass {core.expression}, which takes the transformed samples{onnx}."


def suggest_member(core, model):
    """Return what to export instead of a model that is, or ends with, a committee, given as its Core."""
    members = list_members(core.model) if hasattr(core.model, "estimators_") else []
    if not any(map(is_network, members)):
        return TRAIN
    if not all(map(is_network, members)):
        return "Pass a member of the committee that is, or ends with, an MLPDigitClassifier."
    transformed = ", which takes the transformed samples" if core.has_transformers else ""
    return f"Pass a member of the committee{transformed}{suggest_onnx(core, model)}."


def suggest_onnx(core, model):
    """Return how to export a committee to ONNX, or an empty string if `to_onnx` does not convert it."""
    if not (are_converted_to_onnx(core.transformers) and is_converted_to_onnx(core.model)):
        return ""
    if core.has_transformers:
        pipelines = "a committee of Pipelines, each of which contains the transformers and a member"
        return f", {ONNX} with {pipelines}"
    if unfreeze(model) is not core.model:
        return f", {ONNX} with {core.expression}"
    return f", {ONNX}, which also exports committees"


def is_converted_to_onnx(model):
    """Return whether `to_onnx` converts the types of a model, of its members and of their transformers."""
    model = unfreeze(model)
    if is_committee(model):
        try:
            check_committee(model)
        except (TypeError, ValueError):
            return False
    return all(
        is_network(member) and are_converted_to_onnx(split_model(member).transformers)
        for member in list_members(model)
    )


def are_converted_to_onnx(transformers):
    """Return whether `to_onnx` converts the types of transformers."""
    return all(type(each) in CONVERTERS for each in transformers)
