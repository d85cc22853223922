"""Processes that each hold one thing to measure, and idle until it is their turn.

Every library keeps its own threads, and a pool of threads that waits for work may do so by spinning. In processes of
their own, started once and asked one at a time, the libraries do not disturb each other.
"""

import os
import signal
from contextlib import contextmanager
from multiprocessing import get_context
from time import sleep

from report import in_turn, tell

SETTLING_TIME = 0.3  # seconds, more than any library's threads spin after their last work


class WorkerError(Exception):
    """What was asked of a worker failed there; the message says why."""


class Worker:
    """An object in a process of its own, whose methods are called from here.

    Parameters
    ----------
    make : callable
        Makes the object, in the new process.
    *args
        For `make`.
    environment : dict of str to str, default=None
        Variables that the new process has beside the present ones.
    """

    def __init__(self, make, *args, environment=None):
        spawn = get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, make, args), daemon=True)
        with _environment(environment or {}):
            self._process.start()
        theirs.close()
        try:
            self.result()
        except WorkerError:
            self.stop()
            raise

    @property
    def pid(self):
        """Number of the process."""
        return self._process.pid

    def call(self, method, *args):
        """Call a method there, and wait for what it gives."""
        self.ask(method, *args)
        return self.result()

    def ask(self, method, *args):
        """Call a method there, without waiting."""
        try:
            self._connection.send((method, args))
        except OSError:
            raise WorkerError(self._obituary()) from None

    def has_answered(self, seconds):
        """Tell whether the result is there, within some seconds."""
        return self._connection.poll(seconds)

    def result(self):
        """Wait for what the method that was asked gives."""
        try:
            succeeded, result = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerError(self._obituary()) from None
        if not succeeded:
            raise WorkerError(result)
        return result

    def stop(self):
        """End the process."""
        self._process.terminate()
        self._process.join()

    def _obituary(self):
        self._process.join(timeout=5)
        return f"its process ended with exit code {self._process.exitcode}"


def _serve(connection, make, args):
    """Make the object, then answer calls until the other side is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, which ends this process.
    served = []
    _answer(connection, lambda: served.append(make(*args)))
    while served:
        try:
            method, args = connection.recv()
        except EOFError:
            return
        _answer(connection, getattr(served[0], method), *args)


def _answer(connection, function, *args):
    try:
        answer = True, function(*args)
    except Exception as error:
        lines = str(error).strip().splitlines()
        answer = False, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    connection.send(answer)


@contextmanager
def _environment(variables):
    """Set environment variables for what is started meanwhile."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Crew:
    """Workers by name; one that fails is named with its error, and takes no further part."""

    def __init__(self):
        self._workers = {}
        self.left_out = {}

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        for worker in self._workers.values():
            worker.stop()

    @property
    def names(self):
        """The names of those that still take part."""
        return list(self._workers)

    def start(self, name, make, *args, environment=None):
        """Start a worker."""
        tell(f"{name}: starting")
        try:
            self._workers[name] = Worker(make, *args, environment=environment)
        except WorkerError as error:
            self._leave_out(name, error)

    def leave_out(self, name, reason):
        """Note why a name takes no part."""
        self.left_out[name] = str(reason)
        tell(f"{name}: left out: {reason}")

    def ask(self, name, method, *args):
        """Call a method of a worker; give the result, or None where it failed or takes no part."""
        if name not in self._workers:
            return None
        sleep(SETTLING_TIME)
        try:
            return self._workers[name].call(method, *args)
        except WorkerError as error:
            self._leave_out(name, error)
            return None

    def rounds(self, number, method, *args):
        """Call a method of every worker in turn, for some rounds; give the lists of results by name."""
        results = {name: [] for name in self.names}
        for i, name in in_turn(self.names, number):
            result = self.ask(name, method, *args)
            if result is not None:
                results[name].append(result)
                tell(f"round {i + 1} of {number}: {name}: {result}")
        return results

    def _leave_out(self, name, error):
        if name in self._workers:
            self._workers.pop(name).stop()
        self.leave_out(name, error)
