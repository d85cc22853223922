"""Models of reports, as views that accept arrays."""

import copy

from skmlp.model_parts import Committee, ModelParts, is_committee, split_model


def remove_names(model):
    """Return a classifier, or a Committee whose members are ModelParts, without feature names."""
    if not is_committee(model):
        return remove_feature_names(model)
    return Committee.from_estimator(
        model, lambda member: remove_names_from_steps(split_model(member))
    )


def remove_names_from_steps(parts):
    """Return ModelParts of copies of the steps without feature names."""
    *transformers, classifier = map(remove_feature_names, parts.steps)
    return ModelParts(tuple(transformers), classifier)


def remove_feature_names(estimator):
    """Return a copy of an estimator without feature names, which accepts arrays."""
    model = copy.copy(estimator)
    vars(model).pop("feature_names_in_", None)
    return model
