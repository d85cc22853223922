"""Size of the model and time of a prediction."""

from statistics import median
from time import perf_counter

from skmlp.machine import count_usable_cores
from skmlp.report.section import Content

BATCH_SIZE = 1000
N_SINGLE, N_BATCHES = 50, 5  # repetitions


def describe_cost(evaluation):
    """Return the Content of the section."""
    model, X = evaluation.model, evaluation.test.X
    summaries = [network.summary() for network in evaluation.networks]
    batch = X[:BATCH_SIZE]
    figures = {
        "n_parameters": sum(summary.n_parameters for summary in summaries),
        "n_parameter_bytes": sum(summary.n_bytes for summary in summaries),
        "n_file_bytes": evaluation.n_file_bytes,
        "n_multiply_adds": sum(
            weights.size for network in evaluation.networks for weights in network.coefs_
        ),
        "has_image_features": any(
            network.image_features is not None for network in evaluation.networks
        ),
        "n_cores": count_usable_cores(),
        "batch_size": batch.shape[0],
        "seconds_single": measure(model, X[:1], N_SINGLE),
        "seconds_per_sample_in_batch": measure(model, batch, N_BATCHES) / batch.shape[0],
    }
    return Content(figures)


def measure(model, X, n_repetitions):
    """Return the median of the seconds of a prediction."""
    seconds = []
    for _ in range(n_repetitions):
        start = perf_counter()
        model.predict_proba(X)
        seconds.append(perf_counter() - start)
    return median(seconds)
