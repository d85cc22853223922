"""Checks of the data: duplicates, class sizes, labels and the size of the test set."""

import numpy as np

from skmlp.formatting import format_count, format_percent
from skmlp.report.checks.result import need_attention, pass_check, skip_check
from skmlp.report.duplicates import find_duplicates

LARGE_IMBALANCE = 3.0  # ratio of the numbers of samples of two classes
LARGE_CANDIDATE_FRACTION = 0.01  # of the labels
# Less accurate networks are often confident of a wrong class.
MIN_ACCURACY_FOR_LABEL_ERRORS = 0.9
LARGE_WIDTH = 0.02  # of the confidence interval of the accuracy
MAX_LISTED = 5


def check_duplicates(evaluation, figures):
    """Check whether test samples are also training samples."""
    training, test = evaluation.training, evaluation.test
    if training is None:
        return skip_check("The training set was not given.")
    duplicates = find_duplicates(training, test)
    if not duplicates:
        return pass_check("No test sample is equal to a training sample.")
    listed = ", ".join(
        f"{each.test} (training sample {each.training})" for each in duplicates[:MAX_LISTED]
    )
    n_others = len(duplicates) - MAX_LISTED
    more = f" and {format_count(n_others, 'other')}" if n_others > 0 else ""
    n_conflicts = sum(
        test.classes[each.test] != training.classes[each.training] for each in duplicates
    )
    return need_attention(
        "Test samples that are also training samples",
        f"Of {format_count(len(test), 'test sample')}, {len(duplicates):,} are equal to a training sample: "
        f"{listed}{more}. {n_conflicts:,} of these training samples have another label.",
        "Remove them from the test set, or split the data by its source.",
    )


def check_balance(evaluation, figures):
    """Check whether the classes have very different numbers of samples."""
    has_training = evaluation.training is not None
    samples = evaluation.training if has_training else evaluation.test
    labels = evaluation.labels
    if len(labels) == 1:
        return skip_check("There is only one class.")
    counts = np.bincount(samples.classes, minlength=len(labels))
    rarest, most = int(counts.argmin()), int(counts.argmax())
    text = (
        f"In the {'training' if has_training else 'test'} set, the least frequent class ({labels[rarest]}) has "
        f"{format_count(int(counts[rarest]), 'sample')} and the most frequent one ({labels[most]}) {counts[most]:,}."
    )
    if counts[most] <= LARGE_IMBALANCE * counts[rarest]:
        return pass_check(text)
    return need_attention(
        "Unbalanced classes",
        text,
        "Look at the recall of each class, not only at the accuracy. Train with `class_weight='balanced'` or with more "
        "samples of the rare classes.",
    )


def check_labels(evaluation, figures):
    """Check whether many labels may be wrong."""
    errors = figures["label_errors"]
    if errors is None:
        return skip_check("There is only one class, or a class has too few samples.")
    if errors["subset"] == "test":
        return skip_check("The training set was not given.")
    text = (
        f"{errors['n_candidates']:,} of {errors['n_samples']:,} labels of the training set are candidates for "
        "errors."
    )
    if errors["accuracy"] < MIN_ACCURACY_FOR_LABEL_ERRORS:
        return skip_check(
            f"The networks that look for label errors have an accuracy of {format_percent(errors['accuracy'])} only."
        )
    if errors["n_candidates"] <= LARGE_CANDIDATE_FRACTION * errors["n_samples"]:
        return pass_check(text)
    return need_attention(
        "Many possible label errors",
        text,
        "Look at the candidates, and correct the labels that are wrong.",
    )


def check_test_set_size(evaluation, figures):
    """Check whether the accuracy on the test set is precise."""
    low, high = figures["summary"]["interval"]
    text = (
        f"With {format_count(len(evaluation.test), 'test sample')}, the 95 % interval of the accuracy is "
        f"{100 * (high - low):.1f} percentage points wide."
    )
    if high - low <= LARGE_WIDTH:
        return pass_check(text)
    return need_attention(
        "Small test set",
        f"{text} The accuracy on other samples may differ by as much.",
        "Evaluate on more samples, or use cross-validation. Compare models on the same samples (`compare_with`).",
    )
