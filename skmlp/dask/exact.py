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
    compute_gradient,
    get_results,
    get_value,
    select_weights,
    update_weights,
)
from skmlp.formatting import format_count

# Steps of a graph, after which the state is copied to this process, and steps between two reports of progress.
MAX_STEPS = 256
STEPS_PER_REPORT = 16
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

    max_steps = MAX_STEPS
    shuffles_all_samples = True

    def __init__(self, cluster, samples, config, state, on_step):
        self._cluster = cluster
        self._samples = samples
        self._config = config
        self._state = state
        self._on_step = on_step
        self._first_rows = np.cumsum(samples.sizes) - samples.sizes
        state.kernels = "numpy"

    def train_epoch(self, trainer):
        """Train for one epoch, and return an EpochReport without validation."""
        return self._config.solver.train_epoch(trainer)

    def steps(self, batches, rates):
        """Perform a training step on each batch, and return a list of StepResults."""
        state, token, seed = self._state, uuid4().hex, draw_seed(self._state)
        graph, reports = self._samples.make_graph(), {}
        stepped, n_samples = ("start", token), 0
        graph[stepped] = (get_value, SteppedState(state.without_streams()))
        for step, (batch, rate) in enumerate(zip(batches, rates, strict=True)):
            gradients = self._add_gradients(graph, token, step, stepped, batch, seed)
            following = (f"update-{token}", step)
            graph[following] = (update_weights, self._config, stepped, gradients, rate)
            stepped, n_samples = following, n_samples + batch.size
            if (step + 1) % STEPS_PER_REPORT == 0:
                report = (f"report-{token}", step)
                graph[report] = (get_results, stepped)
                reports[report], n_samples = n_samples, 0
        purpose = f"{format_count(len(batches), 'step')} of epoch {state.epoch + 1}"
        final, *_ = self._cluster.compute(
            graph,
            [stepped, *reports],
            purpose,
            lambda key: self._on_step(reports.get(key, n_samples)),
        )
        state.assign_step(final.state)
        return list(final.results)

    def gradient(self, batch):
        """Return the BatchGradient at the current weights."""
        token, graph = uuid4().hex, self._samples.make_graph()
        stepped, total = ("start", token), (f"sum-{token}", 0)
        graph[stepped] = (get_value, SteppedState(self._state.without_streams()))
        gradients = self._add_gradients(graph, token, 0, stepped, batch, draw_seed(self._state))
        graph[total] = (add_gradients, gradients)
        purpose = f"a gradient of epoch {self._state.epoch + 1}"
        (result,) = self._cluster.compute(graph, [total], purpose)
        return result

    def _add_gradients(self, graph, token, step, stepped, batch, seed):
        """Add the tasks of the gradients of the parts of a batch to a graph, and return their keys."""
        if self._state.weights.theta.nbytes >= LARGE_WEIGHTS:
            weights = (f"weights-{token}", step)
            graph[weights] = (select_weights, stepped)
            stepped = weights
        keys = []
        for block, rows in self._split(batch):
            part = BlockBatch(rows, (seed, step, block), self._state.progress)
            samples = self._samples.handles[block].key
            keys.append((f"gradient-{token}", step, block))
            graph[keys[-1]] = (compute_gradient, self._config, samples, stepped, part)
        return keys

    def _split(self, batch):
        """Yield the number of each block that has samples of a batch, and their rows in the block."""
        rows = batch.rows
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self._samples.placeholder)))
        blocks = np.searchsorted(self._first_rows, rows, side="right") - 1
        for block in np.unique(blocks).tolist():
            yield block, rows[blocks == block] - self._first_rows[block]


def draw_seed(state):
    """Return a random seed from the Generator of a TrainState."""
    return int(state.generator.integers(SEED_LIMIT))
