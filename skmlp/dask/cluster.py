"""Computation of graphs of tasks, on a Dask cluster or with Dask's local scheduler.

A graph is a dict that maps keys to tasks, see https://docs.dask.org/en/stable/spec.html. All tasks of skmlp are pure
functions of their arguments. If a worker is lost, the scheduler computes the lost results again, with the same values.
"""

from collections import defaultdict
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic, time
from typing import Any, NamedTuple
from uuid import uuid4

import dask
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from skmlp.exceptions import ClusterError
from skmlp.formatting import format_count

POLL_INTERVAL = 1.0  # seconds
MAX_CLOCK_DIFFERENCE = 60.0  # seconds between the clocks of the client and of the scheduler
HOW_TO_RESUME = (
    "If the callback Checkpoint is set, DaskMLPDigitClassifier.resume continues from the last checkpoint, also on "
    "another cluster."
)


@dataclass(frozen=True)
class TaskTimes:
    """Seconds that the tasks of a computation have taken.

    Attributes
    ----------
    compute : float
        Time of the tasks. In each group of tasks that can run at the same time, that of the worker that takes longest.
    transfer : float
        The same for the time in which workers receive the arguments of tasks from other workers.
    """

    compute: float = 0.0
    transfer: float = 0.0

    def __add__(self, other):
        return TaskTimes(self.compute + other.compute, self.transfer + other.transfer)


@dataclass(frozen=True)
class Handle:
    """Result of a task that stays on the cluster.

    Attributes
    ----------
    key : str or tuple
        Key of the task.
    value : Future or object
        What a graph contains for the key.
    """

    key: Any
    value: Any

    def as_delayed(self):
        """Return a Delayed object with the result."""
        return Delayed(self.key, {self.key: self.value})


class Span(NamedTuple):
    """Time that a worker has spent on a task."""

    key: Any
    worker: Any
    seconds: float


class LocalScheduler:
    """Dask's threads in this process."""

    def __init__(self):
        self._times = TaskTimes()

    def pop_times(self):
        """Return the TaskTimes of the computations since the last call."""
        times, self._times = self._times, TaskTimes()
        return times

    def persist(self, tasks, purpose, *, spread=False):
        """Compute Delayed objects, and return the Handles of their results.

        Parameters
        ----------
        tasks : list of Delayed
        purpose : str
            Purpose of the tasks in error messages, such as "the blocks of X".
        spread : bool, default=False
            Whether to divide the tasks equally among the workers of a cluster. By default, Dask chooses the workers.
        """
        values = dask.compute(*tasks, scheduler="threads")
        return [Handle(task.key, value) for task, value in zip(tasks, values, strict=True)]

    def compute_collections(self, collections, purpose):
        """Compute collections of Dask, and return a tuple of their values; return other objects unchanged."""
        # Arrays and data frames cannot be computed together.
        return tuple(dask.compute(each, scheduler="threads")[0] for each in collections)

    def compute(self, graph, keys, purpose, on_result=None):
        """Compute a graph, and return a list of the results of keys.

        Parameters
        ----------
        graph : dict
        keys : list
        purpose : str
            Purpose of the tasks in error messages, such as "the gradients of epoch 2".
        on_result : callable, default=None
            ``on_result(key)`` is called when the result of a key is known.
        """
        from dask.threaded import get

        starts, spans, wanted = {}, [], set(keys)

        def begin_task(key, graph, state):
            starts[key] = time()

        def end_task(key, value, graph, state, worker):
            spans.append(Span(key, worker, time() - starts[key]))
            if on_result is not None and key in wanted:
                on_result(key)

        results = get(graph, list(keys), callbacks=[(None, None, begin_task, end_task, None)])
        self._times += TaskTimes(compute=sum_longest(spans))
        return list(results)


class DistributedCluster:
    """Cluster of workers to which a Client of dask.distributed is connected.

    Parameters
    ----------
    client : distributed.Client
    timeout : float
        Maximum time in seconds in which no worker of the cluster finishes a task. Then a computation fails.
    """

    def __init__(self, client, timeout):
        self._times = TaskTimes()
        self._client = client
        # A closed client has no scheduler.
        self._address = client.scheduler.address if client.scheduler else "the scheduler"
        self._timeout = timeout

    def pop_times(self):
        """Return the TaskTimes of the computations since the last call."""
        times, self._times = self._times, TaskTimes()
        return times

    def persist(self, tasks, purpose, *, spread=False):
        """Compute Delayed objects on the cluster, and return the Handles of their results, which stay there."""
        self._check_connection(purpose)
        submit = partial(self._submit_equally, purpose) if spread else self._client.compute
        futures = submit(tasks)
        self._wait(futures, purpose)
        if spread:
            keys = {key for task in tasks for key in task.__dask_graph__()}
            self._client.run_on_scheduler(remove_restrictions, keys=keys)
        return [Handle(future.key, future) for future in futures]

    def _submit_equally(self, purpose, tasks):
        """Return the futures of tasks, of which each worker computes the same number."""
        workers = sorted(self._list_workers(purpose))
        ends = [len(tasks) * (i + 1) // len(workers) for i in range(len(workers))]
        futures = []
        for worker, end in zip(workers, ends, strict=True):
            parts = tasks[len(futures) : end]
            futures += self._client.compute(parts, workers=[worker], allow_other_workers=True)
        return futures or self._client.compute(tasks)

    def compute_collections(self, collections, purpose):
        """Compute collections of Dask, and return a tuple of their values; return other objects unchanged."""
        from distributed import Future

        self._check_connection(purpose)
        computed = [self._client.compute([each])[0] for each in collections]
        futures = [each for each in computed if isinstance(each, Future)]
        self._wait(futures, purpose)
        values = iter(self._gather(futures, purpose))
        return tuple(next(values) if isinstance(each, Future) else each for each in computed)

    def compute(self, graph, keys, purpose, on_result=None):
        """Compute a graph on the cluster, and return a list of the results of keys."""
        self._check_connection(purpose)
        start = time()
        # Dask would compute a token of all arguments of a plain dict.
        layer = HighLevelGraph.from_collections(uuid4().hex, graph)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            futures = self._client.get(layer, list(keys), sync=False)
        self._wait(futures, purpose, on_result)
        results = self._gather(futures, purpose)
        self._times += self._measure(start, graph)
        return results

    def _wait(self, futures, purpose, on_result=None):
        """Wait until all futures are finished; raise the error of a future that has failed."""
        finished = SimpleQueue()
        for future in futures:
            future.add_done_callback(finished.put)
        n_pending, last_task, deadline = len(futures), None, monotonic() + self._timeout
        with release_worker_thread():
            while n_pending:
                try:
                    future = finished.get(timeout=min(POLL_INTERVAL, self._timeout))
                except Empty:
                    latest = self._find_last_task(purpose)
                    if latest != last_task:
                        last_task, deadline = latest, monotonic() + self._timeout
                    elif monotonic() > deadline:
                        raise self._make_timeout_error(purpose, n_pending) from None
                    continue
                n_pending, deadline = n_pending - 1, monotonic() + self._timeout
                if future.status != "finished":
                    self._raise_error(future, purpose)
                if on_result is not None:
                    on_result(future.key)

    def _find_last_task(self, purpose):
        """Return the key and the times of the last task that has ended on the cluster."""
        records = self._ask("get_task_stream", purpose, count=1)
        return [(record["key"], record["startstops"]) for record in records]

    def _make_timeout_error(self, purpose, n_pending):
        """Return the error for a cluster on which no task ends."""
        n_workers = len(self._list_workers(purpose))
        return ClusterError(
            f"Workers must finish a task within timeout={self._timeout:g} seconds, got none in that time while the "
            f"client waited for {purpose}, with {format_count(n_workers, 'worker')} connected and "
            f"{format_count(n_pending, 'result')} missing. Start workers, use smaller blocks, or increase timeout. "
            f"{HOW_TO_RESUME}"
        )

    def _list_workers(self, purpose):
        """Return the addresses of the connected workers."""
        return list(self._ask("identity", purpose, n_workers=-1)["workers"])

    def _check_connection(self, purpose):
        """Raise ClusterError if the client is not connected to the scheduler."""
        if self._client.status != "running":
            raise ClusterError(
                f"The client must be connected to the scheduler, got a lost connection to {self._address} while it "
                f"waited for {purpose}. Connect a client to a running cluster. {HOW_TO_RESUME}"
            )

    def _gather(self, futures, purpose):
        """Return a list of the results of finished futures."""
        deadline = monotonic() + self._timeout
        try:
            return [future.result(timeout=max(1.0, deadline - monotonic())) for future in futures]
        except (CancelledError, OSError, TimeoutError) as error:
            raise self._make_cancellation_error(purpose) from error

    def _raise_error(self, future, purpose):
        """Raise the error of a future without a result."""
        from distributed.scheduler import KilledWorker

        if future.status != "error":
            raise self._make_cancellation_error(purpose)
        error = future.exception(timeout=self._timeout)
        if isinstance(error, KilledWorker):
            raise ClusterError(
                f"Workers must survive the tasks of {purpose}, got {error.allowed_failures + 1} workers that ended "
                f"while they computed {error.task!r}. Usually their memory is exhausted: use smaller blocks, or "
                f"workers with more memory. {HOW_TO_RESUME}"
            ) from error
        raise error

    def _make_cancellation_error(self, purpose):
        """Return the error for futures that the client or the scheduler has cancelled."""
        self._check_connection(purpose)
        return ClusterError(
            f"The tasks of {purpose} must be completed, got tasks that were cancelled or whose results could not be "
            f"fetched from {self._address}, for example because the cluster was restarted. {HOW_TO_RESUME}"
        )

    def _ask(self, name, purpose, **arguments):
        """Return the answer of the scheduler to a request; raise ClusterError if there is none within the timeout."""
        self._check_connection(purpose)
        request = getattr(self._client.scheduler, name)
        try:
            return self._client.sync(request, **arguments, callback_timeout=self._timeout)
        except (CancelledError, OSError, TimeoutError) as error:
            self._check_connection(purpose)
            raise ClusterError(
                f"The scheduler at {self._address} must answer within timeout={self._timeout:g} seconds, got no answer "
                f"while the client waited for {purpose}. Check that it is running. {HOW_TO_RESUME}"
            ) from error

    def _measure(self, start, graph):
        """Return the TaskTimes of the tasks of a graph, which was computed since a time."""
        compute, transfer = [], []
        records = self._ask(
            "get_task_stream", "the times of the tasks", start=start - MAX_CLOCK_DIFFERENCE
        )
        for record in records:
            if record["key"] not in graph:
                continue
            seconds = defaultdict(float)
            for each in record["startstops"]:
                seconds[each["action"]] += each["stop"] - each["start"]
            place = record["key"], (record["worker"], record["thread"])
            compute.append(Span(*place, seconds["compute"]))
            transfer.append(Span(*place, seconds["transfer"]))
        return TaskTimes(sum_longest(compute), sum_longest(transfer))


def remove_restrictions(keys, dask_scheduler):
    """Let the scheduler compute tasks again on any worker.

    Even if other workers are allowed, Dask waits for the workers of a task if no worker is left when it is lost.
    """
    for key in keys:
        if key in dask_scheduler.tasks:
            dask_scheduler.tasks[key].worker_restrictions = None


def sum_longest(spans):
    """Return the sum over the groups of tasks of the time of the worker that takes longest.

    Parameters
    ----------
    spans : list of Span
        The tasks of a group differ only in the last element of their key.
    """
    groups = defaultdict(lambda: defaultdict(float))
    for span in spans:
        group = span.key[:-1] if isinstance(span.key, tuple) else span.key
        groups[group][span.worker] += span.seconds
    return sum(max(workers.values()) for workers in groups.values())


@contextmanager
def release_worker_thread():
    """Let the worker use the thread for other tasks, if this process runs a task of Dask; otherwise do nothing."""
    from distributed import get_worker, rejoin, secede

    try:
        get_worker()
    except ValueError:
        yield
        return
    secede()
    try:
        yield
    finally:
        rejoin()


def connect(client, timeout):
    """Return the cluster of a client, of the current client if `client` is None, or else the local scheduler."""
    from distributed import Client, get_client

    if client is None:
        try:
            client = get_client()
        except ValueError:
            return LocalScheduler()
    if not isinstance(client, Client) or client.asynchronous:
        kind = "an asynchronous Client" if isinstance(client, Client) else type(client).__name__
        raise TypeError(
            f"client must be a synchronous distributed.Client or None, got {kind}. Pass "
            "distributed.Client(address)."
        )
    return DistributedCluster(client, timeout)
