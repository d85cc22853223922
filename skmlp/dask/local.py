"""Local mode: local SGD [1]_. Each block trains some steps from common weights, which are then averaged.

The optimizer states are averaged, too. A round needs one task for each block and one for the average, whatever its
number of steps::

    state 0 -> steps in each block -> average: state 1 -> steps in each block -> ...

References
----------
.. [1] Stich, "Local SGD converges fast and communicates little", ICLR 2019, https://arxiv.org/abs/1805.09767
"""

import math
from uuid import uuid4

import numpy as np

from skmlp.dask.exact import draw_seed
from skmlp.dask.training_tasks import (
    AveragedState,
    BlockResult,
    Round,
    add_reductions,
    average_states,
    combine_blocks,
    get_result,
    get_value,
    select_worker_config,
    train_block,
)
from skmlp.engine.backend_choice import choose_cluster_kernels
from skmlp.engine.evaluation import EpochReport
from skmlp.engine.stochastic import make_divergence_error, restore_weights
from skmlp.formatting import format_count

# Rounds of a graph, after which the state is copied to this process.
MAX_ROUNDS = 64


class LocalMode:
    """Training in rounds.

    Parameters
    ----------
    cluster : LocalScheduler or DistributedCluster
    samples : RemoteSamples
        Training samples.
    config : TrainingConfig
    state : TrainState
    on_step : callable
        ``on_step(n_samples)`` is called when further samples have been processed.
    n_steps : int or None
        Maximum number of steps in a round; None for an epoch of the largest block.
    """

    shuffles_all_samples = False

    def __init__(self, cluster, samples, config, state, on_step, n_steps):
        self._cluster = cluster
        self._samples = samples
        self._solver = config.solver
        self._config = select_worker_config(config)
        self._state = state
        self._on_step = on_step
        self._batch_counts = -(-samples.sizes // config.solver.batch_size)
        self._n_steps = n_steps or int(self._batch_counts.max())
        state.kernels = choose_cluster_kernels(config, int(samples.sizes.sum()), state.kernels)

    def train_epoch(self, trainer):
        """Train for one epoch, and return an EpochReport without validation."""
        state, rates = self._state, self._compute_rates()
        before = [weights.copy() for weights in state.trained_weights()]
        rounds = self._make_rounds(rates)
        results = []
        while group := rounds[len(results) : len(results) + MAX_ROUNDS]:
            results += self._train_rounds(group)
        self._check_finite(results, before)
        totals = BlockResult(*map(sum, zip(*results, strict=True)))
        state.epoch += 1
        state.samples_seen += int(self._samples.sizes.sum())
        state.loss = totals.loss / totals.n_samples
        return EpochReport(state.loss, totals.n_correct / totals.weight, rates[-1])

    def _compute_rates(self):
        """Return the learning rate of each step of an epoch."""
        state, n_steps = self._state, int(self._batch_counts.max())
        learning_rate = self._solver.learning_rate
        return [learning_rate(state, state.step + i, i, n_steps) for i in range(n_steps)]

    def _make_rounds(self, rates):
        """Return the Rounds of an epoch."""
        state, seed = self._state, draw_seed(self._state)
        return [
            Round(
                seed=seed,
                shuffle=self._config.solver.shuffle,
                first_step=first_step,
                rates=tuple(rates[first_step : first_step + self._n_steps]),
                progress=state.progress,
                kernels=state.kernels,
            )
            for first_step in range(0, len(rates), self._n_steps)
        ]

    def _train_rounds(self, rounds):
        """Train some rounds, and return a list of their BlockResults."""
        token, graph, sizes = uuid4().hex, self._samples.make_graph(), {}
        averaged = (f"start-{token}", 0, 0)
        graph[averaged] = (get_value, AveragedState(self._state.without_streams()))
        for number, each in enumerate(rounds):
            trained = []
            for block in np.flatnonzero(self._batch_counts > each.first_step).tolist():
                key = (f"train-block-{token}", number, block)
                samples = self._samples.handles[block].key
                graph[key] = (train_block, self._config, samples, averaged, each, block)
                trained.append(key)
            trained = add_reductions(graph, f"combine-{token}-{number}", combine_blocks, trained)
            averaged, report = (f"average-{token}", number, 0), (f"report-{token}", number, 0)
            graph[averaged] = (average_states, trained)
            graph[report] = (get_result, averaged)
            sizes[report] = self._count_samples(each)
        purpose = f"{format_count(len(rounds), 'round')} of epoch {self._state.epoch + 1}"
        final, *results = self._cluster.compute(
            graph, [averaged, *sizes], purpose, lambda key: self._on_step(sizes.get(key, 0))
        )
        self._state.assign_step(final.state)
        return results

    def _count_samples(self, training_round):
        """Return the number of samples of all blocks in a round."""
        batch_size = self._config.solver.batch_size
        before = training_round.first_step * batch_size
        return int(
            np.clip(self._samples.sizes - before, 0, len(training_round.rates) * batch_size).sum()
        )

    def _check_finite(self, results, before):
        """Raise NonFiniteLossError, and restore the weights, if the loss or a weight is not finite."""
        state = self._state
        finite = [math.isfinite(result.loss) for result in results]
        if all(finite) and np.isfinite(state.weights.theta).all():
            return
        number = finite.index(False) if not all(finite) else len(finite) - 1
        restore_weights(before, state)
        raise make_divergence_error(
            "loss and weights must be finite, got NaN or infinity",
            state,
            number * self._n_steps,
            int(self._batch_counts.max()),
        )
