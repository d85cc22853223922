"""Uses of the public API for mypy: `mypy --strict --follow-imports=silent tests/typing/public_api.py`.

`assert_type` states the type that mypy must infer. A comment `type: ignore` states that it must report an error: with
`--strict`, a comment without an error is itself an error.
"""

from pathlib import Path
from typing import assert_type

import numpy as np

import skmlp
from skmlp import (
    Deslant,
    FoundDigit,
    GradientFeatures,
    IDXHeader,
    MLPDigitClassifier,
    TrainingCurveDisplay,
    load_model,
    make_committee,
    normalize_digit,
    read_idx,
    read_idx_header,
    read_model_header,
    save_model,
    segment_digits,
    write_idx,
)
from skmlp.augment import Affine, Annealed, Compose, Noise, Shift
from skmlp.callbacks import Checkpoint, OnEpoch
from skmlp.dask import DaskMLPDigitClassifier
from skmlp.dask import read_idx as read_idx_blocks
from skmlp.export import CFootprint, to_c, to_html, to_onnx, to_sklearn
from skmlp.recipes import RECIPES, make_recipe
from skmlp.schedules import Cosine, Position, Warmup
from skmlp.typing import FloatArray

X = np.zeros((10, 64))
y = np.arange(10)


class Rows:
    shape = 10, 64
    dtype = np.dtype(float)

    def __getitem__(self, rows: slice) -> FloatArray:
        return np.zeros((10, 64))[rows]


def decrease_rate(position: Position) -> float:
    return 0.01 / (1 + position.epoch)


assert_type(skmlp.SKOPS_TRUSTED_TYPES, tuple[str, ...])

assert_type(Deslant(0.5, image_shape=(8, 8)).fit(X), Deslant)

assert_type(GradientFeatures()(np.zeros((1, 8, 8))), FloatArray)
assert_type(GradientFeatures((3, 3), include_pixels=False).count_features((8, 8)), int)
GradientFeatures(directions=8)  # type: ignore[call-arg]

# The classifier

mlp = MLPDigitClassifier((32, 16), ["relu", "gelu"], solver="adamw", class_weight="balanced")
MLPDigitClassifier(hidden_layer_sizes=(), learning_rate=Warmup(Cosine(0.01), 2), random_state=0)
MLPDigitClassifier(learning_rate=decrease_rate, class_weight={0: 1.0}, dropout=[0.1])
MLPDigitClassifier(augmentation=Compose([Affine(rotation=8), Shift(0.5)]), image_shape=(8, 8))
MLPDigitClassifier(augmentation=Compose([Annealed(Shift(0.5)), Noise(gaussian=0.1)]))
MLPDigitClassifier(image_features="gradients")
MLPDigitClassifier(image_features=GradientFeatures((4, 4), include_pixels=True))
MLPDigitClassifier(image_features="edges")  # type: ignore[arg-type]
MLPDigitClassifier(activation="swish")  # type: ignore[arg-type]
MLPDigitClassifier(solver="lion")  # type: ignore[arg-type]
MLPDigitClassifier(learning_rate="polynomial")  # type: ignore[arg-type]
MLPDigitClassifier(momentun=0.9)  # type: ignore[call-arg]
MLPDigitClassifier((32,), "relu", "adam")  # type: ignore[call-arg]

assert_type(mlp.fit(X, y, X_val=X, y_val=y), MLPDigitClassifier)
assert_type(mlp.partial_fit(X, y, classes=y), MLPDigitClassifier)
assert_type(mlp.fit(X, mlp.predict_proba(X), classes=mlp.classes_), MLPDigitClassifier)
assert_type(mlp.fit([X, X], y).partial_fit(Rows(), y), MLPDigitClassifier)
MLPDigitClassifier(shuffle="blocks").predict(Rows())
MLPDigitClassifier(shuffle="windows")  # type: ignore[arg-type]
mlp.fit(object(), y)  # type: ignore[arg-type]
assert_type(MLPDigitClassifier.resume(Path("model.safetensors"), X, y), MLPDigitClassifier)
assert_type(mlp.calibrate(X, y), MLPDigitClassifier)
assert_type(mlp.predict_proba(X), FloatArray)
assert_type(mlp.predict_log_proba([[0.0] * 64]), FloatArray)
assert_type(mlp.hidden_activations(X, layer=0), FloatArray)
assert_type(mlp.find_learning_rate(X, y).suggestion, float)
mlp.fit(X)  # type: ignore[call-arg]
mlp.fit(X, y, None, X, y)  # type: ignore[call-arg]
Checkpoint("model.safetensors", every="epoch")  # type: ignore[arg-type]
OnEpoch(lambda epoch, metrics: metrics["loss"] < epoch)
OnEpoch(lambda epoch: None)  # type: ignore[misc, arg-type]

# Dask

cluster_mlp = DaskMLPDigitClassifier((32, 16), "relu", mode="exact", client=None, max_iter=5)
assert_type(cluster_mlp.fit(X, y, X_val=X, y_val=y), DaskMLPDigitClassifier)
assert_type(cluster_mlp.to_local(), MLPDigitClassifier)
assert_type(cluster_mlp.score(X, y), float)
DaskMLPDigitClassifier(mode="both")  # type: ignore[arg-type]
read_idx_blocks(["train-images-idx3-ubyte"], chunks=10_000)
read_idx_blocks("train-images-idx3-ubyte", chunks=None)  # type: ignore[arg-type]

# Files

save_model(mlp, "model.safetensors")
load_model(Path("model.safetensors"), max_bytes=10**6).predict(X)
save_model(make_committee([mlp, mlp], weights=[2, 1]), "committee.safetensors")
make_committee(3)  # type: ignore[arg-type]
read_model_header(3)  # type: ignore[arg-type]
assert_type(read_idx_header("t10k-images-idx3-ubyte"), IDXHeader)
assert_type(read_idx_header(b"").shape, tuple[int, ...])
write_idx("labels-idx1-ubyte", read_idx(b"", mmap=False, max_bytes=10))

# Exports

assert_type(to_c(mlp, "digits.c"), CFootprint)
assert_type(to_c(mlp, Path("digits.c")).stack, int)
to_sklearn(mlp, "digits.skops").predict(X)
to_onnx(mlp, "digits.onnx", input_dtype=np.uint8).SerializeToString()
to_html(mlp, "digits.html", weights="int8", image_shape=False)
to_html(make_committee([mlp, mlp]), "committee.html")
to_c(mlp)  # type: ignore[call-arg]

# The rest

make_recipe("fast", random_state=0).set_params(memory=None).fit(X, y)
assert_type(RECIPES["fast"].make_classifier(0), MLPDigitClassifier)
assert_type(TrainingCurveDisplay.from_estimator(mlp), TrainingCurveDisplay)
normalize_digit("photo.jpg").astype(np.float32)
assert_type(segment_digits("page.jpg"), list[FoundDigit])
segment_digits("page.jpg")[0].box.left.bit_length()
skmlp.set_kernels("numpy")
assert_type(skmlp.compile_kernels(lambda n_done, n_kernels, name: None, dtype="float32"), Path)
skmlp.compile_kernels(dtype="float16")  # type: ignore[arg-type]
skmlp.show_versions()
assert_type(skmlp.schedules.Cosine(0.1), Cosine)
skmlp.MLPClassifier()  # type: ignore[attr-defined]
