"""Training on a cluster: the loop over epochs runs in this process, the steps run on the workers."""

from contextlib import closing
from dataclasses import replace
from uuid import uuid4

from skmlp.dask.training_tasks import evaluate_block, get_value
from skmlp.engine.batches import Batches
from skmlp.engine.evaluation import Evaluation


class ClusterTrainer:
    """Trainer of a network on a cluster, with the interface of `skmlp.engine.training.Trainer`.

    Parameters
    ----------
    config : TrainingConfig
    data : TrainingData
        Placeholders of the samples on the cluster.
    state : TrainState
        Changed in place.
    cluster : LocalScheduler or DistributedCluster
    training : RemoteSamples
    validation : RemoteSamples or None
    make_mode : callable
        Returns an ExactMode or a LocalMode.
    on_step : callable
        ``on_step(n_samples)`` is called when further samples have been processed.

    Attributes
    ----------
    backend : ExactMode or LocalMode
    batches : Batches
        Batches of the placeholder of the training samples.
    convergence_message : str
        Explanation, set after the last epoch, if the result may not have converged; otherwise empty.
    """

    def __init__(self, config, data, state, *, cluster, training, validation, make_mode, on_step):
        self.config = config
        self.state = state
        self.convergence_message = ""
        self._cluster = cluster
        self._validation = validation
        cluster.pop_times()  # those of the tasks that prepare the blocks
        state.make_writable()
        self.backend = make_mode(cluster, training, config, state, on_step)
        # Only the exact mode needs an order of all samples.
        n_ordered = len(data.samples) if self.backend.shuffles_all_samples else 0
        config.solver.prepare(state, n_ordered)
        self.batches = Batches(data.samples, config.solver.batch_size, state.weights.theta.dtype)

    def epochs(self, on_epoch_begin=lambda: None):
        """Train, and yield an EpochReport after each epoch.

        When the generator ends, is closed or raises an exception, it restores the weights of the best epoch if the
        monitored quantity is measured on the validation set.
        """
        try:
            with closing(self.config.solver.epochs(self, on_epoch_begin)) as epochs:
                self.convergence_message = yield from map_generator(self._add_times, epochs)
        finally:
            if self.state.best is not None:
                self.state.prediction_weights.assign(self.state.best)

    def train_epoch(self):
        """Train for one epoch, and return an EpochReport without validation."""
        return self.backend.train_epoch(self)

    def evaluate(self):
        """Return the Evaluation of the network on the validation set."""
        if self._validation is None:
            return Evaluation(None, None)
        token, graph = uuid4().hex, self._validation.make_graph()
        weights = (f"weights-{token}", 0, 0)
        graph[weights] = (get_value, self.state.prediction_weights)
        keys = []
        for number, handle in enumerate(self._validation.handles):
            keys.append((f"evaluate-block-{token}", 0, number))
            graph[keys[-1]] = (evaluate_block, self.config, handle.key, weights)
        purpose = f"the validation of epoch {self.state.epoch}"
        results = self._cluster.compute(graph, keys, purpose)
        weight = self._validation.total_weight
        return Evaluation(
            sum(result.loss for result in results) / weight,
            sum(result.n_correct for result in results) / weight,
        )

    def augmentation(self):
        """Return None: the workers augment the samples."""
        return

    def _add_times(self, report):
        """Return an EpochReport with the times of the tasks since the last report."""
        times, seconds = self._cluster.pop_times(), report.seconds
        # Tasks that wait for each other may overlap slightly, and transfers overlap with computations.
        compute = min(times.compute, seconds)
        transfer = min(times.transfer, seconds - compute)
        return replace(
            report,
            compute_seconds=compute,
            transfer_seconds=transfer,
            scheduler_seconds=seconds - compute - transfer,
        )


def map_generator(function, generator):
    """Yield the result of a function of each value of a generator, and return its return value."""
    while True:
        try:
            value = next(generator)
        except StopIteration as end:
            return end.value
        yield function(value)
