"""A training step on batches of one size: the programs for the gradient and for the update of the weights."""

from functools import cached_property

from skmlp.engine.backend import StepResult
from skmlp.engine.compiled.network import TrainingNetwork
from skmlp.engine.compiled.program import Program
from skmlp.engine.reference.losses import LossSum

# Larger batches compute the whole gradient first, because their samples do not fit into the cache.
MAX_FUSED_SAMPLES = 1024


class TrainingStep:
    """Training step on batches of one size.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    gradient : ndarray of shape (n_parameters,)
        Buffer for the gradient.
    updater : Updater
    shape : BatchShape
    source : Source
        Kind of samples.
    """

    def __init__(self, config, state, gradient, updater, shape, source):
        self._config = config
        self._state = state
        self._gradient = gradient
        self._updater = updater
        self._shape = shape
        self._network = TrainingNetwork(config, state.weights, gradient, shape, source)

    def compute_gradient(self, batch, samples):
        """Compute the gradient of a batch at the current weights, and return the LossSum."""
        self._network.load([batch], samples, self._state.generator)
        self._run(self._gradient_program)
        loss, n_wrong = self._network.sums.array[0].tolist()
        return LossSum(loss, count_correct(batch, n_wrong))

    def update(self, batches, samples, rates):
        """Perform a step on each batch, and return a list of StepResults.

        Parameters
        ----------
        batches : list of Batch
        samples : Samples
            Samples of all batches.
        rates : list of float
            Learning rates.
        """
        n_steps, updater = len(batches), self._updater
        self._network.load(batches, samples, self._state.generator)
        updater.prepare(rates, [batch.total_weight for batch in batches])
        if is_fused(self._config, self._shape.n_samples):
            self._step_program.run(n_steps)
        else:
            self._run(self._gradient_and_statistics_program)
            updater.apply()
        sums, penalties = self._network.sums.array.tolist(), updater.penalties(n_steps).tolist()
        return [
            StepResult(
                loss / batch.total_weight + penalty,
                count_correct(batch, n_wrong),
                batch.total_weight,
            )
            for batch, (loss, n_wrong), penalty in zip(batches, sums, penalties, strict=False)
        ]

    def _run(self, program):
        """Run a program that computes the gradient, and add the gradient of the virtual adversarial loss."""
        program.run()
        if self._config.virtual_adversarial_norm:
            gradient = self._gradient.copy()
            self._divergence_program.run()
            self._gradient += gradient

    @cached_property
    def _gradient_program(self):
        return Program(self._gradient_regions([]))

    @cached_property
    def _gradient_and_statistics_program(self):
        return Program(self._gradient_regions(self._network.update_statistics()))

    def _gradient_regions(self, update_statistics):
        moved = self._config.adversarial_norm > 0
        parameter_gradients = self._network.parameter_gradients(moved=moved)
        return [*self._activations(update_statistics), parameter_gradients]

    @cached_property
    def _divergence_program(self):
        network = self._network
        first, *regions = network.run_divergence_pass(is_last=False)
        *move, last_move = network.move_along_gradient(virtual=True)
        following, *last_regions = network.run_divergence_pass(is_last=True)
        return Program(
            [
                network.inputs.move_at_random() + first,
                *regions,
                *move,
                last_move + following,
                *last_regions,
                network.parameter_gradients(moved=True),
            ]
        )

    @cached_property
    def _step_program(self):
        return Program(self.fused_regions())

    def fused_regions(self):
        """Return the regions of a step that updates the weights while it computes the gradient."""
        network = self._network
        moved = self._config.adversarial_norm > 0
        updates = self._updater.fused_calls(network.layers, network.operands(moved=moved))
        load_ahead = network.inputs.load_ahead()
        return [*self._activations(network.update_statistics()), load_ahead + updates]

    def _activations(self, update_statistics):
        """Return the regions that precede the gradients of the weights."""
        network = self._network
        first, *regions, last = network.run_pass()
        # The statistics are computed from the original samples, as in prediction, not from the adversarial examples.
        first_pass = [network.inputs.gather() + first, *regions, last + update_statistics]
        if not self._config.adversarial_norm:
            return first_pass
        *move, last_move = network.move_along_gradient()
        first, *regions = network.run_pass_over_moved()
        return [*first_pass, *move, last_move + first, *regions]


def is_fused(config, n_samples):
    """Return whether the program that computes the gradient also updates the weights, and can run for several steps."""
    if config.virtual_adversarial_norm or config.solver.update.clip_norm is not None:
        return False
    return n_samples <= MAX_FUSED_SAMPLES


def count_correct(batch, n_wrong):
    """Return the total weight of the correct predictions, given that of the wrong ones.

    If all predictions are correct, it equals the weight of the batch, whatever the order in which weights are added.
    """
    return max(0.0, batch.total_weight - n_wrong)
