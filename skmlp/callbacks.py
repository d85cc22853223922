"""Callbacks for :class:`skmlp.MLPDigitClassifier`, in addition to those of :mod:`sklearn.callback`."""

from collections.abc import Callable
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from skmlp.files.checkpoints import compute_fingerprint, remove_incomplete_files, write_checkpoint
from skmlp.progress_line import ProgressLine
from skmlp.typing import PathLike

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.callback import CallbackContext

__all__ = ["Checkpoint", "OnEpoch", "TrainingProgress"]


class Checkpoint:
    """Callback that writes checkpoints, from which training can be resumed bit for bit.

    Each checkpoint is written completely or not at all. The previous checkpoint is kept next to it, as
    ``model.previous.safetensors`` for the path ``model.safetensors``. Set the callback on the classifier itself;
    scikit-learn does not propagate it from a Pipeline or a grid search.

    Parameters
    ----------
    path : str or Path
        Path of the file, by convention with the suffix ``.safetensors``. Its directory must exist.
    every : int, default=1
        Number of epochs between checkpoints, at least 1. A checkpoint is always written after the last epoch.

    Raises
    ------
    ValueError
        If `every` is not an integer of at least 1.

    See Also
    --------
    skmlp.MLPDigitClassifier.resume : Continue training from a checkpoint.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier
    >>> from skmlp.callbacks import Checkpoint
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(input_scale=1 / 16, learning_rate_init=0.01, random_state=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory) / "digits.safetensors"
    ...     mlp = mlp.set_callbacks(Checkpoint(path)).fit(X, y)
    ...     resumed = MLPDigitClassifier.resume(path, X, y)
    >>> bool((resumed.predict_proba(X) == mlp.predict_proba(X)).all())
    True
    """

    def __init__(self, path: PathLike, every: int = 1) -> None:
        self.path = path
        self.every = every
        self._data_fingerprint: str | None = None
        if not isinstance(every, Integral) or every < 1:
            raise ValueError(f"every must be an integer of at least 1, got {every!r}.")

    def setup(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Remove incomplete files of earlier runs, and raise ValueError if training cannot be resumed."""
        remove_incomplete_files(self.path)
        if getattr(estimator, "solver", None) == "lbfgs":
            raise ValueError(
                "solver must not be 'lbfgs' with the callback Checkpoint, because SciPy does not expose the state of "
                "its optimizer. Use another solver, such as 'adam'."
            )

    def store_data_fingerprint(self, data: Any) -> None:
        """Store a digest of the TrainingData, by which `resume` checks that it gets the same data.

        `fit` calls this method, because the hooks of scikit-learn do not receive the validation set.
        """
        self._data_fingerprint = compute_fingerprint(data)

    def teardown(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: "BaseEstimator", context: "CallbackContext") -> bool:
        """Write a checkpoint every `every` epochs and after the last one, and return False to continue training."""
        if context.task_name != "epoch":
            return False
        state = estimator._state
        if state.ended or state.epoch % self.every == 0:
            write_checkpoint(self.path, estimator, self._data_fingerprint)
        return False


class OnEpoch:
    """Callback that calls a function with the metrics of each epoch, for example to log them or to stop training.

    Parameters
    ----------
    function : callable
        Function that is called as ``function(epoch, metrics)`` after each epoch. `epoch` is the number of epochs so
        far, including those before training was resumed. `metrics` is a dict with the last value of each list of
        ``history_``: 'loss', 'accuracy', 'learning_rate' and 'seconds', and with a validation set also 'val_loss' and
        'val_accuracy'. If the function returns True, training stops; it must return True, False or None. If it raises
        an exception, `fit` raises it. `partial_fit` does not call callbacks.

    Raises
    ------
    TypeError
        If `function` is not callable.

    See Also
    --------
    Checkpoint : Write checkpoints.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier
    >>> from skmlp.callbacks import OnEpoch
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(input_scale=1 / 16, learning_rate_init=0.01, random_state=0)
    >>> mlp = mlp.set_callbacks(OnEpoch(lambda epoch, metrics: metrics["loss"] < 0.1)).fit(X, y)
    >>> mlp.history_["loss"][-2] > 0.1 > mlp.history_["loss"][-1]
    True
    """

    def __init__(self, function: Callable[[int, dict[str, float]], bool | None]) -> None:
        self.function = function
        if not callable(function):
            raise TypeError(
                f"function must be callable as function(epoch, metrics), got {function!r}."
            )

    def setup(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Do nothing."""

    def teardown(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: "BaseEstimator", context: "CallbackContext") -> bool:
        """Call the function after an epoch, and return whether it requests to stop."""
        if context.task_name != "epoch":
            return False
        metrics = {name: values[-1] for name, values in estimator.history_.items()}
        stop = self.function(len(estimator.history_["loss"]), metrics)
        if stop is not None and not isinstance(stop, (bool, np.bool_)):
            raise TypeError(f"function must return True, False or None, got {stop!r}.")
        return bool(stop)


class TrainingProgress:
    """Callback that shows the progress of training in one line: epoch, loss, accuracy and samples per second.

    The line is updated in terminals and notebooks; notebooks require the package ipywidgets. In other outputs, such as
    files, a line is printed after each epoch. The accuracy is that of the validation set if there is one.
    :class:`skmlp.dask.DaskMLPDigitClassifier` also advances the bar within an epoch.

    See Also
    --------
    OnEpoch : Call a function after each epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier
    >>> from skmlp.callbacks import TrainingProgress
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(
    ...     input_scale=1 / 16, max_iter=2, n_iter_no_change=None, random_state=0
    ... )
    >>> mlp = mlp.set_callbacks(TrainingProgress()).fit(X, y)
    epoch 1/2  loss 2.3...  accuracy ... %  ... samples/s
    epoch 2/2  loss 2.1...  accuracy ... %  ... samples/s
    """

    def __init__(self) -> None:
        self._line: ProgressLine | None = None
        self._samples_seen = 0

    def setup(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Show the empty bar."""
        self._line = ProgressLine(context.max_subtasks)

    def teardown(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Keep the last line, and stop updating it."""
        if self._line is not None:
            self._line.close()
        self._line = None

    def on_fit_task_begin(self, estimator: "BaseEstimator", context: "CallbackContext") -> None:
        """Record how many samples have been processed before an epoch."""
        if context.task_name == "epoch":
            self._samples_seen = estimator.t_

    def on_fit_task_end(self, estimator: "BaseEstimator", context: "CallbackContext") -> bool:
        """Show the metrics of an epoch, and return False to continue training."""
        if context.task_name != "epoch" or self._line is None:
            return False
        metrics = {name: values[-1] for name, values in estimator.history_.items()}
        rate = (estimator.t_ - self._samples_seen) / max(metrics["seconds"], 1e-9)
        accuracy = metrics.get("val_accuracy", metrics["accuracy"])
        self._line.show_epoch(
            len(estimator.history_["loss"]),
            estimator._state.n_epochs,
            f"loss {metrics['loss']:.4f}  accuracy {100 * accuracy:.1f} %  {rate:,.0f} samples/s",
        )
        return False

    def add_samples(self, n_samples: int, n_total: int) -> None:
        """Advance the bar by a number of samples of the current epoch, which has `n_total` samples."""
        if self._line is not None:
            self._line.advance(n_samples / n_total)
