"""Reports and hand-made classifiers for the tests of reports."""

from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.figure import Figure

from skmlp import MLPDigitClassifier, write_report


class Report(NamedTuple):
    """The figures that `write_report` returns, and the page that it writes."""

    figures: dict
    html: str

    @property
    def findings(self):
        """The findings by the name of the check."""
        return {finding["check"]: finding for finding in self.figures["findings"]}


@pytest.fixture(scope="session")
def report_on(tmp_path_factory):
    """Return a function that writes a report and returns it as a Report."""
    path = tmp_path_factory.mktemp("reports") / "report.html"

    def report_on(mlp, X, y, **options):
        figures = write_report(mlp, X, y, path, **options)
        return Report(figures, path.read_text(encoding="utf-8"))

    return report_on


@pytest.fixture
def without_drawing(monkeypatch):
    """Leave the charts empty, because drawing them takes most of the time of a report."""

    def save_empty(self, file, **options):
        file.write("<svg></svg>")

    monkeypatch.setattr(Figure, "savefig", save_empty)


@pytest.fixture(scope="session")
def make_softmax():
    """Return a function that makes a classifier without hidden layers whose logits are some of the features.

    Its predicted probabilities for the samples ``np.log(probabilities)`` are `probabilities`.
    """

    def make_softmax(labels, n_features=None, first_feature=0):
        """Return the classifier for sorted labels. By default, it has one feature per class."""
        n_classes = len(labels)
        mlp = MLPDigitClassifier((), max_iter=1, n_iter_no_change=None)
        mlp.fit(np.tile(np.eye(n_classes, n_features), (3, 1)), [*labels] * 3)
        columns = slice(first_feature, first_feature + n_classes)
        mlp.coefs_[0][:] = mlp.intercepts_[0][:] = 0
        # With two classes, the output is the difference of the logits.
        mlp.coefs_[0][columns] = [[-1], [1]] if n_classes == 2 else np.eye(n_classes)
        return mlp

    return make_softmax


@pytest.fixture(scope="session")
def draw_samples():
    """Return a function that draws samples with known predicted probabilities for a classifier of `make_softmax`."""

    def draw_samples(n_correct, confidence, seed=0):
        """Return features and the indices of the classes.

        Parameters
        ----------
        n_correct : list of (int, int)
            Number of samples of each class, and how many of them are predicted correctly. The others are predicted as
            the next class.
        confidence : float
            Mean probability of the predicted class.
        """
        n_classes = len(n_correct)
        y = np.repeat(np.arange(n_classes), [n for n, _ in n_correct])
        is_wrong = np.concatenate([np.arange(n) >= right for n, right in n_correct])
        predicted = (y + is_wrong) % n_classes
        # Small differences, so that no two samples are equal
        noise = np.random.default_rng(seed).uniform(-1e-3, 1e-3, len(y))
        probability = (confidence + noise - noise.mean())[:, np.newaxis]
        is_predicted = predicted[:, np.newaxis] == np.arange(n_classes)
        return np.log(np.where(is_predicted, probability, (1 - probability) / (n_classes - 1))), y

    return draw_samples
