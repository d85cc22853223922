"""Export to C, with the predictions of compiled programs."""

import ctypes
import shutil
import subprocess
from collections import namedtuple

import numpy as np
import pytest
from export.models import NETWORKS, X, fit
from sklearn.exceptions import NotFittedError

from skmlp import MLPDigitClassifier
from skmlp.export import to_c
from skmlp.export.checks import predict_with_rounded_weights
from skmlp.files.models import compute_model_digest

COMPILER = shutil.which("gcc") or shutil.which("cc")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic", "-O2"]
TOLERANCE = 2e-6  # rounding of float32

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler found; install gcc")

Program = namedtuple("Program", ["predict", "classes", "digest", "footprint"])


def compile_source(*arguments):
    subprocess.run([COMPILER, *FLAGS, *map(str, arguments), "-lm"], check=True)


def build(mlp, directory, *flags):
    """Return the Program for a classifier: its functions and constants in Python."""
    source, library = directory / "digits.c", directory / "digits.so"
    footprint = to_c(mlp, source)
    compile_source(*flags, "-shared", "-fPIC", source, "-o", library)
    loaded = ctypes.CDLL(str(library))
    n_classes = len(mlp.classes_)
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


@pytest.mark.parametrize("name", ["no scale", "four hidden layers", "multilabel", "two strings"])
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
    compile_source(
        *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"),
        *(tmp_path / "main.c", tmp_path / "digits.c", "-o", program),
    )
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
