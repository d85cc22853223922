"""A classifier, or a Pipeline that ends with one, as the description and the arrays in a model file."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.files.pipelines import (
    ARRAY_NAME,
    DESCRIPTION_KEY,
    decode_pipeline,
    encode_transformers,
)
from skmlp.files.records import (
    build_estimator,
    check_finite,
    check_shapes,
    collect_arrays,
    describe_estimator,
)


class Record(NamedTuple):
    """Model in the form in which it is stored.

    Attributes
    ----------
    description : dict
        JSON values.
    arrays : dict of str to ndarray
    """

    description: dict[str, Any]
    arrays: dict[str, np.ndarray]


def get_classifier(model):
    """Return the last step of a Pipeline, or the model itself."""
    return model.steps[-1][1] if type(model) is Pipeline and model.steps else model


def is_classifier(model):
    """Return whether a model is a classifier of skmlp, or a Pipeline that ends with one."""
    return type(get_classifier(model)) is MLPDigitClassifier


def encode_classifier(model):
    """Return the Record of a fitted classifier or Pipeline."""
    if type(model) is Pipeline:
        return encode_pipeline(model)
    check_is_fitted(model)
    return Record(describe_estimator(model), collect_arrays(model))


def encode_pipeline(pipeline):
    """Return the Record of a fitted Pipeline: that of its classifier, extended by the other steps."""
    record = encode_classifier(get_classifier(pipeline))
    transformers, arrays = encode_transformers(pipeline)
    return Record(record.description | {DESCRIPTION_KEY: transformers}, record.arrays | arrays)


def decode_classifier(record):
    """Return the classifier or Pipeline of a Record, or raise ModelFormatError if it is invalid."""
    description, arrays = record
    if DESCRIPTION_KEY in description:
        return decode_extended(record)
    layout = check_shapes(description, arrays)
    check_finite(arrays, layout)
    return build_estimator(MLPDigitClassifier, description, arrays, layout)


def decode_extended(record):
    """Return the Pipeline of a Record."""
    description, arrays = dict(record.description), dict(record.arrays)
    transformers, array = description.pop(DESCRIPTION_KEY), arrays.pop(ARRAY_NAME, None)
    classifier = decode_classifier(Record(description, arrays))
    return decode_pipeline(transformers, array, classifier)
