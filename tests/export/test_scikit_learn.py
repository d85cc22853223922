"""Export to scikit-learn's MLPClassifier."""

import numpy as np
import pandas as pd
import pytest
from export.models import NETWORKS, X, X_few, fit, y, y_few
from sklearn.exceptions import NotFittedError
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import MLPDigitClassifier, load_mnist
from skmlp.export import to_sklearn
from skmlp.files.models import compute_model_digest
from skmlp.recipes import RECIPES

UNSUPPORTED = {
    **{
        name: f"activation must be one of identity, logistic, tanh, relu for scikit-learn, got {name}. Export to ONNX"
        for name in ("leaky_relu", "elu", "selu", "gelu", "silu", "softplus")
    },
    "two activations": "activation must be the same for all hidden layers for scikit-learn, got gelu, tanh.",
    **{
        name: "image_features must be None for scikit-learn, got GradientFeatures"
        for name in NETWORKS
        if name.startswith("gradients")
    },
    "single class": "mlp must have at least two classes for scikit-learn, got 1.",
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in UNSUPPORTED])
def test_predictions_are_those_of_the_classifier(name, dtype):
    mlp = fit(dtype=dtype, **NETWORKS[name])
    classifier = to_sklearn(mlp)
    assert type(classifier) is MLPClassifier
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    samples = X.astype(dtype)
    np.testing.assert_allclose(
        classifier.predict_proba(samples), mlp.predict_proba(samples), rtol=0, atol=tolerance
    )
    np.testing.assert_array_equal(classifier.predict(samples), mlp.predict(samples))
    np.testing.assert_array_equal(classifier.classes_, mlp.classes_)
    assert classifier.classes_.dtype == mlp.classes_.dtype


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_networks_that_scikit_learn_cannot_express(name, tmp_path):
    with pytest.raises(ValueError, match=UNSUPPORTED[name]):
        to_sklearn(fit(**NETWORKS[name]), tmp_path / "model.skops")
    assert list(tmp_path.iterdir()) == []


def test_attributes_describe_the_model():
    mlp = fit(hidden_layer_sizes=(20, 10), activation="tanh")
    classifier = to_sklearn(mlp)
    assert (classifier.hidden_layer_sizes, classifier.activation) == ((20, 10), "tanh")
    assert classifier.loss_curve_ == mlp.loss_curve_
    assert (classifier.n_iter_, classifier.n_layers_, classifier.n_outputs_) == (8, 4, 10)
    assert classifier.exported_from_["digest"] == compute_model_digest(mlp)
    assert classifier.exported_from_["image_shape"] == (8, 8)
    others = classifier.get_params().keys() - {"hidden_layer_sizes", "activation"}
    defaults = MLPClassifier().get_params()
    assert {name: classifier.get_params()[name] for name in others} == {
        name: defaults[name] for name in others
    }


def test_feature_names_are_kept():
    frame = pd.DataFrame(X_few).add_prefix("pixel ")
    mlp = MLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None).fit(frame, y_few)
    classifier = to_sklearn(mlp)
    assert list(classifier.feature_names_in_) == list(frame.columns)
    np.testing.assert_array_equal(classifier.predict(frame), mlp.predict(frame))


def test_exported_classifier_can_be_trained_further():
    classifier = to_sklearn(fit(input_scale=None, learning_rate_init=1e-3))
    before = classifier.score(X, y)
    for _ in range(20):
        classifier.partial_fit(X, y)
    assert classifier.score(X, y) > before + 0.1


def test_file_is_read_by_skops(tmp_path):
    skops_io = pytest.importorskip("skops.io")
    classifier = to_sklearn(fit(batch_norm=True), tmp_path / "model.skops")
    assert skops_io.get_untrusted_types(file=tmp_path / "model.skops") == []
    loaded = skops_io.load(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    assert loaded.exported_from_ == classifier.exported_from_


def test_missing_skops_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr("skmlp.files.pipelines.find_spec", lambda name: None)
    to_sklearn(fit())  # needs no skops
    with pytest.raises(
        ImportError, match=r"to_sklearn requires skops for a path.*pip install skops"
    ):
        to_sklearn(fit(), tmp_path / "model.skops")


def test_other_models_are_refused():
    with pytest.raises(NotFittedError):
        to_sklearn(MLPDigitClassifier())
    pipeline = make_pipeline(StandardScaler(), MLPDigitClassifier((4,), max_iter=1, tol=0))
    with pytest.raises(TypeError, match=r"Pass mlp\[-1\], which takes the transformed samples, or"):
        to_sklearn(pipeline)


def test_predictions_on_mnist(mnist_dir, mnist_test_set):
    X_test, y_test = mnist_test_set
    mlp = RECIPES["fast"].make_classifier(0).set_params(image_features=None)
    mlp.fit(*load_mnist(mnist_dir, return_X_y=True))
    classifier = to_sklearn(mlp)
    expected = mlp.predict_proba(X_test)
    difference = abs(classifier.predict_proba(X_test) - expected).max()
    assert difference < 2e-6  # rounding of float32
    np.testing.assert_array_equal(classifier.predict(X_test), mlp.predict(X_test))
    assert classifier.score(X_test, y_test) > 0.975
