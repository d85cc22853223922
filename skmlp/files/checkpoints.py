"""Checkpoints: everything that a training needs to go on to the last bit, in a file that can hold data but no code."""

import hashlib
import os
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.sparse import issparse

from skmlp import __version__
from skmlp.engine.stopping import Plateau
from skmlp.engine.training import TrainState
from skmlp.exceptions import CheckpointError, ModelFormatError
from skmlp.files.encoding import (
    naming,
    own_number,
    plain_number,
    read_container,
    write_container,
)
from skmlp.files.records import (
    arrays_of,
    build,
    check_shapes,
    describe,
    own_random_state,
    plain_random_state,
)

ARRAYS = ("theta", "statistics", "average_theta", "average_statistics", "order")
COUNTERS = ("step", "epoch", "samples_seen", "n_epochs", "rate_divisor", "holdout_seed")


def previous(path):
    """Name the file that keeps the checkpoint before the last one."""
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def fresh_name(path):
    """Name the file that a checkpoint is in before it takes its place."""
    path = Path(path)
    return path.with_name(f".{path.name}.new")


def remove_leftovers(path):
    """Remove what a training that was killed while it wrote has left."""
    fresh = fresh_name(path)
    for leftover in fresh.parent.glob(f".{fresh.name}.*.part"):
        leftover.unlink(missing_ok=True)


def write_checkpoint(path, estimator, state, fingerprint):
    """Write a checkpoint; the one that stood there before becomes the previous one.

    Parameters
    ----------
    path : str or Path
    estimator : MLPDigitClassifier
        In training.
    state : TrainState
    fingerprint : str
        Of the data, by `fingerprint_of`.
    """
    description = {
        "kind": "checkpoint",
        **describe(estimator),
        "training": describe_state(state),
        "data": fingerprint,
    }
    arrays = arrays_of(estimator)
    description["estimator_arrays"] = list(arrays)
    arrays |= {f"state.{name}": array for name, array in arrays_of_state(state).items()}
    fresh = fresh_name(path)
    write_container(fresh, description, arrays)
    if Path(path).exists():
        os.replace(path, previous(path))
    os.replace(fresh, path)


def read_checkpoint(path, model_class):
    """Read a checkpoint, or the previous one where the last one is missing or damaged.

    Returns
    -------
    estimator : model_class
        As it was, with its state of training.
    fingerprint : str
        Of the data.

    Raises
    ------
    CheckpointError
        If no checkpoint is whole, or it is of another version.
    FileNotFoundError
        If there is none.
    """
    try:
        return read_one(path, model_class)
    except (FileNotFoundError, ModelFormatError) as error:
        if not previous(path).exists():
            raise
        warnings.warn(
            f"{error} Going on from the previous checkpoint, {previous(path)}.", stacklevel=3
        )
        return read_one(previous(path), model_class)


def read_one(path, model_class):
    """Read the checkpoint in one file."""
    try:
        with naming(path):
            container = read_container(path, "checkpoint")
            description, arrays = container.description, container.arrays
            container.check_digest()
            own = {name: arrays[name] for name in description["estimator_arrays"]}
            layout = check_shapes(description, own)
            check_version(description)
            estimator = build(model_class, description, own, layout)
            estimator._state = rebuild_state(description["training"], arrays, layout)
            return estimator, description["data"]
    except CheckpointError:
        raise
    except ModelFormatError as error:
        raise CheckpointError(str(error)) from error.__cause__


def check_version(description):
    """Refuse a checkpoint of another version, whose arithmetic may differ in the last bit."""
    version = description["versions"]["skmlp"]
    if version != __version__:
        raise CheckpointError(
            f"the checkpoint was written by skmlp {version}, and this is skmlp {__version__}, which may round in "
            f"another way. Resume it with skmlp {version}."
        )


# The state


def arrays_of_state(state):
    """Name the arrays of a TrainState."""
    arrays = {name: getattr(state, name) for name in ARRAYS}
    arrays |= {f"slots.{name}": slot for name, slot in state.slots.items()}
    arrays |= {f"best.{i}": array for i, array in enumerate(state.best or ())}
    return {name: array for name, array in arrays.items() if array is not None}


def describe_state(state):
    """Put everything of a TrainState that is no array into values that JSON knows."""
    plateau = asdict(state.plateau)
    return {
        "counters": {name: plain_number(getattr(state, name)) for name in COUNTERS},
        "stopped": bool(state.stopped),
        "watched": state.watched,
        "kernels": state.kernels,
        "plateau": {name: plain_number(value) for name, value in plateau.items()},
        "random_state": plain_random_state(state.random_state),
        "generator": state.generator.bit_generator.state,
    }


def rebuild_state(described, arrays, layout):
    """Make a TrainState from its description and the arrays of a file."""
    generator = np.random.default_rng()
    generator.bit_generator.state = described["generator"]
    state = TrainState(own_random_state(described["random_state"]), generator)
    for name, value in described["counters"].items():
        setattr(state, name, own_number(value))
    for name in ("stopped", "watched", "kernels"):
        setattr(state, name, described[name])
    plateau = {name: own_number(value) for name, value in described["plateau"].items()}
    state.plateau = Plateau(**plateau)
    for name in ARRAYS:
        setattr(state, name, arrays.get(f"state.{name}"))
    prefix = "state.slots."
    state.slots = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    if "state.best.0" in arrays:
        state.best = (arrays["state.best.0"], arrays["state.best.1"])
    for name, array in {"theta": state.theta, **state.slots}.items():
        size = 1 if name.endswith("_scale") else layout.n_parameters
        if array is None or array.shape != (size,):
            raise CheckpointError(
                "the arrays of the training do not fit the layers of the network."
            )
    return state


# The data


def fingerprint_of(*parts):
    """Compute a SHA-256 over samples, their targets and their weights.

    Parameters
    ----------
    *parts : Samples or None
    """
    sha256 = hashlib.sha256()
    for part in parts:
        if part is None:
            sha256.update(b"none")
            continue
        X = part.X
        arrays = (X.data, X.indices, X.indptr) if issparse(X) else (X,)
        for array in (*arrays, part.targets, part.weights):
            if array is not None:
                sha256.update(f"{array.dtype.str} {array.shape}".encode())
                sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()
