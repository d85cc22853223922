"""Worker processes, each with one object to measure; only one of them is active at a time.

Every library has its own threads, and a thread pool may spin while it waits for work. In separate processes, called one
at a time, the libraries do not slow each other down.
"""

import os
import signal
from contextlib import contextmanager
from multiprocessing import get_context
from time import sleep

from report import iterate_rounds, print_progress

SETTLING_TIME = 0.3  # seconds; longer than idle threads of any of the libraries spin


class WorkerError(Exception):
    """A call to a worker failed. The message is the reason."""


class Worker:
    """An object in its own process, with methods that are called from this process.

    Parameters
    ----------
    make : callable
        Makes the object, in the new process.
    *args
        Arguments of `make`.
    environment : dict of str to str, default=None
        Environment variables of the new process, in addition to those of this process.
    """

    def __init__(self, make, *args, environment=None):
        spawn = get_context("spawn")
        self._connection, child_connection = spawn.Pipe()
        self._process = spawn.Process(
            target=serve, args=(child_connection, make, args), daemon=True
        )
        with temporary_environment(environment or {}):
            self._process.start()
        child_connection.close()
        try:
            self.result()
        except WorkerError:
            self.stop()
            raise

    @property
    def pid(self):
        """Process identifier."""
        return self._process.pid

    def call(self, method, *args):
        """Call a method and return its result."""
        self.submit(method, *args)
        return self.result()

    def submit(self, method, *args):
        """Call a method without waiting for its result."""
        try:
            self._connection.send((method, args))
        except OSError:
            raise WorkerError(self._describe_exit()) from None

    def is_ready(self, timeout):
        """Return whether the result is available within `timeout` seconds."""
        return self._connection.poll(timeout)

    def result(self):
        """Wait for the result of the submitted call and return it."""
        try:
            succeeded, result = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerError(self._describe_exit()) from None
        if not succeeded:
            raise WorkerError(result)
        return result

    def stop(self):
        """Terminate the process."""
        self._process.terminate()
        self._process.join()

    def _describe_exit(self):
        self._process.join(timeout=5)
        return f"the process ended with exit code {self._process.exitcode}"


def serve(connection, make, args):
    """Make the object, then execute calls until the connection is closed."""
    # Ctrl-C is handled by the parent, which terminates this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    served = []
    send_result(connection, lambda: served.append(make(*args)))
    while served:
        try:
            method, args = connection.recv()
        except EOFError:
            return
        send_result(connection, getattr(served[0], method), *args)


def send_result(connection, function, *args):
    """Call a function; send its result, or the first line of its error message."""
    try:
        message = True, function(*args)
    except Exception as error:
        lines = str(error).strip().splitlines()
        message = False, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    connection.send(message)


@contextmanager
def temporary_environment(variables):
    """Set environment variables inside a `with` block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class WorkerGroup:
    """Named workers. A worker that fails is stopped, and skipped from then on.

    Attributes
    ----------
    skipped : dict of str to str
        Reasons why names are skipped.
    """

    def __init__(self):
        self._workers = {}
        self.skipped = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        for worker in self._workers.values():
            worker.stop()

    @property
    def names(self):
        """Names of the running workers."""
        return list(self._workers)

    def start(self, name, make, *args, environment=None):
        """Start a worker."""
        print_progress(f"{name}: starting")
        try:
            self._workers[name] = Worker(make, *args, environment=environment)
        except WorkerError as error:
            self.skip(name, error)

    def skip(self, name, reason):
        """Skip a name from now on. Stop its worker, if there is one."""
        if name in self._workers:
            self._workers.pop(name).stop()
        self.skipped[name] = str(reason)
        print_progress(f"{name}: skipped: {reason}")

    def call(self, name, method, *args):
        """Call a method of a worker; return its result, or None if the call failed or the name is skipped."""
        if name not in self._workers:
            return None
        sleep(SETTLING_TIME)
        try:
            return self._workers[name].call(method, *args)
        except WorkerError as error:
            self.skip(name, error)
            return None

    def run_rounds(self, n_rounds, method, *args):
        """Call a method of every worker once per round; return a list of results for each name."""
        results = {name: [] for name in self.names}
        for i, name in iterate_rounds(self.names, n_rounds):
            result = self.call(name, method, *args)
            if result is not None:
                results[name].append(result)
                print_progress(f"round {i + 1} of {n_rounds}: {name}: {result:.4g}")
        return results
