"""Checkpoints: everything that training needs to continue to the last bit, in a file that cannot contain code."""

import hashlib
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import issparse

from skmlp import __version__
from skmlp.engine.backend_choice import kernels_for
from skmlp.engine.parameters import Layout
from skmlp.engine.state import TrainState, Weights
from skmlp.engine.stopping import Plateau
from skmlp.exceptions import CheckpointError, ModelFormatError, warn_caller
from skmlp.files.atomic import replacing, sync_directory
from skmlp.files.encoding import (
    encode,
    naming,
    number_from_json,
    number_to_json,
    read_container,
)
from skmlp.files.records import (
    arrays_of,
    build,
    check_shapes,
    description_of,
    random_state_from_json,
    random_state_to_json,
)

ROWS_PER_BLOCK = 4096


def previous_path(path):
    """Return the path of the checkpoint before the last one."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write_checkpoint(path, estimator, data_fingerprint):
    """Write a checkpoint; the file that was there before becomes the previous checkpoint.

    Parameters
    ----------
    path : str or Path
        A symbolic link stays a link: the file that it points to is replaced.
    estimator : MLPDigitClassifier
        In training.
    data_fingerprint : str
        The result of `fingerprint_of`.
    """
    state = estimator._state
    description = {
        "kind": "checkpoint",
        **description_of(estimator),
        "training": state_to_json(state),
        "data": data_fingerprint,
    }
    arrays = arrays_of(estimator)
    description["estimator_arrays"] = list(arrays)
    arrays |= {f"state.{name}": array for name, array in state_arrays(state).items()}
    path = Path(os.path.realpath(path))
    fresh = fresh_path(path)
    with replacing(fresh) as file:
        file.write(encode(description, arrays))
    if path.exists():
        os.replace(path, previous_path(path))
    os.replace(fresh, path)
    sync_directory(path.parent)


def fresh_path(path):
    """Return the path of a checkpoint that is complete but has not yet replaced the last one."""
    return path.with_name(f".{path.name}.new")


def remove_leftovers(path):
    """Remove the incomplete files of a training that was killed while it wrote a checkpoint."""
    fresh = fresh_path(Path(os.path.realpath(path)))
    for leftover in fresh.parent.glob(f".{fresh.name}.*.part"):
        leftover.unlink(missing_ok=True)


# Reading


@dataclass(frozen=True)
class CheckpointContent:
    """The content of a checkpoint file.

    Attributes
    ----------
    path : Path
    description : dict
    arrays : dict of str to ndarray
        The fitted attributes.
    layout : Layout
    state : TrainState
    """

    path: Path
    description: dict
    arrays: dict
    layout: Layout
    state: TrainState

    def restore(self, model_class):
        """Return the estimator as it was when the checkpoint was written."""
        with checkpoint_errors(self.path):
            model = build(model_class, self.description, self.arrays, self.layout)
        model._state = self.state
        return model

    def check_parameters(self, expected, found):
        """Raise CheckpointError unless parameters have the expected values."""
        for name, value in expected.items():
            if not np.array_equal(found.get(name), value):
                raise CheckpointError(
                    f"{self.path}: the checkpoint was written with {name}={found.get(name)!r}, not {value!r}. Resume "
                    "with the same value, or start a new training."
                )

    @contextmanager
    def checking_data(self):
        """Turn the errors of data that do not fit the training into a CheckpointError."""
        try:
            yield
        except ValueError as error:
            raise CheckpointError(
                f"{self.path}: these are not the data of the checkpoint. {error}"
            ) from error

    def check_data(self, data):
        """Raise CheckpointError unless the TrainingData are those of the checkpoint."""
        if fingerprint_of(data) != self.description["data"]:
            raise CheckpointError(
                f"{self.path}: these are not the data of the checkpoint: features, labels, weights or validation set "
                "differ. Pass the same arrays that fit was called with."
            )

    def warn_of_other_kernels(self):
        """Warn if the training cannot continue with the kernels it began with."""
        before, now = self.state.kernels, kernels_for(0, self.state.kernels)
        if now != before:
            warn_caller(
                f"{self.path}: the training began with the kernels of {before} and continues with those of {now}: the "
                "results will be equal to rounding, not to the last bit."
            )


def read_checkpoint(path):
    """Read a checkpoint, or the previous one if the last one is missing or damaged.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    content : CheckpointContent

    Raises
    ------
    CheckpointError
        If no checkpoint is intact, or it has another version.
    FileNotFoundError
        If there is none.
    """
    try:
        return read_file(path)
    except (FileNotFoundError, ModelFormatError) as error:
        previous = previous_path(os.path.realpath(path))
        if not previous.exists():
            raise
        warn_caller(f"{error} Continuing from the previous checkpoint, {previous}.")
        return read_file(previous)


def read_file(path):
    """Read the checkpoint in one file."""
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
    """Turn every fault of a file into a CheckpointError that names it."""
    try:
        with naming(path):
            yield
    except CheckpointError:
        raise
    except ModelFormatError as error:
        raise CheckpointError(str(error)) from error.__cause__


def check_version(description):
    """Raise CheckpointError for a checkpoint of another version, which may round differently in the last bit."""
    version = description["versions"]["skmlp"]
    if version != __version__:
        raise CheckpointError(
            f"the checkpoint was written by skmlp {version}, and this is skmlp {__version__}, which may round "
            f"differently. Resume it with skmlp {version}."
        )


# The state


def state_arrays(state):
    """Return the arrays of a TrainState by name."""
    arrays = {f"optimizer.{name}": array for name, array in state.optimizer_arrays.items()}
    for name in state.all_weights:
        weights = getattr(state, name)
        if weights is not None:
            arrays |= {f"{name}.theta": weights.theta, f"{name}.statistics": weights.statistics}
    if state.order is not None:
        arrays["order"] = state.order
    return arrays


def state_to_json(state):
    """Return everything of a TrainState that is not an array, as JSON values."""
    plateau = asdict(state.plateau)
    return {
        "counters": {name: number_to_json(getattr(state, name)) for name in state.counters},
        "stopped": bool(state.stopped),
        "monitor": state.monitor,
        "kernels": state.kernels,
        "plateau": {name: number_to_json(value) for name, value in plateau.items()},
        "random_state": random_state_to_json(state.random_state),
        "generator": state.generator.bit_generator.state,
    }


def state_from_json(stored, arrays, layout):
    """Return the TrainState for its JSON values and the arrays of a file."""
    generator = np.random.default_rng()
    generator.bit_generator.state = stored["generator"]
    weights = {
        name: weights_from(arrays, f"state.{name}", layout)
        for name in TrainState.all_weights
        if f"state.{name}.theta" in arrays
    }
    prefix = "state.optimizer."
    optimizer_arrays = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    for array in optimizer_arrays.values():
        check_array(array, {(1,), (layout.n_parameters,)})
    return TrainState(
        random_state=random_state_from_json(stored["random_state"]),
        generator=generator,
        plateau=Plateau(
            **{name: number_from_json(value) for name, value in stored["plateau"].items()}
        ),
        optimizer_arrays=optimizer_arrays,
        order=arrays.get("state.order"),
        stopped=stored["stopped"],
        monitor=stored["monitor"],
        kernels=stored["kernels"],
        **weights,
        **{name: number_from_json(stored["counters"][name]) for name in TrainState.counters},
    )


def weights_from(arrays, name, layout):
    """Return the Weights of some name in a file."""
    theta, statistics = arrays[f"{name}.theta"], arrays[f"{name}.statistics"]
    check_array(theta, {(layout.n_parameters,)})
    check_array(statistics, {(layout.n_statistics,)})
    return Weights(theta, statistics)


def check_array(array, shapes):
    """Raise CheckpointError unless an array has one of some shapes."""
    if array.shape not in shapes:
        raise CheckpointError("the arrays of the training do not fit the layers of the network.")


# The data


def fingerprint_of(data):
    """Compute a SHA-256 over the data of a training.

    Parameters
    ----------
    data : TrainingData

    Returns
    -------
    digest : str
    """
    sha256 = hashlib.sha256()
    for samples in (data.samples, data.validation):
        if samples is None:
            sha256.update(b"none")
            continue
        for array in (*feature_arrays(samples.X), samples.targets, samples.weights):
            if array is not None:
                update_digest(sha256, array)
    return sha256.hexdigest()


def feature_arrays(X):
    """Return the arrays of features; for a sparse matrix, those of its canonical form."""
    if not issparse(X):
        return (X,)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)


def update_digest(sha256, array):
    """Add an array to a digest, in blocks of rows, so that no array is copied as a whole."""
    sha256.update(f"{array.dtype.str} {array.shape}".encode())
    for start in range(0, len(array), ROWS_PER_BLOCK):
        sha256.update(np.ascontiguousarray(array[start : start + ROWS_PER_BLOCK]).data)
