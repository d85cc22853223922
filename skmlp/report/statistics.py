"""Statistics of the report: confidence intervals, tests, calibration and label errors."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binomtest

from skmlp.estimator.calibration import minimize_over_temperature

CONFIDENCE_LEVEL = 0.95
REFUSED_FRACTIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


class Interval(NamedTuple):
    """Confidence interval of a probability.

    Attributes
    ----------
    low : float
    high : float
    """

    low: float
    high: float


def compute_wilson_interval(n_successes, n_trials):
    """Return the Wilson score interval [1]_ of a probability at the level CONFIDENCE_LEVEL.

    Parameters
    ----------
    n_successes : int
    n_trials : int

    Returns
    -------
    interval : Interval
        From 0 to 1 without trials.

    References
    ----------
    .. [1] Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22(158), 1927.
    """
    if not n_trials:
        return Interval(0.0, 1.0)
    result = binomtest(int(n_successes), int(n_trials))
    interval = result.proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def compute_mcnemar_p_value(n_only_first, n_only_second):
    """Return the p-value of McNemar's exact test [1]_ of the difference between two classifiers.

    Parameters
    ----------
    n_only_first : int
        Number of samples that only the first classifier predicts correctly.
    n_only_second : int
        Number of samples that only the second classifier predicts correctly.

    Returns
    -------
    p_value : float
        Probability of a difference of at least this size if both classifiers are equally accurate.

    References
    ----------
    .. [1] McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
       Psychometrika 12(2), 1947.
    """
    n_different = n_only_first + n_only_second
    return float(binomtest(n_only_first, n_different).pvalue) if n_different else 1.0


class Temperature(NamedTuple):
    """Temperature by which the logits are divided to correct the probabilities.

    Attributes
    ----------
    value : float
    log_loss : float
        Log loss of the corrected probabilities.
    probabilities : ndarray of shape (n_samples, n_classes)
        The corrected probabilities.
    """

    value: float
    log_loss: float
    probabilities: np.ndarray


def fit_temperature(log_probabilities, truth):
    """Find the temperature that minimizes the log loss [1]_.

    Parameters
    ----------
    log_probabilities : ndarray of shape (n_samples, n_classes)
    truth : ndarray of shape (n_samples,)
        Index of the true class.

    Returns
    -------
    temperature : Temperature or None
        None if the best value is outside of TEMPERATURE_RANGE, for example because all predictions are correct.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017,
       https://arxiv.org/abs/1706.04599
    """
    rows = np.arange(len(truth))

    def compute_log_loss(temperature):
        scaled = log_probabilities / temperature
        return float((logsumexp(scaled, axis=1) - scaled[rows, truth]).mean())

    temperature = minimize_over_temperature(compute_log_loss)
    if temperature is None:
        return None
    scaled = log_probabilities / temperature
    probabilities = np.exp(scaled - logsumexp(scaled, axis=1, keepdims=True))
    return Temperature(temperature, compute_log_loss(temperature), probabilities)


class RefusalCurve(NamedTuple):
    """Accuracy on the samples whose confidence is at least a threshold; the others are refused.

    Attributes
    ----------
    thresholds : ndarray of shape (n_points,)
        Distinct confidences in ascending order.
    fractions : ndarray of shape (n_points,)
        Fractions of refused samples, from 0.
    accuracies : ndarray of shape (n_points,)
        Accuracy on the other samples.
    """

    thresholds: np.ndarray
    fractions: np.ndarray
    accuracies: np.ndarray

    def find(self, fraction):
        """Return the index of the largest fraction of refused samples that is at most the given one."""
        return int(np.searchsorted(self.fractions, fraction + 1e-12, side="right")) - 1


def compute_refusal_curve(confidence, is_correct):
    """Return the RefusalCurve of predictions."""
    order = np.argsort(confidence, kind="stable")
    thresholds, first = np.unique(confidence[order], return_index=True)
    n_samples = len(confidence)
    n_correct = np.cumsum(is_correct[order][::-1])[::-1]
    return RefusalCurve(thresholds, first / n_samples, n_correct[first] / (n_samples - first))


def find_label_errors(probabilities, labels):
    """Find samples whose label is probably wrong, by confident learning [1]_.

    The threshold of a class is the mean of its probability over the samples with its label. A sample is a candidate if
    the predicted class is not its label and the probability of the predicted class is at least the threshold.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        Out-of-sample predicted probabilities.
    labels : ndarray of shape (n_samples,)
        Index of the class of each label.

    Returns
    -------
    candidates : ndarray of shape (n_candidates,)
        Indices, in ascending order of the probability of the label.

    References
    ----------
    .. [1] Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70, 2021,
       https://arxiv.org/abs/1911.00068
    """
    n_classes = probabilities.shape[1]
    self_confidence = probabilities[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=n_classes)
    sums = np.bincount(labels, self_confidence, n_classes)
    thresholds = np.divide(sums, counts, out=np.full(n_classes, np.inf), where=counts > 0)
    predicted = probabilities.argmax(axis=1)
    is_confident = probabilities[np.arange(len(labels)), predicted] >= thresholds[predicted]
    candidates = np.flatnonzero((predicted != labels) & is_confident)
    return candidates[np.argsort(self_confidence[candidates], kind="stable")]
