"""Findings: results of checks, with remedies."""

from collections.abc import Callable
from typing import Any, NamedTuple

from skmlp.report.checks.data import (
    check_balance,
    check_duplicates,
    check_labels,
    check_test_set_size,
)
from skmlp.report.checks.predictions import check_calibration, check_recall, check_robustness
from skmlp.report.checks.result import STATUSES, Result
from skmlp.report.checks.training import (
    check_best_epoch,
    check_dead_units,
    check_gap,
    check_last_epochs,
    check_validation_set,
)
from skmlp.report.section import Content


class Check(NamedTuple):
    """A check of the model or of its data.

    Attributes
    ----------
    name : str
        Name in the figures.
    title : str
    run : callable
        ``run(evaluation, figures)`` returns the Result. The figures are those of the other sections by name.
    """

    name: str
    title: str
    run: Callable[[Any, dict], Result]


# In the order of their importance
CHECKS = (
    Check("monitored_test_set", "Validation set", check_validation_set),
    Check("overfitting", "Training and test accuracy", check_gap),
    Check("duplicates", "Duplicates", check_duplicates),
    Check("unfinished_training", "Number of epochs", check_last_epochs),
    Check("increased_validation_loss", "Best epoch", check_best_epoch),
    Check("calibration", "Calibration", check_calibration),
    Check("low_recall", "Recall of the classes", check_recall),
    Check("imbalance", "Class sizes", check_balance),
    Check("robustness", "Slight distortions", check_robustness),
    Check("label_errors", "Labels", check_labels),
    Check("dead_units", "Dead units", check_dead_units),
    Check("test_set_size", "Size of the test set", check_test_set_size),
)


def describe_findings(evaluation, figures):
    """Return the Content of the section.

    Parameters
    ----------
    evaluation : Evaluation
    figures : dict
        Figures of the other sections by name.
    """
    findings = []
    for check in CHECKS:
        result = check.run(evaluation, figures)
        findings.append(
            {
                "check": check.name,
                "status": result.status,
                "title": result.title or check.title,
                "text": result.text,
                "remedy": result.remedy,
            }
        )
    return Content(sorted(findings, key=lambda finding: STATUSES.index(finding["status"])))
