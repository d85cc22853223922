"""Checkpoints: the complete training state, from which training resumes bit for bit, in a file without code."""

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skmlp import __version__
from skmlp.engine.backend_choice import continue_kernels
from skmlp.engine.parameters import Layout
from skmlp.engine.state import TrainState
from skmlp.exceptions import CheckpointError, ModelFormatError, warn_caller
from skmlp.files.atomic import atomic_write, sync_directory
from skmlp.files.encoding import encode, format_errors, read_container
from skmlp.files.records import (
    build_estimator,
    check_shapes,
    collect_arrays,
    describe_estimator,
    describe_versions,
)
from skmlp.files.training_states import collect_state_arrays, state_from_json, state_to_json

ROWS_PER_BLOCK = 4096


# Writing


def get_previous_path(path):
    """Return the path at which the previous checkpoint is kept."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_checkpoint(path, estimator, data_fingerprint):
    """Write a checkpoint, and keep the existing file at `path` as the previous checkpoint.

    Parameters
    ----------
    path : str or Path
        If it is a symbolic link, its target is replaced and the link is kept.
    estimator : MLPDigitClassifier
        Classifier in training.
    data_fingerprint : str
        Result of `compute_fingerprint`.
    """
    state = estimator._state
    description = {
        "kind": "checkpoint",
        **describe_estimator(estimator),
        "versions": describe_versions(),
        "training": state_to_json(state),
        "data": data_fingerprint,
    }
    arrays = collect_arrays(estimator)
    description["estimator_arrays"] = list(arrays)
    arrays |= {f"state.{name}": array for name, array in collect_state_arrays(state).items()}
    path = Path(os.path.realpath(path))
    new = get_new_path(path)
    with atomic_write(new) as file:
        file.write(encode(description, arrays))
    if path.exists():
        os.replace(path, get_previous_path(path))
    os.replace(new, path)
    sync_directory(path.parent)


def get_new_path(path):
    """Return the path of a new checkpoint until it replaces the last one."""
    return path.with_name(f".{path.name}.new")


def remove_incomplete_files(path):
    """Remove the files left by processes that were killed while they wrote a checkpoint."""
    new = get_new_path(Path(os.path.realpath(path)))
    for incomplete in new.parent.glob(f".{new.name}.*.part"):
        incomplete.unlink(missing_ok=True)


# Reading


@dataclass(frozen=True)
class CheckpointContent:
    """Content of a checkpoint file.

    Attributes
    ----------
    path : Path
        The file that was read, which may be the previous checkpoint.
    description : dict
        JSON values.
    arrays : dict of str to ndarray
        Arrays of the fitted attributes.
    layout : Layout
    state : TrainState
    """

    path: Path
    description: dict[str, Any]
    arrays: dict[str, np.ndarray]
    layout: Layout
    state: TrainState

    def restore(self, model_class):
        """Return the estimator with the state it had when the checkpoint was written."""
        with checkpoint_errors(self.path):
            check_class(self.description, model_class)
            model = build_estimator(model_class, self.description, self.arrays, self.layout)
        model._state = self.state
        return model

    def check_parameters(self, expected, found):
        """Raise CheckpointError if a parameter differs from its expected value."""
        for name, value in expected.items():
            if not np.array_equal(found.get(name), value):
                raise CheckpointError(
                    f"{self.path}: expected a checkpoint with {name}={value!r}, got {name}={found.get(name)!r}. Resume "
                    "with the value of the checkpoint, or start a new training run."
                )

    @contextmanager
    def convert_data_errors(self):
        """Convert the errors that invalid data raise to CheckpointError."""
        try:
            yield
        except ValueError as error:
            raise CheckpointError(
                f"{self.path}: expected the data of the checkpoint, got other data. {error}"
            ) from error

    def check_data(self, data):
        """Raise CheckpointError if the TrainingData differ from the data of the checkpoint."""
        if compute_fingerprint(data) != self.description["data"]:
            is_remote = hasattr(data.samples.X, "compute_digests")
            division = ", divided into the same blocks" if is_remote else ""
            raise CheckpointError(
                f"{self.path}: expected the data of the checkpoint, got different features, labels, weights or "
                f"validation set. Pass the data that fit was called with{division}."
            )

    def warn_if_kernels_differ(self, config):
        """Warn if training with a TrainingConfig continues with other kernels than it started with."""
        before, now = self.state.kernels, continue_kernels(config, self.state.kernels)
        if now != before:
            warn_caller(
                f"{self.path}: expected the {before} kernels, with which training started, got the {now} kernels. The "
                f"results agree only up to rounding errors. Use the {before} kernels for bit-identical results."
            )


def read_checkpoint(path):
    """Read a checkpoint, or the previous one if the file is missing or invalid.

    Parameters
    ----------
    path : str or Path
        Path of the last checkpoint.

    Returns
    -------
    content : CheckpointContent

    Raises
    ------
    CheckpointError
        If neither file is a valid checkpoint of this version of skmlp.
    FileNotFoundError
        If neither file exists.
    """
    try:
        return read_file(path)
    except (FileNotFoundError, ModelFormatError) as error:
        previous = get_previous_path(os.path.realpath(path))
        if not previous.exists():
            raise
        reason = str(error).removesuffix(".")
        warn_caller(f"{reason}. Training resumes from the previous checkpoint, {previous}.")
        return read_file(previous)


def read_file(path):
    """Read a checkpoint from one file, without using the previous checkpoint."""
    with checkpoint_errors(path):
        container = read_container(path, "checkpoint")
        description, arrays = container.description, container.arrays
        container.check_digest()
        fitted = {name: arrays[name] for name in description["estimator_arrays"]}
        layout = check_shapes(description, fitted)
        check_version(description)
        state = state_from_json(description["training"], arrays, layout)
        return CheckpointContent(Path(path), description, fitted, layout, state)


@contextmanager
def checkpoint_errors(path):
    """Convert the errors that an invalid file causes to CheckpointError, and prefix the path."""
    try:
        with format_errors(path):
            yield
    except CheckpointError:
        raise
    except ModelFormatError as error:
        raise CheckpointError(str(error)) from error.__cause__


def check_version(description):
    """Raise CheckpointError for a checkpoint of another version of skmlp, which may round differently."""
    version = description["versions"]["skmlp"]
    if version != __version__:
        raise CheckpointError(
            f"expected a checkpoint of skmlp {__version__}, got one of skmlp {version}, which may round differently. "
            f"Resume it with skmlp {version}."
        )


def check_class(description, model_class):
    """Raise CheckpointError for a checkpoint of another class."""
    stored = description["estimator"]
    if stored != model_class.__name__:
        raise CheckpointError(
            f"expected a checkpoint of {model_class.__name__}, got one of {stored}. Use the method resume of that "
            "class."
        )


# Data


def compute_fingerprint(data):
    """Compute a SHA-256 digest of the TrainingData, in hexadecimal form."""
    sha256 = hashlib.sha256()
    for samples in (data.samples, data.validation):
        if samples is None:
            sha256.update(b"none")
            continue
        for array in (*get_feature_arrays(samples.X), samples.targets, samples.weights):
            if array is not None:
                update_digest(sha256, array)
    return sha256.hexdigest()


def get_feature_arrays(X):
    """Return the arrays that represent features in a digest.

    These are the dense features, the arrays of the canonical form of a sparse matrix, or the digests of blocks on a
    cluster.
    """
    if hasattr(X, "compute_digests"):
        return (X.compute_digests(),)
    if not issparse(X):
        return (X,)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)


def update_digest(sha256, array):
    """Update a digest with an array, in blocks of rows to limit the memory for contiguous copies."""
    sha256.update(f"{array.dtype.str} {array.shape}".encode())
    for start in range(0, len(array), ROWS_PER_BLOCK):
        sha256.update(np.ascontiguousarray(array[start : start + ROWS_PER_BLOCK]).data)
