"""Samples in blocks of rows on a cluster: division, loading, comparison and encoding."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from dask import delayed
from sklearn.utils.multiclass import unique_labels

from skmlp.dask.block_tasks import (
    compute_digest,
    encode_block,
    get_sample_weights,
    get_total_weight,
    load_block,
    summarize_block,
)
from skmlp.dask.division import split_arguments
from skmlp.engine.batches import Samples
from skmlp.estimator.config import make_extraction
from skmlp.estimator.data import check_sparse_is_supported, check_total_weight

HOW_TO_MIX = "Shuffle the samples before they are divided into blocks, use larger blocks, or set mode='exact'."


@dataclass(frozen=True)
class RemoteFeatures:
    """Placeholder in this process for the features of samples on a cluster.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    compute_digests : callable
        Returns a digest of each block, an array of uint8 of shape (n_blocks, n_bytes).
    """

    shape: tuple[int, int]
    dtype: np.dtype
    compute_digests: Any


@dataclass(frozen=True)
class RemoteSamples:
    """Samples in blocks on a cluster, with encoded labels.

    Attributes
    ----------
    handles : list of Handle
        The Samples of each block.
    sizes : ndarray of int of shape (n_blocks,)
        Number of samples of each block.
    total_weight : float
    placeholder : Samples
        Samples without targets and with RemoteFeatures. They have weights if those of each sample are known here.
    """

    handles: list
    sizes: np.ndarray
    total_weight: float
    placeholder: Samples

    def make_graph(self):
        """Return a new graph that contains the Samples of each block."""
        return {handle.key: handle.value for handle in self.handles}


class BlockLoader:
    """Loading, validation and encoding of samples in blocks on a cluster.

    Parameters
    ----------
    cluster : LocalScheduler or DistributedCluster
    params : object
        Object with the constructor parameters as attributes.
    name : {"X", "X_val"}
        Name of the features in error messages.
    X, y, sample_weight
        Arguments of `fit`.

    Attributes
    ----------
    summaries : list of BlockSummary
    """

    def __init__(self, cluster, params, name, X, y, sample_weight):
        self.name = name
        self.label_name = name.replace("X", "y")
        self._cluster = cluster
        token = uuid4().hex
        tasks = [
            delayed(load_block)(
                number,
                name,
                params.input_scale,
                *block,
                dask_key_name=(f"load-block-{token}", number),
            )
            for number, block in enumerate(split_arguments(cluster, name, X, y, sample_weight))
        ]
        self._loaded = cluster.persist(tasks, f"the blocks of {name}", spread=True)
        self.summaries = self._map(summarize_block, "summarize-block", self._loaded)
        self._check_consistency()
        if self.first.format != "dense":
            check_sparse_is_supported(params)

    @property
    def first(self):
        """Summary of the first block, with which the other blocks agree."""
        return self.summaries[0]

    @property
    def n_samples(self):
        """Number of samples of all blocks."""
        return sum(summary.n_samples for summary in self.summaries)

    def make_example(self):
        """Return a sample that has the number and the names of the features of the blocks."""
        example = np.zeros((1, self.first.n_features))
        if self.first.feature_names is None:
            return example
        import pandas as pd

        return pd.DataFrame(example, columns=self.first.feature_names)

    def make_labels(self):
        """Return an array that has the labels of all blocks."""
        if self.first.multilabel:
            return np.eye(len(self.first.labels), dtype=int)
        return unique_labels(*(summary.labels for summary in self.summaries))

    def sum_label_weights(self, classes):
        """Return the total weight of the samples of each class, as a dict. Unknown labels are ignored."""
        weights = dict.fromkeys(classes.tolist(), 0.0)
        for summary in self.summaries:
            for label, weight in zip(summary.labels.tolist(), summary.label_weights, strict=True):
                if label in weights:
                    weights[label] += float(weight)
        return weights

    def check_classes(self, classes):
        """Raise ValueError if a block has no samples of a class."""
        for number, summary in enumerate(self.summaries):
            missing = np.setdiff1d(classes, summary.labels)
            if missing.size and not summary.multilabel:
                raise ValueError(
                    f"Each block of {self.name} must have samples of all classes for mode='local', got block {number} "
                    f"(the first one is 0) without the classes {missing.tolist()}. {HOW_TO_MIX}"
                )

    def encode(self, targets, params, *, keep_weights):
        """Encode the labels, and return the RemoteSamples. The blocks with the labels are released.

        Parameters
        ----------
        targets : TargetEncoding
        params : object
            Object with the constructor parameters as attributes. `class_weight` is not "balanced".
        keep_weights : bool
            Whether to copy the weight of each sample to this process.
        """
        token = uuid4().hex
        tasks = [
            delayed(encode_block)(
                handle.as_delayed(),
                number,
                targets,
                params,
                self.label_name,
                dask_key_name=(f"encode-block-{token}", number),
            )
            for number, handle in enumerate(self._loaded)
        ]
        handles = self._cluster.persist(tasks, f"the blocks of {self.name}")
        self._loaded = []
        total_weight = sum(self._map(get_total_weight, "sum-weights", handles))
        check_total_weight(total_weight, self.label_name)
        weights = None
        if keep_weights:
            columns = self._map(get_sample_weights, "get-weights", handles)
            weights = None if columns[0] is None else np.concatenate(columns)
        sizes = np.array([summary.n_samples for summary in self.summaries])
        features = RemoteFeatures(
            (int(sizes.sum()), self.first.n_features),
            self.first.dtype,
            lambda: np.stack(self._map(compute_digest, "digest-block", handles)),
        )
        placeholder = Samples(
            features,
            weights=weights,
            input_scale=params.input_scale,
            extraction=make_extraction(params, self.first.n_features),
        )
        return RemoteSamples(handles, sizes, total_weight, placeholder)

    def _check_consistency(self):
        """Raise ValueError if a block differs from the first one in what all blocks must have in common."""
        first = self.first
        for number, summary in enumerate(self.summaries):
            for fact, expected, found in (
                ("number of features", first.n_features, summary.n_features),
                ("type of features", first.dtype.name, summary.dtype.name),
                ("format", first.format, summary.format),
                ("feature names", first.feature_names, summary.feature_names),
                ("kind of labels", first.label_kind, summary.label_kind),
            ):
                if not np.array_equal(found, expected):
                    name = self.label_name if fact == "kind of labels" else self.name
                    raise ValueError(
                        f"All blocks of {name} must have the same {fact}, got {expected} in block 0 and {found} "
                        f"in block {number}. Convert the blocks to a common type and form."
                    )

    def _map(self, function, name, handles):
        """Apply a function to each block, and return a list of the results."""
        token = uuid4().hex
        graph = {handle.key: handle.value for handle in handles}
        keys = [(f"{name}-{token}", number) for number in range(len(handles))]
        graph |= {key: (function, handle.key) for key, handle in zip(keys, handles, strict=True)}
        return self._cluster.compute(graph, keys, f"the blocks of {self.name}")
