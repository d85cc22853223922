"""Checkpoints: a training that was killed goes on to the same weights, history and predictions, to the last bit."""

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
from helpers import assert_same_training
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix
from sklearn.datasets import load_digits

import skmlp.files.checkpoints
from skmlp import CheckpointError, MLPDigitClassifier, ModelFormatError, load_model, save_model
from skmlp.augment import Affine, Annealed, Compose, Elastic, Shift
from skmlp.callbacks import Checkpoint
from skmlp.engine.schedules import Cosine, Warmup

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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
    "own schedule": {"solver": "nadam", "learning_rate": Warmup(Cosine(0.01), 2)},
    "early stopping": {"early_stopping": True, "monitor": "loss", "batch_norm": True},
    "class weights": {"class_weight": {3: 2.5, 7: 0.5}, "solver": "rmsprop", "beta_2": 0.99},
    "augmentation": {
        "augmentation": Annealed(Compose([Affine(5), Shift(0.5), Elastic(2, 3)]), 0.2, 0.4),
        "adversarial_norm": 0.5,
        "image_shape": (8, 8),
    },
    "RandomState": {"random_state": np.random.RandomState(5), "dropout": [0.1, 0.2]},
}


class Killed(BaseException):
    """Ends a training without a chance to tidy up, as a kill does."""


class KillAfter:
    """Kills the training at the end of an epoch."""

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


def make(training, **changes):
    import copy

    return MLPDigitClassifier(**COMMON | copy.deepcopy(TRAININGS[training]) | changes)


def killed_after(epoch, training, path, every=1, **data):
    mlp = make(training).set_callbacks(Checkpoint(path, every=every), KillAfter(epoch))
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
def test_a_resumed_training_ends_like_an_uninterrupted_one(path, training, epoch):
    uninterrupted = make(training).fit(X, y)
    if len(uninterrupted.history_["loss"]) < epoch:
        pytest.skip("the training ends before")
    killed_after(epoch, training, path)
    resumed = MLPDigitClassifier.resume(path, X, y)
    assert_same_training_and_predictions(resumed, uninterrupted)
    # Beyond the end, too: the optimizer's memory and the random streams are the same.
    if not uninterrupted.early_stopping:
        assert_same_training_and_predictions(
            resumed.partial_fit(X, y), uninterrupted.partial_fit(X, y)
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_validation_samples_weights_and_types_are_resumed(path, dtype):
    rng = np.random.default_rng(0)
    data = {
        "sample_weight": rng.random(len(y)),
        "X_val": X_val.astype(dtype),
        "y_val": y_val,
        "sample_weight_val": rng.random(len(y_val)),
    }
    uninterrupted = make("early stopping").fit(X.astype(dtype), y, **data)
    mlp = make("early stopping").set_callbacks(Checkpoint(path), KillAfter(3))
    with pytest.raises(Killed):
        mlp.fit(X.astype(dtype), y, **data)
    resumed = MLPDigitClassifier.resume(path, X.astype(dtype), y, **data)
    assert resumed.coefs_[0].dtype == dtype
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_sparse_data_are_resumed(path):
    from scipy.sparse import csr_array

    uninterrupted = make("adam").fit(csr_array(X), y)
    with pytest.raises(Killed):
        make("adam").set_callbacks(Checkpoint(path), KillAfter(2)).fit(csr_array(X), y)
    assert_same_training_and_predictions(
        MLPDigitClassifier.resume(path, csr_array(X), y), uninterrupted
    )


def test_a_warm_start_is_resumed(path):
    uninterrupted = make("adam", warm_start=True).fit(X, y).fit(X, y)
    mlp = make("adam", warm_start=True).fit(X, y)
    with pytest.raises(Killed):
        mlp.set_callbacks(Checkpoint(path), KillAfter(12)).fit(X, y)
    assert_same_training_and_predictions(MLPDigitClassifier.resume(path, X, y), uninterrupted)


def test_a_training_can_be_killed_and_resumed_again_and_again(path):
    uninterrupted = make("dropout, batch norm and ema").fit(X, y)
    killed_after(2, "dropout, batch norm and ema", path)
    for epoch in (3, 5, 8):
        with pytest.raises(Killed):
            MLPDigitClassifier.resume(path, X, y, callbacks=[Checkpoint(path), KillAfter(epoch)])
    assert_same_training_and_predictions(MLPDigitClassifier.resume(path, X, y), uninterrupted)


@pytest.mark.parametrize(("every", "epochs"), [(1, {7, 8}), (3, {6, 3}), (5, {5}), (100, set())])
def test_checkpoints_come_at_their_interval_and_the_previous_one_is_kept(path, every, epochs):
    killed_after(8, "adam", path, every=every)
    files = [path, path.with_name("checkpoint.previous.safetensors")]
    found = set()
    for file in files:
        if file.exists():
            resumed = MLPDigitClassifier.resume(file, X, y, callbacks=[Remember()])
            found.add(COMMON["max_iter"] - Remember.n_epochs)
            assert resumed.n_iter_ == 9
    assert found == epochs
    assert set(path.parent.iterdir()) <= set(files)


class Remember(KillAfter):
    """Counts the epochs that it sees."""

    n_epochs = 0

    def __init__(self):
        type(self).n_epochs = 0

    def on_fit_task_end(self, estimator, context):
        type(self).n_epochs += context.task_name == "epoch"


def test_the_last_epoch_has_a_checkpoint_in_any_case(path):
    finished = make("adam").set_callbacks(Checkpoint(path, every=100)).fit(X, y)
    resumed = MLPDigitClassifier.resume(path, X, y, callbacks=[Remember()])
    assert Remember.n_epochs == 0
    assert_same_training_and_predictions(resumed, finished)


# What is refused


def test_other_data_are_refused(path):
    killed_after(2, "adam", path)
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
        with pytest.raises(CheckpointError, match="not the data of the checkpoint"):
            MLPDigitClassifier.resume(path, **data)


def test_other_parameters_are_refused(path):
    killed_after(2, "adam", path)
    expected = {"hidden_layer_sizes": (24, 16), "alpha": 0.0001}
    MLPDigitClassifier.resume(path, X, y, expected_parameters=expected)
    with pytest.raises(CheckpointError, match=r"alpha=0\.0001, not 0\.5"):
        MLPDigitClassifier.resume(path, X, y, expected_parameters={"alpha": 0.5})


def test_another_version_is_refused(path, monkeypatch):
    import skmlp.files.records

    monkeypatch.setattr(skmlp.files.records, "__version__", "0.0.1")
    killed_after(1, "adam", path)
    with pytest.raises(CheckpointError, match=r"written by skmlp 0\.0\.1"):
        MLPDigitClassifier.resume(path, X, y)


def test_models_and_checkpoints_are_not_mistaken_for_each_other(path, tmp_path):
    killed_after(1, "adam", path)
    with pytest.raises(ModelFormatError, match="contains a checkpoint, not a model"):
        load_model(path)
    save_model(make("adam").fit(X, y), tmp_path / "model")
    with pytest.raises(CheckpointError, match="contains a model, not a checkpoint"):
        MLPDigitClassifier.resume(tmp_path / "model", X, y)


def test_a_damaged_checkpoint_is_refused_anywhere(path):
    killed_after(1, "dropout, batch norm and ema", path)
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
def test_memory_of_the_optimizer_must_fit_the_network(path, monkeypatch, name):
    state_arrays = skmlp.files.checkpoints.state_arrays

    def with_a_longer_array(state):
        arrays = state_arrays(state)
        arrays[f"optimizer.{name}"] = np.append(arrays[f"optimizer.{name}"], 1)
        return arrays

    with monkeypatch.context() as patch:
        patch.setattr(skmlp.files.checkpoints, "state_arrays", with_a_longer_array)
        killed_after(1, "adam", path)
    with pytest.raises(CheckpointError, match="do not fit the layers"):
        MLPDigitClassifier.resume(path, X, y)


@pytest.mark.parametrize("fault", ["damaged", "missing"])
def test_the_previous_checkpoint_serves_where_the_last_one_is_lost(path, fault):
    uninterrupted = make("one_cycle").fit(X, y)
    killed_after(5, "one_cycle", path)
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.unlink()
    with pytest.warns(UserWarning, match="Continuing from the previous checkpoint"):
        resumed = MLPDigitClassifier.resume(path, X, y)
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_a_missing_checkpoint_is_the_usual_error(path):
    with pytest.raises(FileNotFoundError):
        MLPDigitClassifier.resume(path, X, y)


def test_lbfgs_is_refused_before_it_trains(path):
    mlp = make("adam").fit(X, y)
    expected = mlp.predict_proba(X_val)
    attributes = set(vars(mlp))
    mlp.set_params(solver="lbfgs").set_callbacks(Checkpoint(path))
    with pytest.raises(ValueError, match="Checkpoint cannot be used with solver='lbfgs'"):
        mlp.fit(X, y)
    np.testing.assert_array_equal(mlp.predict_proba(X_val), expected)
    assert set(vars(mlp.set_callbacks())) == attributes


@pytest.mark.parametrize("every", [0, -1, 1.5, "one"])
def test_a_number_of_epochs_that_is_none_is_refused(path, every):
    with pytest.raises(ValueError, match="every must be a positive number of epochs"):
        Checkpoint(path, every=every)


# Real kills

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
def test_a_killed_process_can_be_resumed(path, training):
    parameters = COMMON | TRAININGS[training] | {"max_iter": 300, "tol": 0.0}
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
        resumed = MLPDigitClassifier.resume(path, X, y, callbacks=[Remember()])
    assert Remember.n_epochs > 0, "it was killed too late to tell"
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_a_checkpoint_keeps_a_symbolic_link_and_replaces_what_it_points_to(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.safetensors"
    path.symlink_to(target)
    uninterrupted = make("adam").fit(X, y)
    for epoch in (2, 4):
        killed_after(epoch, "adam", path)
        assert path.is_symlink()
        assert not target.is_symlink()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "elsewhere"]
    assert sorted(p.name for p in target.parent.iterdir()) == [
        "target.previous.safetensors",
        "target.safetensors",
    ]
    assert_same_training_and_predictions(MLPDigitClassifier.resume(path, X, y), uninterrupted)
    target.unlink()
    with pytest.warns(UserWarning, match="Continuing from the previous checkpoint"):
        resumed = MLPDigitClassifier.resume(path, X, y)
    assert_same_training_and_predictions(resumed, uninterrupted)


def test_the_directory_of_a_checkpoint_is_synced_last(path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def recording_fsync(descriptor):
        events.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def recording_replace(source, target):
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "replace", recording_replace)
    make("adam", max_iter=1).set_callbacks(Checkpoint(path)).fit(X, y)
    assert events == ["file", "rename", "directory", "rename", "directory"]


def test_warnings_of_a_resume_point_to_the_line_of_the_user(path):
    killed_after(3, "adam", path)
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
def test_data_are_known_by_their_values_whatever_contains_them(path, container, labels):
    make("adam", max_iter=3).set_callbacks(Checkpoint(path)).fit(X, labels)
    X_other, y_other = CONTAINERS[container](X, labels)
    MLPDigitClassifier.resume(path, X_other, y_other)
    with pytest.raises(CheckpointError, match="not the data of the checkpoint"):
        MLPDigitClassifier.resume(path, *CONTAINERS[container](X[::-1], labels))


def test_sparse_data_are_known_by_their_values_whatever_their_format(path):
    matrix = csr_matrix(X)
    make("adam", max_iter=3).set_callbacks(Checkpoint(path)).fit(matrix, y)
    unsorted = matrix.copy()
    for row in range(len(y)):
        chosen = slice(unsorted.indptr[row], unsorted.indptr[row + 1])
        unsorted.indices[chosen] = unsorted.indices[chosen][::-1]
        unsorted.data[chosen] = unsorted.data[chosen][::-1]
    unsorted.has_sorted_indices = unsorted.has_canonical_format = False
    for other in (csc_matrix(X), coo_matrix(X), unsorted):
        MLPDigitClassifier.resume(path, other, y)
    with pytest.raises(CheckpointError, match="not the data of the checkpoint"):
        MLPDigitClassifier.resume(path, csr_matrix(X[::-1]), y)
