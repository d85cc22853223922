"""Findings: what to look at, and remedies."""

import math
from dataclasses import asdict, dataclass

import numpy as np

from skmlp.report.duplicates import find_duplicates
from skmlp.report.formatting import format_percent
from skmlp.report.section import Content

ATTENTION, PASSED, NOT_CHECKED = "attention", "passed", "not checked"

LARGE_GAP = 0.02  # between the accuracies on the training and on the test set
LARGE_DEAD_FRACTION = 0.05  # of the units of a layer
RECENT_FRACTION = 0.1  # of the epochs, in which the loss may still decrease
LARGE_DECREASE = 0.02  # of the loss in the recent epochs, relative
SMALL_LEARNING_RATE = 0.1  # relative to the largest one
PERFECT = 0.999  # accuracy on the training set, after which its loss decreases without end
LARGE_INCREASE = 0.1  # of the validation loss since its minimum, relative
LARGE_ERROR_RATIO = 1.5  # of the error rates of a class and of all samples
LARGE_IMBALANCE = 3.0  # ratio of the numbers of samples of two classes
LARGE_MISCALIBRATION = 0.01  # difference between mean probability and accuracy
LARGE_WIDTH = 0.02  # of the confidence interval of the accuracy
LARGE_DECLINE = 0.05  # of the accuracy on the least distorted images
LARGE_CANDIDATE_FRACTION = 0.01  # of the labels
SAME_LOSS = 1e-4  # relative difference of losses of the same predictions
MAX_LISTED = 5


@dataclass(frozen=True)
class Finding:
    """Result of a check.

    Attributes
    ----------
    status : str
        ATTENTION, PASSED or NOT_CHECKED.
    title : str
    text : str
        What was found.
    remedy : str or None
        What can be done if attention is needed.
    """

    status: str
    title: str
    text: str
    remedy: str | None = None


def describe_findings(evaluation, figures):
    """Return the Content of the section.

    Parameters
    ----------
    evaluation : Evaluation
    figures : dict
        Figures of the other sections by name.
    """
    findings = [
        {"check": name} | asdict(check(evaluation, figures)) for name, check in CHECKS.items()
    ]
    order = (ATTENTION, PASSED, NOT_CHECKED)
    return Content(sorted(findings, key=lambda finding: order.index(finding["status"])))


def check_test_set(evaluation, figures):
    """Check whether the validation set of the training was the test set."""
    title, history = "Independent test set", evaluation.model.history_
    if "val_loss" not in history:
        return Finding(PASSED, title, "No validation set was monitored during training.")
    if evaluation.model.class_weight is not None:
        text = "The loss and the accuracy of the validation set are weighted by class."
        return Finding(NOT_CHECKED, title, text)
    accuracy, loss = figures["verdict"]["accuracy"], float(evaluation.sample_losses.mean())
    pairs = zip(history["val_accuracy"], history["val_loss"], strict=True)
    is_same = any(
        math.isclose(val_accuracy, accuracy, abs_tol=1e-9)
        and math.isclose(val_loss, loss, rel_tol=SAME_LOSS)
        for val_accuracy, val_loss in pairs
    )
    if not is_same:
        text = "In no epoch were the loss and the accuracy of the validation set those of the test set."
        return Finding(PASSED, title, text)
    return Finding(
        ATTENTION,
        "The test set was monitored during training",
        "The validation set that was evaluated after each epoch is the test set: the loss and the accuracy are equal. "
        "If settings or the number of epochs were chosen by them, the accuracy on the test set is too optimistic.",
        "Hold out a part of the training set with `--validation 0.2` or `X_val`, choose by it, and evaluate the test "
        "set once.",
    )


def check_gap(evaluation, figures):
    """Check whether the accuracy on the training set is much higher than on the test set."""
    verdict = figures["verdict"]
    training_accuracy = verdict["training_accuracy"]
    if training_accuracy is None:
        return Finding(NOT_CHECKED, "Overfitting", "The training set was not given.")
    gap = training_accuracy - verdict["accuracy"]
    text = (
        f"The accuracy is {format_percent(training_accuracy)} on the training set and "
        f"{format_percent(verdict['accuracy'])} on the test set."
    )
    if gap <= LARGE_GAP or training_accuracy <= verdict["interval"][1]:
        return Finding(PASSED, "No overfitting", text)
    first = "`augmentation='digits'`, " if evaluation.encoder is not None else ""
    return Finding(
        ATTENTION,
        "Overfitting",
        text,
        f"Use more training samples, {first}`dropout`, `weight_decay` or `early_stopping=True`.",
    )


def check_last_epochs(evaluation, figures):
    """Check whether the loss was still decreasing when training ended."""
    title, history = "Enough epochs", evaluation.model.history_
    criterion = "val_loss" if "val_loss" in history else "loss"
    losses, rates = np.array(history[criterion]), np.array(history["learning_rate"])
    if len(losses) < 3 or not np.isfinite(losses).all():
        text = "The training history has less than three finite losses."
        return Finding(NOT_CHECKED, "Number of epochs", text)
    if criterion == "loss" and history["accuracy"][-1] >= PERFECT:
        return Finding(PASSED, title, "Nearly all training samples were predicted correctly.")
    n_recent = min(max(1, math.ceil(RECENT_FRACTION * len(losses))), len(losses) - 1)
    before = losses[-1 - n_recent]
    change = losses[-1] / before - 1 if before else 0.0
    text = (
        f"In the last {'epoch' if n_recent == 1 else f'{n_recent} epochs'}, the "
        f"{'validation' if criterion == 'val_loss' else 'training'} loss changed by {100 * change:+.1f} %."
    )
    if change >= -LARGE_DECREASE or losses.argmin() < len(losses) - 1:
        return Finding(PASSED, title, text)
    if evaluation.model.solver == "lbfgs":
        if len(losses) < evaluation.model.max_iter:
            return Finding(PASSED, title, f"{text} The solver had converged.")
        remedy = "Allow more iterations (`max_iter`)."
    elif rates[-1] <= SMALL_LEARNING_RATE * rates.max():
        return Finding(PASSED, title, f"{text} The learning-rate schedule had ended.")
    else:
        remedy = (
            "Train for more epochs (`max_iter`), or lower the learning rate at the end with "
            "`learning_rate='one_cycle'`."
        )
    return Finding(ATTENTION, "The loss was still decreasing", text, remedy)


def check_best_epoch(evaluation, figures):
    """Check whether the validation loss has increased since its minimum."""
    title, history, model = "Best epoch", evaluation.model.history_, evaluation.model
    losses = np.array(history.get("val_loss", []))
    if not len(losses) or not np.isfinite(losses).all():
        text = "There is no complete history of the validation loss."
        return Finding(NOT_CHECKED, title, text)
    best = int(losses.argmin())
    text = (
        f"The validation loss was lowest in epoch {best + 1} of {len(losses)} with {losses[best]:.4f}; in the last "
        f"epoch it was {losses[-1]:.4f}."
    )
    if losses[-1] <= (1 + LARGE_INCREASE) * losses[best]:
        return Finding(PASSED, title, text)
    if model.early_stopping and model.solver != "lbfgs":
        text = f"{text} The weights with the best validation {model.monitor} were kept."
        return Finding(PASSED, title, text)
    return Finding(
        ATTENTION,
        "The validation loss has increased",
        text,
        "Use `early_stopping=True` with `monitor='loss'`, fewer epochs, or more regularization.",
    )


def check_dead_units(evaluation, figures):
    """Check whether a layer has many dead units."""
    layers = figures["network"]["hidden_layers"]
    if not layers:
        return Finding(NOT_CHECKED, "Dead units", "The network has no hidden layers.")
    if layers[0]["n_dead"] is None:
        return Finding(NOT_CHECKED, "Dead units", "All test samples are equal.")
    text = "Units with a constant activation: " + ", ".join(
        f"{layer['n_dead']:,} of {layer['n_units']:,} in hidden layer {number}"
        for number, layer in enumerate(layers, 1)
    )
    if all(layer["n_dead"] <= LARGE_DEAD_FRACTION * layer["n_units"] for layer in layers):
        return Finding(PASSED, "Few dead units", f"{text}.")
    return Finding(
        ATTENTION,
        "Dead units",
        f"{text}.",
        "Use fewer units, a lower learning rate, `batch_norm=True`, or an activation without a flat side such as "
        "`'leaky_relu'` or `'gelu'`.",
    )


def check_duplicates(evaluation, figures):
    """Check whether test samples are also training samples."""
    if evaluation.training is None:
        return Finding(
            NOT_CHECKED, "Duplicates of training samples", "The training set was not given."
        )
    duplicates = find_duplicates(evaluation.training, evaluation.test)
    if not duplicates:
        return Finding(PASSED, "No duplicates", "No test sample is equal to a training sample.")
    listed = ", ".join(
        f"{each.test} (training sample {each.training})" for each in duplicates[:MAX_LISTED]
    )
    n_conflicts = sum(
        evaluation.test.classes[each.test] != evaluation.training.classes[each.training]
        for each in duplicates
    )
    return Finding(
        ATTENTION,
        "Test samples that are also training samples",
        f"{len(duplicates):,} of {len(evaluation.test):,} test samples are equal to a training sample: {listed}"
        f"{', ...' if len(duplicates) > MAX_LISTED else ''}. {n_conflicts:,} of them have another label there.",
        "Remove them from the test set, or split the data by its source.",
    )


def check_balance(evaluation, figures):
    """Check whether the classes have very different numbers of samples."""
    samples = evaluation.training or evaluation.test
    subset = "test" if evaluation.training is None else "training"
    counts = np.bincount(samples.classes, minlength=len(evaluation.labels))
    rarest, most = int(counts.argmin()), int(counts.argmax())
    labels = evaluation.labels
    text = (
        f"In the {subset} set, the least frequent class ({labels[rarest]}) has {counts[rarest]:,} samples and the most "
        f"frequent one ({labels[most]}) {counts[most]:,}."
    )
    if counts[most] <= LARGE_IMBALANCE * counts[rarest]:
        return Finding(PASSED, "Balanced classes", text)
    return Finding(
        ATTENTION,
        "Unbalanced classes",
        text,
        "Look at the recall of each class, not only at the accuracy. Train with `class_weight='balanced'` or with more "
        "samples of the rare classes.",
    )


def check_confidence(evaluation, figures):
    """Check whether the probabilities are too high or too low on average."""
    calibration = figures["calibration"]
    confidence, accuracy = calibration["mean_confidence"], calibration["accuracy"]
    low, high = figures["verdict"]["interval"]
    text = (
        f"The mean probability of the predicted class is {format_percent(confidence)}, and the accuracy is "
        f"{format_percent(accuracy)}."
    )
    if abs(confidence - accuracy) <= LARGE_MISCALIBRATION or low <= confidence <= high:
        return Finding(PASSED, "Calibrated probabilities", text)
    temperature = calibration["temperature"]
    value = "" if temperature is None else f" (about {temperature['value']:.2f} for this test set)"
    if confidence > accuracy:
        return Finding(
            ATTENTION,
            "Overconfident probabilities",
            text,
            f"Divide the logits by a temperature{value}: scikit-learn's `CalibratedClassifierCV` with "
            "`method='temperature'` does so. Or train with `label_smoothing`, `dropout` or augmentation.",
        )
    return Finding(
        ATTENTION,
        "Underconfident probabilities",
        text,
        f"Divide the logits by a temperature{value}, or use less `label_smoothing`, `dropout` or augmentation.",
    )


def check_classes(evaluation, figures):
    """Check whether a class has a clearly lower recall than the others."""
    accuracy = figures["verdict"]["accuracy"]
    lowest = 1 - LARGE_ERROR_RATIO * (1 - accuracy)
    weak = [
        row for row in figures["classes"] if row["support"] and row["recall_interval"][1] < lowest
    ]
    if not weak:
        return Finding(
            PASSED,
            "Similar recall of all classes",
            "No class has a recall clearly below the accuracy.",
        )
    listed = ", ".join(
        f"{row['label']} ({format_percent(row['recall'])}"
        + (f", most often predicted as {row['most_frequent_confusion']['label']})")
        for row in sorted(weak, key=lambda row: row["recall"])[:MAX_LISTED]
    )
    return Finding(
        ATTENTION,
        "Classes with a low recall",
        f"The recall of these classes is clearly below the accuracy of {format_percent(accuracy)}: {listed}.",
        "Look at their mistakes. More or better samples of these classes help most.",
    )


def check_size(evaluation, figures):
    """Check whether the test set is large enough."""
    low, high = figures["verdict"]["interval"]
    text = (
        f"With {len(evaluation.test):,} test samples, the 95 % interval of the accuracy is "
        f"{100 * (high - low):.1f} percentage points wide."
    )
    if high - low <= LARGE_WIDTH:
        return Finding(PASSED, "Large test set", text)
    return Finding(
        ATTENTION,
        "Small test set",
        f"{text} Smaller differences between models cannot be seen.",
        "Evaluate on more samples, or use cross-validation.",
    )


def check_robustness(evaluation, figures):
    """Check whether slight distortions lower the accuracy."""
    robustness = figures["robustness"]
    if robustness is None:
        return Finding(NOT_CHECKED, "Robustness", "The samples are not images.")
    weak = []
    for condition in robustness["conditions"]:
        mildest = min(
            condition["levels"], key=lambda level: (abs(level["level"]), level["accuracy"])
        )
        if robustness["accuracy"] - mildest["accuracy"] > LARGE_DECLINE:
            weak.append(describe_level(condition, mildest))
    if not weak:
        text = f"No slight distortion lowers the accuracy by more than {100 * LARGE_DECLINE:.0f} percentage points."
        return Finding(PASSED, "Robust to slight distortions", text)
    return Finding(
        ATTENTION,
        "Sensitive to slight distortions",
        f"Slight distortions lower the accuracy from {format_percent(robustness['accuracy'])}: {'; '.join(weak)}.",
        "Train with `augmentation='digits'` or steps of `skmlp.augment`.",
    )


def describe_level(condition, level):
    """Return the distortion and the accuracy of a level, for example "shift 1 pixel: 90.12 %"."""
    unit = condition["unit"].removesuffix("s") if level["level"] == 1 else condition["unit"]
    return f"{condition['name']} {level['level']:g} {unit}: {format_percent(level['accuracy'])}"


def check_labels(evaluation, figures):
    """Check whether many labels may be wrong."""
    errors = figures["label_errors"]
    if errors is None:
        return Finding(
            NOT_CHECKED,
            "Label errors",
            "There is only one class, or a class has too few samples for cross-validation.",
        )
    text = (
        f"{errors['n_candidates']:,} of {errors['n_samples']:,} labels of the {errors['subset']} set are candidates "
        "for errors."
    )
    if errors["n_candidates"] <= LARGE_CANDIDATE_FRACTION * errors["n_samples"]:
        return Finding(PASSED, "Few possible label errors", text)
    return Finding(
        ATTENTION,
        "Many possible label errors",
        text,
        "Look at the candidates, and correct the labels that are wrong.",
    )


# The checks in the order of their importance, by the name in the figures
CHECKS = {
    "monitored_test_set": check_test_set,
    "overfitting": check_gap,
    "duplicates": check_duplicates,
    "unfinished_training": check_last_epochs,
    "increased_validation_loss": check_best_epoch,
    "calibration": check_confidence,
    "low_recall": check_classes,
    "imbalance": check_balance,
    "robustness": check_robustness,
    "label_errors": check_labels,
    "dead_units": check_dead_units,
    "test_set_size": check_size,
}
