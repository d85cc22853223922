"""The data of a training: from what the user passes to the engine's samples and targets."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.batches import Samples, TrainingData
from skmlp.estimator.targets import check_labels, weights_of_classes
from skmlp.sklearn_compat import check_sample_weight


class FitArguments(NamedTuple):
    """The arguments of `fit`, as they were passed.

    Attributes
    ----------
    X, y, sample_weight
    X_val, y_val, sample_weight_val
        None without a validation set.
    """

    X: Any
    y: Any
    sample_weight: Any = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None


@dataclass(frozen=True)
class CheckedSamples:
    """Samples that scikit-learn's checks have passed, with labels not yet encoded.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
    weights : ndarray of shape (n_samples,) or None
    """

    X: Any
    y: np.ndarray
    weights: np.ndarray | None


class SampleChecker(NamedTuple):
    """The checks of samples and labels.

    Attributes
    ----------
    validate : callable
        scikit-learn's `validate_data`, bound to the estimator whose number and names of features it sets or compares.
    input_scale : float or None
    """

    validate: Any
    input_scale: float | None

    def check(self, X, y, sample_weight, *, reset):
        """Return CheckedSamples for data of any kind; sparse X becomes CSR.

        Parameters
        ----------
        X, y, sample_weight
            As passed to `fit`.
        reset : bool
            Whether to set the number and the names of the features, or to compare X with them.
        """
        X, y = self.validate(
            X=X,
            y=y,
            accept_sparse="csr",
            multi_output=True,
            # With a scale, X is converted batch by batch, and only then.
            dtype="numeric" if self.input_scale is not None else (np.float64, np.float32),
            order="C",
            reset=reset,
        )
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, X, dtype=weights_dtype(X), ensure_non_negative=True
            )
        return CheckedSamples(X, check_labels(y), sample_weight)

    def check_validation(self, arguments):
        """Return the CheckedSamples of the validation set; None without one."""
        X, y = arguments.X_val, arguments.y_val
        if X is None and y is None:
            return None
        if X is None or y is None:
            missing = "X_val" if X is None else "y_val"
            raise ValueError(
                f"X_val and y_val must be given together, but {missing} is None. Give both or neither."
            )
        return self.check(X, y, arguments.sample_weight_val, reset=False)


def encode_data(checked, checked_validation, targets, params):
    """Return the TrainingData of checked samples.

    Parameters
    ----------
    checked : CheckedSamples
    checked_validation : CheckedSamples or None
    targets : TargetEncoding
    params : object
        With the constructor parameters as attributes.
    """
    if issparse(checked.X):
        check_sparse_is_supported(params)
    validation = None
    if checked_validation is not None:
        validation = encode_samples(checked_validation, targets, params, "y_val")
    return TrainingData(encode_samples(checked, targets, params, "y"), validation)


def encode_samples(checked, targets, params, name):
    """Return Samples with encoded labels, and weights that are the product of class weights and sample weights."""
    weights = checked.weights
    if params.class_weight is not None:
        weights = weights_of_classes(
            params.class_weight, checked.y, checked.weights, targets.classes
        ).astype(weights_dtype(checked.X))
        if checked.weights is not None:
            weights *= checked.weights
        if not weights.any():
            raise ValueError(
                f"The weights of the samples of {name} are all zero: the product of class_weight and sample weights "
                "must be positive for at least one sample."
            )
    encoded = targets.encode(checked.y, name)
    return Samples(checked.X, encoded, weights, input_scale=params.input_scale)


def check_sparse_is_supported(params):
    """Raise TypeError for parameters that need dense samples."""
    for name, neutral in {"augmentation": None, "adversarial_norm": 0}.items():
        if getattr(params, name) != neutral:
            raise TypeError(
                f"{name} needs dense samples, but X is a sparse matrix. Pass X.toarray(), or leave {name} out."
            )


def targets_of_all_classes(y, earlier):
    """Return the encoding of an earlier training, all of whose classes must be in `y`.

    Parameters
    ----------
    y : ndarray
        The result of `check_labels`.
    earlier : TargetEncoding
    """
    if not earlier.multilabel and not np.array_equal(np.unique(y), earlier.classes):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
            f"Previously got {earlier.classes}, `y` has {np.unique(y)}. Use partial_fit for data with "
            "some of the classes, or warm_start=False to start a new training."
        )
    return earlier


def weights_dtype(X):
    """Return the type of the network's weights: that of X; float32 for integers, which only a scale admits."""
    return np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
