"""The members of a committee, each evaluated on its own."""

import numpy as np

from skmlp.report.section import Content
from skmlp.report.statistics import compute_wilson_interval
from skmlp.scores import compute_sample_losses


def describe_members(evaluation):
    """Return the Content of the section, or None if the model is a single network."""
    if not evaluation.is_committee:
        return None
    truth, X = evaluation.test.classes, evaluation.test.X
    rows, predicted = [], []
    for member in evaluation.model.members:
        log_probabilities = member.model.predict_log_proba(X)
        predicted.append(log_probabilities.argmax(axis=1))
        loss = compute_sample_losses(log_probabilities, truth).mean()
        rows.append(describe_member(member, predicted[-1] == truth, loss))
    is_unanimous = np.all(np.equal(predicted, predicted[0]), axis=0)
    n_unanimous = int(is_unanimous.sum())
    n_correct = int(np.sum(is_unanimous & (predicted[0] == truth)))
    figures = {
        "members": rows,
        "mean_accuracy": float(np.mean([row["accuracy"] for row in rows])),
        "n_unanimous": n_unanimous,
        "unanimous_accuracy": n_correct / n_unanimous if n_unanimous else None,
    }
    return Content(figures)


def describe_member(member, is_correct, loss):
    """Return the figures of a member."""
    mlp = member.model.classifier
    n_correct = int(is_correct.sum())
    hidden = [len(biases) for biases in mlp.intercepts_[:-1]]
    return {
        "name": member.name,
        "weight": member.weight,
        "transformers": [type(each).__name__ for each in member.model.transformers],
        "layer_sizes": [len(mlp.coefs_[0]), *hidden, mlp.n_outputs_],
        "n_epochs": len(mlp.history_["loss"]),
        "accuracy": n_correct / len(is_correct),
        "interval": list(compute_wilson_interval(n_correct, len(is_correct))),
        "log_loss": float(loss),
    }
