"""Prediction for dask arrays and data frames: one task for each block of rows, computed when the result is needed."""

from copy import deepcopy
from functools import partial
from typing import NamedTuple

import numpy as np
from dask import delayed
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skmlp.dask.division import check_block_axes, split_arguments, to_array

# Parameters and attributes that prediction uses.
PREDICTION_PARAMETERS = ("activation", "input_scale", "image_features", "image_shape")
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
    # The beginning of the keys, which Dask completes by a token of the arguments.
    token = method.replace("_", "-")
    if not hasattr(X, "chunks"):
        return X.map_partitions(function, task, meta=example[:0], token=token)
    shape = {"drop_axis": 1} if example.ndim == 1 else {"chunks": (X.chunks[0], example.shape[1:])}
    return X.map_blocks(function, task, dtype=example.dtype, meta=example[:0], token=token, **shape)


def copy_for_prediction(classifier):
    """Return an MLPDigitClassifier with copies of the attributes that prediction uses."""
    from skmlp.estimator.classifier import MLPDigitClassifier

    parameters = {name: getattr(classifier, name) for name in PREDICTION_PARAMETERS}
    model, attributes = MLPDigitClassifier(**parameters), vars(classifier)
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


def score_blocks(classifier, cluster, X, y, sample_weight):
    """Return the accuracy on samples in blocks, computed on a cluster.

    Parameters
    ----------
    classifier : MLPDigitClassifier
        Fitted classifier.
    cluster : LocalScheduler or DistributedCluster
    X : dask array or dask DataFrame
    y, sample_weight : dask collection or array-like
    """
    check_is_fitted(classifier)
    model = delayed(copy_for_prediction(classifier), traverse=False)
    blocks = split_arguments(cluster, "X", X, y, sample_weight)
    scores = delayed(list)([delayed(score_block)(model, *block) for block in blocks])
    (scores,) = cluster.compute_collections((scores,), "the score")
    return sum(score.n_correct for score in scores) / sum(score.weight for score in scores)


class BlockScore(NamedTuple):
    """Total weight of the correctly classified samples of a block, and of all of its samples."""

    n_correct: float
    weight: float


def score_block(classifier, X, y, sample_weight):
    """Return the BlockScore of a block."""
    predicted, expected = classifier.predict(X), to_array(y)
    check_consistent_length(predicted, expected)
    correct = predicted == expected.reshape(predicted.shape)
    if correct.ndim == 2:
        correct = correct.all(axis=1)
    weights = np.ones(len(correct)) if sample_weight is None else to_array(sample_weight)
    return BlockScore(float(weights @ correct), float(weights.sum()))
