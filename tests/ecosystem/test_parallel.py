"""joblib trains several networks at the same time, in processes, in threads or on a Dask cluster."""

import numpy as np
import pytest
from helpers import assert_same_model
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate


@pytest.fixture
def search(mlp):
    """Return a search of four candidates."""
    grid = {"hidden_layer_sizes": [(), (16,)], "learning_rate_init": [0.001, 0.01]}
    return GridSearchCV(mlp.set_params(max_iter=5), grid, cv=2)


def assert_same_search(search, expected):
    assert search.best_params_ == expected.best_params_
    for name in ("params", "split0_test_score", "split1_test_score", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], expected.cv_results_[name])
    assert_same_model(search.best_estimator_, expected.best_estimator_)


# loky passes large arrays as read-only memory maps, here all of at least 1 KB.
@pytest.mark.parametrize(
    "backend", [{"backend": "loky", "max_nbytes": 1000}, {"backend": "threading"}], ids=str
)
def test_parallel_search_gives_the_same_results(split, search, backend):
    X_train, _, y_train, _ = split
    expected = clone(search).fit(X_train, y_train)
    with parallel_config(n_jobs=2, **backend):
        search.fit(X_train, y_train)
    assert_same_search(search, expected)


@pytest.mark.parametrize("backend", ["loky", "threading", "dask"])
def test_parallel_cross_validation_gives_the_same_scores(split, mlp, backend):
    from distributed import Client

    X_train, _, y_train, _ = split
    mlp.set_params(max_iter=5)
    expected = cross_validate(mlp, X_train, y_train, cv=3)["test_score"]
    with (
        Client(processes=False, dashboard_address=":0"),
        parallel_config(backend=backend, n_jobs=2),
    ):
        scores = cross_validate(mlp, X_train, y_train, cv=3)["test_score"]
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.filterwarnings("ignore:Couldn't detect a suitable IP address")  # without a network
def test_search_on_a_dask_cluster_gives_the_same_results(split, search, tmp_path):
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    X_train, _, y_train, _ = split
    expected = clone(search).fit(X_train, y_train)
    with dask.config.set(temporary_directory=tmp_path):
        # Begin of the documentation: dask
        from dask.distributed import Client
        from joblib import parallel_config

        with Client(processes=False, dashboard_address=None), parallel_config(backend="dask"):
            search.fit(X_train, y_train)
        # End of the documentation: dask
    assert_same_search(search, expected)
