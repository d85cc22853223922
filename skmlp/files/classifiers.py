"""A classifier, or a Pipeline that ends with one, as the description and the arrays in a model file."""

from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.files.pipelines import (
    ARRAY_NAME,
    DESCRIPTION_KEY,
    build_pipeline,
    encode_transformers,
)
from skmlp.files.records import (
    build_estimator,
    check_finite,
    check_shapes,
    collect_arrays,
    describe_estimator,
)
from skmlp.model_parts import get_last_step


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


def is_classifier(model):
    """Return whether a model is a classifier of skmlp, or a Pipeline that ends with one, but none of a subclass."""
    is_allowed = type(model) in (MLPDigitClassifier, Pipeline)
    return is_allowed and type(get_last_step(model)) is MLPDigitClassifier


def encode_single(model):
    """Return the Record of a fitted classifier or Pipeline."""
    return encode_pipeline(model) if type(model) is Pipeline else encode_classifier(model)


def encode_classifier(mlp):
    """Return the Record of a fitted classifier."""
    check_is_fitted(mlp)
    return Record(describe_estimator(mlp), collect_arrays(mlp))


def encode_pipeline(pipeline):
    """Return the Record of a fitted Pipeline: that of its classifier, extended by the other steps."""
    record = encode_classifier(get_last_step(pipeline))
    transformers, arrays = encode_transformers(pipeline)
    return Record(record.description | {DESCRIPTION_KEY: transformers}, record.arrays | arrays)


def decode_single(record):
    """Return the classifier or Pipeline of a Record, or raise ModelFormatError if it is invalid."""
    is_pipeline = DESCRIPTION_KEY in record.description
    return decode_pipeline(record) if is_pipeline else decode_classifier(record)


def decode_classifier(record):
    """Return the classifier of a Record."""
    description, arrays = record
    layout = check_shapes(description, arrays)
    check_finite(arrays, layout)
    return build_estimator(MLPDigitClassifier, description, arrays, layout)


def decode_pipeline(record):
    """Return the Pipeline of a Record."""
    arrays = dict(record.arrays)
    array = arrays.pop(ARRAY_NAME, None)
    classifier = decode_classifier(Record(record.description, arrays))
    return build_pipeline(record.description[DESCRIPTION_KEY], array, classifier)
