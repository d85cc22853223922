"""Conversion of the arguments of `fit` to the TrainingData of the engine."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_array, check_consistent_length

from skmlp.engine.batches import Samples, TrainingData
from skmlp.estimator.config import make_extraction
from skmlp.estimator.sources import is_read_on_demand, join_labels, open_samples
from skmlp.estimator.targets import (
    check_classes,
    check_labels,
    check_probabilities,
    compute_class_weights,
    is_probabilities,
    normalize_rows,
    weight_probabilities,
)
from skmlp.sklearn_compat import check_sample_weight

HOW_TO_CHECK_SPARSE = "Pass a matrix for which X.check_format() raises no exception."
# Parameters that require dense training samples unless they have these values
DENSE_PARAMETERS = {
    "augmentation": None,
    "image_features": None,
    "adversarial_norm": 0,
    "virtual_adversarial_norm": 0,
}
# Those that also require dense validation sets and dense samples in prediction
DENSE_IN_PREDICTION = ("image_features",)


class FitArguments(NamedTuple):
    """The arguments of `fit`, as passed by the user.

    Attributes
    ----------
    X, y, sample_weight
        Training set.
    X_val, y_val, sample_weight_val
        Validation set, or None.
    classes
        All classes, or None.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None
    classes: Any = None


@dataclass(frozen=True)
class CheckedSamples:
    """Samples validated by scikit-learn, with labels that are not yet encoded.

    Attributes
    ----------
    X : ndarray, CSR matrix or RowSource of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Labels, an indicator matrix of integers, or class probabilities of floats.
    weights : ndarray of shape (n_samples,) or None
    """

    X: Any
    y: np.ndarray
    weights: np.ndarray | None


@dataclass(frozen=True)
class CheckedData:
    """Checked training samples and validation set.

    Attributes
    ----------
    training : CheckedSamples
    validation : CheckedSamples or None
    """

    training: CheckedSamples
    validation: CheckedSamples | None

    @property
    def has_probabilities(self):
        """Whether the targets of one of the sets are class probabilities."""
        sets = (self.training, self.validation)
        return any(is_probabilities(samples.y) for samples in sets if samples is not None)

    def with_probabilities(self, targets):
        """Return the data with labels converted to class probabilities, as a TargetEncoding specifies."""
        training, validation = self.training, self.validation
        training = replace(training, y=targets.to_probabilities(training.y))
        if validation is not None:
            validation = replace(validation, y=targets.to_probabilities(validation.y, "y_val"))
        return CheckedData(training, validation)


class SampleChecker(NamedTuple):
    """Validation of samples and labels.

    Attributes
    ----------
    validate : callable
        `validate_data` of scikit-learn, bound to the estimator.
    input_scale : float or None
    classes : array-like of shape (n_classes,) or None
        The classes, in whose order the columns of class probabilities are; None if they are unknown or the targets are
        multilabel.
    prefers_indicators : bool
        Whether a matrix of zeros and ones is an indicator matrix, also if it contains floats.
    allows_zero_weights : bool
        Whether all sample weights may be zero.
    """

    validate: Any
    input_scale: float | None
    classes: Any = None
    prefers_indicators: bool = False
    allows_zero_weights: bool = False

    def check(self, X, y, sample_weight, *, reset, name="y"):
        """Return the CheckedSamples for the arguments of `fit`. Sparse X is converted to CSR.

        Parameters
        ----------
        X, y, sample_weight
            Arguments of `fit`.
        reset : bool
            Whether to set `n_features_in_` and `feature_names_in_` or to compare X with them.
        name : str, default="y"
            Name of the labels in error messages.
        """
        read = self._open if is_read_on_demand(X) else self._load
        X, y = read(X, y, reset)
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight,
                X,
                dtype=get_weights_dtype(X),
                ensure_non_negative=True,
                allow_all_zero_weights=self.allows_zero_weights,
            )
        return CheckedSamples(X, self._check_targets(y, name), sample_weight)

    def _load(self, X, y, reset):
        """Return validated samples and labels in memory."""
        check_sparse_arrays(X)
        X, y = self.validate(
            X=X,
            y=y,
            accept_sparse="csr",
            multi_output=True,
            # With an input scale, X is converted batch by batch.
            dtype="numeric" if self.input_scale is not None else (np.float64, np.float32),
            order="C",
            reset=reset,
        )
        check_sparse_arrays(X)  # SciPy converts other formats without checking the indices.
        return X, y

    def _open(self, X, y, reset):
        """Return validated samples that are read on demand, and their labels."""
        X = open_samples(X, self._choose_dtype)
        self.validate(X=X, y=y, skip_check_array=True, reset=reset)
        y = check_array(
            join_labels(y, X), accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y"
        )
        check_consistent_length(X, y)
        return X, y

    def _check_targets(self, y, name):
        """Return labels, an indicator matrix or class probabilities."""
        if self.classes is None or y.ndim == 1 or y.shape[1] == 1 or not is_probabilities(y):
            return check_labels(y, name)
        if self.prefers_indicators and type_of_target(y).startswith("multilabel"):
            return check_labels(y, name)
        y = y.toarray() if issparse(y) else y
        return check_probabilities(y, check_classes(self.classes), name)

    def _choose_dtype(self, dtype):
        """Return the type to which `_load` would convert samples."""
        is_kept = self.input_scale is not None or dtype in (np.float64, np.float32)
        return dtype if is_kept else np.dtype(np.float64)

    def check_all(self, arguments, *, reset):
        """Return the CheckedData of FitArguments; `reset` as in `check`."""
        training = self.check(arguments.X, arguments.y, arguments.sample_weight, reset=reset)
        validation = None
        if has_validation_set(arguments):
            validation = self.check(
                arguments.X_val,
                arguments.y_val,
                arguments.sample_weight_val,
                reset=False,
                name="y_val",
            )
        return CheckedData(training, validation)


def has_validation_set(arguments):
    """Return whether FitArguments have a validation set; raise ValueError if only one of X_val and y_val is passed."""
    X, y = arguments.X_val, arguments.y_val
    if (X is None) != (y is None):
        missing = "X_val" if X is None else "y_val"
        raise ValueError(
            f"X_val and y_val must be passed together, got {missing}=None. Pass both or neither."
        )
    return X is not None


def is_dask_collection(value):
    """Return whether a value is a collection of Dask that consists of blocks, without importing Dask."""
    return hasattr(value, "__dask_graph__") and hasattr(value, "to_delayed")


def check_sparse_arrays(X):
    """Raise ValueError if the arrays of a CSR or CSC matrix do not describe a matrix of its shape.

    SciPy and scikit-learn do not check this, and products would access memory beyond the arrays.
    """
    if not issparse(X) or X.ndim != 2 or X.format not in ("csr", "csc"):
        return
    data, indices, indptr = X.data, X.indices, X.indptr
    n_compressed, n_indexed = X.shape if X.format == "csr" else X.shape[::-1]
    if len(data) != len(indices):
        raise ValueError(
            "data and indices of a sparse X must have the same length, got "
            f"{len(data)} and {len(indices)}. {HOW_TO_CHECK_SPARSE}"
        )
    if (
        len(indptr) != n_compressed + 1
        or indptr[0] != 0
        or indptr[-1] > len(indices)
        or (indptr[1:] < indptr[:-1]).any()
    ):
        raise ValueError(
            f"indptr of a sparse X must contain {n_compressed + 1} numbers that increase from 0 to at most "
            f"{len(indices)}, got {indptr}. {HOW_TO_CHECK_SPARSE}"
        )
    indices = indices[: indptr[-1]]
    if len(indices) and not 0 <= indices.min() <= indices.max() < n_indexed:
        raise ValueError(
            f"indices of a sparse X must be from 0 to {n_indexed - 1}, got numbers from {indices.min()} to "
            f"{indices.max()}. {HOW_TO_CHECK_SPARSE}"
        )


def encode_data(checked, targets, params):
    """Return the TrainingData of checked samples.

    Parameters
    ----------
    checked : CheckedData
    targets : TargetEncoding
    params : object
        Object with the constructor parameters as attributes.
    """
    if issparse(checked.training.X):
        check_sparse_is_supported(params)
    if checked.has_probabilities:
        checked = checked.with_probabilities(targets)
    samples = encode_samples(checked.training, targets, params, "y")
    check_total_weight(samples.total_weight, "y")
    validation = None
    if checked.validation is not None:
        validation = encode_samples(checked.validation, targets, params, "y_val")
        check_total_weight(validation.total_weight, "y_val")
    return TrainingData(samples, validation)


def check_total_weight(total_weight, name):
    """Raise ValueError unless the total weight of the samples with labels `name` is positive."""
    if not total_weight > 0:
        raise ValueError(
            "The product of class weight and sample weight must be positive for at least one sample, got zero "
            f"weights for all samples of {name}."
        )


def encode_samples(checked, targets, params, name):
    """Return Samples with encoded labels, weighted by the products of class weights and sample weights."""
    dtype, y, weights = get_weights_dtype(checked.X), checked.y, checked.weights
    if params.class_weight is not None:
        arguments = params.class_weight, y, weights, targets.classes
        if is_probabilities(y):
            weighted = weight_probabilities(*arguments)
            y, class_weights = normalize_rows(weighted), weighted.sum(axis=1)
        else:
            class_weights = compute_class_weights(*arguments)
        weights = class_weights.astype(dtype)
        if checked.weights is not None:
            weights *= checked.weights
    encoded = targets.encode(y, name)
    if encoded.dtype.kind == "f":
        encoded = encoded.astype(dtype, copy=False)
    if issparse(checked.X):
        check_sparse_is_supported(params, DENSE_IN_PREDICTION, name.replace("y", "X"))
    extraction = make_extraction(params, checked.X.shape[1])
    return Samples(
        checked.X, encoded, weights, input_scale=params.input_scale, extraction=extraction
    )


def check_sparse_is_supported(params, names=DENSE_PARAMETERS, argument="X"):
    """Raise TypeError if one of the named parameters is set, which requires dense samples."""
    for name in names:
        disabled = DENSE_PARAMETERS[name]
        if getattr(params, name) != disabled:
            raise TypeError(
                f"{argument} must be dense if {name} is set, got a sparse matrix. Pass {argument}.toarray(), or train "
                f"with {name}={disabled}."
            )


def check_same_classes(y, targets, classes=None):
    """Return `targets`, or raise ValueError if `classes` or, without them, `y` does not contain the same classes.

    Parameters
    ----------
    y : ndarray
        The result of `check_labels` or `check_probabilities`.
    targets : TargetEncoding
        The encoding of the previous training run.
    """
    if targets.multilabel or (classes is None and is_probabilities(y)):
        return targets
    found = np.unique(y if classes is None else classes)
    if not np.array_equal(found, targets.classes):
        raise ValueError(
            # The first two sentences are scikit-learn's.
            "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
            f"Previously got {targets.classes}, `y` has {found}. Use partial_fit to train on a subset of the "
            "classes, or set warm_start=False to start a new training run."
        )
    return targets


def get_weights_dtype(X):
    """Return the dtype of the weights of the network for validated samples."""
    return np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
