"""The compiled backend: gradients, training steps and logits without BLAS."""

import numpy as np

from skmlp.engine.backend import BatchGradient
from skmlp.engine.compiled.inputs import find_samples, is_readable
from skmlp.engine.compiled.layers import BatchShape
from skmlp.engine.compiled.prediction import Predictor
from skmlp.engine.compiled.program import align, allocate
from skmlp.engine.compiled.step import TrainingStep, is_fused
from skmlp.engine.compiled.updater import Updater
from skmlp.engine.reference.network import fold_batch_norm

# Limits of the steps in a run of a program: their number, weights times samples, and bytes of random bits and targets.
MAX_STEPS = 64
WORK_PER_RUN = 2**31
MEMORY_PER_RUN = 2**24
# Bytes of the random bits of a unit, and of a target, for each sample.
BITS_SIZE, TARGET_SIZE = 2, 8


class CompiledBackend:
    """Backend that runs compiled kernels on the weights of a TrainState.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    """

    def __init__(self, config, state):
        self.config = config
        self.state = state
        self.max_steps = choose_number_of_steps(config)
        # A vector that crosses the border of two cache lines takes twice as long to load and to store.
        state.convert_arrays(align)
        self._dtype = state.weights.theta.dtype
        self._gradient = allocate(state.weights.theta.shape, self._dtype)
        self._updater = None
        self._steps = {}

    def gradient(self, batch):
        """Return the BatchGradient at the current weights."""
        samples = find_samples([batch], self._dtype)
        loss = self._get_step(batch, samples).compute_gradient(batch, samples)
        weight = batch.total_weight
        return BatchGradient(loss.loss / weight, loss.n_correct, weight, self._gradient)

    def steps(self, batches, rates):
        """Perform a training step on each batch, and return a list of StepResults."""
        results = []
        for group in self._group(batches, rates):
            group_batches, group_rates, places = zip(*group, strict=True)
            samples = find_samples(group_batches, self._dtype, places)
            step = self._get_step(group_batches[0], samples)
            results += step.update(group_batches, samples, group_rates)
        return results

    def step(self, batch, rate):
        """Perform a training step on a batch, and return the StepResult."""
        (result,) = self.steps([batch], [rate])
        return result

    def logits(self, batches, weights):
        """Yield each batch with its logits, computed in prediction mode."""
        network = self.config.network
        layout = network.layout
        parameters = fold_batch_norm(
            layout.views(weights.theta), layout.statistics_views(weights.statistics)
        )
        predictor = Predictor(network.activations, parameters, self._dtype)
        for batch in batches:
            yield batch, np.ascontiguousarray(predictor.logits(batch))

    def _group(self, batches, rates):
        """Yield lists of consecutive batches that one run of a program processes, with their rates and places."""
        group = []
        for batch, rate in zip(batches, rates, strict=True):
            place = None if batch.scale is None else batch.locate()
            if group and not self._can_follow(batch, place, group[-1]):
                yield group
                group = []
            group.append((batch, rate, place))
        yield group

    def _can_follow(self, batch, place, last):
        """Return whether one run of a program can process a batch after the last one of a group."""
        last_batch, _, last_place = last
        return (
            place is not None
            and last_place[0] is place[0]
            and last_batch.size == batch.size
            and is_readable(place[0], self._dtype)
            and is_fused(self.config, batch.size)
        )

    def _get_step(self, batch, samples):
        """Return the TrainingStep for batches of the same size and kind."""
        key = batch.size, samples.source
        if key not in self._steps:
            if self._updater is None:
                self._updater = Updater(self.config, self.state, self._gradient, self.max_steps)
            shape = BatchShape(batch.size, self._dtype, self.max_steps)
            self._steps[key] = TrainingStep(
                self.config, self.state, self._gradient, self._updater, shape, samples.source
            )
        return self._steps[key]


def choose_number_of_steps(config):
    """Return the number of steps in a run of a program: fewer if a step is long, or needs much memory."""
    if config.virtual_adversarial_norm:
        return 1
    network, batch_size = config.network, config.solver.batch_size
    layout = network.layout
    n_dropped = sum(
        size
        for size, rate in zip(
            layout.layer_sizes[:-1], (network.input_dropout, *network.dropout), strict=True
        )
        if rate
    )
    work = layout.n_weights * batch_size
    memory = batch_size * (n_dropped * BITS_SIZE + layout.layer_sizes[-1] * TARGET_SIZE)
    return max(1, min(MAX_STEPS, WORK_PER_RUN // work, MEMORY_PER_RUN // memory))
