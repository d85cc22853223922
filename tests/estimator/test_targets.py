"""Class labels and multilabel targets of the classifier."""

import numpy as np
import pytest
from helpers import assert_same_model, make_classifier_factory
from scipy.sparse import coo_matrix, csc_matrix, csr_array, csr_matrix
from sklearn.datasets import make_multilabel_classification

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@pytest.mark.parametrize(
    "names",
    [
        np.array([f"digit {i}" for i in range(10)]),
        np.array([f"digit {i}" for i in range(10)], dtype=object),
        np.arange(10) * 7 - 30,
    ],
    ids=["strings", "objects", "integers"],
)
@every_solver
def test_label_type_does_not_change_training(digits, names, solver):
    X, y = digits
    plain = make(solver=solver).fit(X, y)
    named = make(solver=solver).fit(X, names[y])
    assert_same_model(named, plain)
    np.testing.assert_array_equal(named.classes_, names)
    np.testing.assert_array_equal(named.predict(X), names[plain.predict(X)])
    assert named.score(X, names[y]) == plain.score(X, y)


@every_solver
def test_bool_labels_are_two_classes(digits, solver):
    X, y = digits
    estimator = make(solver=solver, max_iter=60, learning_rate_init=0.01).fit(X, y == 3)
    np.testing.assert_array_equal(estimator.classes_, [False, True])
    assert estimator.predict(X).dtype == bool
    assert estimator.score(X, y == 3) > 0.98
    assert (estimator.n_outputs_, estimator.out_activation_) == (1, "logistic")


@every_solver
def test_predict_agrees_with_predict_proba_for_two_classes(digits, solver):
    X, y = digits
    y = np.where(y == 3, "three", "another")
    estimator = make(solver=solver, max_iter=60, learning_rate_init=0.01).fit(X, y)
    assert estimator.classes_.tolist() == ["another", "three"]
    probabilities = estimator.predict_proba(X)
    np.testing.assert_array_equal(
        estimator.predict(X), estimator.classes_[probabilities.argmax(axis=1)]
    )
    assert estimator.score(X, y) > 0.98


@every_solver
def test_fit_accepts_a_single_class(digits, solver):
    X, _ = digits
    estimator = make(solver=solver).fit(X, np.full(300, "seven"))
    assert set(estimator.predict(X)) == {"seven"}
    probabilities = estimator.predict_proba(X)
    assert probabilities.shape == (300, 1)
    np.testing.assert_allclose(probabilities, 1)
    assert np.isfinite(estimator.loss_curve_).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_probability_of_a_single_class_is_one(digits, dtype, solver):
    X, _ = digits
    estimator = make(solver=solver).fit(X.astype(dtype), np.zeros(300))
    probabilities = estimator.predict_proba(X.astype(dtype))
    np.testing.assert_array_equal(probabilities, np.ones((300, 1), dtype))
    np.testing.assert_array_equal(estimator.predict_log_proba(X), 0)
    assert probabilities.dtype == dtype


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("solver", SOLVERS)
def test_accuracy_of_a_single_class_is_one(digits, solver, seed):
    X, _ = digits
    y = np.full(300, "seven")
    estimator = make(solver=solver, random_state=seed, max_iter=3)
    estimator.fit(X, y, np.linspace(0.5, 2, 300), X_val=X[:50], y_val=y[:50])
    assert estimator.history_["accuracy"] == [1.0] * len(estimator.loss_curve_)
    assert estimator.history_["val_accuracy"] == [1.0] * len(estimator.loss_curve_)


def test_fit_warns_on_column_vector_y(digits):
    X, y = digits
    estimator = make()
    with pytest.warns(UserWarning, match="column-vector y was passed"):
        estimator.fit(X, y[:, np.newaxis])
    assert_same_model(estimator, make().fit(X, y))


def test_fit_raises_on_multioutput_labels(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"got shape \(300, 2\).*multioutput"):
        make().fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("container", [np.asarray, csr_matrix, csr_array, csc_matrix, coo_matrix])
@every_solver
def test_fit_accepts_dense_and_sparse_indicator_matrices(container, solver):
    X, y = make_multilabel_classification(200, n_features=10, n_classes=4, random_state=0)
    params = {"solver": solver, "max_iter": 100, "learning_rate_init": 0.01}
    expected = make(**params).fit(X, y)
    estimator = make(**params).fit(X, container(y))
    assert_same_model(estimator, expected)
    prediction = estimator.predict(X)
    assert prediction.shape == y.shape
    assert prediction.dtype.kind == "i"
    np.testing.assert_array_equal(prediction, estimator.predict_proba(X) > 0.5)
    np.testing.assert_array_equal(estimator.classes_, np.arange(4))
    assert (prediction == y).mean() > 0.8
    assert estimator.score(X, y) == (prediction == y).all(axis=1).mean()
