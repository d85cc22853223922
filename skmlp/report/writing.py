"""Writing a report on a fitted classifier."""

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.committee import check_committee, is_network
from skmlp.estimator.prediction import load_samples
from skmlp.files.atomic import atomic_write
from skmlp.files.models import compute_file_size
from skmlp.image_shape import find_image_shape
from skmlp.model_parts import (
    describe_type,
    find_core,
    get_names,
    is_committee,
    list_members,
    split_model,
)
from skmlp.plots.predictions import find_classes
from skmlp.report.contents import describe_all
from skmlp.report.evaluation import Evaluation, LabeledSamples, SecondModel
from skmlp.report.models import remove_names
from skmlp.report.page import render
from skmlp.typing import ArrayLike, PathLike

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier

__all__ = ["write_report"]


def write_report(
    mlp: "MLPDigitClassifier | VotingClassifier",
    X: ArrayLike,
    y: ArrayLike,
    path: PathLike,
    *,
    X_train: ArrayLike | None = None,
    y_train: ArrayLike | None = None,
    image_shape: tuple[int, int] | bool | None = None,
    compare_with: BaseEstimator | None = None,
    name: str | None = None,
    compare_name: str | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Write an HTML report on a fitted classifier: its accuracy, its mistakes and the calibration of its probabilities.

    The classifier can be a committee. Its report describes the members instead of the training and the layers.

    The file contains everything that it shows. It runs no scripts and makes no network requests. With equal arguments,
    it is the same byte for byte, except for the date and the measured times, which are in ``<time>`` elements.

    Parameters
    ----------
    mlp : MLPDigitClassifier or :class:`sklearn.ensemble.VotingClassifier`
        Fitted classifier with one label per sample, or committee: a VotingClassifier with ``voting="soft"`` of such
        classifiers, or Pipelines that end with one, as :func:`skmlp.make_committee` returns it.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Test samples, which were not used for training.
    y : array-like of shape (n_samples,)
        Labels of the test samples.
    path : str or Path
        Path of the HTML file. An existing file is replaced when the new one is complete.
    X_train : {array-like, sparse matrix} of shape (n_training_samples, n_features), default=None
        Training samples, for the training accuracy, the nearest training samples of mistakes, possible label errors
        and duplicates. Small networks are trained on them to find possible label errors.
    y_train : array-like of shape (n_training_samples,), default=None
        Labels of the training samples. Required with `X_train`.
    image_shape : tuple of int or False, default=None
        Height and width of the images. None for the `image_shape` of the classifier or, if it has none, square images
        of at least 5 x 5 pixels. Without images, or with False, the report contains no pictures of samples.
    compare_with : estimator, default=None
        A second fitted classifier, which is compared on `X` and `y`.
    name : str, default=None
        Name of the classifier in the report, for example its file. None for the name of its class.
    compare_name : str, default=None
        Name of the second classifier in the report. None for the name of its class.
    command : str, default=None
        Command that trained the classifier, to be shown in the report.

    Returns
    -------
    figures : dict
        The figures of the report as JSON values, by the name of the section: 'summary', 'members', 'reproducibility',
        'training', 'classes', 'confusion', 'calibration', 'mistakes', 'label_errors', 'network', 'robustness', 'cost'
        and 'findings'. The value of a section that has been left out is None.

    Raises
    ------
    NotFittedError
        If a classifier is not fitted.
    TypeError
        If `mlp` is not an MLPDigitClassifier or a committee of these, or `compare_with` is not a classifier.
    ValueError
        If an argument is invalid, for example because a label is not a class of the classifier.
    OSError
        If the file cannot be written.

    See Also
    --------
    DigitGalleryDisplay : Plot the most confident mistakes.
    ReliabilityDisplay : Plot the calibration.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier, write_report
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(
    ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
    ... )
    >>> mlp = mlp.fit(X[:1200], y[:1200])
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     figures = write_report(mlp, X[1200:], y[1200:], Path(directory) / "report.html")
    >>> figures["summary"]["accuracy"] == mlp.score(X[1200:], y[1200:])
    True
    """
    check_directory(path)
    check_model(mlp)
    if (X_train is None) != (y_train is None):
        given, missing = ("X_train", "y_train") if y_train is None else ("y_train", "X_train")
        raise ValueError(
            f"X_train and y_train must be given together, got {given} only. Pass {missing} too."
        )
    model = remove_names(mlp)
    evaluation = Evaluation(
        model=model,
        name=name or type(mlp).__name__,
        n_file_bytes=measure_file(mlp),
        test=make_samples(mlp, X, y, "X", "y"),
        training=None
        if X_train is None
        else make_samples(mlp, X_train, y_train, "X_train", "y_train"),
        image_shape=find_image_shape(image_shape, model),
        second_model=None
        if compare_with is None
        else predict_with_second(compare_with, compare_name, X, mlp.classes_),
        command=command,
    )
    contents = describe_all(evaluation)
    page = render(evaluation, contents)
    with atomic_write(path) as file:
        file.write(page.encode())
    return {name: content and content.figures for name, content in contents.items()}


def check_directory(path):
    """Raise FileNotFoundError if the directory of a file does not exist, before its content is computed."""
    if not Path(path).absolute().parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))


def check_model(mlp):
    """Raise an error unless `mlp` is a fitted classifier or committee that the report supports."""
    if is_committee(mlp):
        check_committee(mlp)
        check_members(mlp)
        return
    if not isinstance(mlp, MLPDigitClassifier):
        raise TypeError(
            "mlp must be a fitted MLPDigitClassifier or a committee of these, got "
            f"{describe_type(mlp)}. {suggest_model(mlp)}"
        )
    check_is_fitted(mlp)
    if mlp.out_activation_ == "logistic" and mlp.n_outputs_ > 1:
        raise ValueError(
            "mlp must predict one label per sample, got a multilabel classifier. Reports on multilabel classifiers are "
            "not supported."
        )


def suggest_model(mlp):
    """Return what to pass instead of a model that the report does not support."""
    core = find_core(mlp, "mlp")
    if not (isinstance(core.model, MLPDigitClassifier) or is_committee(core.model)):
        return "Pass another classifier as compare_with to compare it with a network."
    samples = " and the transformed samples" if core.has_transformers else ""
    return f"Pass {core.expression}{samples}."


def check_members(committee):
    """Raise TypeError unless all members are networks, or Pipelines that end with one."""
    for name, member in zip(get_names(committee), list_members(committee), strict=True):
        if not is_network(member):
            raise TypeError(
                "mlp must be a committee of MLPDigitClassifiers, or Pipelines that end with one, got one whose "
                f"member {name!r} is {describe_type(member)}. Pass it as compare_with to compare it with a network."
            )


def measure_file(model):
    """Return the size of the file of a model, or None if it cannot be saved, for example without skops."""
    try:
        return compute_file_size(model)
    except ImportError:
        return None


def make_samples(mlp, X, y, X_name, y_name):
    """Return validated LabeledSamples."""
    X, y = load_samples(get_first_step(mlp), X), np.asarray(y)
    if y.shape != X.shape[:1]:
        raise ValueError(
            f"{y_name} must have the shape (n_samples,) with one label for each of the {X.shape[0]} samples of "
            f"{X_name}, got {y.shape}."
        )
    return LabeledSamples(X, find_classes(y, mlp.classes_, y_name))


def get_first_step(model):
    """Return the first step of a classifier, or of the first member of a committee, that states its features."""
    steps = split_model(list_members(model)[0]).steps
    return next(step for step in steps if hasattr(step, "n_features_in_"))


def predict_with_second(compare_with, name, X, classes):
    """Return the SecondModel with its predictions; the index of a label that is no class of the first model is -1."""
    if not isinstance(compare_with, BaseEstimator) or not is_classifier(compare_with):
        raise TypeError(
            f"compare_with must be a fitted classifier, got {type(compare_with).__name__}. Pass an estimator that "
            "predicts labels."
        )
    check_is_fitted(compare_with)
    labels = np.asarray(compare_with.predict(X))
    if labels.ndim != 1:
        raise ValueError(
            f"compare_with must predict one label per sample, got predictions of the shape {labels.shape}. Pass a "
            "classifier that is not multilabel."
        )
    indices = {label: index for index, label in enumerate(classes.tolist())}
    predicted = np.array([indices.get(label, -1) for label in labels.tolist()])
    return SecondModel(name or type(compare_with).__name__, predicted)
