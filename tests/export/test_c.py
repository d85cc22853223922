"""Export to C, with the predictions of compiled programs."""

import ctypes
import shutil
import subprocess
from collections import namedtuple
from itertools import product

import numpy as np
import pytest
from export.models import NETWORKS, X, fit
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skmlp import (
    Deslant,
    GradientFeatures,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
    make_committee,
)
from skmlp.export import to_c
from skmlp.export.checks import predict_with_rounded_weights
from skmlp.files.models import compute_model_digest

COMPILER = shutil.which("gcc") or shutil.which("cc")
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic", "-O2"]
TOLERANCE = 2e-6  # rounding of float32

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler found; install gcc")

Program = namedtuple("Program", ["predict", "classes", "digest", "footprint"])


def compile_source(*arguments):
    subprocess.run([COMPILER, *FLAGS, *map(str, arguments), "-lm"], check=True)


def build(model, directory, *flags):
    """Return the Program for a model: its functions and constants in Python."""
    source, library = directory / "digits.c", directory / "digits.so"
    footprint = to_c(model, source)
    compile_source(*flags, "-shared", "-fPIC", source, "-o", library)
    loaded = ctypes.CDLL(str(library))
    n_classes = len(model.classes_)
    takes_floats = "const float *features" in source.read_text("ascii")
    dtype = np.float32 if takes_floats else np.uint8

    def predict(samples):
        samples = np.ascontiguousarray(samples, dtype)
        probabilities = np.full((len(samples), n_classes), np.nan, np.float32)
        returned = [
            loaded.skmlp_predict(ctypes.c_void_p(a.ctypes.data), ctypes.c_void_p(b.ctypes.data))
            for a, b in zip(samples, probabilities, strict=True)
        ]
        return np.array(returned), probabilities

    classes = (ctypes.c_char_p * n_classes).in_dll(loaded, "skmlp_classes")
    digest = (ctypes.c_char * 65).in_dll(loaded, "skmlp_digest").value.decode()
    return Program(predict, [label.decode() for label in classes], digest, footprint)


def decode_answers(returned, mlp):
    """Return what the function returns for the labels of the classifier."""
    is_multilabel = returned.ndim == 2
    return returned.sum(axis=1) if is_multilabel else np.searchsorted(mlp.classes_, returned)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "single class"])
def test_predictions_are_those_of_the_rounded_weights(name, tmp_path):
    mlp = fit(**NETWORKS[name])
    program = build(mlp, tmp_path)
    returned, probabilities = program.predict(X)
    expected = predict_with_rounded_weights(mlp, X, "int8")
    np.testing.assert_allclose(probabilities, expected.probabilities, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(returned, decode_answers(expected.labels, mlp))
    assert program.classes == [str(label) for label in mlp.classes_]
    assert program.digest == compute_model_digest(mlp)


@pytest.mark.parametrize(
    "name",
    [
        *("no scale", "four hidden layers", "multilabel", "two strings"),
        *(name for name in NETWORKS if name.startswith("gradients")),
    ],
)
def test_sanitizers_find_no_invalid_access(name, tmp_path):
    mlp = fit(**NETWORKS[name])
    kind = "float" if mlp.input_scale is None else "uint8_t"
    to_c(mlp, tmp_path / "digits.c")
    n_features, n_classes = mlp.n_features_in_, len(mlp.classes_)
    # Heap blocks of exactly the documented sizes.
    (tmp_path / "main.c").write_text(
        f"""
        #include <stdint.h>
        #include <stdio.h>
        #include <stdlib.h>
        int skmlp_predict(const {kind} *features, float *probabilities);
        int main(void)
        {{
            {kind} *features = calloc({n_features}, sizeof(*features));
            float *probabilities = malloc({n_classes} * sizeof(*probabilities));
            printf("%d", skmlp_predict(features, probabilities));
            free(features);
            free(probabilities);
            return 0;
        }}
        """
    )
    program = tmp_path / "digits"
    compile_source(*SANITIZERS, tmp_path / "main.c", tmp_path / "digits.c", "-o", program)
    output = subprocess.run([program], capture_output=True, check=True).stdout
    expected = predict_with_rounded_weights(mlp, np.zeros((1, n_features)), "int8").labels
    assert int(output) == decode_answers(expected, mlp)[0]


@pytest.mark.parametrize(
    ("scale", "kind"),
    [
        (1 / 16, "uint8_t"),
        (1, "uint8_t"),
        (1 / 255, "uint8_t"),
        (2, "float"),
        (1e-3, "float"),
        (0.3, "float"),
    ],
)
def test_features_that_are_no_bytes_are_floats(scale, kind, tmp_path):
    samples = X / 16 / scale
    mlp = MLPDigitClassifier(
        (8,), input_scale=scale, max_iter=2, n_iter_no_change=None, random_state=0
    )
    mlp.fit(np.rint(samples) if kind == "uint8_t" else samples, np.arange(len(X)) % 10)
    program = build(mlp, tmp_path)
    assert f"int skmlp_predict(const {kind} *" in (tmp_path / "digits.c").read_text("ascii")
    samples = np.rint(samples[:50]) if kind == "uint8_t" else samples[:50]
    _, probabilities = program.predict(samples)
    expected = predict_with_rounded_weights(mlp, samples, "int8").probabilities
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=TOLERANCE)


def test_source_needs_only_the_mathematical_functions_of_c(tmp_path):
    to_c(fit(activation="gelu"), tmp_path / "digits.c")
    source = (tmp_path / "digits.c").read_text("ascii")
    included = [line for line in source.splitlines() if line.startswith("#include")]
    assert included == ["#include <math.h>", "#include <stdint.h>"]
    assert not any(name in source for name in ("malloc", "calloc", "free("))


def test_footprint_is_the_memory_of_the_arrays(tmp_path):
    footprint = to_c(fit(hidden_layer_sizes=(12, 30, 8, 20)), tmp_path / "digits.c")
    n_weights = 64 * 12 + 12 * 30 + 30 * 8 + 8 * 20 + 20 * 10
    n_units = 12 + 30 + 8 + 20 + 10
    assert footprint.constants == n_weights + 8 * n_units
    assert footprint.stack == 4 * (max(12, 8) + max(30, 20))


@pytest.mark.parametrize("include_pixels", [False, True])
def test_footprint_includes_the_image_features(include_pixels, tmp_path):
    features = GradientFeatures((3, 4), include_pixels)
    footprint = to_c(fit(image_features=features), tmp_path / "digits.c")
    n_inputs = 8 * 12 + 64 * include_pixels
    n_grid_weights = 3 * 8 + 4 * 8
    assert footprint.constants == (n_inputs * 20 + 20 * 10) + 8 * 30 + 4 * n_grid_weights
    assert footprint.stack == 4 * (n_inputs + 8 * 4 + 20)


def test_sums_of_many_pixels_do_not_overflow(tmp_path):
    n_features = 70_000  # 70,000 * 127 * 255 is above 2**31
    samples = np.zeros((20, n_features), np.uint8)
    samples[:10] = 255
    mlp = MLPDigitClassifier(
        (), input_scale=1 / 255, learning_rate_init=1e-5, max_iter=1, n_iter_no_change=None
    ).fit(samples, np.arange(20) // 10)
    for weights in mlp.coefs_:
        weights[:] = 1e-4
    _, probabilities = build(mlp, tmp_path).predict(samples[:1])
    assert probabilities[0, 1] == pytest.approx(mlp.predict_proba(samples[:1])[0, 1], abs=1e-4)
    assert "int64_t sum" in (tmp_path / "digits.c").read_text("ascii")


def test_predictions_on_mnist(mnist_classifier, mnist_test_set, tmp_path):
    X_test, y_test = mnist_test_set
    returned, probabilities = build(mnist_classifier, tmp_path).predict(X_test)
    expected = predict_with_rounded_weights(mnist_classifier, X_test, "int8")
    np.testing.assert_allclose(probabilities, expected.probabilities, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(returned, expected.labels)
    accuracy = mnist_classifier.score(X_test, y_test)
    assert np.mean(returned == y_test) == pytest.approx(accuracy, abs=0.001)


def run_step(transformer, call, images, directory, *other_steps):
    """Return images that the function in the exported code for a transformer converts.

    `call` is its name and the arguments between the two images. Other steps of the pipeline follow the transformer.
    """
    to_c(fit_pipeline(transformer, *other_steps, X=images), directory / "digits.c")
    converted = np.zeros_like(transformer.transform(images))
    n_pixels, n_new_pixels = images.shape[1], converted.shape[1]
    function, *arguments = call.split()
    source, library = directory / "step.c", directory / "step.so"
    source.write_text(
        f"""
        #include "digits.c"
        void convert(const uint8_t *images, uint8_t *converted);
        void convert(const uint8_t *images, uint8_t *converted)
        {{
            for (int i = 0; i < {len(images)}; i++)
                {function}(images + i * {n_pixels}, {", ".join(arguments)}, converted + i * {n_new_pixels});
        }}
        """
    )
    compile_source("-shared", "-fPIC", source, "-o", library)
    ctypes.CDLL(str(library)).convert(
        ctypes.c_void_p(images.ctypes.data), ctypes.c_void_p(converted.ctypes.data)
    )
    return converted


def make_images(shape, n_images=400):
    """Return 8-bit images, one per row: constant ones, single pixels, noise, strokes, and images of two values."""
    rng = np.random.default_rng(0)
    height, width = shape
    n_pixels = height * width
    single = np.zeros((100, n_pixels))
    single[np.arange(100), rng.integers(0, n_pixels, 100)] = rng.integers(1, 256, 100)
    noise = rng.integers(0, 256, (n_images, n_pixels))
    sparse = noise * (rng.random(noise.shape) < 0.2)
    binary = 255 * (rng.random((10 * n_images, n_pixels)) < 0.3)
    rows, columns = np.indices(shape)
    slants, centers = rng.uniform(-2, 2, (n_images, 1, 1)), rng.uniform(0, width, (n_images, 1, 1))
    distances = np.abs(columns - centers - slants * (rows - height / 2))
    strokes = (255 * np.clip(2 - distances, 0, 1)).reshape(n_images, -1)
    constant = np.repeat([[0], [1], [255]], n_pixels, axis=1)
    return np.concatenate([constant, single, noise, sparse, binary, strokes]).astype(np.uint8)


def fit_pipeline(*transformers, X, **parameters):
    """Return a fitted Pipeline for 8-bit images."""
    defaults = {"input_scale": 1 / 255, "max_iter": 2, "n_iter_no_change": None, "random_state": 0}
    mlp = MLPDigitClassifier((12,), **defaults | parameters)
    return make_pipeline(*transformers, mlp).fit(X, np.arange(len(X)) % 3)


def check_pipeline(pipeline, X, directory):
    """Check the predictions of a Program against those of a Pipeline of transformers and a classifier."""
    returned, probabilities = build(pipeline, directory).predict(X)
    features = pipeline[:-1].transform(X)
    expected = predict_with_rounded_weights(pipeline[-1], features, "int8")
    np.testing.assert_allclose(probabilities, expected.probabilities, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(returned, decode_answers(expected.labels, pipeline))


class TestPipelines:
    """Steps before the classifier, which must return the pixels of Python."""

    @pytest.mark.parametrize("max_shear", [0, 0.3, 1, 5.5, 1e6])
    @pytest.mark.parametrize("shape", [(28, 28), (8, 8), (5, 9), (9, 5), (1, 6), (6, 1)], ids=str)
    def test_deslant_returns_the_pixels_of_python(self, shape, max_shear, tmp_path):
        images = make_images(shape)
        deslanter = Deslant(max_shear, image_shape=shape)
        expected = deslanter.fit_transform(images)
        call = f"deslant {shape[0]} {shape[1]} {max_shear:f}"
        np.testing.assert_array_equal(run_step(deslanter, call, images, tmp_path), expected)

    @pytest.mark.parametrize(
        ("shape", "spread"),
        [
            *product([(28, 28), (8, 8), (5, 9), (9, 5), (1, 6), (6, 1)], [(0.2, 0.15)]),
            *product([(28, 28)], [(0.02, 0.9), (0.9, 0.02)]),
        ],
        ids=str,
    )
    def test_scaled_images_have_the_pixels_of_python(self, shape, spread, tmp_path):
        images, (height, width) = make_images(shape), shape
        deslanter = Deslant(0, spread=spread, image_shape=shape)
        scaled = images
        for name, call in {
            "columns": f"scale {height} {width} {width} 1 {spread[1]:f}",
            "rows": f"scale {width} {height} 1 {width} {spread[0]:f}",
        }.items():
            (tmp_path / name).mkdir()
            scaled = run_step(deslanter, call, scaled, tmp_path / name)
        np.testing.assert_array_equal(scaled, deslanter.fit_transform(images))

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ((28, 28), (16, 16)),
            ((28, 28), (14, 14)),
            ((8, 8), (16, 16)),
            ((5, 9), (4, 7)),
            ((5, 9), (9, 5)),
            ((9, 5), (1, 1)),
            ((1, 6), (3, 4)),
        ],
        ids=str,
    )
    def test_resizer_returns_the_pixels_of_python(self, old, new, tmp_path):
        images = make_images(old)
        resizer = ImageResizer(new, image_shape=old)
        expected = resizer.fit_transform(images)
        call = " ".join(map(str, ("resize", *old, *new)))
        np.testing.assert_array_equal(run_step(resizer, call, images, tmp_path), expected)

    @pytest.mark.parametrize(
        "transformers",
        [
            [Deslant(image_shape=(5, 9))],
            [Deslant(1e6, image_shape=(5, 9))],
            [Deslant(spread=(0.2, 0.15), image_shape=(5, 9))],
            [ImageResizer((4, 6), image_shape=(5, 9))],
            [Deslant(0.5, image_shape=(5, 9)), ImageResizer((4, 4), image_shape=(5, 9)), Deslant()],
            ["passthrough", make_pipeline(Deslant(image_shape=(5, 9)), "passthrough")],
            ["passthrough"],
        ],
        ids=str,
    )
    def test_predictions(self, transformers, tmp_path):
        images = make_images((5, 9))
        pipeline = fit_pipeline(*transformers, X=images)
        check_pipeline(pipeline, images, tmp_path)

    @pytest.mark.parametrize("include_pixels", [False, True])
    @pytest.mark.parametrize(
        ("transformers", "shape"),
        [
            ([Deslant(image_shape=(5, 9))], (5, 9)),
            ([Deslant(spread=(0.2, 0.15), image_shape=(5, 9))], (5, 9)),
            (
                [Deslant(image_shape=(5, 9)), ImageResizer((4, 6), image_shape=(5, 9))],
                (4, 6),
            ),
        ],
        ids=str,
    )
    def test_features_of_images(self, transformers, shape, include_pixels, tmp_path):
        images = make_images((5, 9))
        features = GradientFeatures((2, 3), include_pixels)
        parameters = {"image_features": features, "image_shape": shape}
        check_pipeline(fit_pipeline(*transformers, X=images, **parameters), images, tmp_path)

    @pytest.mark.parametrize("spread", [(None, None), (0.2, 0.15)])
    def test_large_images(self, spread, tmp_path):
        """The sums of a row and a column exceed 32 bits."""
        images = make_images((150, 90), n_images=20)
        deslanter = Deslant(spread=spread, image_shape=(150, 90))
        check_pipeline(fit_pipeline(deslanter, X=images), images, tmp_path)

    def test_scaled_images_of_many_pixels(self, tmp_path):
        """The products of the sums exceed 64 bits."""
        images = np.full((2, 450 * 450), 255, np.uint8)
        images[1].reshape(450, 450)[:, 20:-9] = 0
        deslanter = Deslant(0, spread=(None, 0.2), image_shape=(450, 450))
        resizer = ImageResizer((4, 4), image_shape=(450, 450))  # for a small network
        scaled = run_step(deslanter, "scale 450 450 450 1 0.2", images, tmp_path, resizer)
        np.testing.assert_array_equal(scaled, deslanter.fit_transform(images))

    def test_predictions_on_mnist(self, mnist_classifier, mnist_test_set, tmp_path):
        X_test = mnist_test_set[0][:2000]
        deslanter = Deslant(spread=(0.2, 0.15)).fit(X_test)
        check_pipeline(make_pipeline(deslanter, mnist_classifier), X_test, tmp_path)

    def test_pixels_up_to_16(self, tmp_path):
        images = make_images((8, 8)) // 16
        check_pipeline(fit_pipeline(Deslant(), X=images, input_scale=1 / 15), images, tmp_path)
        source = (tmp_path / "digits.c").read_text("ascii")
        assert "from 0 for the background to 15 for ink" in source

    def test_footprint_includes_the_images(self, tmp_path):
        images = make_images((5, 9))
        steps = Deslant(image_shape=(5, 9)), ImageResizer((4, 7), image_shape=(5, 9))
        pipeline = fit_pipeline(*steps, X=images)
        network = to_c(pipeline[-1], tmp_path / "network.c")
        footprint = to_c(pipeline, tmp_path / "digits.c")
        assert footprint.constants == network.constants
        assert footprint.stack == network.stack + 5 * 9 + 4 * 7

    def test_description(self, tmp_path):
        images = make_images((5, 9))
        resizer = ImageResizer((4, 7), image_shape=(5, 9))
        to_c(fit_pipeline(resizer, X=images, image_shape=(4, 7)), tmp_path / "digits.c")
        source = (tmp_path / "digits.c").read_text("ascii")
        assert "The pixels are the 5 x 9 pixels of an image" in source
        assert "#define SKMLP_N_FEATURES 45" in source
        assert "deslant" not in source

    @pytest.mark.parametrize("shape", [(5, 9), (1, 1), (28, 28)], ids=str)
    def test_sanitizers_find_no_invalid_access(self, shape, tmp_path):
        """Ink at all borders and shifts far beyond the image, in heap blocks of exactly the documented sizes."""
        n_pixels = shape[0] * shape[1]
        images = make_images(shape)
        steps = Deslant(1e6, image_shape=shape), ImageResizer((3, 40), image_shape=shape)
        to_c(fit_pipeline(*steps, X=images), tmp_path / "digits.c")
        (tmp_path / "images.bin").write_bytes(images.tobytes())
        (tmp_path / "main.c").write_text(
            f"""
            #include <stdint.h>
            #include <stdio.h>
            #include <stdlib.h>
            int skmlp_predict(const uint8_t *pixels, float *probabilities);
            int main(int n_arguments, char **arguments)
            {{
                FILE *file = fopen(arguments[n_arguments - 1], "rb");
                uint8_t *pixels = malloc({n_pixels});
                float *probabilities = malloc(3 * sizeof(*probabilities));
                while (fread(pixels, {n_pixels}, 1, file) == 1)
                    putchar('0' + skmlp_predict(pixels, probabilities));
                free(pixels);
                free(probabilities);
                return fclose(file);
            }}
            """
        )
        program = tmp_path / "digits"
        compile_source(*SANITIZERS, tmp_path / "main.c", tmp_path / "digits.c", "-o", program)
        command = [program, tmp_path / "images.bin"]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        assert len(output) == len(images)


class TestErrors:
    def test_single_class(self, tmp_path):
        with pytest.raises(ValueError, match="at least two classes for C, got 1"):
            to_c(fit(**NETWORKS["single class"]), tmp_path / "digits.c")
        assert list(tmp_path.iterdir()) == []

    def test_not_fitted(self, tmp_path):
        with pytest.raises(NotFittedError):
            to_c(MLPDigitClassifier(), tmp_path / "digits.c")

    def test_weights_beyond_float32(self, tmp_path):
        mlp = fit(dtype=np.float64)
        mlp.coefs_[0][0, 0] = 1e300
        with pytest.raises(ValueError, match="finite in float32"):
            to_c(mlp, tmp_path / "digits.c")
        assert list(tmp_path.iterdir()) == []

    def test_unwritable_path(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="missing"):
            to_c(fit(), tmp_path / "missing" / "digits.c")

    @pytest.mark.parametrize("transformer", [IDXReader(scale=False), MinMaxScaler()], ids=str)
    def test_transformers_that_c_cannot_express(self, transformer, tmp_path):
        images = make_images((5, 9))
        pipeline = fit_pipeline(transformer, Deslant(image_shape=(5, 9)), X=images)
        name = type(transformer).__name__
        expected = f"must be Deslant or ImageResizer for C, got {name}. .* use skmlp.export.to_onnx"
        with pytest.raises(TypeError, match=expected):
            to_c(pipeline, tmp_path / "digits.c")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("input_scale", [None, 1 / 1000])
    def test_pipeline_whose_pixels_are_no_bytes(self, input_scale, tmp_path):
        images = make_images((5, 9))
        pipeline = fit_pipeline(Deslant(image_shape=(5, 9)), X=images, input_scale=input_scale)
        expected = rf"must be the reciprocal of an integer up to 255 for C, .* got {input_scale}\. "
        with pytest.raises(ValueError, match=expected):
            to_c(pipeline, tmp_path / "digits.c")

    def test_transformer_that_is_not_fitted(self, tmp_path):
        with pytest.raises(NotFittedError, match="Deslant"):
            to_c(make_pipeline(Deslant(), fit()), tmp_path / "digits.c")

    def test_transformer_for_other_images(self, tmp_path):
        deslanter = Deslant().fit(make_images((9, 9)))
        with pytest.raises(ValueError, match="take the 81 pixels of Deslant, got 64 features"):
            to_c(make_pipeline(deslanter, fit()), tmp_path / "digits.c")

    def test_committee(self, tmp_path):
        with pytest.raises(
            TypeError, match=r"got VotingClassifier\. .* use skmlp\.export\.to_onnx"
        ):
            to_c(make_committee([fit(), fit()]), tmp_path / "digits.c")
