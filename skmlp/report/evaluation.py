"""Predictions of a fitted classifier on the samples of a report, and what several sections need of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import issparse

from skmlp.estimator.prediction import make_batches, make_prediction_network
from skmlp.model_parts import Committee
from skmlp.plots.predictions import Predictions, find_classes
from skmlp.report.pictures import ImageEncoder
from skmlp.scores import compute_sample_losses, normalize_log_probabilities

N_BACKGROUND_SAMPLES = 200
BLOCK_SIZE = 2048


@dataclass(frozen=True, eq=False)
class LabeledSamples:
    """Samples with their labels.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    classes : ndarray of shape (n_samples,)
        Index of the class of each sample.
    """

    X: Any
    classes: np.ndarray

    def __len__(self):
        return self.X.shape[0]

    def take(self, indices):
        """Return the features of some samples as a dense array."""
        rows = self.X[indices]
        return rows.toarray() if issparse(rows) else np.asarray(rows)

    def select(self, indices):
        """Return some of the samples."""
        return LabeledSamples(self.X[indices], self.classes[indices])


@dataclass(frozen=True, eq=False)
class SecondModel:
    """Predictions of the model with which the first one is compared.

    Attributes
    ----------
    name : str
    predicted : ndarray of shape (n_samples,)
        Index of the predicted class of each test sample.
    """

    name: str
    predicted: np.ndarray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A fitted model, the samples on which it is evaluated, and its predictions.

    Attributes
    ----------
    model : MLPDigitClassifier or Committee
        Model without feature names, so that it accepts arrays. The members of a Committee are ModelParts.
    name : str
        Name of the model.
    n_file_bytes : int or None
        Size of the file of the model; None if it cannot be saved.
    test : LabeledSamples
        Samples on which the classifier is evaluated.
    training : LabeledSamples or None
    image_shape : tuple of int or None
        Height and width; None if the features are not the pixels of an image.
    second_model : SecondModel or None
    command : str or None
        Command that trained the classifier.
    """

    model: Any
    name: str
    n_file_bytes: int | None
    test: LabeledSamples
    training: LabeledSamples | None
    image_shape: tuple[int, int] | None
    second_model: SecondModel | None
    command: str | None

    @property
    def is_committee(self):
        """Whether the model is a committee instead of a single network."""
        return isinstance(self.model, Committee)

    @cached_property
    def networks(self):
        """The network in a list, or those of all members."""
        if not self.is_committee:
            return [self.model]
        return [parts.classifier for parts in self.model.models]

    @property
    def input_scale(self):
        """Factor of the features for other networks. The members of a committee may have different ones."""
        if not self.is_committee:
            return self.model.input_scale
        largest = max(map(abs, self.pixel_range))
        return 1 / largest if largest > 1 else None

    @cached_property
    def log_probabilities(self):
        """Log-probabilities of the test samples, normalized in float64."""
        return normalize_log_probabilities(self.model.predict_log_proba(self.test.X))

    @cached_property
    def predictions(self):
        """Predictions on the test samples."""
        classes = self.model.classes_
        # Probabilities can be equal after rounding where the logits, which determine the prediction, differ.
        predicted = find_classes(self.model.predict(self.test.X), classes, "predictions")
        return Predictions(self.test.classes, np.exp(self.log_probabilities), classes, predicted)

    @cached_property
    def confusion_matrix(self):
        """Number of test samples of each true class (row) and predicted class (column)."""
        n_classes = len(self.labels)
        matrix = np.zeros((n_classes, n_classes), dtype=int)
        np.add.at(matrix, (self.predictions.truth, self.predictions.predicted), 1)
        return matrix

    @cached_property
    def sample_losses(self):
        """Return -log(probability of the true class) of each test sample."""
        return compute_sample_losses(self.log_probabilities, self.test.classes)

    @cached_property
    def training_accuracy(self):
        """Accuracy on the training samples; None without them."""
        if self.training is None:
            return None
        predicted = self.model.predict(self.training.X)
        return float(np.mean(predicted == self.model.classes_[self.training.classes]))

    @cached_property
    def labels(self):
        """Labels of the classes as JSON values."""
        return [to_json_label(label) for label in self.model.classes_]

    @cached_property
    def pixel_range(self):
        """Smallest and largest value of the features."""
        X = self.test.X.data if issparse(self.test.X) else self.test.X
        low, high = (float(X.min()), float(X.max())) if X.size else (0.0, 0.0)
        return (min(low, 0.0), max(high, 0.0)) if issparse(self.test.X) else (low, high)

    @cached_property
    def background(self):
        """Value of the background of the images: the median of their outermost pixels."""
        rows = choose_rows(len(self.test), N_BACKGROUND_SAMPLES)
        images = self.test.take(rows).reshape(-1, *self.image_shape)
        edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
        return float(np.median(np.hstack(edges)))

    @cached_property
    def encoder(self):
        """ImageEncoder of the samples, with a light background; None if they are not images."""
        if self.image_shape is None:
            return None
        low, high = self.pixel_range
        is_dark_on_light = self.background > (low + high) / 2
        return ImageEncoder(self.image_shape, *((high, low) if is_dark_on_light else (low, high)))

    def iterate_blocks(self, X):
        """Yield the indices and the features, as a dense array, of successive blocks of samples."""
        for start in range(0, X.shape[0], BLOCK_SIZE):
            rows = slice(start, min(start + BLOCK_SIZE, X.shape[0]))
            block = X[rows]
            yield rows, block.toarray() if issparse(block) else np.asarray(block)

    def iterate_hidden_activations(self, X):
        """Yield the indices and the activations of each hidden layer of successive blocks of samples.

        Yields
        ------
        rows : slice
        activations : list of ndarray of shape (n_rows, n_units)
        """
        network = make_prediction_network(self.model)
        start = 0
        for batch in make_batches(self.model, X):
            rows = slice(start, start + batch.size)
            yield rows, [layer.T for layer in network.hidden_activations(batch.x)]
            start = rows.stop


def to_json_label(label):
    """Return a label as a JSON value: a number, a boolean or a string."""
    value = label.item() if isinstance(label, np.generic) else label
    return value if isinstance(value, bool | int | float | str) else str(value)


def choose_rows(n_rows, n_chosen, seed=0):
    """Return the indices of at most `n_chosen` random rows in ascending order; the same in every run."""
    if n_rows <= n_chosen:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, n_chosen, replace=False))
