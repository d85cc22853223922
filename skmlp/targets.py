"""Labels of any type and the targets that the engine trains on: there and back."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d


def check_labels(y):
    """Give `y` as labels of shape (n_samples,) or as an indicator matrix of zeros and ones.

    Raises
    ------
    ValueError
        If `y` is neither.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y.toarray() if issparse(y) else y, warn=True)
    check_classification_targets(y)
    if y.ndim == 2 and not is_multilabel(y):
        raise ValueError(
            "y must hold one label a sample, of shape (n_samples,), or be an indicator matrix of zeros and ones, of "
            f"shape (n_samples, n_labels). Got shape {y.shape} with other values. Train one classifier a column, for "
            "example with sklearn.multioutput.MultiOutputClassifier."
        )
    return y.toarray() if issparse(y) else y


def is_multilabel(y):
    """Tell whether `y` is an indicator matrix."""
    return type_of_target(y).startswith("multilabel")


@dataclass(frozen=True)
class TargetEncoding:
    """How labels and targets correspond.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    multilabel : bool
        Whether a sample may have any number of the classes.
    """

    classes: np.ndarray
    multilabel: bool

    @classmethod
    def of(cls, y):
        """Find the classes in `y`, the result of `check_labels`."""
        return cls(unique_labels(y), is_multilabel(y))

    @property
    def out_activation(self):
        """Name of the activation of the output layer."""
        return "softmax" if not self.multilabel and len(self.classes) > 2 else "logistic"

    @property
    def n_outputs(self):
        """Number of output units: one for two classes, as one probability tells the other."""
        return len(self.classes) if self.multilabel or len(self.classes) > 2 else 1

    def encode(self, y, name="y"):
        """Turn labels into class indices (softmax) or zeros and ones, a column an output (logistic).

        Raises
        ------
        ValueError
            If `y` has labels that are no classes, or another number of columns.
        """
        if self.multilabel != is_multilabel(y) or (
            self.multilabel and y.shape[1] != len(self.classes)
        ):
            expected = f"(n_samples, {len(self.classes)})" if self.multilabel else "(n_samples,)"
            raise ValueError(f"{name} must have the shape {expected}, as before. Got {y.shape}.")
        if self.multilabel:
            return y.astype(bool)
        unknown = np.setdiff1d(y, self.classes)
        if unknown.size:
            raise ValueError(
                f"{name} has classes that the classifier does not know: {unknown.tolist()}. It knows "
                f"{self.classes.tolist()}. Give all classes in the first call: by y in fit, by classes in partial_fit."
            )
        if self.out_activation == "softmax":
            return np.searchsorted(self.classes, y)
        return (y == self.classes[-1])[:, np.newaxis] & (len(self.classes) == 2)

    def decode(self, logits):
        """Turn logits of shape (n_samples, n_outputs) into labels."""
        if self.multilabel:
            return (logits > 0).astype(int)
        if self.out_activation == "softmax":
            return self.classes[logits.argmax(axis=1)]
        positive = (logits[:, 0] > 0) & (len(self.classes) == 2)
        return self.classes[positive.astype(int)]

    def strata(self, targets):
        """Give each sample the number of the group whose share a split should keep."""
        if self.multilabel:
            return np.zeros(len(targets), int)
        return targets.reshape(-1).astype(int)
