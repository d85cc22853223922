"""Training curves."""

import math

from skmlp.plots.curves import TrainingCurveDisplay
from skmlp.report.pictures import draw_charts
from skmlp.report.section import Content

CHART_SIZE = (3.8, 3.0)  # inches
BEST = {"val_loss": min, "val_accuracy": max}


def describe_training(evaluation):
    """Return the Content of the section, or None for a committee or if the history contains no epoch."""
    if evaluation.is_committee:
        return None
    history = evaluation.model.history_
    if not history["loss"]:
        return None
    figures = {
        "n_epochs": len(history["loss"]),
        "seconds": float(sum(history["seconds"])),
        "best": {
            name: find_best(history[name], best) for name, best in BEST.items() if name in history
        },
        "history": {
            name: [value if math.isfinite(value) else None for value in map(float, values)]
            for name, values in history.items()
        },
    }
    display = TrainingCurveDisplay({"": history})
    curves = ("loss", "accuracy", "learning_rate")[: display.n_panels]
    descriptions = {f"training-{name}": describe_curve(figures, name) for name in curves}
    return Content(figures, {"charts": draw_charts(descriptions, display.plot, CHART_SIZE)})


def find_best(values, best):
    """Return the epoch, from 1, and the value of the best finite value; None without one."""
    finite = [(value, epoch) for epoch, value in enumerate(values, 1) if math.isfinite(value)]
    if not finite:
        return None
    value = best(value for value, _ in finite)
    return {"epoch": next(e for v, e in finite if v == value), "value": float(value)}


def describe_curve(figures, name):
    """Return the alternative text of a chart."""
    subject = name.replace("_", " ")
    values = {
        "training": figures["history"][name],
        "validation": figures["history"].get(f"val_{name}"),
    }
    last = ", ".join(
        f"{subset} {each[-1]:.4g}"
        for subset, each in values.items()
        if each and each[-1] is not None
    )
    return f"{subject.capitalize()} in {figures['n_epochs']} epochs. Last epoch: {last}"
