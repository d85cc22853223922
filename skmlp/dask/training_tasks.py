"""The tasks that workers run: pure functions of their arguments, which change none of them."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import islice
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from skmlp.dask.sizes import register_size
from skmlp.engine.backend import BatchGradient, StepResult
from skmlp.engine.backend_choice import make_backend, make_gradient_backend
from skmlp.engine.batches import Batches, TrainingData, make_order
from skmlp.engine.evaluation import evaluate
from skmlp.engine.state import TrainState
from skmlp.engine.training import VALIDATION_BATCH_SIZE


class BLASLimit:
    """Context manager that limits BLAS to one thread, so that sums are rounded in the same way on all workers.

    Several tasks may enter it at the same time, in threads of the same process.
    """

    def __init__(self):
        self._lock = Lock()
        self._n_entered = 0
        self._limiter = None

    def __enter__(self):
        with self._lock:
            if self._n_entered == 0:
                self._limiter = get_threadpool_controller().limit(limits=1, user_api="blas")
            self._n_entered += 1

    def __exit__(self, *_):
        with self._lock:
            self._n_entered -= 1
            if self._n_entered == 0:
                self._limiter.restore_original_limits()


@cache
def get_threadpool_controller():
    """Return the controller of the BLAS libraries of this process. Finding them takes milliseconds."""
    return ThreadpoolController()


single_blas_thread = BLASLimit()


def make_generator(*seed):
    """Return a Generator that is determined by integers."""
    return np.random.default_rng(seed)


# Exact mode: data-parallel mini-batches


@register_size
@dataclass(frozen=True)
class SteppedState:
    """State of the training after a step.

    Attributes
    ----------
    state : TrainState
        Without random streams, order and weights of the best epoch.
    result : StepResult or None
        Result of the step; None before the first one.
    """

    state: TrainState
    result: StepResult | None = None


@dataclass(frozen=True)
class BlockBatch:
    """The samples of a batch that are in the same block.

    Attributes
    ----------
    rows : ndarray of int or slice
        Rows of the block.
    seed : tuple of int
        Seed of dropout and augmentation.
    progress : float
        Complete fraction of the training run, for the augmentation.
    """

    rows: Any
    seed: tuple
    progress: float


def select_weights(stepped):
    """Return a SteppedState with the weights only, which is what workers need for gradients."""
    return SteppedState(replace(stepped.state, average=None, optimizer_arrays={}))


def get_result(stepped):
    """Return the result of a SteppedState or an AveragedState."""
    return stepped.result


def compute_gradient(config, samples, stepped, block_batch):
    """Return the BatchGradient of the samples of a batch that are in a block, at the weights of a SteppedState."""
    generator = make_generator(*block_batch.seed)
    state = replace(stepped.state, generator=generator)
    augment = None
    if config.augmentation is not None:
        augment = config.augmentation.at(block_batch.progress, generator)
    rows = block_batch.rows
    if isinstance(rows, slice):
        rows = None if rows == slice(0, len(samples)) else np.arange(rows.start, rows.stop)
    samples = replace(samples, rows=rows)
    dtype = state.weights.theta.dtype
    (batch,) = Batches(samples, len(samples), dtype).in_order(None, augment)
    with single_blas_thread, np.errstate(over="ignore", invalid="ignore"):
        return make_gradient_backend(config, state).gradient(batch)


def add_gradients(gradients):
    """Return the BatchGradient of a batch, the weighted mean of those of its parts, added in their order."""
    weight = sum(part.weight for part in gradients)
    total = np.zeros_like(gradients[0].gradient)
    loss = n_correct = 0.0
    for part in gradients:
        fraction = part.weight / weight
        total += total.dtype.type(fraction) * part.gradient
        loss += fraction * part.loss
        n_correct += part.n_correct
    return BatchGradient(loss, n_correct, weight, total)


def update_weights(config, stepped, gradients, rate):
    """Return the SteppedState after a step with the gradients of the parts of a batch."""
    state = copy_state(stepped.state)
    with single_blas_thread, np.errstate(over="ignore", invalid="ignore"):
        result = make_gradient_backend(config, state).update(add_gradients(gradients), rate)
    return SteppedState(state, result)


def copy_state(state):
    """Return a copy of a TrainState whose arrays can be changed."""
    average = None if state.average is None else state.average.copy()
    arrays = {name: array.copy() for name, array in state.optimizer_arrays.items()}
    return replace(state, weights=state.weights.copy(), average=average, optimizer_arrays=arrays)


# Local mode: local SGD


class Round(NamedTuple):
    """Steps that each block performs before the weights are averaged.

    Attributes
    ----------
    seed : int
        Seed of the epoch. The orders of the samples, dropout and augmentation of a block depend on it and on the number
        of the block.
    shuffle : bool
        Whether to shuffle the samples of each block.
    first_step : int
        Number of the first step in the epoch.
    rates : tuple of float
        Learning rate of each step.
    progress : float
        Complete fraction of the training run, for the augmentation.
    kernels : {"numpy", "numba"}
    """

    seed: int
    shuffle: bool
    first_step: int
    rates: tuple
    progress: float
    kernels: str


class BlockResult(NamedTuple):
    """Sums over the samples of a block in a round.

    Attributes
    ----------
    loss : float
        Sum over the samples of the loss of their batches, including the penalty.
    n_samples : int
    n_correct : float
        Total weight of the samples that were classified correctly.
    weight : float
        Total weight of the samples.
    """

    loss: float
    n_samples: int
    n_correct: float
    weight: float


@register_size
@dataclass(frozen=True)
class TrainedBlock:
    """State of the training after the steps of a block in a round.

    Attributes
    ----------
    state : TrainState
    result : BlockResult
    """

    state: TrainState
    result: BlockResult


@register_size
@dataclass(frozen=True)
class AveragedState:
    """State of the training after a round.

    Attributes
    ----------
    state : TrainState
        Without random streams, order and weights of the best epoch.
    result : BlockResult or None
        Sums over the blocks in this round; None before the first round.
    """

    state: TrainState
    result: BlockResult | None = None


def train_block(config, samples, averaged, training_round, number):
    """Return the TrainedBlock after the steps of a round on the samples of the block with a number."""
    state = copy_state(averaged.state)
    state.generator = make_generator(training_round.seed, number, 1 + training_round.first_step)
    state.kernels = training_round.kernels
    backend = make_backend(config, state, TrainingData(samples))
    check_kernels(state.kernels, training_round.kernels)
    steps = select_steps(config, samples, state, training_round, number)
    limit = single_blas_thread if state.kernels == "numpy" else nullcontext()
    loss = n_samples = n_correct = weight = 0
    with limit, np.errstate(over="ignore", invalid="ignore"):
        while group := list(islice(steps, backend.max_steps)):
            batches, rates = map(list, zip(*group, strict=True))
            for batch, result in zip(batches, backend.steps(batches, rates), strict=True):
                loss += result.loss * batch.size
                n_samples += batch.size
                n_correct += result.n_correct
                weight += result.weight
    state.generator = None
    return TrainedBlock(state, BlockResult(loss, n_samples, n_correct, weight))


def select_steps(config, samples, state, training_round, number):
    """Yield the batch and the learning rate of each step of a round. Batches of weight zero are skipped."""
    batch_size, augment = config.solver.batch_size, None
    order = make_order(len(samples))
    if training_round.shuffle:
        order = draw_block_order(training_round.seed, number, len(samples))
    first = training_round.first_step * batch_size
    order = order[first : first + len(training_round.rates) * batch_size]
    if config.augmentation is not None:
        augment = config.augmentation.at(training_round.progress, state.generator)
    batches = Batches(samples, batch_size, state.weights.theta.dtype).in_order(order, augment)
    for batch, rate in zip(batches, training_round.rates, strict=False):
        if batch.total_weight:
            yield batch, rate


@lru_cache(maxsize=2)
def draw_block_order(seed, number, n_samples):
    """Return the random order of the samples of a block in an epoch, which is the same for all rounds."""
    return make_generator(seed, number, 0).permutation(make_order(n_samples))


def check_kernels(found, expected):
    """Raise RuntimeError if a worker uses other kernels than the client has chosen."""
    if found != expected:
        raise RuntimeError(
            f"All workers must train with the {expected!r} kernels, got a worker that uses {found!r}. Install the same "
            "packages and set the same value of SKMLP_KERNELS on all workers, or select kernels that all of them have "
            "with skmlp.set_kernels."
        )


def combine_blocks(blocks):
    """Return the TrainedBlock of several blocks: the mean of their states, weighted by their samples.

    Parameters
    ----------
    blocks : list of TrainedBlock
    """
    result = BlockResult(*map(sum, zip(*(block.result for block in blocks), strict=True)))
    trained = [block for block in blocks if block.result.weight] or blocks[:1]
    state = copy_state(trained[0].state)
    if result.weight:
        fractions = [block.result.weight / result.weight for block in trained]
        states = [block.state for block in trained]
        state.step = max(each.step for each in states)
        for array, *arrays in zip(*map(list_arrays, [state, *states]), strict=True):
            average_arrays(arrays, fractions, array)
    return TrainedBlock(state, result)


def average_states(blocks):
    """Return the AveragedState after a round of the blocks, which are TrainedBlocks."""
    combined = combine_blocks(blocks)
    return AveragedState(combined.state, combined.result)


def list_arrays(state):
    """Return a list of the arrays of a TrainState that a step changes."""
    weights = [array for each in state.trained_weights() for array in (each.theta, each.statistics)]
    return [*weights, *state.optimizer_arrays.values()]


def average_arrays(arrays, fractions, out):
    """Compute the weighted mean of arrays, added in their order."""
    out[...] = 0
    for array, fraction in zip(arrays, fractions, strict=True):
        out += out.dtype.type(fraction) * array


# Both modes


class BlockEvaluation(NamedTuple):
    """Sums over the samples of a block of a validation set.

    Attributes
    ----------
    loss : float
        Sum of the losses, weighted by the sample weights.
    n_correct : float
        Total weight of the samples that are classified correctly.
    """

    loss: float
    n_correct: float


def evaluate_block(config, samples, weights):
    """Return the BlockEvaluation of a block of a validation set."""
    total_weight = samples.total_weight
    if not total_weight:
        return BlockEvaluation(0.0, 0.0)
    state = TrainState(weights, random_state=None, generator=None)
    batches = Batches(samples, VALIDATION_BATCH_SIZE, weights.theta.dtype)
    with single_blas_thread:
        backend = make_gradient_backend(config, state)
        result = evaluate(backend, batches, weights, config.network.loss_name)
    return BlockEvaluation(result.loss * total_weight, result.accuracy * total_weight)


def get_value(value):
    """Return a value, so that it is the result of a task."""
    return value


# Graphs

# Number of results that a task combines, which are all on one worker at the same time.
MAX_COMBINED = 8


def add_reductions(graph, name, combine, keys):
    """Add tasks that combine results in groups, and return at most MAX_COMBINED keys that remain to be combined.

    Parameters
    ----------
    graph : dict
        Changed in place.
    name : str
        Beginning of the keys of the new tasks.
    combine : callable
        Function of a list of results.
    keys : list
        Keys of the results, in the order in which they are combined.
    """
    level = 0
    while len(keys) > MAX_COMBINED:
        groups = [keys[i : i + MAX_COMBINED] for i in range(0, len(keys), MAX_COMBINED)]
        keys = [(name, level, i) for i in range(len(groups))]
        graph |= {key: (combine, group) for key, group in zip(keys, groups, strict=True)}
        level += 1
    return keys


def select_worker_config(config):
    """Return a TrainingConfig without what only the client uses, which need not be serializable."""
    if config.solver.uses_full_batches:
        return config
    return replace(config, solver=replace(config.solver, schedule=None, stopping=None))
