"""Prediction for dask arrays and data frames: one task for each block of rows, computed when the result is needed."""

from copy import deepcopy
from functools import partial

import numpy as np
from dask import delayed

from skmlp.dask.division import check_block_axes

# Attributes that prediction uses.
PREDICTION_ATTRIBUTES = (
    *(
        "n_features_in_",
        "feature_names_in_",
        "classes_",
        "n_layers_",
        "n_outputs_",
        "out_activation_",
    ),
    *("coefs_", "intercepts_", "batch_norm_"),
)


def predict_blocks(classifier, method, X):
    """Return the result of a method of prediction as a dask array with the blocks of X.

    Parameters
    ----------
    classifier : MLPDigitClassifier
        Fitted classifier. Further training does not change the result.
    method : {"predict", "predict_proba", "predict_log_proba"}
    X : dask array or dask DataFrame of shape (n_samples, n_features)

    Returns
    -------
    result : dask.array.Array
    """
    check_block_axes(X, "X")
    model = copy_for_prediction(classifier)
    example = getattr(model, method)(make_example(model))
    function = partial(predict_block, method)
    task = delayed(model, traverse=False)
    if not hasattr(X, "chunks"):
        return X.map_partitions(function, task, meta=example[:0])
    shape = {"drop_axis": 1} if example.ndim == 1 else {"chunks": (X.chunks[0], example.shape[1:])}
    name = method.replace("_", "-")
    return X.map_blocks(function, task, dtype=example.dtype, meta=example[:0], name=name, **shape)


def copy_for_prediction(classifier):
    """Return an MLPDigitClassifier with copies of the attributes that prediction uses."""
    from skmlp.estimator.classifier import MLPDigitClassifier

    model = MLPDigitClassifier(activation=classifier.activation, input_scale=classifier.input_scale)
    attributes = vars(classifier)
    for name in PREDICTION_ATTRIBUTES:
        if name in attributes:
            setattr(model, name, deepcopy(attributes[name]))
    return model


def make_example(classifier):
    """Return a sample of zeros for a fitted classifier."""
    example = np.zeros((1, classifier.n_features_in_), np.float32)
    if not hasattr(classifier, "feature_names_in_"):
        return example
    import pandas as pd

    return pd.DataFrame(example, columns=classifier.feature_names_in_)


def predict_block(method, X, classifier):
    """Return the result of a method of prediction for a block; an empty block gives an empty result."""
    if X.shape[0] == 0:
        return getattr(classifier, method)(make_example(classifier))[:0]
    return getattr(classifier, method)(X)
