"""The tasks that load, validate and encode blocks of samples: pure functions of their arguments."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from skmlp.dask.sizes import register_size
from skmlp.engine.batches import TrainingData
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.data import CheckedSamples, SampleChecker, encode_samples
from skmlp.estimator.targets import is_multilabel
from skmlp.files.checkpoints import compute_fingerprint


@dataclass(frozen=True)
class BlockSummary:
    """Facts about the samples of a block.

    Attributes
    ----------
    n_samples, n_features : int
    dtype : dtype
        Type of the features.
    format : str
        Format of a sparse matrix, or "dense".
    feature_names : ndarray of str or None
        Names of the columns of a data frame.
    labels : ndarray
        Sorted labels; the numbers of the columns for multilabel targets.
    label_weights : ndarray
        Total weight of the samples of each label.
    multilabel : bool
    """

    n_samples: int
    n_features: int
    dtype: np.dtype
    format: str
    feature_names: np.ndarray | None
    labels: np.ndarray
    label_weights: np.ndarray
    multilabel: bool

    @property
    def label_kind(self):
        """Kind of the labels, which all blocks have in common."""
        if self.multilabel:
            return f"{len(self.labels)} columns"
        kinds = {"U": "strings", "O": "objects", "b": "booleans"}
        return kinds.get(self.labels.dtype.kind, "numbers")


@register_size
@dataclass(frozen=True)
class LoadedBlock:
    """Validated samples of a block, on a worker.

    Attributes
    ----------
    checked : CheckedSamples
    feature_names : ndarray of str or None
    """

    checked: CheckedSamples
    feature_names: np.ndarray | None


@contextmanager
def name_block(number, name):
    """Add the number of a block to the messages of errors that invalid samples cause."""
    try:
        yield
    except (ValueError, TypeError) as error:
        error_class = TypeError if isinstance(error, TypeError) else ValueError
        message = f"Block {number} of {name} (the first one is 0): {error}"
        raise error_class(message) from error


def load_block(number, name, input_scale, X, y, sample_weight):
    """Return the LoadedBlock of a block."""
    estimator = MLPDigitClassifier()
    validate = partial(validate_data, estimator)
    # The other blocks may have positive weights.
    checker = SampleChecker(validate, input_scale, allows_zero_weights=True)
    with name_block(number, name):
        checked = checker.check(X, y, sample_weight, reset=True)
    return LoadedBlock(checked, getattr(estimator, "feature_names_in_", None))


def summarize_block(block):
    """Return the BlockSummary of a LoadedBlock."""
    checked = block.checked
    multilabel = is_multilabel(checked.y)
    if multilabel:
        labels = np.arange(checked.y.shape[1])
        label_weights = np.zeros(len(labels))
    else:
        labels, indices = np.unique(checked.y, return_inverse=True)
        label_weights = np.bincount(indices, checked.weights, len(labels)).astype(float)
    return BlockSummary(
        n_samples=checked.X.shape[0],
        n_features=checked.X.shape[1],
        dtype=checked.X.dtype,
        format=checked.X.format if issparse(checked.X) else "dense",
        feature_names=block.feature_names,
        labels=labels,
        label_weights=label_weights,
        multilabel=multilabel,
    )


def encode_block(block, number, targets, params, name):
    """Return the Samples of a LoadedBlock with encoded labels."""
    with name_block(number, name):
        return encode_samples(block.checked, targets, params, name)


def get_total_weight(samples):
    """Return the total weight of Samples."""
    return float(samples.total_weight)


def get_sample_weights(samples):
    """Return the weights of Samples, or None."""
    return samples.weights


def compute_digest(samples):
    """Return a digest of Samples as an array of uint8."""
    return np.frombuffer(bytes.fromhex(compute_fingerprint(TrainingData(samples))), np.uint8)
