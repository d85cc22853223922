"""Class probabilities as targets."""

import numpy as np
import pytest
from helpers import assert_same_model, interrupt_after, make_classifier_factory
from scipy.sparse import csr_array
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skmlp import CheckpointError, MLPDigitClassifier, TrainingInterruptedWarning
from skmlp.callbacks import Checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

N_SAMPLES = 120
make = make_classifier_factory()
every_number_of_classes = pytest.mark.parametrize("n_classes", [2, 3, 10])


def make_data(digits, n_classes):
    """Return features, labels of `n_classes` classes, and random class probabilities."""
    X, y = digits
    probabilities = np.random.default_rng(0).dirichlet([0.5] * n_classes, N_SAMPLES)
    return X[:N_SAMPLES], y[:N_SAMPLES] % n_classes, probabilities


def assert_close_models(first, second, rtol=1e-7):
    for a, b in zip(
        first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-10)
    np.testing.assert_allclose(first.loss_curve_, second.loss_curve_, rtol=rtol)
    np.testing.assert_allclose(first.history_["accuracy"], second.history_["accuracy"], rtol=rtol)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("parameters", [{}, {"label_smoothing": 0.2}], ids=["", "smoothing"])
@every_number_of_classes
def test_certain_probabilities_train_like_labels(digits, solver, parameters, n_classes):
    X, y, _ = make_data(digits, n_classes)
    with_labels = make(solver=solver, **parameters).fit(X, y)
    certain = np.eye(n_classes)[y]
    with_probabilities = make(solver=solver, **parameters).fit(X, certain, classes=range(n_classes))
    assert_close_models(with_probabilities, with_labels)
    np.testing.assert_array_equal(with_probabilities.classes_, range(n_classes))
    np.testing.assert_array_equal(with_probabilities.predict(X), with_labels.predict(X))


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 0.5, 1: 3}])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("label_smoothing", [0, 0.2])
@every_number_of_classes
def test_probabilities_train_like_weighted_copies_of_each_class(
    digits, n_classes, weighted, class_weight, label_smoothing
):
    X, _, probabilities = make_data(digits, n_classes)
    weights = np.random.default_rng(1).uniform(0.5, 2, N_SAMPLES) if weighted else None
    parameters = {"class_weight": class_weight, "label_smoothing": label_smoothing}
    # One step per epoch, with the gradient of all samples.
    mlp = make(batch_size=N_SAMPLES, solver="sgd", **parameters)
    mlp.fit(X, probabilities, weights, classes=range(n_classes))
    copies = make(batch_size=N_SAMPLES * n_classes, solver="sgd", **parameters)
    copied_weights = probabilities * (1 if weights is None else weights[:, np.newaxis])
    copied_labels = np.tile(range(n_classes), N_SAMPLES)
    copies.fit(X.repeat(n_classes, axis=0), copied_labels, copied_weights.ravel())
    for a, b in zip(mlp.coefs_ + mlp.intercepts_, copies.coefs_ + copies.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(mlp.loss_curve_, copies.loss_curve_, rtol=1e-6)


@every_number_of_classes
def test_accuracy_is_the_agreement_with_the_likeliest_classes(digits, n_classes):
    X, _, probabilities = make_data(digits, n_classes)
    mlp = make().fit(X, probabilities, X_val=X, y_val=probabilities, classes=range(n_classes))
    expected = np.mean(mlp.predict(X) == probabilities.argmax(axis=1))
    assert mlp.history_["val_accuracy"][-1] == pytest.approx(expected)
    expected = -np.mean(np.sum(probabilities * mlp.predict_log_proba(X), axis=1))
    assert mlp.history_["val_loss"][-1] == pytest.approx(expected, rel=1e-6)


@every_number_of_classes
def test_validation_set_may_have_labels(digits, n_classes):
    X, y, probabilities = make_data(digits, n_classes)
    mlp = make().fit(X, probabilities, X_val=X, y_val=y, classes=range(n_classes))
    assert mlp.history_["val_accuracy"][-1] == pytest.approx(mlp.score(X, y))
    mlp = make().fit(X, y, X_val=X, y_val=np.eye(n_classes)[y], classes=range(n_classes))
    assert mlp.history_["val_accuracy"][-1] == pytest.approx(mlp.score(X, y))


def test_early_stopping_holds_out_samples_of_each_likeliest_class(digits):
    X, y, _ = make_data(digits, 3)
    probabilities = 0.8 * np.eye(3)[y] + 0.2 / 3
    parameters = {"early_stopping": True, "validation_fraction": 0.2}
    mlp = make(**parameters).fit(X, probabilities, classes=range(3))
    with_labels = make(**parameters).fit(X, y)
    # The same samples are held out: the first epoch begins with the same weights.
    assert len(mlp.validation_scores_) == len(with_labels.validation_scores_)
    assert mlp.history_["accuracy"][0] == pytest.approx(
        with_labels.history_["accuracy"][0], abs=0.05
    )


@every_number_of_classes
def test_partial_fit_continues_fit_exactly(digits, n_classes):
    X, _, probabilities = make_data(digits, n_classes)
    expected = make(max_iter=3).fit(X, probabilities, classes=range(n_classes))
    mlp = make(max_iter=3)
    for epoch in range(3):
        classes = range(n_classes) if epoch == 0 else None
        mlp.partial_fit(X, probabilities, classes=classes)
    assert_same_model(mlp, expected)


def test_labels_and_probabilities_can_alternate(digits):
    X, y, _ = make_data(digits, 10)
    expected = make().partial_fit(X, y, classes=range(10)).partial_fit(X, y)
    mlp = make().partial_fit(X, y, classes=range(10)).partial_fit(X, np.eye(10)[y])
    np.testing.assert_allclose(mlp.predict_proba(X), expected.predict_proba(X), rtol=1e-6)


def test_warm_start_continues_with_the_same_classes(digits):
    X, y, _ = make_data(digits, 3)
    classes = list("abcd")
    mlp = make(warm_start=True).fit(X, np.array(classes)[y], classes=classes)
    coefs = mlp.coefs_[0].copy()
    mlp.fit(X, np.eye(4)[y], classes=classes).fit(X, np.array(classes)[y], classes=classes)
    assert (mlp.coefs_[0] != coefs).any()
    for targets, other in ((np.eye(4)[y], range(4)), (np.array(list("abc"))[y], list("abc"))):
        with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same"):
            mlp.fit(X, targets, classes=other)


def test_sparse_probabilities(digits):
    X, _, probabilities = make_data(digits, 3)
    expected = make().fit(X, probabilities, classes=range(3))
    assert_same_model(make().fit(X, csr_array(probabilities), classes=range(3)), expected)


def test_training_resumes_exactly(digits, tmp_path):
    X, _, probabilities = make_data(digits, 3)
    path = tmp_path / "checkpoint"
    expected = make(max_iter=4).fit(X, probabilities, classes=range(3))
    interrupted = make(max_iter=4).set_callbacks(Checkpoint(path), interrupt_after(2))
    with pytest.warns(TrainingInterruptedWarning):
        interrupted.fit(X, probabilities, classes=range(3))
    assert_same_model(MLPDigitClassifier.resume(path, X, probabilities), expected)
    with pytest.raises(CheckpointError, match="y"):
        MLPDigitClassifier.resume(path, X, probabilities[::-1])


def test_training_resumes_without_samples_of_a_class(digits, tmp_path):
    X, y, _ = make_data(digits, 3)
    path = tmp_path / "checkpoint"
    expected = make(max_iter=4).fit(X, y, classes=range(5))
    interrupted = make(max_iter=4).set_callbacks(Checkpoint(path), interrupt_after(2))
    with pytest.warns(TrainingInterruptedWarning):
        interrupted.fit(X, y, classes=range(5))
    assert_same_model(MLPDigitClassifier.resume(path, X, y), expected)


def test_a_student_learns_the_predictions_of_its_teacher(digits):
    X, y = digits
    teacher = make(max_iter=60, learning_rate_init=0.01).fit(X, y)
    probabilities = teacher.predict_proba(X)
    student = make(hidden_layer_sizes=(16,), max_iter=100, learning_rate_init=0.01)
    student.fit(X, probabilities, classes=teacher.classes_)
    assert np.mean(student.predict(X) == teacher.predict(X)) > 0.97
    assert np.abs(student.predict_proba(X) - probabilities).mean() < 0.02


def test_pipelines_pass_the_classes(digits):
    X, _, probabilities = make_data(digits, 3)
    pipeline = make_pipeline(MinMaxScaler(), make())
    pipeline.fit(X, probabilities, mlpdigitclassifier__classes=list("abc"))
    scaled = MinMaxScaler().fit_transform(X)
    expected = make().fit(scaled, probabilities, classes=list("abc"))
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected.predict_proba(scaled))
    assert pipeline.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("classes", [range(4), [3, 1, 0, 2]], ids=["sorted", "unsorted"])
def test_labels_may_lack_classes(digits, classes):
    X, y, _ = make_data(digits, 3)
    mlp = make().fit(X, y, classes=classes)
    np.testing.assert_array_equal(mlp.classes_, range(4))
    assert mlp.predict_proba(X).shape == (N_SAMPLES, 4)
    with pytest.raises(ValueError, match=r"y must contain only the classes \[0, 1\], got \[2\]"):
        make().fit(X, y, classes=[0, 1])


def test_probabilities_of_a_single_class(digits):
    X, _, _ = make_data(digits, 2)
    mlp = make().fit(X, np.tile([1.0, 0.0], (N_SAMPLES, 1)), classes=[0, 1])
    assert mlp.predict(X).max() == 0


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([0.5, 0.4, 0.0], r"at least 0 and with the sum 1, .*got \[0.5, 0.4, 0.0\] in row 1"),
        ([-0.5, 1.5, 0.0], r"got \[-0.5, 1.5, 0.0\] in row 1"),
        ([np.nan, 1.0, 0.0], "NaN"),
    ],
)
def test_rows_must_be_probabilities(digits, probabilities, message):
    X, y, _ = make_data(digits, 3)
    targets = np.eye(3)[y]
    targets[1] = probabilities
    for train in (make().fit, make().partial_fit):
        with pytest.raises(ValueError, match=message):
            train(X, targets, classes=range(3))


def test_invalid_classes(digits):
    X, _, probabilities = make_data(digits, 3)
    with pytest.raises(ValueError, match=r"classes must be distinct and sorted.*Pass \[0, 1, 2\]"):
        make().fit(X, probabilities, classes=[2, 1, 0])
    with pytest.raises(
        ValueError, match=r"y must have one column for each of the 4 classes.*got 3"
    ):
        make().fit(X, probabilities, classes=range(4))
    with pytest.raises(ValueError, match="Pass classes if it contains class probabilities"):
        make().fit(X, probabilities)
    labels = probabilities.argmax(axis=1)
    with pytest.raises(ValueError, match="y_val must be an array of labels"):
        make().fit(X, labels, X_val=X, y_val=probabilities)
    with pytest.raises(ValueError, match="The rows of y_val must be class probabilities"):
        make().fit(X, labels, X_val=X, y_val=2 * probabilities, classes=range(3))


def test_indicator_matrices_of_floats(digits):
    X, _, _ = make_data(digits, 3)
    labels = np.random.default_rng(0).integers(0, 2, (N_SAMPLES, 3))
    expected = make(max_iter=1).fit(X, labels)
    assert_same_model(make(max_iter=1).fit(X, labels.astype(float)), expected)
    # As in scikit-learn, the first call to partial_fit decides.
    mlp = make(max_iter=1).partial_fit(X, labels.astype(float), classes=range(3))
    assert_same_model(mlp, expected)
    with pytest.raises(
        ValueError, match="convert the indicator matrix of multilabel targets to in"
    ):
        make().fit(X, labels.astype(float), classes=range(3))
