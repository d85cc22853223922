"""Checkpoints: a resumed training run ends with bit-identical weights, history and predictions."""

import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from forged_files import forge
from helpers import assert_same_training
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from sklearn.datasets import load_digits

import skmlp.files.checkpoints
from skmlp import (
    CheckpointError,
    GradientFeatures,
    MLPDigitClassifier,
    ModelFormatError,
    load_model,
    save_model,
)
from skmlp.augment import Affine, Annealed, Compose, Elastic, Shift
from skmlp.callbacks import Checkpoint
from skmlp.engine.schedules import Cosine, Warmup

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

X, y = load_digits(return_X_y=True)
X_val, y_val = X[1500:] / 16, y[1500:]
X, y = X[:400] / 16, y[:400]

COMMON = {"hidden_layer_sizes": (24, 16), "max_iter": 9, "batch_size": 64, "random_state": 0}
TRAININGS = {
    "adam": {},
    "sgd, adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.5,
        "tol": 0.5,
        "n_iter_no_change": 1,
    },
    "dropout, batch norm and ema": {
        "dropout": 0.3,
        "input_dropout": 0.1,
        "batch_norm": True,
        "ema_decay": 0.9,
    },
    "one_cycle": {"solver": "adamw", "learning_rate": "one_cycle", "learning_rate_init": 0.01},
    "custom schedule": {"solver": "nadam", "learning_rate": Warmup(Cosine(0.01), 2)},
    "early stopping": {"early_stopping": True, "monitor": "loss", "batch_norm": True},
    "class weights": {"class_weight": {3: 2.5, 7: 0.5}, "solver": "rmsprop", "beta_2": 0.99},
    "augmentation": {
        "augmentation": Annealed(Compose([Affine(5), Shift(0.5), Elastic(2, 3)]), 0.2, 0.4),
        "adversarial_norm": 0.5,
        "image_shape": (8, 8),
    },
    "image features": {
        "image_features": GradientFeatures((3, 4), include_pixels=True),
        "augmentation": Shift(0.5),
        "early_stopping": True,
        "dropout": 0.2,
    },
    "virtual adversarial training": {"virtual_adversarial_norm": 0.5, "dropout": 0.2},
    "RandomState": {"random_state": np.random.RandomState(5), "dropout": [0.1, 0.2]},
}


class Killed(BaseException):
    """Exception that ends training like a kill, because skmlp does not handle it."""


class KillAfter:
    """Callback that raises Killed at the end of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch" and len(estimator.history_["loss"]) == self.epoch:
            raise Killed


def make_classifier(training, **changes):
    import copy

    return MLPDigitClassifier(**COMMON | copy.deepcopy(TRAININGS[training]) | changes)


def train_until_killed(epoch, training, path, every=1, **data):
    mlp = make_classifier(training).set_callbacks(Checkpoint(path, every=every), KillAfter(epoch))
    with pytest.raises(Killed):
        mlp.fit(X, y, **data)


def assert_same_training_and_predictions(resumed, uninterrupted):
    assert_same_training(resumed, uninterrupted)
    assert resumed.n_iter_ == uninterrupted.n_iter_
    np.testing.assert_array_equal(resumed.predict_proba(X_val), uninterrupted.predict_proba(X_val))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


@pytest.mark.parametrize("epoch", [1, 4, 9])
@pytest.mark.parametrize("training", TRAININGS)
def test_resumed_training_equals_uninterrupted_training(path, training, epoch):
    uninterrupted = make_classifier(training).fit(X, y)
    if len(uninterrupted.history_["loss"]) < epoch:
        pytest.skip("training stops before this epoch")
    train_until_killed(epoch, training, path)
    resumed = MLPDigitClassifier.resume(path, X, y)
    assert_same_training_and_predictions(resumed, uninterrupted)
    # Further training also requires equal optimizer states and random generators.
    if not uninterrupted.early_stopping:
        assert_same_training_and_predictions(
            resumed.partial_fit(X, y), uninterrupted.partial_fit(X, y)
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_resume_supports_validation_sets_weights_and_dtypes(path, dtype):
    rng = np.random.default_rng(0)
    data = {
        "sample_weight": rng.random(len(y)),
        "X_val": X_val.astype(dtype),
        "y_val": y_val,
        "sample_weight_val": rng.random(len(y_val)),
    }
    uninterrupted = make_classifier("early stopping").fit(X.astype(dtype), y, **data)
    mlp = make_classifier("early stopping").set_callbacks(Checkpoint(path), KillAfter(3))
    with pytest.raises(Killed):
        mlp.fit(X.astype(dtype), y, **data)
    resumed = MLPDigitClassifier.resume(path, X.astype(dtype), y, **data)
    assert resumed.coefs_[0].dtype == dtype
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_resume_supports_sparse_data(path):
    from scipy.sparse import csr_array

    uninterrupted = make_classifier("adam").fit(csr_array(X), y)
    with pytest.raises(Killed):
        make_classifier("adam").set_callbacks(Checkpoint(path), KillAfter(2)).fit(csr_array(X), y)
    assert_same_training_and_predictions(
        MLPDigitClassifier.resume(path, csr_array(X), y), uninterrupted
    )


def test_warm_start_can_be_resumed(path):
    uninterrupted = make_classifier("adam", warm_start=True).fit(X, y).fit(X, y)
    mlp = make_classifier("adam", warm_start=True).fit(X, y)
    with pytest.raises(Killed):
        mlp.set_callbacks(Checkpoint(path), KillAfter(12)).fit(X, y)
    assert_same_training_and_predictions(MLPDigitClassifier.resume(path, X, y), uninterrupted)


def test_training_can_be_resumed_repeatedly(path):
    uninterrupted = make_classifier("dropout, batch norm and ema").fit(X, y)
    train_until_killed(2, "dropout, batch norm and ema", path)
    for epoch in (3, 5, 8):
        with pytest.raises(Killed):
            MLPDigitClassifier.resume(path, X, y, callbacks=[Checkpoint(path), KillAfter(epoch)])
    assert_same_training_and_predictions(MLPDigitClassifier.resume(path, X, y), uninterrupted)


@pytest.mark.parametrize(("every", "epochs"), [(1, {7, 8}), (3, {6, 3}), (5, {5}), (100, set())])
def test_checkpoints_are_written_every_n_epochs_and_the_previous_one_is_kept(path, every, epochs):
    train_until_killed(8, "adam", path, every=every)
    files = [path, path.with_name("checkpoint.previous.safetensors")]
    found = set()
    for file in files:
        if file.exists():
            resumed = MLPDigitClassifier.resume(file, X, y, callbacks=[CountEpochs()])
            found.add(COMMON["max_iter"] - CountEpochs.n_epochs)
            assert resumed.n_iter_ == 9
    assert found == epochs
    assert set(path.parent.iterdir()) <= set(files)


class CountEpochs(KillAfter):
    """Callback that counts the epochs since the last instance was created."""

    n_epochs = 0

    def __init__(self):
        type(self).n_epochs = 0

    def on_fit_task_end(self, estimator, context):
        type(self).n_epochs += context.task_name == "epoch"


def test_checkpoint_is_written_after_the_last_epoch(path):
    finished = make_classifier("adam").set_callbacks(Checkpoint(path, every=100)).fit(X, y)
    resumed = MLPDigitClassifier.resume(path, X, y, callbacks=[CountEpochs()])
    assert CountEpochs.n_epochs == 0
    assert_same_training_and_predictions(resumed, finished)


# Errors


def test_resume_raises_on_different_data(path):
    train_until_killed(2, "adam", path)
    X_other, y_other = X.copy(), y.copy()
    X_other[7, 7] += 1e-12
    y_other[[0, 1]] = y_other[[1, 0]]
    for data in [
        {"X": X_other, "y": y},
        {"X": X, "y": y_other},
        {"X": X[:-1], "y": y[:-1]},
        {"X": X[:, :-1], "y": y},
        {"X": X.astype(np.float32), "y": y},
        {"X": X, "y": y.astype(str)},
        {"X": X, "y": y, "sample_weight": np.ones(len(y))},
        {"X": X, "y": y, "X_val": X_val, "y_val": y_val},
    ]:
        with pytest.raises(CheckpointError, match="expected the data of the checkpoint, got"):
            MLPDigitClassifier.resume(path, **data)


def test_resume_raises_on_different_parameters(path):
    train_until_killed(2, "adam", path)
    expected = {"hidden_layer_sizes": (24, 16), "alpha": 0.0001}
    MLPDigitClassifier.resume(path, X, y, expected_parameters=expected)
    with pytest.raises(
        CheckpointError, match=r"expected a checkpoint with alpha=0\.5, got alpha=0\.0001"
    ):
        MLPDigitClassifier.resume(path, X, y, expected_parameters={"alpha": 0.5})


def test_resume_raises_on_other_version(path, monkeypatch):
    import skmlp.files.records

    monkeypatch.setattr(skmlp.files.records, "__version__", "0.0.1")
    train_until_killed(1, "adam", path)
    with pytest.raises(CheckpointError, match=r"got one of skmlp 0\.0\.1"):
        MLPDigitClassifier.resume(path, X, y)


def test_models_and_checkpoints_are_distinguished(path, tmp_path):
    train_until_killed(1, "adam", path)
    with pytest.raises(ModelFormatError, match="expected a model, got a checkpoint"):
        load_model(path)
    save_model(make_classifier("adam").fit(X, y), tmp_path / "model")
    with pytest.raises(CheckpointError, match="expected a checkpoint, got a model"):
        MLPDigitClassifier.resume(tmp_path / "model", X, y)


def test_resume_raises_on_damaged_or_truncated_checkpoint(path):
    train_until_killed(1, "dropout, batch norm and ema", path)
    content = path.read_bytes()
    for number, position in enumerate(range(0, len(content), len(content) // 100)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (number % 8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            MLPDigitClassifier.resume(path, X, y)
        path.write_bytes(content[:position])
        with pytest.raises(CheckpointError):
            MLPDigitClassifier.resume(path, X, y)


@pytest.mark.parametrize("name", ["first_moment", "second_moment", "first_moment_scale"])
def test_resume_raises_on_optimizer_state_of_wrong_shape(path, monkeypatch, name):
    collect_state_arrays = skmlp.files.checkpoints.collect_state_arrays

    def collect_with_longer_array(state):
        arrays = collect_state_arrays(state)
        arrays[f"optimizer.{name}"] = np.append(arrays[f"optimizer.{name}"], 1)
        return arrays

    with monkeypatch.context() as patch:
        patch.setattr(skmlp.files.checkpoints, "collect_state_arrays", collect_with_longer_array)
        train_until_killed(1, "adam", path)
    with pytest.raises(CheckpointError, match="expected training-state arrays of shape"):
        MLPDigitClassifier.resume(path, X, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"monitor": "val_f1"}, "valid monitor"),
        ({"kernels": "fortran"}, "valid kernels"),
        ({"stopped": 1}, "valid stopped"),
        ({"plateau": {"best": None, "stale_epochs": 0}}, "valid best score"),
        ({"plateau": {"best": 0.5, "stale_epochs": 0.5}}, "valid stale_epochs"),
        ({"plateau": {"best": 0.5}}, "valid description"),
        ({"plateau": []}, "valid description"),
        ({"generator": {"bit_generator": "MT19937"}}, "valid description"),
        ({"generator": None}, "valid description"),
        ({"random_state": ["MT19937", [1, 2], 0, 0, 0.0]}, "valid description"),
        ({"numbers": {}}, "valid description"),
    ],
)
def test_resume_raises_on_forged_training_state(path, change, message):
    train_until_killed(1, "adam", path)
    forge(path, lambda description: description["training"].update(change))
    with pytest.raises(CheckpointError, match=message):
        MLPDigitClassifier.resume(path, X, y)


@pytest.mark.parametrize(
    "change",
    [
        *({name: -1} for name in ("step", "epoch", "samples_seen", "n_epochs", "holdout_seed")),
        *({name: 1.5} for name in ("step", "epoch", "samples_seen", "n_epochs", "holdout_seed")),
        *({name: "one"} for name in ("step", "loss", "rate_divisor")),
        {"loss": None},
        {"holdout_seed": 2**32},
    ],
    ids=str,
)
def test_resume_raises_on_forged_numbers(path, change):
    train_until_killed(1, "adam", path)
    forge(path, lambda description: description["training"]["numbers"].update(change))
    with pytest.raises(CheckpointError, match=r"expected a (valid|number)"):
        MLPDigitClassifier.resume(path, X, y)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("order", np.zeros(len(X), np.int64)),
        ("order", np.arange(1, len(X) + 1)),
        ("order", np.arange(float(len(X)))),
        ("order", np.arange(len(X)).reshape(2, -1)),
        ("weights.theta", np.zeros(5)),
        ("weights.theta", np.zeros(2130, int)),
        ("weights.statistics", np.zeros(3)),
        ("optimizer.first_moment", np.zeros(2130, np.float32)),
        ("optimizer.first_moment_scale", np.ones(1, int)),
    ],
)
def test_resume_raises_on_forged_arrays(path, name, array):
    train_until_killed(1, "adam", path)
    forge(path, lambda description: None, {f"state.{name}": array})
    with pytest.raises(CheckpointError, match=r"training[- ]state"):
        MLPDigitClassifier.resume(path, X, y)


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_resume_uses_previous_checkpoint_if_last_one_is_invalid(path, fault):
    uninterrupted = make_classifier("one_cycle").fit(X, y)
    train_until_killed(5, "one_cycle", path)
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    with pytest.warns(UserWarning, match=r"[^.]\. Training resumes from the previous checkpoint, "):
        resumed = MLPDigitClassifier.resume(path, X, y)
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_error_for_large_checkpoint_does_not_suggest_max_bytes(path):
    with open(path, "wb") as file:
        file.truncate(2**31 + 1)  # a sparse file
    with pytest.raises(
        CheckpointError, match="expected at most 2147483648 bytes, got 2147483649"
    ) as error:
        MLPDigitClassifier.resume(path, X, y)
    assert "max_bytes" not in str(error.value)


def test_resume_raises_on_missing_checkpoint(path):
    with pytest.raises(FileNotFoundError):
        MLPDigitClassifier.resume(path, X, y)


def test_lbfgs_with_checkpoint_raises_before_training(path):
    mlp = make_classifier("adam").fit(X, y)
    expected = mlp.predict_proba(X_val)
    attributes = set(vars(mlp))
    mlp.set_params(solver="lbfgs").set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match="solver must not be 'lbfgs' with the callback Checkpoint"):
        mlp.fit(X, y)
    np.testing.assert_array_equal(mlp.predict_proba(X_val), expected)
    assert set(vars(mlp.set_callbacks())) == attributes


@pytest.mark.parametrize("every", [0, -1, 1.5, "one"])
def test_checkpoint_raises_on_invalid_every(path, every):
    with pytest.raises(ValueError, match="every must be an integer of at least 1, got "):
        Checkpoint(path, every=every)


# Killed processes

SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_digits
from skmlp import MLPDigitClassifier
from skmlp.callbacks import Checkpoint
X, y = load_digits(return_X_y=True)
path, parameters = sys.argv[1], eval(sys.argv[2])
mlp = MLPDigitClassifier(**parameters).set_callbacks(Checkpoint(path))
print("training", flush=True)
mlp.fit(X[:400] / 16, y[:400])
print("done", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a system with kill -9")
@pytest.mark.parametrize(
    "training", ["adam", "sgd, adaptive", "dropout, batch norm and ema", "one_cycle"]
)
def test_training_of_killed_process_can_be_resumed(path, training):
    parameters = COMMON | TRAININGS[training] | {"max_iter": 150, "tol": 0.0}
    parameters["n_iter_no_change"] = 1000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        uninterrupted = MLPDigitClassifier(**parameters).fit(X, y)
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path), repr(parameters)]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout.readline() == b"training\n"
            while not path.exists():
                time.sleep(0.01)
            time.sleep(random.random() * 0.3)
            process.send_signal(signal.SIGKILL)
        resumed = MLPDigitClassifier.resume(path, X, y, callbacks=[CountEpochs()])
    assert CountEpochs.n_epochs > 0, "the process was killed after its last epoch"
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_checkpoint_replaces_the_target_of_a_symbolic_link(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.safetensors"
    path.symlink_to(target)
    uninterrupted = make_classifier("adam").fit(X, y)
    for epoch in (2, 4):
        train_until_killed(epoch, "adam", path)
        assert path.is_symlink()
        assert not target.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "elsewhere"]
    assert sorted(p.name for p in target.parent.iterdir()) == [
        "target.previous.safetensors",
        "target.safetensors",
    ]
    assert_same_training_and_predictions(MLPDigitClassifier.resume(path, X, y), uninterrupted)
    target.unlink()
    with pytest.warns(UserWarning, match="Training resumes from the previous checkpoint"):
        resumed = MLPDigitClassifier.resume(path, X, y)
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_directory_is_synced_after_each_rename(path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        events.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def record_replace(source, target):
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    make_classifier("adam", max_iter=1).set_callbacks(Checkpoint(path)).fit(X, y)
    assert events == ["file", "rename", "directory", "rename", "directory"]


def test_warnings_of_resume_point_to_the_calling_line(path):
    train_until_killed(3, "adam", path)
    path.unlink()
    with pytest.warns(UserWarning, match="previous checkpoint") as caught:
        MLPDigitClassifier.resume(path, X, y)
    assert {warning.filename for warning in caught} == {__file__}


CONTAINERS = {
    "lists": lambda X, y: (X.tolist(), y.tolist()),
    "data frame": lambda X, y: (pd.DataFrame(X), pd.Series(y)),
    "objects": lambda X, y: (X.astype(object), y.astype(object) if y.dtype.kind == "U" else y),
    "Fortran order": lambda X, y: (np.asfortranarray(X), y),
    "views": lambda X, y: (np.repeat(X, 2, axis=0)[::2], np.repeat(y, 2)[::2]),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("labels", [y, np.array([f"digit {label}" for label in y])], ids=type)
def test_resume_accepts_equal_data_in_other_containers(path, container, labels):
    make_classifier("adam", max_iter=3).set_callbacks(Checkpoint(path)).fit(X, labels)
    X_other, y_other = CONTAINERS[container](X, labels)
    MLPDigitClassifier.resume(path, X_other, y_other)
    with pytest.raises(CheckpointError, match="expected the data of the checkpoint, got"):
        MLPDigitClassifier.resume(path, *CONTAINERS[container](X[::-1], labels))


def test_resume_accepts_equal_sparse_data_in_other_formats(path):
    matrix = csr_matrix(X)
    make_classifier("adam", max_iter=3).set_callbacks(Checkpoint(path)).fit(matrix, y)
    unsorted = matrix.copy()
    for row in range(len(y)):
        entries = slice(unsorted.indptr[row], unsorted.indptr[row + 1])
        unsorted.indices[entries] = unsorted.indices[entries][::-1]
        unsorted.data[entries] = unsorted.data[entries][::-1]
    unsorted.has_sorted_indices = unsorted.has_canonical_format = False
    for other in (csc_matrix(X), coo_matrix(X), unsorted):
        MLPDigitClassifier.resume(path, other, y)
    with pytest.raises(CheckpointError, match="expected the data of the checkpoint, got"):
        MLPDigitClassifier.resume(path, csr_matrix(X[::-1]), y)
