"""Conversion of a training state to JSON values and arrays, and back with a check of every value."""

from dataclasses import asdict

import numpy as np

from skmlp.engine.backend_choice import KERNEL_SETS
from skmlp.engine.batches import make_order
from skmlp.engine.state import TrainState, Weights
from skmlp.engine.stopping import MONITORS, Plateau
from skmlp.exceptions import CheckpointError
from skmlp.files.encoding import COPY_AGAIN, number_from_json, number_to_json
from skmlp.files.records import random_state_from_json, random_state_to_json

COUNTS = ("step", "epoch", "samples_seen", "n_epochs")


def collect_state_arrays(state):
    """Return the arrays of a TrainState by name."""
    arrays = {f"optimizer.{name}": array for name, array in state.optimizer_arrays.items()}
    for name in state.weight_fields:
        weights = getattr(state, name)
        if weights is not None:
            arrays |= {f"{name}.theta": weights.theta, f"{name}.statistics": weights.statistics}
    if state.order is not None:
        arrays["order"] = state.order
    return arrays


def state_to_json(state):
    """Return the fields of a TrainState that are not arrays, as JSON values."""
    plateau = asdict(state.plateau)
    return {
        "numbers": {name: number_to_json(getattr(state, name)) for name in state.number_fields},
        "stopped": bool(state.stopped),
        "monitor": state.monitor,
        "kernels": state.kernels,
        "plateau": {name: number_to_json(value) for name, value in plateau.items()},
        "random_state": random_state_to_json(state.random_state),
        "generator": state.generator.bit_generator.state,
    }


def state_from_json(stored, arrays, layout):
    """Return the TrainState for its JSON values and arrays, or raise CheckpointError if one of them is invalid."""
    generator = np.random.default_rng()
    generator.bit_generator.state = stored["generator"]
    dtype = arrays["state.weights.theta"].dtype
    check_value("dtype of the weights", dtype, dtype in (np.float32, np.float64))
    weights = {
        name: select_weights(arrays, f"state.{name}", layout, dtype)
        for name in TrainState.weight_fields
        if f"state.{name}.theta" in arrays
    }
    prefix = "state.optimizer."
    optimizer_arrays = {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
    for array in optimizer_arrays.values():
        is_scalar = array.shape == (1,)
        check_array(
            array, (1,) if is_scalar else (layout.n_parameters,), float if is_scalar else dtype
        )
    return TrainState(
        random_state=random_state_from_json(stored["random_state"]),
        generator=generator,
        plateau=select_plateau(stored["plateau"]),
        optimizer_arrays=optimizer_arrays,
        order=select_order(arrays),
        stopped=check_value("stopped", stored["stopped"], type(stored["stopped"]) is bool),
        monitor=check_value("monitor", stored["monitor"], stored["monitor"] in MONITORS),
        kernels=check_value(
            "kernels", stored["kernels"], stored["kernels"] in (None, *KERNEL_SETS)
        ),
        **weights,
        **select_numbers(stored["numbers"]),
    )


def select_weights(arrays, name, layout, dtype):
    """Return the Weights whose arrays start with `name`."""
    theta, statistics = arrays[f"{name}.theta"], arrays[f"{name}.statistics"]
    check_array(theta, (layout.n_parameters,), dtype)
    check_array(statistics, (layout.n_statistics,), dtype)
    return Weights(theta, statistics)


def select_order(arrays):
    """Return the order of the samples, a permutation, or None."""
    order = arrays.get("state.order")
    if order is not None:
        unshuffled = make_order(order.size)
        check_array(order, unshuffled.shape, unshuffled.dtype)
        is_permutation = np.array_equal(np.sort(order), unshuffled)
        check_value("order of the samples", "duplicate or missing samples", is_permutation)
    return order


def select_plateau(stored):
    """Return the Plateau for its JSON values."""
    best, stale_epochs = number_from_json(stored["best"]), stored["stale_epochs"]
    check_value("best score", best, best is not None)
    return Plateau(float(best), check_value("stale_epochs", stale_epochs, is_count(stale_epochs)))


def select_numbers(stored):
    """Return the number fields of a TrainState for their JSON values."""
    numbers = {name: number_from_json(stored[name]) for name in TrainState.number_fields}
    for name, value in numbers.items():
        if name in COUNTS:
            check_value(name, value, is_count(value))
        elif name == "holdout_seed":
            check_value(name, value, value is None or (is_count(value) and value < 2**32))
        else:
            check_value(name, value, value is not None)
    return numbers


def is_count(value):
    """Return whether a JSON value is an integer of at least 0."""
    return type(value) is int and value >= 0


def check_array(array, shape, dtype):
    """Raise CheckpointError if an array of the training state does not have the given shape and dtype."""
    if array.shape != shape or array.dtype != dtype:
        raise CheckpointError(
            f"expected training-state arrays of shape {shape} and dtype {np.dtype(dtype)}, got shape {array.shape} "
            f"and dtype {array.dtype}. {COPY_AGAIN}"
        )


def check_value(name, value, is_valid):
    """Return a value of the training state, or raise CheckpointError if it is not valid."""
    if not is_valid:
        raise CheckpointError(
            f"expected a valid {name} in the training state, got {value!r}. {COPY_AGAIN}"
        )
    return value
