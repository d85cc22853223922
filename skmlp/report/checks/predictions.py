"""Checks of the predictions: calibration, recall of the classes and robustness."""

from skmlp.formatting import format_percent
from skmlp.report.checks.result import need_attention, pass_check, skip_check

LARGE_MISCALIBRATION = 0.01  # difference between mean probability and accuracy
# A recall is low if the class has so many more errors than all samples, or so many fewer correct predictions.
LARGE_ERROR_RATIO = LARGE_RECALL_RATIO = 1.5
LARGE_DECLINE = 0.05  # of the accuracy on the least distorted images
MAX_LISTED = 5
NETWORK_REMEDY = (
    "Call `calibrate` with held-out samples: it divides the logits by the best temperature."
)
COMMITTEE_REMEDY = (
    "Fit `CalibratedClassifierCV(FrozenEstimator(committee), method='temperature')` of scikit-learn to held-out "
    "samples: it divides the logits by the best temperature."
)


def check_calibration(evaluation, figures):
    """Check whether the probabilities are too high or too low on average."""
    calibration = figures["calibration"]
    confidence, accuracy = calibration["mean_confidence"], calibration["accuracy"]
    low, high = figures["summary"]["interval"]
    text = (
        f"The mean probability of the predicted class is {format_percent(confidence)}, and the accuracy is "
        f"{format_percent(accuracy)}."
    )
    if abs(confidence - accuracy) <= LARGE_MISCALIBRATION or low <= confidence <= high:
        return pass_check(text)
    remedy = COMMITTEE_REMEDY if evaluation.is_committee else NETWORK_REMEDY
    if confidence > accuracy:
        remedy += " Or train with `label_smoothing`, `dropout` or augmentation."
        return need_attention("Overconfident probabilities", text, remedy)
    if any(network.label_smoothing for network in evaluation.networks):
        remedy += " Or use less `label_smoothing`."
    return need_attention("Underconfident probabilities", text, remedy)


def check_recall(evaluation, figures):
    """Check whether a class has a clearly lower recall than the others."""
    accuracy = figures["summary"]["accuracy"]
    limit = max(1 - LARGE_ERROR_RATIO * (1 - accuracy), accuracy / LARGE_RECALL_RATIO)
    weak = [
        row for row in figures["classes"] if row["support"] and row["recall_interval"][1] < limit
    ]
    if not weak:
        return pass_check("No class has a recall that is clearly below the accuracy.")
    weak.sort(key=lambda row: row["recall"])
    listed = ", ".join(
        f"{row['label']} ({format_percent(row['recall'])}, most often predicted as "
        f"{row['most_frequent_confusion']['label']})"
        for row in weak[:MAX_LISTED]
    )
    more = f" and {len(weak) - MAX_LISTED} more" if len(weak) > MAX_LISTED else ""
    return need_attention(
        "Classes with a low recall",
        f"The recall of these classes is clearly below the accuracy of {format_percent(accuracy)}: {listed}{more}.",
        "Look at their mistakes. More or better training samples of these classes help most.",
    )


def check_robustness(evaluation, figures):
    """Check whether slight distortions lower the accuracy."""
    robustness = figures["robustness"]
    if robustness is None:
        return skip_check("The samples are not images of at least 5 x 5 pixels.")
    chance = 1 / len(evaluation.labels)
    if robustness["accuracy"] <= min(2 * chance, (1 + chance) / 2):
        return skip_check("The accuracy is hardly better than chance.")
    weak = []
    for condition in robustness["conditions"]:
        mildest = min(
            condition["levels"], key=lambda level: (abs(level["level"]), level["accuracy"])
        )
        if robustness["accuracy"] - mildest["accuracy"] > LARGE_DECLINE:
            weak.append(describe_level(condition, mildest))
    if not weak:
        return pass_check(
            f"No slight distortion lowers the accuracy by more than {100 * LARGE_DECLINE:.0f} percentage points."
        )
    return need_attention(
        "Sensitive to slight distortions",
        f"Slight distortions lower the accuracy from {format_percent(robustness['accuracy'])}: {'; '.join(weak)}.",
        "Train with `augmentation='digits'` or steps of `skmlp.augment`.",
    )


def describe_level(condition, level):
    """Return the distortion and the accuracy of a level, for example "shift 1 pixel: 90.12 %"."""
    unit = condition["unit"].removesuffix("s") if level["level"] == 1 else condition["unit"]
    return f"{condition['name']} {level['level']:g} {unit}: {format_percent(level['accuracy'])}"
