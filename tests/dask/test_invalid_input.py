"""Invalid input: one error that names the block or the parameter, before training."""

import dask.array as da
import numpy as np
import pytest

from skmlp.dask import DaskMLPDigitClassifier


def join(blocks, dtype=np.float32):
    """Return a dask array of blocks that need not have the declared type and shape."""
    from dask import delayed

    n_features = blocks[0].shape[1:]
    return da.concatenate(
        [
            da.from_delayed(delayed(block), (size, *n_features), dtype)
            for block, size in zip(blocks, (200, 180, 120), strict=True)
        ]
    )


@pytest.fixture(scope="module")
def samples(data):
    return [data.X[:200], data.X[200:380], data.X[380:]]


@pytest.fixture(scope="module")
def labels(data):
    return [data.y[:200], data.y[200:380], data.y[380:]]


def replace_block(blocks, change):
    return [blocks[0], change(blocks[1].copy()), blocks[2]]


def set_nan(block):
    block[3, 5] = np.nan
    return block


INVALID_X = {
    "Block 1 of X .* Input X contains NaN": set_nan,
    "same type of features, got float32 in block 0 and float64 in block 1": lambda block: (
        block.astype(float)
    ),
    "same number of features, got 64 in block 0 and 63 in block 1": lambda block: block[:, :63],
    "Block 1 of X .* with 0 sample": lambda block: block[:0],
    "Block 1 of X .* inconsistent numbers of samples": lambda block: block[:100],
}
INVALID_Y = {
    "Block 1 of X .* Unknown label type: continuous": lambda block: block + 0.5,
    "same kind of labels, got numbers in block 0 and strings in block 1": lambda block: (
        block.astype(str)
    ),
}


@pytest.mark.parametrize("mode", ["exact", "local"])
@pytest.mark.parametrize(("message", "change"), INVALID_X.items())
def test_invalid_block_of_features(mode, message, change, samples, labels):
    X = replace_block(samples, change)
    y = replace_block(labels, lambda block: block[: len(X[1])]) if len(X[1]) == 0 else labels
    with pytest.raises(ValueError, match=f"(?s){message}"):
        DaskMLPDigitClassifier(mode=mode).fit(join(X), join(y, int))
    with pytest.raises(ValueError, match=f"(?s){message.replace('of X', 'of X_val')}"):
        DaskMLPDigitClassifier(mode=mode).fit(
            join(samples), join(labels, int), X_val=join(X), y_val=join(y, int)
        )


@pytest.mark.parametrize(("message", "change"), INVALID_Y.items())
def test_invalid_block_of_labels(message, change, samples, labels):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        DaskMLPDigitClassifier().fit(join(samples), join(replace_block(labels, change), int))


def test_unknown_class_in_a_block_of_the_validation_set(data):
    y_val = data.y.copy()
    y_val[250] = 77
    message = r"Block 1 of y_val .* y_val must contain only the classes .* got \[77\]"
    for class_weight in (None, "balanced"):
        model = DaskMLPDigitClassifier(class_weight=class_weight)
        with pytest.raises(ValueError, match=f"(?s){message}"):
            model.fit(data.divide(), data.y, X_val=data.divide(), y_val=y_val)


def test_negative_sample_weight_names_the_block(data):
    weights = np.ones(500)
    weights[250] = -1
    with pytest.raises(ValueError, match=r"(?s)Block 1 of X .* [Nn]egative"):
        DaskMLPDigitClassifier().fit(data.divide(), data.y, data.divide(weights))


def test_blocks_without_a_class(data):
    order = np.argsort(data.y, kind="stable")
    X, y = data.divide(data.X[order]), data.y[order]
    message = (
        r"all classes for mode='local', got block 0 .* without the classes \[4, 5, 6, 7, 8, 9\]"
    )
    with pytest.raises(ValueError, match=message):
        DaskMLPDigitClassifier(mode="local").fit(X, y)
    assert (
        DaskMLPDigitClassifier(mode="exact", max_iter=1, n_iter_no_change=None).fit(X, y).n_iter_
        == 1
    )
    model = DaskMLPDigitClassifier(mode="local").partial_fit(X, y, classes=range(10))
    assert model.n_iter_ == 1


@pytest.mark.parametrize(
    ("make_arguments", "error", "message"),
    [
        (
            lambda X, y: (X.rechunk((200, 32)), y),
            ValueError,
            r"2 blocks along the features, .*rechunk",
        ),
        (
            lambda X, y: (X.compute(), y),
            TypeError,
            "X must be a dask array or a dask DataFrame, got ndarray",
        ),
        (lambda X, y: (X.reshape(500, 8, 8), y), ValueError, "X must have 2 dimensions, got 3"),
        (lambda X, y: (X, y[:400]), ValueError, "y must have as many samples as X, 500, got 400"),
        (
            lambda X, y: (X, None),
            ValueError,
            "y must be an array with one or two dimensions, got 0",
        ),
        (lambda X, y: (X, y, 2.0), ValueError, "sample_weight must be an array with one or two"),
        (
            lambda X, y: (X[X.sum(axis=1) > 0], y.compute()[1:]),
            ValueError,
            "y must have as many samples as X, 500, got 499",
        ),
        (
            lambda X, y: (X, y, np.ones(3)),
            ValueError,
            "sample_weight must have as many samples as X, 500, got 3",
        ),
    ],
)
def test_invalid_arguments(make_arguments, error, message, data):
    with pytest.raises(error, match=message):
        DaskMLPDigitClassifier().fit(*make_arguments(data.divide(), data.divide(data.y)))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mode": "both"}, "'mode' parameter"),
        ({"local_steps": 0}, "'local_steps' parameter"),
        ({"timeout": 0}, "'timeout' parameter"),
        ({"mode": "exact", "batch_norm": True}, "batch_norm must be False for mode='exact'"),
        ({"mode": "local", "solver": "lbfgs"}, "mode must be 'exact' for solver='lbfgs'"),
        ({"early_stopping": True}, "X_val and y_val must be passed for early_stopping=True"),
    ],
)
def test_invalid_parameters(parameters, message, data):
    model = DaskMLPDigitClassifier(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(data.divide(), data.y)
    assert not hasattr(model, "n_features_in_")


def test_a_failed_fit_leaves_the_model_unchanged(data):
    model = DaskMLPDigitClassifier(max_iter=1, n_iter_no_change=None).fit(data.divide(), data.y)
    before = [coef.copy() for coef in model.coefs_]
    with pytest.raises(ValueError, match="Block 1 of X"):
        model.fit(data.divide(np.where(np.arange(500)[:, None] == 300, np.nan, data.X)), data.y)
    for coef, expected in zip(model.coefs_, before, strict=True):
        np.testing.assert_array_equal(coef, expected)
    assert model.n_features_in_ == 64


def test_class_probabilities(data):
    probabilities = da.from_array(np.eye(10)[data.y], chunks=(200, 10))
    X = da.from_array(data.X, chunks=(200, -1))
    mlp = DaskMLPDigitClassifier((4,), max_iter=1)
    for train in (mlp.fit, mlp.partial_fit):
        with pytest.raises(
            ValueError, match=r"y must contain labels.* on a cluster, got 10 columns"
        ):
            train(X, probabilities, classes=range(10))
    with pytest.raises(ValueError, match="y_val must contain labels"):
        mlp.fit(X, da.from_array(data.y, chunks=200), X_val=X, y_val=probabilities)


def test_labels_may_lack_classes_that_are_passed(data):
    X, y = da.from_array(data.X, chunks=(200, -1)), da.from_array(data.y, chunks=200)
    mlp = DaskMLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None)
    assert mlp.fit(X, y, classes=range(12)).predict_proba(X).shape[1] == 12
