"""Training on clusters: any number of workers, and faults of workers, the client and the scheduler."""

import os
import subprocess
import sys
import time

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context
from numpy.testing import assert_array_equal
from worker_faults import KillWorker, end_process

from skmlp import ClusterError
from skmlp.callbacks import Checkpoint, OnEpoch
from skmlp.dask import DaskMLPDigitClassifier

PARAMETERS = {
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 0.01,
    "batch_size": 60,
    "max_iter": 4,
    "n_iter_no_change": None,
    "random_state": 0,
    "dropout": 0.2,
    "augmentation": "digits",
    "early_stopping": True,
    "timeout": 60,
}
MODES = ("exact", "local")
# Tasks during which a worker is killed, and how many it computes before.
FAULTS = {
    "exact": {"load-block": 0, "encode-block": 0, "gradient": 4, "update": 2, "evaluate-block": 1},
    "local": {"load-block": 0, "train-block": 2, "average": 1, "evaluate-block": 1},
}


# Connections to processes that were killed are not closed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def start_cluster(n_workers, **options):
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        dashboard_address=":0",  # any free port
        silence_logs=50,
        **options,
    )


def fit(data, mode, **changed):
    """Return a model that is trained on all blocks but the last one, which is the validation set."""
    X, y = data.divide(), data.divide(data.y)
    model = DaskMLPDigitClassifier(mode=mode, **PARAMETERS | changed)
    return model.fit(X[:380], y[:380], X_val=X[380:], y_val=y[380:])


def assert_equal_models(model, expected):
    for name in ("coefs_", "intercepts_"):
        for array, expected_array in zip(
            getattr(model, name), getattr(expected, name), strict=True
        ):
            assert_array_equal(array, expected_array)
    assert model.validation_scores_ == expected.validation_scores_
    for name, column in expected.history_.items():
        assert "seconds" in name or model.history_[name] == column


@pytest.fixture(scope="module", autouse=True)
def fork_workers():
    """Fork processes of workers from one that has imported the packages, because importing takes most of their time."""
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(["distributed", "skmlp.dask.training_tasks"])
        yield


@pytest.fixture(scope="module")
def expected(data):
    """Models that were trained without a cluster."""
    return {mode: fit(data, mode) for mode in MODES}


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes, which nannies restart."""
    with start_cluster(2) as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_results_do_not_depend_on_the_number_of_workers(n_workers, mode, data, expected):
    with start_cluster(n_workers, processes=False) as cluster, Client(cluster):
        model = fit(data, mode)
        assert_equal_models(model, expected[mode])
        # Of the whole array, the products of some BLAS kernels are rounded in another way.
        blocks = np.split(data.X, np.cumsum(data.chunks)[:-1])
        predictions = np.concatenate([expected[mode].predict_proba(block) for block in blocks])
        assert_array_equal(model.predict_proba(data.divide()).compute(), predictions)


def test_an_explicit_client_is_used(data, expected):
    with start_cluster(1, processes=False) as cluster:
        client = Client(cluster, set_as_default=False)
        model = fit(data, "local", client=client)
        assert_equal_models(model, expected["local"])
        prefixes = client.run_on_scheduler(
            lambda dask_scheduler: list(dask_scheduler.task_prefixes)
        )
        assert {"load-block", "encode-block", "train-block", "average"} <= set(prefixes)
        assert model.score(data.divide(), data.divide(data.y)) == model.score(data.X, data.y)
        client.close()
        with pytest.raises(ClusterError, match="got a lost connection to"):
            fit(data, "local", client=client)


@pytest.mark.parametrize(
    ("mode", "task", "n_before", "n_killed"),
    [
        *((mode, task, n, 1) for mode, faults in FAULTS.items() for task, n in faults.items()),
        # More workers than there are at a time: all of them are killed, one after another.
        ("exact", "update", 2, 3),
        ("local", "train-block", 2, 3),
    ],
)
def test_killed_workers_do_not_change_the_result(
    mode, task, n_before, n_killed, client, data, expected, tmp_path
):
    client.register_plugin(KillWorker(task, str(tmp_path), n_killed, n_before))
    try:
        model = fit(data, mode)
    finally:
        client.unregister_worker_plugin(KillWorker.name)
    assert os.listdir(tmp_path)
    assert_equal_models(model, expected[mode])


def test_a_worker_that_joins_late(data, expected):
    with start_cluster(1, processes=False) as cluster, Client(cluster) as client:

        def add_worker(epoch, metrics):
            if epoch == 2:
                cluster.scale(2)
                client.wait_for_workers(2, timeout=60)

        X, y = data.divide(), data.divide(data.y)
        model = DaskMLPDigitClassifier(mode="exact", **PARAMETERS)
        model.set_callbacks(OnEpoch(add_worker))
        model.fit(X[:380], y[:380], X_val=X[380:], y_val=y[380:])
        assert len({record["worker"] for record in client.get_task_stream()}) == 2
    assert_equal_models(model, expected["exact"])


def test_long_training_with_a_short_timeout(data):
    """The timeout limits the time without a finished task, not the time of a round of several tasks."""
    with start_cluster(1, processes=False) as cluster, Client(cluster):
        fit(data, "local", timeout=2, max_iter=1, augmentation=wait)


def wait(images, generator):
    """Augmentation that takes 0.3 s."""
    time.sleep(0.3)
    return images


def test_training_in_a_task(data):
    """Several tasks that train do not block the only thread of a worker."""
    with start_cluster(1, processes=False) as cluster, Client(cluster) as client:
        tasks = [
            client.submit(fit, data, "local", random_state=seed, timeout=20) for seed in (0, 1)
        ]
        models = client.gather(tasks)
    assert models[0].loss_ != models[1].loss_


@pytest.mark.parametrize("client", ["tcp://127.0.0.1:8786", object()])
def test_invalid_client(client, data):
    with pytest.raises(TypeError, match="client must be a synchronous"):
        fit(data, "local", client=client)


def test_a_cluster_without_workers(data):
    with start_cluster(0) as cluster, Client(cluster):
        start = time.monotonic()
        message = "within timeout=2 seconds, got none .* for the blocks of X, with 0 workers"
        with pytest.raises(ClusterError, match=message):
            fit(data, "local", timeout=2)
        assert time.monotonic() - start < 20


def test_a_task_for_which_the_memory_of_no_worker_suffices(data):
    """A task that ends its worker each time is given up."""
    message = "Workers must survive the tasks of 1 round of epoch 1, got 2 workers that ended"
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        start_cluster(1) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(1, timeout=60)
        with pytest.raises(ClusterError, match=message):
            fit(data, "local", augmentation=end_process)


def test_blocks_are_divided_equally_among_the_workers(data):
    with start_cluster(2, processes=False) as cluster, Client(cluster) as client:
        model = DaskMLPDigitClassifier(**PARAMETERS | {"early_stopping": False})
        counts = []

        def count(epoch, metrics):
            held = client.has_what().values()
            counts.append(sorted(sum("encode-block" in str(key) for key in keys) for keys in held))

        model.set_callbacks(OnEpoch(count))
        model.fit(data.divide().rechunk({0: (125,) * 4}), data.y)
    assert counts[0] == [2, 2]


def test_dask_knows_the_sizes_of_results(data):
    """Dask assumes that objects of other classes are small, and would move blocks from worker to worker."""
    sizes = {}
    with start_cluster(1, processes=False) as cluster, Client(cluster) as client:
        X, y = data.divide(), data.divide(data.y)
        model = DaskMLPDigitClassifier(mode="exact", **PARAMETERS)
        model.set_callbacks(OnEpoch(lambda *_: sizes.update(client.run_on_scheduler(get_sizes))))
        model.fit(X[:380], y[:380], X_val=X[380:], y_val=y[380:])
    assert sizes["encode-block"] >= 120 * 64 * 4


def get_sizes(dask_scheduler):
    """Return the size of a result of each kind of task."""
    return {task.prefix.name: task.nbytes for task in dask_scheduler.tasks.values()}


def test_an_error_of_a_task_is_raised(data):
    message = "augmentation must return images of shape"
    cluster = start_cluster(1, processes=False)
    with cluster, Client(cluster), pytest.raises(ValueError, match=message):
        fit(data, "exact", augmentation=lambda images, generator: images[:1])


@pytest.mark.parametrize("mode", MODES)
def test_a_lost_scheduler_and_the_continuation_on_another_cluster(mode, data, expected, tmp_path):
    X, y = data.divide(), data.divide(data.y)
    validation = {"X_val": X[380:], "y_val": y[380:]}
    path = tmp_path / "checkpoint.safetensors"
    with ProcessCluster(tmp_path) as processes, processes.connect():
        model = DaskMLPDigitClassifier(mode=mode, **PARAMETERS)
        model.set_callbacks(
            Checkpoint(path),
            OnEpoch(lambda epoch, _: processes.kill_scheduler() if epoch == 2 else None),
        )
        with pytest.raises(ClusterError, match=r"got a lost connection to .* of epoch 3"):
            model.fit(X[:380], y[:380], **validation)
    with start_cluster(2, processes=False) as cluster:
        with Client(cluster, set_as_default=False) as client:
            resumed = DaskMLPDigitClassifier.resume(
                path, X[:380], y[:380], **validation, client=client
            )
            assert client.get_task_stream()
        assert resumed.client is client
    assert_equal_models(resumed, expected[mode])


class ProcessCluster:
    """A scheduler and a worker in processes that are not children of a LocalCluster."""

    def __init__(self, directory):
        self.file = directory / "scheduler.json"
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0"]
        self.scheduler = subprocess.Popen(
            [*command, "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", self.file],
            **options,
        )
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            "--no-dashboard",
            "--no-nanny",
        ]
        self.worker = subprocess.Popen([*command, "--scheduler-file", self.file], **options)

    def connect(self):
        return Client(scheduler_file=str(self.file), timeout=60)

    def kill_scheduler(self):
        self.scheduler.kill()
        self.scheduler.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.worker, self.scheduler):
            process.kill()
            process.wait()
