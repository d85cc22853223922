"""Samples and how they are cut into batches: shuffled, gathered, scaled, converted, augmented."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse


class Batch(NamedTuple):
    """A batch in the engine's orientation.

    Attributes
    ----------
    x : ndarray or sparse matrix of shape (n_features, batch)
    targets : ndarray
        What the loss takes: (batch,) class indices or (outputs, batch) zeros and ones.
    weights : ndarray of shape (batch,) or None
    """

    x: Any
    targets: np.ndarray | None
    weights: np.ndarray | None

    @property
    def size(self):
        """Number of samples."""
        return self.x.shape[1]

    @property
    def total_weight(self):
        """Sum of the sample weights, their number if there are none."""
        return self.size if self.weights is None else float(self.weights.sum())


@dataclass(frozen=True)
class Samples:
    """Features, targets and weights of the same samples, or of some rows of them.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    targets : ndarray of shape (n_samples,) or (n_samples, outputs), default=None
        None for samples to be predicted.
    weights : ndarray of shape (n_samples,), default=None
        None for ones.
    rows : ndarray of int, default=None
        The rows that count; None for all of them.
    input_scale : float, default=None
        Factor applied to X as batches are made.
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
        """Sum of the sample weights, their number if there are none."""
        if self.weights is None:
            return len(self)
        return float((self.weights if self.rows is None else self.weights[self.rows]).sum())


@dataclass(frozen=True)
class Augmentation:
    """Random changes of samples that are images.

    Parameters
    ----------
    change : callable
        From images of shape (n_samples, height, width) and a Generator to such images. Where it has a method ``at``,
        this gives the callable for a part of the training, from 0 to 1.
    image_shape : tuple of int
        Height and width.
    """

    change: Any
    image_shape: tuple[int, int]

    def at(self, progress, generator):
        """Give what changes a batch, of shape (n_samples, n_features), after a part of the training."""
        change = self.change.at(progress) if hasattr(self.change, "at") else self.change
        return partial(self._apply, change, generator)

    def _apply(self, change, generator, x):
        images = x.reshape(-1, *self.image_shape)
        changed = np.asarray(change(images, generator))
        if changed.shape != images.shape:
            raise ValueError(
                f"augmentation must give images of the shape {images.shape} that it gets. {change!r} gave "
                f"{changed.shape}."
            )
        return changed.astype(x.dtype, copy=False).reshape(x.shape)


class Batches:
    """Cuts samples into batches, in buffers that each batch size uses again.

    Parameters
    ----------
    samples : Samples
    batch_size : int
    dtype : dtype
        Of the dense batches.
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
        """Yield the batches with the samples in `order`, a permutation; None for the order they have.

        `augment` changes the features of each batch, (n_samples, n_features).
        """
        rows = self.samples.rows
        if order is not None:
            rows = order if rows is None else rows[order]
        for start in range(0, len(self.samples), self.batch_size):
            chosen = slice(start, min(start + self.batch_size, len(self.samples)))
            yield self._batch(chosen if rows is None else rows[chosen], augment)

    def _batch(self, rows, augment):
        samples = self.samples
        targets = None if samples.targets is None else samples.targets[rows].T
        weights = None if samples.weights is None else samples.weights[rows]
        x = self._features(rows)
        return Batch((x if augment is None else augment(x)).T, targets, weights)

    def _features(self, rows):
        X, scale = self.samples.X, self.samples.input_scale
        if issparse(X):
            x = X[rows].astype(self.dtype, copy=False)
            return x if scale is None else x * self.dtype.type(scale)
        x = X[rows] if isinstance(rows, slice) else self._gather(X, rows)
        if scale is None and x.dtype == self.dtype:
            return x
        converted = self._buffer("converted", x.shape, self.dtype)
        np.multiply(
            x, self.dtype.type(1 if scale is None else scale), out=converted, casting="unsafe"
        )
        return converted

    def _gather(self, X, rows):
        gathered = self._buffer("gathered", (len(rows), X.shape[1]), X.dtype)
        # With mode="raise", take would fill a buffer of its own first.
        return X.take(rows, axis=0, out=gathered, mode="clip")

    def _buffer(self, use, shape, dtype):
        if (use, shape) not in self._buffers:
            self._buffers[use, shape] = np.empty(shape, dtype)
        return self._buffers[use, shape]


def shuffled(order, random_state):
    """Permute `order` as ``sklearn.utils.shuffle`` does, with the same draws."""
    permutation = np.arange(len(order))
    random_state.shuffle(permutation)
    return order[permutation]
