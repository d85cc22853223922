"""Export to ONNX, with the predictions of onnxruntime."""

import json

import numpy as np
import pandas as pd
import pytest
from export.models import LABELS, NETWORKS, X, X_few, fit, y_few
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from skmlp import (
    Deslant,
    GradientFeatures,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
    make_committee,
)
from skmlp.exceptions import ExportError
from skmlp.export import to_onnx
from skmlp.files.models import compute_model_digest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

TOLERANCE = 2e-6  # rounding of float32, twice
IMAGES = np.random.default_rng(0).integers(0, 256, (300, 6, 9)).astype(np.uint8)


def run(model, samples):
    """Return the label and the probabilities that onnxruntime computes."""
    content = model if isinstance(model, str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content)
    assert [output.name for output in session.get_outputs()] == ["label", "probabilities"]
    return session.run(None, {"X": samples})


def assert_predicts_as(model, estimator, samples):
    label, probabilities = run(model, samples)
    expected = estimator.predict_proba(samples)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(label, estimator.predict(samples))


def get_input_shape(model):
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    return [dimension.dim_param or dimension.dim_value for dimension in dimensions]


def fit_unscaled(*steps, X=X_few):
    """Return a fitted Pipeline that ends with a classifier without `input_scale`."""
    mlp = MLPDigitClassifier(
        (20,), learning_rate_init=0.01, max_iter=8, n_iter_no_change=None, random_state=0
    )
    return make_pipeline(*steps, mlp).fit(X, y_few)


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_those_of_the_classifier(name):
    mlp = fit(**NETWORKS[name])
    assert_predicts_as(to_onnx(mlp), mlp, X)


@pytest.mark.parametrize("n_samples", [1, 2, 100])
def test_number_of_samples_is_free(n_samples):
    mlp = fit()
    assert_predicts_as(to_onnx(mlp), mlp, X[:n_samples])


@pytest.mark.parametrize("image_features", [None, "gradients"])
def test_pixels_can_be_uint8(image_features):
    mlp = fit(image_features=image_features)
    assert_predicts_as(to_onnx(mlp, input_dtype=np.uint8), mlp, X.astype(np.uint8))
    assert_predicts_as(to_onnx(mlp, input_dtype="float32"), mlp, X)


@pytest.mark.parametrize(
    "steps",
    [
        [StandardScaler()],
        [StandardScaler(with_mean=False)],
        [StandardScaler(with_std=False)],
        [MinMaxScaler((-1, 2))],
        [MinMaxScaler(clip=True)],
        [MaxAbsScaler()],
        [MaxAbsScaler(clip=True)],
        [RobustScaler()],
        [RobustScaler(with_centering=False)],
        ["passthrough"],
        [MinMaxScaler(), make_pipeline(StandardScaler(), "passthrough")],
    ],
    ids=str,
)
def test_scalers(steps):
    samples = X / 4 + 1
    pipeline = fit_unscaled(*steps, X=samples[:300])
    assert_predicts_as(to_onnx(pipeline), pipeline, samples)


@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize(
    ("reader", "dtype"),
    [(IDXReader(), np.uint8), (IDXReader(scale=False, dtype=np.float64), np.float32)],
)
def test_reader_of_idx_files(reader, dtype, rows):
    images = IMAGES.reshape(300, -1) if rows else IMAGES
    pipeline = fit_unscaled(reader, StandardScaler(), X=images.astype(dtype))
    model = to_onnx(pipeline)
    assert_predicts_as(model, pipeline, images.astype(dtype))
    assert get_input_shape(model) == ["n_samples", *images.shape[1:]]


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_features_of_images_after_other_steps(dtype):
    images = IMAGES.reshape(300, -1).astype(dtype)
    mlp = MLPDigitClassifier(
        (20,),
        image_features=GradientFeatures((3, 4), include_pixels=True),
        image_shape=(4, 5),
        input_scale=1 / 255,
        max_iter=3,
        n_iter_no_change=None,
        random_state=0,
    )
    steps = Deslant(image_shape=(6, 9)), ImageResizer((4, 5), image_shape=(6, 9))
    pipeline = make_pipeline(*steps, mlp).fit(images, y_few)
    assert_predicts_as(to_onnx(pipeline, input_dtype=dtype), pipeline, images)


def test_features_of_images_in_a_committee():
    members = [fit(image_features=features) for features in (None, "gradients")]
    committee = make_committee(members)
    assert_predicts_as(to_onnx(committee), committee, X)


def test_custom_features_of_images_are_rejected(tmp_path):
    mlp = fit(image_features=lambda images: images[:, 0])
    with pytest.raises(TypeError, match="Train with image_features='gradients'"):
        to_onnx(mlp, tmp_path / "digits.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "new_size"), [(12, 5), (14, 5), (30, 9), (100, 30)])
def test_resizer_rounds_as_in_python(size, new_size):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, size * size)).astype(np.uint8)
    pipeline = fit_unscaled(ImageResizer((new_size, new_size)), MinMaxScaler(), X=images)
    assert_predicts_as(to_onnx(pipeline, input_dtype=np.uint8), pipeline, images)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("with_reader", [False, True])
def test_resizer(dtype, with_reader):
    images = IMAGES.astype(dtype)
    if with_reader:
        pipeline = fit_unscaled(IDXReader(), ImageResizer((4, 5), image_shape=(6, 9)), X=images)
    else:
        images = images.reshape(300, -1)
        resizer = ImageResizer((4, 5), image_shape=(6, 9))
        pipeline = fit_unscaled(resizer, MinMaxScaler(), X=images)
    assert_predicts_as(to_onnx(pipeline, input_dtype=dtype), pipeline, images)


@pytest.mark.parametrize(
    ("max_shear", "spread"),
    [(0.2, (None, None)), (1, (None, 0.15)), (1, (0.2, None)), (0.2, (0.9, 0.02))],
)
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
@pytest.mark.parametrize("with_reader", [False, True])
def test_deslant(dtype, with_reader, max_shear, spread):
    images = IMAGES.astype(dtype)
    images[:3] = 0
    images[3:6, 1:] = 0
    deslant = Deslant(max_shear, spread=spread, image_shape=(6, 9))
    if not with_reader:
        images = images.reshape(300, -1)
    steps = [IDXReader(), deslant] if with_reader else [deslant]
    pipeline = fit_unscaled(*steps, MinMaxScaler(), X=images)
    assert_predicts_as(to_onnx(pipeline, input_dtype=dtype), pipeline, images)


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # scikit-learn's check
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("spread", [(None, None), (0.2, 0.15)])
def test_deslant_of_pixels_near_the_limit_of_float32(spread, sign):
    """The difference of two pixels of opposite signs is not finite."""
    images = sign * (IMAGES.reshape(300, -1) / 255).astype(np.float32)
    images[::2] *= np.resize([1, -1], images.shape[1]).astype(np.float32)
    limits = np.finfo(np.float32)
    scales = np.resize([1, limits.max, 2.0**127, 2.0**126, 1e30], len(images))
    images *= scales.astype(np.float32)[:, np.newaxis]
    images[:60] = np.sign(images[:60]) * limits.max
    deslanter = Deslant(spread=spread, image_shape=(6, 9))
    pipeline = fit_unscaled(deslanter, MaxAbsScaler(), X=images)
    assert np.isfinite(pipeline[:-1].transform(images)).all()
    assert_predicts_as(to_onnx(pipeline), pipeline, images)


def test_float_pixels_are_not_scaled_by_the_reader():
    pipeline = fit_unscaled(IDXReader(), X=IMAGES)
    model = to_onnx(pipeline, input_dtype=np.float32)
    assert_predicts_as(model, pipeline, (IMAGES / 255).astype(np.float32))


def test_file_contains_the_model_and_its_description(tmp_path):
    mlp = fit(image_shape=(4, 16), labels=NETWORKS["strings"]["labels"])
    path = tmp_path / "digits.onnx"
    returned = to_onnx(mlp, path)
    assert path.read_bytes() == returned.SerializeToString()
    assert_predicts_as(str(path), mlp, X)
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert metadata["skmlp_digest"] == compute_model_digest(mlp)
    assert json.loads(metadata["classes"]) == mlp.classes_.tolist()
    assert json.loads(metadata["image_shape"]) == [4, 16]
    assert metadata["skmlp_version"] == returned.producer_version


class TestCommittees:
    """The weighted average of the probabilities of several classifiers and pipelines."""

    @pytest.mark.parametrize("weights", [None, [1, 0.5, 3], [0, 1, 0]])
    @pytest.mark.parametrize("kind", ["integers", "floats", "strings", "two strings", "booleans"])
    def test_classifiers(self, kind, weights):
        labels = LABELS[kind]
        networks = [fit(labels, random_state=seed) for seed in range(2)]
        networks.append(fit(labels, hidden_layer_sizes=(), dtype=np.float64))
        committee = make_committee(networks, weights)
        assert_predicts_as(to_onnx(committee), committee, X)
        probabilities = run(to_onnx(committee), X)[1]
        each = [network.predict_proba(X) for network in networks]
        expected = np.average(each, axis=0, weights=weights)
        np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)

    def test_single_class(self):
        committee = make_committee([fit(LABELS["single class"]), fit(LABELS["single class"])])
        assert_predicts_as(to_onnx(committee), committee, X)

    def test_members_that_scikit_learn_trained(self):
        """Their classes are the indices of the labels."""
        members = [
            ("network", fit()),
            ("dropped", "drop"),
            ("pipeline", make_pipeline(MinMaxScaler(), fit(input_scale=None))),
        ]
        committee = VotingClassifier(members, voting="soft", weights=[1, 9, 2])
        committee.fit(X_few, LABELS["strings"])
        assert_predicts_as(to_onnx(committee), committee, X)

    @pytest.mark.parametrize("dtype", [np.float32, np.uint8])
    def test_pipelines_with_a_common_input(self, dtype):
        images = IMAGES.reshape(300, -1).astype(dtype)
        deslant = fit_unscaled(Deslant(image_shape=(6, 9)), MinMaxScaler(), X=images)
        resizer = fit_unscaled(ImageResizer((4, 5), image_shape=(6, 9)), MinMaxScaler(), X=images)
        committee = make_committee([deslant, resizer, fit_unscaled(MinMaxScaler(), X=images)])
        assert_predicts_as(to_onnx(committee, input_dtype=dtype), committee, images)

    def test_readers(self):
        pipelines = [
            fit_unscaled(IDXReader(), *steps, X=IMAGES) for steps in ([], [MaxAbsScaler()])
        ]
        committee = make_committee(pipelines)
        model = to_onnx(committee)
        assert_predicts_as(model, committee, IMAGES)
        assert get_input_shape(model) == ["n_samples", 6, 9]

    def test_reader_and_classifier(self):
        """Their input is rows of 8-bit pixels, which the reader scales, too."""
        rows = IMAGES.reshape(300, -1)
        reader = fit_unscaled(IDXReader(), X=IMAGES)
        classifier = fit_unscaled(MinMaxScaler(), X=rows)
        for models in ([reader, classifier], [classifier, reader]):
            committee = make_committee(models)
            model = to_onnx(committee)
            assert_predicts_as(model, committee, rows)
            assert get_input_shape(model) == ["n_samples", 54]

    def test_file_contains_the_description(self, tmp_path):
        committee = make_committee([fit(image_shape=(4, 16)), fit(image_shape=(4, 16))])
        path = tmp_path / "digits.onnx"
        to_onnx(committee, path)
        metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        assert metadata["skmlp_digest"] == compute_model_digest(committee)
        assert json.loads(metadata["classes"]) == list(range(10))
        assert json.loads(metadata["image_shape"]) == [4, 16]
        other = to_onnx(make_committee([fit(image_shape=(4, 16)), fit()]))
        metadata = {entry.key: entry.value for entry in other.metadata_props}
        assert json.loads(metadata["image_shape"]) is None

    def test_nested_pipelines(self):
        nested = make_pipeline(MinMaxScaler(), make_pipeline("passthrough", fit(input_scale=None)))
        committee = make_committee([nested.fit(X_few, y_few), FrozenEstimator(fit())])
        assert_predicts_as(to_onnx(committee), committee, X)

    def test_other_committees(self):
        members = [("network", fit()), ("other", LogisticRegression(max_iter=9999))]
        hard = VotingClassifier(members[:1]).fit(X_few, y_few)
        with pytest.raises(ValueError, match="must be 'soft', got 'hard'"):
            to_onnx(hard)
        with pytest.raises(NotFittedError):
            to_onnx(VotingClassifier(members, voting="soft"))
        mixed = VotingClassifier(members, voting="soft").fit(X_few, y_few)
        with pytest.raises(
            TypeError,
            match=r"a VotingClassifier of these, got a .* member 'other' is sklearn.*\.LogisticRegre",
        ):
            to_onnx(mixed)
        with pytest.raises(TypeError, match=r"member 'member_1' is a Pipeline that ends with sk"):
            to_onnx(make_committee([fit(), make_pipeline(PCA(4), members[1][1]).fit(X_few, y_few)]))


def test_reader_that_is_not_fitted():
    pipeline = make_pipeline(IDXReader(scale=False), fit())
    assert_predicts_as(to_onnx(pipeline), pipeline, X)


def test_predictions_on_mnist(mnist_classifier, mnist_test_set):
    X_test, _ = mnist_test_set
    label, probabilities = run(to_onnx(mnist_classifier, input_dtype=np.uint8), X_test)
    np.testing.assert_array_equal(label, mnist_classifier.predict(X_test))
    expected = mnist_classifier.predict_proba(X_test)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)


def test_quantized_model_is_as_accurate(mnist_classifier, mnist_test_set, tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    X_test, y_test = mnist_test_set
    to_onnx(mnist_classifier, tmp_path / "digits.onnx")
    # With QInt8, the sums of some CPUs overflow.
    quantize_dynamic(tmp_path / "digits.onnx", tmp_path / "int8.onnx", weight_type=QuantType.QUInt8)
    label, _ = run(str(tmp_path / "int8.onnx"), X_test.astype(np.float32))
    accuracy = mnist_classifier.score(X_test, y_test)
    assert np.mean(label == y_test) == pytest.approx(accuracy, abs=0.0005)
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.onnx", "digits.onnx")]
    assert sizes[0] < 0.3 * sizes[1]


def test_classes_beyond_int64_are_strings():
    mlp = fit()
    mlp.classes_ = mlp.classes_.astype(np.uint64) + np.uint64(2**63)
    label, _ = run(to_onnx(mlp), X)
    np.testing.assert_array_equal(label, mlp.predict(X).astype(str))


def test_classifier_of_a_data_frame_causes_no_warning():
    frame = pd.DataFrame(X_few).add_prefix("pixel ")
    mlp = MLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None).fit(frame, y_few)
    label, _ = run(to_onnx(mlp), X)
    np.testing.assert_array_equal(label, mlp.predict(pd.DataFrame(X).add_prefix("pixel ")))


class TestErrors:
    def test_other_transformers(self, tmp_path):
        pipeline = fit_unscaled(PCA(5))
        with pytest.raises(TypeError, match=r"got PCA. Use skl2onnx.to_onnx"):
            to_onnx(pipeline, tmp_path / "digits.onnx")
        assert list(tmp_path.iterdir()) == []

    def test_other_estimators(self):
        with pytest.raises(
            TypeError, match=r"must be a fitted MLPDigitClassifier, .* ends with sklearn\..*\.PCA\."
        ):
            to_onnx(make_pipeline(StandardScaler(), PCA()))

    def test_not_fitted(self):
        with pytest.raises(NotFittedError):
            to_onnx(MLPDigitClassifier())

    @pytest.mark.parametrize("dtype", [np.float64, "image"])
    def test_input_dtype(self, dtype):
        with pytest.raises(ValueError, match=r"input_dtype must be np\.float32, np\.uint8 or None"):
            to_onnx(fit(), input_dtype=dtype)

    def test_missing_packages(self, monkeypatch):
        monkeypatch.setattr("skmlp.export.onnx_model.find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"install \"skmlp\[onnx\]\""):
            to_onnx(fit())

    def test_other_labels_are_an_error(self, monkeypatch, tmp_path):
        mlp = fit()
        monkeypatch.setattr(mlp, "predict", lambda X: np.full(len(X), 3))
        with pytest.raises(ExportError, match="must predict the labels of the estimator"):
            to_onnx(mlp, tmp_path / "digits.onnx")
        assert list(tmp_path.iterdir()) == []

    def test_weights_that_are_not_finite(self):
        mlp = fit()
        mlp.coefs_[0][0, 0] = np.nan
        with pytest.raises(ValueError, match="finite in float32, got nan"):
            to_onnx(mlp)

    @pytest.mark.parametrize("estimator", [None, "passthrough", Pipeline([("a", "passthrough")])])
    def test_nothing_to_export(self, estimator):
        with pytest.raises(TypeError, match="must be a fitted MLPDigitClassifier, a Pipeline that"):
            to_onnx(estimator)

    def test_other_predictions_are_an_error(self, monkeypatch, tmp_path):
        mlp = fit()
        other = fit(random_state=1)
        monkeypatch.setattr(mlp, "predict_proba", other.predict_proba)
        with pytest.raises(ExportError, match="within 1e-04, got a difference of"):
            to_onnx(mlp, tmp_path / "digits.onnx")
        assert list(tmp_path.iterdir()) == []

    def test_unwritable_path(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="missing"):
            to_onnx(fit(), tmp_path / "missing" / "digits.onnx")


class TestSkl2onnx:
    """The conversion by skl2onnx, which calls `onnx_shape_calculator` and `onnx_converter`."""

    @pytest.mark.parametrize("name", NETWORKS)
    def test_predictions_are_those_of_the_classifier(self, name):
        skl2onnx = pytest.importorskip("skl2onnx")
        mlp = fit(**NETWORKS[name])
        assert_predicts_as(skl2onnx.to_onnx(mlp, X[:1]), mlp, X)

    def test_pipeline_with_other_transformers(self):
        skl2onnx = pytest.importorskip("skl2onnx")
        pipeline = fit_unscaled(StandardScaler(), PCA(20, random_state=0))
        label, probabilities = run(skl2onnx.to_onnx(pipeline, X[:1]), X)
        np.testing.assert_array_equal(label, pipeline.predict(X))
        np.testing.assert_allclose(probabilities, pipeline.predict_proba(X), atol=1e-5)

    def test_float64_samples(self):
        skl2onnx = pytest.importorskip("skl2onnx")
        mlp = fit(dtype=np.float64)
        samples = X.astype(np.float64)
        assert_predicts_as(skl2onnx.to_onnx(mlp, samples[:1]), mlp, samples)
