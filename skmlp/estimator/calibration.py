"""Temperature scaling: division of the logits by a number that minimizes the log loss [1]_.

References
----------
.. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017,
   https://arxiv.org/abs/1706.04599
"""

import numpy as np
from scipy.optimize import minimize_scalar

TEMPERATURE_RANGE = (0.05, 20.0)
BOUND_TOLERANCE = 0.01  # of the logarithm of the temperature


def minimize_over_temperature(compute_loss):
    """Return the temperature that minimizes a loss, or None if it is not within TEMPERATURE_RANGE.

    Parameters
    ----------
    compute_loss : callable
        Function that returns the loss for a temperature. The log loss is convex in its inverse, so that it has a single
        minimum.
    """
    bounds = np.log(TEMPERATURE_RANGE)
    best = minimize_scalar(lambda x: compute_loss(np.exp(x)), bounds=bounds, method="bounded")
    is_inside = min(best.x - bounds[0], bounds[1] - best.x) > BOUND_TOLERANCE
    return float(np.exp(best.x)) if is_inside else None


def find_temperature(logits, targets, loss, weights):
    """Return the temperature that minimizes the loss of logits, or None if there is none.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_outputs)
    targets : ndarray
        Encoded targets, see `TargetEncoding.encode`.
    loss : loss of `skmlp.engine.reference.losses`
    weights : ndarray of shape (n_samples,) or None
        Sample weights.

    Returns
    -------
    temperature : float or None
    """
    logits = np.ascontiguousarray(logits.T, dtype=np.float64)
    total_weight = logits.shape[1] if weights is None else weights.sum()

    def sum_losses(temperature):
        scaled = logits / temperature
        return loss.loss_gradient(scaled, targets.T, weights, total_weight)

    if sum_losses(1).n_correct == total_weight:  # The lower the temperature, the lower is the loss.
        return None
    return minimize_over_temperature(lambda temperature: sum_losses(temperature).loss)
