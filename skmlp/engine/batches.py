"""Samples and mini-batches: shuffling, gathering, scaling, conversion and augmentation."""

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.holdout import choose_index_dtype, split_stratified
from skmlp.engine.sources import BlockOrder, RowSource, WindowReader

ALL_ROWS = slice(None)
EXTRACTION_BATCH_SIZE = 1024
# Image features that take more memory are computed batch by batch.
MAX_EXTRACTED_BYTES = 2**29


@dataclass(frozen=True)
class Samples:
    """Features, targets and weights of a set of samples.

    Parameters
    ----------
    X : ndarray, CSR matrix or RowSource of shape (n_rows, n_features)
    targets : ndarray of shape (n_rows,) or (n_rows, n_outputs), default=None
        Class indices, booleans per output, or probabilities per output as floats; None for prediction.
    weights : ndarray of shape (n_rows,), default=None
        Sample weights; None for ones.
    rows : ndarray of int of shape (n_samples,), default=None
        Indices of the samples in `X`, `targets` and `weights`; None for all rows.
    input_scale : float, default=None
        Factor by which X is multiplied when batches are gathered; None for 1.
    extraction : FeatureExtraction, default=None
        Computation of the inputs of the network from the scaled rows of X; None if these are the inputs.
    """

    X: Any
    targets: np.ndarray | None = None
    weights: np.ndarray | None = None
    rows: np.ndarray | None = None
    input_scale: float | None = None
    extraction: "FeatureExtraction | None" = None

    def __len__(self):
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @property
    def total_weight(self):
        """Sum of the sample weights; the number of samples if there are no weights."""
        if self.weights is None:
            return len(self)
        return float((self.weights if self.rows is None else self.weights[self.rows]).sum())

    @property
    def strata(self):
        """Stratum of each row of X: its class, the likeliest class, or zero for multilabel targets."""
        if self.targets.dtype.kind == "f":
            is_binary = self.targets.shape[1] == 1
            return self.targets[:, 0] > 0.5 if is_binary else self.targets.argmax(axis=1)
        if self.targets.ndim == 2 and self.targets.shape[1] > 1:
            return np.zeros(len(self.targets), np.uint8)
        return self.targets.reshape(-1)


@dataclass(frozen=True)
class TrainingData:
    """Training samples and an optional validation set.

    Attributes
    ----------
    samples : Samples
        The training samples.
    validation : Samples or None
        The validation set.
    """

    samples: Samples
    validation: Samples | None = None

    def hold_out(self, fraction, random_state):
        """Return data with a fraction of the training samples moved to the validation set."""
        samples = self.samples
        check_two_samples_per_class(samples)
        rows = split_stratified(samples.X, samples.strata, samples.weights, fraction, random_state)
        return TrainingData(
            replace(samples, rows=rows.training), replace(samples, rows=rows.held_out)
        )


def check_two_samples_per_class(samples):
    """Raise ValueError if a class of a binary problem has a single sample, like scikit-learn."""
    is_binary = samples.targets.ndim == 2 and samples.targets.shape[1] == 1
    if not is_binary or len(samples) == 1:
        return
    names, counts = np.unique(samples.targets, return_counts=True)
    if counts.min() == 1:
        raise ValueError(
            "The least populated classes in y have only 1 member, but early_stopping=True needs at least 2, one for "
            "training and one for validation. Classes with too few members are: "
            f"{[str(name) for name in names[counts == 1]]}, where True is the second class. Add samples, or pass "
            "X_val and y_val."
        )


class Batch:
    """Mini-batch whose features are gathered on first access.

    Parameters
    ----------
    samples : Samples
    rows : slice or ndarray of int, default=ALL_ROWS
        Rows of `samples.X` that belong to the batch.
    gather : callable, default=None
        ``gather(rows)`` returns the inputs of the network, of shape (size, n_inputs); None for the unchanged rows of X.
    locate : callable, default=None
        ``locate()`` returns an array that contains the rows of X, and their indices in it; None for X itself.
    scale : float or None, default=1.0
        Factor by which the inputs differ from the rows of X; None if they differ in another way.

    Attributes
    ----------
    size : int
        Number of samples.
    total_weight : float
        Sum of the sample weights; the number of samples if there are no weights.
    """

    __slots__ = ("_gather", "_locate", "_x", "rows", "samples", "scale", "size", "total_weight")

    def __init__(self, samples, rows=ALL_ROWS, gather=None, scale=1.0, locate=None):
        self.samples = samples
        self.rows = rows
        self.scale = scale
        self._gather = gather
        self._locate = locate
        self._x = None
        if isinstance(rows, slice):
            self.size = len(range(*rows.indices(samples.X.shape[0])))
        else:
            self.size = len(rows)
        self.total_weight = self.size if samples.weights is None else float(self.weights.sum())

    @property
    def targets(self):
        """Class indices of shape (size,), or one number per output of shape (n_outputs, size); None without targets."""
        targets = self.samples.targets
        return None if targets is None else targets[self.rows].T

    @property
    def weights(self):
        """Sample weights of shape (size,); None for ones."""
        weights = self.samples.weights
        return None if weights is None else weights[self.rows]

    def locate(self):
        """Return an array, or X itself, that contains the rows of X that belong to the batch, and their indices in it.

        Batches are located in their order.
        """
        return (self.samples.X, self.rows) if self._locate is None else self._locate()

    @property
    def x(self):
        """Inputs of the network, of shape (n_inputs, size)."""
        if self._x is None:
            gather = self._gather
            self._x = (self.samples.X[self.rows] if gather is None else gather(self.rows)).T
        return self._x


@dataclass(frozen=True)
class Augmentation:
    """Random transformation of samples that are images.

    Parameters
    ----------
    transform : callable
        ``transform(images, generator)`` returns images of the same shape, (n_samples, height, width). If it has a
        method ``at``, ``transform.at(progress)`` returns the callable to use when the fraction `progress` of the
        training run is complete.
    image_shape : tuple of int
        Height and width.
    """

    transform: Any
    image_shape: tuple[int, int]

    def at(self, progress, generator):
        """Return the function that transforms a batch when a fraction of the training run is complete.

        Its argument and its result are features of shape (n_samples, n_features).
        """
        transform = self.transform.at(progress) if hasattr(self.transform, "at") else self.transform
        return partial(self._apply, transform, generator)

    def _apply(self, transform, generator, x):
        images = x.reshape(-1, *self.image_shape)
        transformed = np.asarray(transform(images, generator))
        if transformed.shape != images.shape:
            raise ValueError(
                f"augmentation must return images of shape {images.shape}, got {transformed.shape} from {transform!r}."
            )
        return transformed.astype(x.dtype, copy=False).reshape(x.shape)


@dataclass(frozen=True)
class FeatureExtraction:
    """Computation of the inputs of a network from samples that are images.

    Parameters
    ----------
    compute : callable
        ``compute(images)`` returns features of shape (n_samples, n_features) for images of shape
        (n_samples, height, width). If it has a method ``count_features``, ``compute.count_features(image_shape)``
        returns the number of features; otherwise, it is that of an image of zeros.
    image_shape : tuple of int
        Height and width.
    """

    compute: Any
    image_shape: tuple[int, int]

    @cached_property
    def n_features(self):
        """Number of features of an image."""
        if hasattr(self.compute, "count_features"):
            return self.compute.count_features(self.image_shape)
        features = np.asarray(self.compute(np.zeros((1, *self.image_shape), np.float32)))
        if features.ndim != 2 or len(features) != 1 or not features.size:
            raise ValueError(
                "image_features must return an array of shape (1, n_features) for 1 image, got the shape "
                f"{features.shape} from {self.compute!r}."
            )
        return features.shape[1]

    def __call__(self, x):
        """Return the features of samples of shape (n_samples, n_pixels), with the dtype of the samples."""
        features = np.asarray(self.compute(self.to_images(x)))
        if features.shape != (len(x), self.n_features):
            raise ValueError(
                f"image_features must return an array of shape {(len(x), self.n_features)} for {len(x)} images, got "
                f"the shape {features.shape} from {self.compute!r}."
            )
        return features.astype(x.dtype, copy=False)

    @property
    def is_differentiable(self):
        """Whether `backpropagate` is available."""
        return hasattr(self.compute, "backpropagate")

    def backpropagate(self, x, derivatives):
        """Return derivatives with respect to samples, from those with respect to their features."""
        if not self.is_differentiable:
            raise TypeError(
                "image_features must have a method backpropagate(images, derivatives) for gradients with respect to "
                f"the pixels, got {self.compute!r}. Add the method, or use skmlp.GradientFeatures."
            )
        images = self.to_images(x)
        result = np.asarray(self.compute.backpropagate(images, derivatives))
        if result.shape != images.shape:
            raise ValueError(
                f"The method backpropagate of image_features must return an array of shape {images.shape}, got "
                f"{result.shape} from {self.compute!r}."
            )
        return result.reshape(x.shape)

    def to_images(self, x):
        """Return samples, one per row, as images."""
        return x.reshape(-1, *self.image_shape)


class Batches:
    """Mini-batches of samples, gathered into reusable buffers.

    Parameters
    ----------
    samples : Samples
    batch_size : int
        Number of samples per batch; the last batch may be smaller.
    dtype : dtype
        Type of the gathered features.
    """

    def __init__(self, samples, batch_size, dtype):
        self.samples = samples
        self.batch_size = batch_size
        self.dtype = np.dtype(dtype)
        self._buffers = {}

    def __len__(self):
        return -(-len(self.samples) // self.batch_size)

    def __iter__(self):
        """Yield the batches in the original order of the samples."""
        return self.in_order(None)

    def in_order(self, order, augment=None):
        """Yield the batches of a permutation of the samples.

        Parameters
        ----------
        order : ndarray of int, BlockOrder or None
            Permutation of the samples; None for their original order.
        augment : callable, default=None
            ``augment(x)`` returns the augmented features of a batch, of the shape of `x`, (n_samples, n_features).
        """
        samples, reader = self.samples, None
        changes = [change for change in (augment, samples.extraction) if change is not None]
        if isinstance(samples.X, RowSource) and isinstance(order, BlockOrder):
            reader = WindowReader(samples.X, samples.rows, order)
        scale = None if changes else samples.input_scale or 1.0
        for start in range(0, len(samples), self.batch_size):
            positions = slice(start, min(start + self.batch_size, len(samples)))
            rows = positions if order is None else order[positions]
            if samples.rows is not None:
                rows = samples.rows[rows]
            locate = None if reader is None else partial(reader.locate, positions)
            gather = partial(self._gather, locate)
            if changes:
                gather = partial(self._gather_changed, changes, locate)
            yield Batch(samples, rows, gather, scale, locate)

    def _gather_changed(self, changes, locate, rows):
        x, X = self._gather(locate, rows), self.samples.X
        # An augmentation may work in place, but must not change the user's data.
        is_shared = isinstance(X, np.ndarray) and np.may_share_memory(x, X)
        return reduce(lambda x, change: change(x), changes, x.copy() if is_shared else x)

    def _gather(self, locate, rows):
        X, scale = self.samples.X, self.samples.input_scale
        if locate is not None:
            X, rows = locate()
        is_taken = isinstance(X, np.ndarray) and not isinstance(rows, slice)
        x = self._take(X, rows) if is_taken else X[rows]
        if issparse(x):
            x = x.astype(self.dtype, copy=False)
            return x if scale is None else x * self.dtype.type(scale)
        if scale is None and x.dtype == self.dtype and x.flags.c_contiguous:
            return x
        converted = self._buffer("converted", x.shape, self.dtype)
        np.multiply(
            x, self.dtype.type(1 if scale is None else scale), out=converted, casting="unsafe"
        )
        return converted

    def _take(self, X, rows):
        taken = self._buffer("taken", (len(rows), X.shape[1]), X.dtype)
        # With mode="raise", `take` would first fill a temporary buffer.
        return X.take(rows, axis=0, out=taken, mode="clip")

    def _buffer(self, use, shape, dtype):
        if (use, shape) not in self._buffers:
            self._buffers[use, shape] = np.empty(shape, dtype)
        return self._buffers[use, shape]


def extract_fixed_features(data, dtype, *, is_augmented):
    """Return TrainingData whose image features are computed, once instead of in each epoch.

    Parameters
    ----------
    data : TrainingData
    dtype : dtype
        Type of the features.
    is_augmented : bool
        Whether the features of the training samples change from epoch to epoch.
    """
    samples, validation = data.samples, data.validation
    if not is_augmented:
        samples = extract_features(samples, dtype)
    if validation is not None:
        validation = extract_features(validation, dtype)
    return TrainingData(samples, validation)


def extract_features(samples, dtype):
    """Return Samples with the computed image features, or the Samples as they are if these are many."""
    extraction, rows = samples.extraction, samples.rows
    if extraction is None or isinstance(samples.X, RowSource):
        return samples
    shape = len(samples), extraction.n_features
    if math.prod(shape) * dtype.itemsize > MAX_EXTRACTED_BYTES:
        return samples
    features, start = np.empty(shape, dtype), 0
    for batch in Batches(samples, EXTRACTION_BATCH_SIZE, dtype):
        features[start : start + batch.size] = batch.x.T
        start += batch.size
    targets, weights = (
        values if values is None or rows is None else values[rows]
        for values in (samples.targets, samples.weights)
    )
    return Samples(features, targets, weights)


def shuffle(order, random_state):
    """Return a random permutation of `order`, the same as ``sklearn.utils.shuffle`` returns."""
    permuted = order.copy()
    random_state.shuffle(permuted)
    return permuted


def make_order(n_samples):
    """Return the indices of samples in their original order."""
    return np.arange(n_samples, dtype=choose_index_dtype(n_samples))


def prepare_order(state, n_samples):
    """Set the order of a TrainState to the original order, unless it has an order of so many samples."""
    if state.order is None or len(state.order) != n_samples:
        state.order = make_order(n_samples)


def draw_order(samples, mode, state):
    """Return the random order of the samples in the next epoch.

    Parameters
    ----------
    samples : Samples
    mode : True or "blocks"
        Whether samples are shuffled together or window by window, see BlockOrder. Samples that are read from
        consecutive blocks are always shuffled window by window.
    state : TrainState
        Provides the random stream, and for ``mode=True`` the order of the previous epoch, which is replaced. Prepared
        by `prepare_order`.
    """
    is_sequential = isinstance(samples.X, RowSource) and samples.X.is_sequential
    if mode == "blocks" or is_sequential:
        seed = state.random_state.randint(2**32, size=4, dtype=np.uint32).tolist()
        n_features = samples.X.shape[1]
        return BlockOrder(len(samples), n_features, seed, shuffles_blocks=not is_sequential)
    state.order = shuffle(state.order, state.random_state)
    return state.order
