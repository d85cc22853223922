"""Encoding of labels as targets for training, and decoding of logits to labels."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

SAMPLES_PER_SLICE = 2**18
MAX_SUM_ERROR = 1e-3  # of the probabilities of a sample, to allow for rounded numbers


def check_labels(y, name="y"):
    """Return `y` as labels of shape (n_samples,) or as a dense indicator matrix of zeros and ones.

    Raises
    ------
    ValueError
        If `y` has another form.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y.toarray() if issparse(y) else y, warn=True)
    if y.ndim != 2:
        check_classification_targets(y)
    elif not type_of_target(y).startswith("multilabel"):
        raise ValueError(
            f"{name} must be an array of labels of shape (n_samples,) or an indicator matrix of zeros and ones of "
            f"shape (n_samples, n_labels), got shape {y.shape} with other values. Pass classes if it contains class "
            "probabilities, or train one classifier per column, for example with "
            "sklearn.multioutput.MultiOutputClassifier."
        )
    y = y.toarray() if issparse(y) else y
    return y.astype(np.int8) if is_probabilities(y) else y


def check_classes(classes):
    """Return classes that a user passes as a sorted array, or raise ValueError unless they are distinct and sorted."""
    classes = column_or_1d(classes)
    unique = unique_labels(classes)
    if not np.array_equal(unique, classes):
        raise ValueError(
            "classes must be distinct and sorted, because the columns of class probabilities are in the order of the "
            f"attribute classes_, got {classes.tolist()}. Pass {unique.tolist()}, and reorder the columns of y."
        )
    return unique


def check_probabilities(y, classes, name="y"):
    """Return class probabilities as an array of floats whose rows sum to 1.

    Parameters
    ----------
    y : ndarray of float of shape (n_samples, n_columns)
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If there is not one column per class, or if the rows are not probabilities.
    """
    if y.shape[1] != len(classes):
        raise ValueError(
            f"{name} must have one column for each of the {len(classes)} classes if it contains class probabilities, "
            f"got {y.shape[1]} columns. Pass one class per column."
        )
    sums = y.sum(axis=1, keepdims=True)
    invalid = np.flatnonzero((y.min(axis=1) < 0) | (np.abs(sums[:, 0] - 1) > MAX_SUM_ERROR))
    if invalid.size:
        row = invalid[0]
        raise ValueError(
            f"The rows of {name} must be class probabilities, at least 0 and with the sum 1, for an array of floats, "
            f"got {y[row].tolist()} in row {row}. Divide each row by its sum, or convert the indicator matrix of "
            "multilabel targets to integers."
        )
    return y / sums


def is_probabilities(y):
    """Return whether checked `y` contains class probabilities, the only form with several columns of floats."""
    return y.ndim == 2 and y.dtype.kind == "f"


def is_multilabel(y):
    """Return whether checked `y` is an indicator matrix."""
    return y.ndim == 2 and not is_probabilities(y) and type_of_target(y).startswith("multilabel")


def iterate_slices(n_samples):
    """Yield slices of samples. Temporary arrays for a slice take little memory."""
    for start in range(0, n_samples, SAMPLES_PER_SLICE):
        yield slice(start, min(start + SAMPLES_PER_SLICE, n_samples))


def compute_class_weights(class_weight, y, sample_weight, known_classes):
    """Return the class weight of each sample, which for multilabel targets is the product over the labels.

    Parameters
    ----------
    class_weight : dict or "balanced"
    y : ndarray
        The result of `check_labels`.
    sample_weight : ndarray of shape (n_samples,) or None
        Sample weights for the class frequencies of "balanced".
    known_classes : ndarray
        All classes. Some may be missing in `y`.

    Returns
    -------
    weights : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If `class_weight` is a dict and the targets are multilabel, or if it has an invalid weight or an unknown class.
    """
    if is_multilabel(y):
        if class_weight == "balanced":
            return compute_sample_weight(class_weight, y)
        raise ValueError(
            "class_weight must be None or 'balanced' for multilabel targets, got a dict. Use sample_weight."
        )
    if class_weight != "balanced":
        check_class_weight(class_weight, known_classes)
    classes = np.unique(y)
    weights = list_class_weights(class_weight, classes, y, sample_weight)
    weight_of_sample = np.empty(len(y))
    for part in iterate_slices(len(y)):
        weight_of_sample[part] = weights[np.searchsorted(classes, y[part])]
    return weight_of_sample


def weight_probabilities(class_weight, probabilities, sample_weight, classes):
    """Return class probabilities multiplied by the class weights; the sums of the rows are the weights of the samples.

    Parameters
    ----------
    class_weight : dict or "balanced"
    probabilities : ndarray of shape (n_samples, n_classes)
    sample_weight : ndarray of shape (n_samples,) or None
        Sample weights for the class frequencies of "balanced".
    classes : ndarray of shape (n_classes,)

    Raises
    ------
    ValueError
        If `class_weight` has an invalid weight or an unknown class.
    """
    if class_weight != "balanced":
        check_class_weight(class_weight, classes)
    return probabilities * list_class_weights(class_weight, classes, probabilities, sample_weight)


def list_class_weights(class_weight, classes, y, sample_weight):
    """Return the weights of `classes` as an array."""
    if class_weight == "balanced":
        return balance_classes(classes, y, sample_weight)
    return np.array([class_weight.get(label, 1.0) for label in classes.tolist()])


def normalize_rows(weighted):
    """Return non-negative numbers divided by the sums of their rows; rows of zeros become uniform."""
    sums = weighted.sum(axis=1, keepdims=True)
    uniform = np.full(weighted.shape, 1 / weighted.shape[1])
    return np.divide(weighted, sums, out=uniform, where=sums > 0)


def balance_classes(classes, y, sample_weight):
    """Return weights that are inversely proportional to the frequencies of classes; 1 for a class of frequency zero.

    As in scikit-learn, the weights of classes of the mean frequency are 1.
    """
    frequencies = count_classes(classes, y, sample_weight)
    is_present = frequencies > 0
    weights = np.ones(len(classes))
    weights[is_present] = frequencies[is_present].mean() / frequencies[is_present]
    return weights


def count_classes(classes, y, sample_weight):
    """Return the total weight of the samples of each class, or the sums of the class probabilities."""
    if is_probabilities(y):
        return y.sum(axis=0) if sample_weight is None else sample_weight @ y
    counts = np.zeros(len(classes))
    for part in iterate_slices(len(y)):
        counts += np.bincount(
            np.searchsorted(classes, y[part]),
            None if sample_weight is None else sample_weight[part],
            len(classes),
        )
    return counts


def check_class_weight(class_weight, classes):
    """Raise ValueError if a dict contains unknown classes, or weights that are negative or not finite."""
    unknown = [label for label in class_weight if label not in classes]
    if unknown:
        raise ValueError(
            f"The keys of class_weight must be among the classes {classes.tolist()}, got {unknown[0]!r}."
        )
    invalid = [
        weight
        for weight in class_weight.values()
        if not (isinstance(weight, Real) and 0 <= weight < np.inf)
    ]
    if invalid:
        raise ValueError(
            f"The weights of class_weight must be finite and at least 0, got {invalid[0]!r}."
        )


@dataclass(frozen=True)
class TargetEncoding:
    """Mapping between labels and targets.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    multilabel : bool
        Whether a sample can have any number of labels.
    """

    classes: np.ndarray
    multilabel: bool

    @classmethod
    def from_labels(cls, y, classes=None):
        """Return the encoding for classes, or for those in `y`, the result of `check_labels`."""
        return cls(unique_labels(y if classes is None else classes), is_multilabel(y))

    @property
    def out_activation(self):
        """Name of the activation of the output layer."""
        return "softmax" if not self.multilabel and len(self.classes) > 2 else "logistic"

    @property
    def n_outputs(self):
        """Number of output units. One or two classes need only one output."""
        return len(self.classes) if self.multilabel or len(self.classes) > 2 else 1

    def encode(self, y, name="y"):
        """Convert labels to class indices (softmax) or to booleans with one column per output (logistic).

        The class indices have the smallest unsigned integer type that suffices. Class probabilities are converted to
        those of the outputs, as floats with one column per output.

        Raises
        ------
        ValueError
            If `y` contains unknown classes or has another number of columns.
        """
        if is_probabilities(y):
            return y if self.out_activation == "softmax" else y[:, -1:] * (len(self.classes) == 2)
        if self.multilabel != is_multilabel(y) or (
            self.multilabel and y.shape[1] != len(self.classes)
        ):
            expected = f"(n_samples, {len(self.classes)})" if self.multilabel else "(n_samples,)"
            raise ValueError(f"{name} must have the shape {expected}, got {y.shape}.")
        if self.multilabel:
            return y.astype(bool)
        slices = list(iterate_slices(len(y)))
        unknown = np.unique(
            np.concatenate([np.setdiff1d(y[part], self.classes) for part in slices])
        )
        if unknown.size:
            raise ValueError(
                f"{name} must contain only the classes {self.classes.tolist()}, got {unknown.tolist()}. Pass all "
                "classes as the argument classes of fit, or of the first call to partial_fit."
            )
        if self.out_activation == "softmax":
            encoded = np.empty(len(y), np.min_scalar_type(len(self.classes) - 1))
            for part in slices:
                encoded[part] = np.searchsorted(self.classes, y[part])
            return encoded
        return (y == self.classes[-1])[:, np.newaxis] & (len(self.classes) == 2)

    def to_probabilities(self, y, name="y"):
        """Convert labels to class probabilities of 0 and 1; class probabilities are not changed.

        Raises
        ------
        ValueError
            If `y` contains unknown classes or is an indicator matrix.
        """
        if is_probabilities(y):
            return y
        indices = self.encode(y, name).reshape(-1, 1)
        return (indices == np.arange(len(self.classes))).astype(float)

    def decode(self, logits):
        """Convert logits of shape (n_samples, n_outputs) to labels."""
        if self.multilabel:
            return (logits > 0).astype(int)
        if self.out_activation == "softmax":
            return self.classes[logits.argmax(axis=1)]
        positive = (logits[:, 0] > 0) & (len(self.classes) == 2)
        return self.classes[positive.astype(int)]
