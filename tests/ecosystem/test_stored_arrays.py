"""Samples in files of h5py and zarr, which are read on demand."""

import numpy as np
import pytest
from helpers import assert_same_model
from sklearn.base import clone

from skmlp.callbacks import Checkpoint


def fit_in_memory(mlp, X, y):
    return clone(mlp).set_params(shuffle="blocks").fit(X.astype(np.uint8), y)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_h5py_datasets_give_the_model_of_arrays(split, mlp, compression):
    h5py = pytest.importorskip("h5py")
    X_train, X_test, y_train, _ = split
    expected = fit_in_memory(mlp, X_train, y_train)
    with h5py.File("digits.h5", "w") as file:
        pixels = X_train.astype(np.uint8)
        file.create_dataset("images", data=pixels, compression=compression, chunks=(100, 64))
        file["labels"] = y_train
        file["test images"] = X_test.astype(np.float32)
    # Begin of the documentation: h5py
    import h5py

    with h5py.File("digits.h5") as file:
        mlp.set_params(shuffle="blocks").fit(file["images"], file["labels"])
        # End of the documentation: h5py
        predicted = mlp.predict(file["test images"])
    assert_same_model(mlp, expected)
    np.testing.assert_array_equal(predicted, expected.predict(X_test))


def test_zarr_arrays_give_the_model_of_arrays(split, mlp):
    zarr = pytest.importorskip("zarr")
    X_train, _, y_train, _ = split
    expected = fit_in_memory(mlp, X_train, y_train)
    zarr.create_array("digits.zarr", data=X_train.astype(np.uint8), chunks=(100, 64))
    labels = y_train
    # Begin of the documentation: zarr
    import zarr

    images = zarr.open_array("digits.zarr", mode="r")
    mlp.set_params(shuffle="blocks").fit(images, labels)
    # End of the documentation: zarr
    assert_same_model(mlp, expected)
    np.testing.assert_array_equal(mlp.predict(images), expected.predict(X_train))


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_order_gives_the_model_of_arrays(split, mlp, shuffle):
    h5py = pytest.importorskip("h5py")
    X_train, _, y_train, _ = split
    mlp.set_params(shuffle=shuffle, early_stopping=True, max_iter=3)
    expected = clone(mlp).fit(X_train, y_train)
    with h5py.File("digits.h5", "w") as file:
        file["images"] = X_train
        assert_same_model(mlp.fit(file["images"], y_train), expected)


def test_training_on_a_dataset_resumes(split, mlp):
    h5py = pytest.importorskip("h5py")
    X_train, _, y_train, _ = split
    expected = clone(mlp).set_params(max_iter=4).fit(X_train, y_train)
    with h5py.File("digits.h5", "w") as file:
        file["images"] = X_train
        mlp.set_params(max_iter=4).set_callbacks(Checkpoint("last.safetensors", every=3))
        mlp.fit(file["images"], y_train)
        resumed = type(mlp).resume("last.safetensors", file["images"], y_train)
    assert_same_model(resumed, expected)
