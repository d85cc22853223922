"""The encoding of labels of any type as the targets that the engine trains on, and back."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d


def check_labels(y):
    """Return `y` as labels of shape (n_samples,) or as an indicator matrix of zeros and ones.

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
            "y must have one label per sample, of shape (n_samples,), or be an indicator matrix of zeros and ones, of "
            f"shape (n_samples, n_labels). Got shape {y.shape} with other values. Train one classifier per column, for "
            "example with sklearn.multioutput.MultiOutputClassifier."
        )
    return y.toarray() if issparse(y) else y


def is_multilabel(y):
    """Return whether `y` is an indicator matrix."""
    return type_of_target(y).startswith("multilabel")


def weights_of_classes(class_weight, y, sample_weight, known_classes):
    """Return the weight of the class of each sample; for multilabel targets, the product over the labels.

    Parameters
    ----------
    class_weight : dict or "balanced"
    y : ndarray
        The result of `check_labels`.
    sample_weight : ndarray of shape (n_samples,) or None
        Taken into account by "balanced".
    known_classes : ndarray
        The classes, some of which may be missing in `y`.

    Returns
    -------
    weights : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If a dict is given for multilabel targets, or has a negative weight or an unknown class.
    """
    if is_multilabel(y):
        if class_weight == "balanced":
            return compute_sample_weight(class_weight, y)
        raise ValueError(
            "class_weight must be None or 'balanced' for multilabel targets. Got a dict. Use sample_weight."
        )
    classes = np.unique(y)
    if class_weight == "balanced":
        counted = np.full(len(y), True) if sample_weight is None else sample_weight > 0
        present = np.unique(y[counted])
        weights = np.ones(len(classes))
        weights[np.isin(classes, present)] = compute_class_weight(
            class_weight,
            classes=present,
            y=y[counted],
            sample_weight=None if sample_weight is None else sample_weight[counted],
        )
    else:
        check_class_weight(class_weight, known_classes)
        weights = np.array([class_weight.get(label, 1.0) for label in classes.tolist()])
    return weights[np.searchsorted(classes, y)]


def check_class_weight(class_weight, classes):
    """Raise ValueError for a dict with weights that are negative or not finite, or with unknown classes."""
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(
            f"The keys of class_weight must be among the classes, {classes.tolist()}. Got {unknown[0]!r}."
        )
    bad = [
        weight
        for weight in class_weight.values()
        if not (isinstance(weight, Real) and 0 <= weight < np.inf)
    ]
    if bad:
        raise ValueError(
            f"The weights of class_weight must be finite and at least 0. Got {bad[0]!r}."
        )


@dataclass(frozen=True)
class TargetEncoding:
    """The correspondence of labels and targets.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    multilabel : bool
        Whether a sample may belong to any number of the classes.
    """

    classes: np.ndarray
    multilabel: bool

    @classmethod
    def of(cls, y):
        """Return the encoding of the classes in `y`, the result of `check_labels`."""
        return cls(unique_labels(y), is_multilabel(y))

    @property
    def out_activation(self):
        """Name of the activation of the output layer."""
        return "softmax" if not self.multilabel and len(self.classes) > 2 else "logistic"

    @property
    def n_outputs(self):
        """Number of output units: one for two classes, whose probabilities add up to one."""
        return len(self.classes) if self.multilabel or len(self.classes) > 2 else 1

    def encode(self, y, name="y"):
        """Turn labels into class indices (softmax), or zeros and ones with a column per output (logistic).

        Raises
        ------
        ValueError
            If `y` has labels that are not among the classes, or another number of columns.
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
                f"{name} has unknown classes: {unknown.tolist()}. The classes are {self.classes.tolist()}. All classes "
                "must be given in the first call: by y in fit, by classes in partial_fit."
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
