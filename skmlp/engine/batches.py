"""Samples and their batches: shuffled, gathered, scaled, converted, augmented."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.holdout import stratified_holdout

ALL_ROWS = slice(None)


@dataclass(frozen=True)
class Samples:
    """Features, targets and weights of the same samples, or of some rows of them.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    targets : ndarray of shape (n_samples,) or (n_samples, n_outputs), default=None
        Class indices, or zeros and ones per output; None for samples to be predicted.
    weights : ndarray of shape (n_samples,), default=None
        None for ones.
    rows : ndarray of int, default=None
        The rows that belong to these samples; None for all of them.
    input_scale : float, default=None
        Factor applied to X as batches are gathered.
    """

    X: Any
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None
    input_scale: float | None = None

    def __len__(self):
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @property
    def total_weight(self):
        """Sum of the sample weights; their number if there are none."""
        if self.weights is None:
            return len(self)
        return float((self.weights if self.rows is None else self.weights[self.rows]).sum())

    @property
    def strata(self):
        """The class of each sample, which a split should represent; a single stratum for multilabel targets."""
        if self.targets.ndim == 2 and self.targets.shape[1] > 1:
            return np.zeros(len(self.targets), int)
        return self.targets.reshape(-1).astype(int)


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained and validated on.

    Attributes
    ----------
    samples : Samples
    validation : Samples or None
    """

    samples: Samples
    validation: Samples | None = None

    def hold_out(self, fraction, random_state):
        """Return data whose validation set is a fraction of these samples, which the training set loses."""
        samples = self.samples
        check_two_samples_per_class(samples)
        rows = stratified_holdout(
            samples.X, samples.strata, samples.weights, fraction, random_state
        )
        return TrainingData(
            replace(samples, rows=rows.training), replace(samples, rows=rows.held_out)
        )


def check_two_samples_per_class(samples):
    """Raise ValueError, as scikit-learn does, if one of two classes has a single sample, which no split represents."""
    is_binary = samples.targets.ndim == 2 and samples.targets.shape[1] == 1
    if not is_binary or len(samples) == 1:
        return
    names, counts = np.unique(samples.targets, return_counts=True)
    if counts.min() == 1:
        raise ValueError(
            "The least populated classes in y have only 1 member, but early_stopping=True needs at least 2, one on "
            "each side of the split. Classes with too few members are: "
            f"{[str(name) for name in names[counts == 1]]}, True being the second class. Add samples, or pass X_val "
            "and y_val."
        )


class Batch:
    """Some rows of samples, whose features are gathered at their first use.

    Parameters
    ----------
    samples : Samples
    rows : slice or ndarray of int, default=ALL_ROWS
    gather : callable, default=None
        From rows to their features, (batch, n_features); None for the rows of X as they are.

    Attributes
    ----------
    targets : ndarray or None
        Class indices of shape (batch,), or zeros and ones of shape (n_outputs, batch).
    weights : ndarray of shape (batch,) or None
        Sample weights.
    size : int
        Number of samples.
    total_weight : float
        Sum of the sample weights; their number if there are none.
    """

    __slots__ = ("_gather", "_x", "rows", "samples", "size", "targets", "total_weight", "weights")

    def __init__(self, samples, rows=ALL_ROWS, gather=None):
        self.samples = samples
        self.rows = rows
        self._gather = gather
        self._x = None
        self.targets = None if samples.targets is None else samples.targets[rows].T
        self.weights = None if samples.weights is None else samples.weights[rows]
        if isinstance(rows, slice):
            self.size = len(range(*rows.indices(samples.X.shape[0])))
        else:
            self.size = len(rows)
        self.total_weight = self.size if self.weights is None else float(self.weights.sum())

    @property
    def x(self):
        """Features in the engine's orientation, (n_features, batch)."""
        if self._x is None:
            gather = self._gather
            self._x = (self.samples.X[self.rows] if gather is None else gather(self.rows)).T
        return self._x


@dataclass(frozen=True)
class Augmentation:
    """Random changes of samples that are images.

    Parameters
    ----------
    transform : callable
        From images of shape (n_samples, height, width) and a Generator to such images. If it has a method ``at``, that
        returns the callable for a fraction of the training, from 0 to 1.
    image_shape : tuple of int
        Height and width.
    """

    transform: Any
    image_shape: tuple[int, int]

    def at(self, progress, generator):
        """Return what changes a batch, (batch, n_features), after a fraction of the training."""
        transform = self.transform.at(progress) if hasattr(self.transform, "at") else self.transform
        return partial(self._apply, transform, generator)

    def _apply(self, transform, generator, x):
        images = x.reshape(-1, *self.image_shape)
        changed = np.asarray(transform(images, generator))
        if changed.shape != images.shape:
            raise ValueError(
                f"augmentation must return images of the shape {images.shape} that it is given. {transform!r} returned "
                f"images of shape {changed.shape}."
            )
        return changed.astype(x.dtype, copy=False).reshape(x.shape)


class Batches:
    """The batches of samples, gathered into buffers that are used again for each batch size.

    Parameters
    ----------
    samples : Samples
    batch_size : int
    dtype : dtype
        Type of the dense features.
    """

    def __init__(self, samples, batch_size, dtype):
        self.samples = samples
        self.batch_size = batch_size
        self.dtype = np.dtype(dtype)
        self._buffers = {}

    def __len__(self):
        return -(-len(self.samples) // self.batch_size)

    def __iter__(self):
        """Yield the batches in the order of the samples."""
        return self.in_order(None)

    def in_order(self, order, augment=None):
        """Yield the batches with the samples in a given order.

        Parameters
        ----------
        order : ndarray of int or None
            A permutation of the samples; None for the order they have.
        augment : callable, default=None
            Changes the features of a batch, (batch, n_features).
        """
        rows = self.samples.rows
        if order is not None:
            rows = order if rows is None else rows[order]
        gather = self._gather if augment is None else partial(self._gather_augmented, augment)
        for start in range(0, len(self.samples), self.batch_size):
            chosen = slice(start, min(start + self.batch_size, len(self.samples)))
            yield Batch(self.samples, chosen if rows is None else rows[chosen], gather)

    def _gather_augmented(self, augment, rows):
        x = self._gather(rows)
        # An augmentation may work in place, and the samples belong to the user.
        return augment(x.copy() if np.may_share_memory(x, self.samples.X) else x)

    def _gather(self, rows):
        X, scale = self.samples.X, self.samples.input_scale
        if issparse(X):
            x = X[rows].astype(self.dtype, copy=False)
            return x if scale is None else x * self.dtype.type(scale)
        x = X[rows] if isinstance(rows, slice) else self._take(X, rows)
        if scale is None and x.dtype == self.dtype:
            return x
        converted = self._buffer("converted", x.shape, self.dtype)
        np.multiply(
            x, self.dtype.type(1 if scale is None else scale), out=converted, casting="unsafe"
        )
        return converted

    def _take(self, X, rows):
        taken = self._buffer("taken", (len(rows), X.shape[1]), X.dtype)
        # With mode="raise", take would fill a buffer of its own first.
        return X.take(rows, axis=0, out=taken, mode="clip")

    def _buffer(self, use, shape, dtype):
        if (use, shape) not in self._buffers:
            self._buffers[use, shape] = np.empty(shape, dtype)
        return self._buffers[use, shape]


def shuffled(order, random_state):
    """Permute `order` as ``sklearn.utils.shuffle`` does, with the same draws."""
    permutation = np.arange(len(order))
    random_state.shuffle(permutation)
    return order[permutation]
