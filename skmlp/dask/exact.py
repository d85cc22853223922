"""Exact mode: data-parallel mini-batches, with the same steps as in one process.

The gradient of a batch is the weighted mean of the gradients of its parts in the blocks, added in the order of the
blocks. The steps of a call form one graph. The state stays on the cluster from step to step::

    state 0 -> gradients of the blocks -> state 1 -> gradients of the blocks -> state 2 -> ...
"""

from uuid import uuid4

import numpy as np

from skmlp.dask.training_tasks import (
    BlockBatch,
    SteppedState,
    add_gradients,
    add_reductions,
    compute_gradient,
    get_result,
    get_value,
    select_weights,
    select_worker_config,
    update_weights,
)
from skmlp.formatting import format_count

# Tasks of a graph, after which the state is copied to this process.
MAX_TASKS = 2048
# Size of the weights in bytes from which they are sent to the workers without the state of the optimizer. This needs
# another task for each step.
LARGE_WEIGHTS = 2**21
# Random seeds are less than this number.
SEED_LIMIT = 2**63


class ExactMode:
    """Backend that computes the gradient of a batch in the blocks of its samples.

    Parameters
    ----------
    cluster : LocalScheduler or DistributedCluster
    samples : RemoteSamples
        Training samples.
    config : TrainingConfig
    state : TrainState
    on_step : callable
        ``on_step(n_samples)`` is called when further samples have been processed.
    """

    shuffles_all_samples = True

    def __init__(self, cluster, samples, config, state, on_step):
        self.max_steps = max(1, MAX_TASKS // len(samples.handles))
        self._cluster = cluster
        self._samples = samples
        self._solver = config.solver
        self._config = select_worker_config(config)
        self._state = state
        self._on_step = on_step
        self._first_rows = np.cumsum(samples.sizes) - samples.sizes
        state.kernels = "numpy"

    def train_epoch(self, trainer):
        """Train for one epoch, and return an EpochReport without validation."""
        return self._solver.train_epoch(trainer)

    def steps(self, batches, rates):
        """Perform a training step on each batch, and return a list of StepResults."""
        state, token, seed = self._state, uuid4().hex, draw_seed(self._state)
        graph, n_samples = self._samples.make_graph(), {}
        stepped = (f"start-{token}", 0, 0)
        graph[stepped] = (get_value, SteppedState(state.without_streams()))
        for step, (batch, rate) in enumerate(zip(batches, rates, strict=True)):
            gradients = self._add_gradients(graph, token, step, stepped, batch, seed)
            stepped = (f"update-{token}", step, 0)
            previous = (f"update-{token}", step - 1, 0) if step else (f"start-{token}", 0, 0)
            graph[stepped] = (update_weights, self._config, previous, gradients, rate)
            report = (f"report-{token}", step, 0)
            graph[report] = (get_result, stepped)
            n_samples[report] = batch.size
        purpose = f"{format_count(len(batches), 'step')} of epoch {state.epoch + 1}"
        final, *results = self._cluster.compute(
            graph, [stepped, *n_samples], purpose, lambda key: self._on_step(n_samples.get(key, 0))
        )
        state.assign_step(final.state)
        return results

    def gradient(self, batch):
        """Return the BatchGradient at the current weights."""
        token, graph = uuid4().hex, self._samples.make_graph()
        stepped, total = (f"start-{token}", 0, 0), (f"sum-{token}", 0, 0)
        graph[stepped] = (get_value, SteppedState(self._state.without_streams()))
        gradients = self._add_gradients(graph, token, 0, stepped, batch, draw_seed(self._state))
        graph[total] = (add_gradients, gradients)
        purpose = f"a gradient of epoch {self._state.epoch + 1}"
        (result,) = self._cluster.compute(graph, [total], purpose)
        return result

    def _add_gradients(self, graph, token, step, stepped, batch, seed):
        """Add the tasks of the gradients of the parts of a batch to a graph, and return their keys."""
        if self._state.weights.theta.nbytes >= LARGE_WEIGHTS:
            weights = (f"weights-{token}", step, 0)
            graph[weights] = (select_weights, stepped)
            stepped = weights
        keys = []
        for block, rows in self._split(batch):
            part = BlockBatch(rows, (seed, step, block), self._state.progress)
            samples = self._samples.handles[block].key
            keys.append((f"gradient-{token}", step, block))
            graph[keys[-1]] = (compute_gradient, self._config, samples, stepped, part)
        return add_reductions(graph, f"sum-gradients-{token}-{step}", add_gradients, keys)

    def _split(self, batch):
        """Yield the number of each block that has samples of positive weight in a batch, and their rows in the block.

        The rows are a slice if the batch is a slice.
        """
        rows, weights = batch.rows, self._samples.placeholder.weights
        ends = self._first_rows + self._samples.sizes
        if isinstance(rows, slice):
            parts = [
                slice(max(rows.start - first, 0), min(rows.stop, end) - first)
                for first, end in zip(self._first_rows.tolist(), ends.tolist(), strict=True)
            ]
            parts = {i: part for i, part in enumerate(parts) if part.start < part.stop}
        else:
            blocks = np.searchsorted(self._first_rows, rows, side="right") - 1
            parts = {
                block: rows[blocks == block] - self._first_rows[block]
                for block in np.unique(blocks).tolist()
            }
        for block, part in parts.items():
            of_block = slice(self._first_rows[block], ends[block])
            if weights is None or weights[of_block][part].any():
                yield block, part


def draw_seed(state):
    """Return a random seed from the Generator of a TrainState."""
    return int(state.generator.integers(SEED_LIMIT))
