"""scikit-learn's callbacks, called around the fit and around each epoch of it, and one of our own, Checkpoint."""

from numbers import Integral

from skmlp.files.checkpoints import fingerprint_of, remove_leftovers, write_checkpoint


class FitCallbacks:
    """Calls the hooks of an estimator's callbacks for one fit.

    Parameters
    ----------
    estimator : estimator with CallbackSupportMixin
    max_epochs : int
    reconstruction_attributes : callable
        Gives copies of the fitted attributes that an epoch changes and that prediction needs.
    X, y, metadata
        What `fit` was given, for callbacks that ask for it.
    """

    def __init__(self, estimator, max_epochs, reconstruction_attributes, X, y, metadata):
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._reconstruction_attributes = reconstruction_attributes
        self._fit = estimator._init_callback_context(max_subtasks=max_epochs)
        self._epoch = None
        self._fit.call_on_fit_task_begin(**self._data)

    def begin_epoch(self):
        """Tell the callbacks that an epoch begins."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._data)

    def end_epoch(self):
        """Tell the callbacks that the epoch is over; give whether one of them wants to stop."""
        return self._end(self._epoch)

    def end_fit(self):
        """Tell the callbacks that the training is over."""
        self._end(self._fit)

    def _end(self, context):
        return context.call_on_fit_task_end(
            **self._data, reconstruction_attributes=self._reconstruction_attributes
        )


class Checkpoint:
    """A callback that writes a checkpoint from which the training can be resumed, to the last bit.

    Each checkpoint is written whole or not at all, and the one before it is kept, under the same name with
    ``.previous`` in it. Set it on the classifier itself; it is not passed on by a Pipeline or a search.

    Parameters
    ----------
    path : str or Path
        The file, by custom ending in ``.safetensors``; its directory must exist.
    every : int, default=1
        Number of epochs from one checkpoint to the next, positive; the last epoch gets one in any case.

    See Also
    --------
    skmlp.MLPDigitClassifier.resume : Goes on from a checkpoint.

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

    def __init__(self, path, every=1):
        if not isinstance(every, Integral) or every < 1:
            raise ValueError(f"every must be a positive number of epochs. Got {every!r}.")
        self.path = path
        self.every = every
        self._fingerprint = None

    def setup(self, estimator, context):
        """Refuse what cannot be resumed, before the training begins."""
        self._fingerprint = None
        remove_leftovers(self.path)
        if getattr(estimator, "solver", None) == "lbfgs":
            raise ValueError(
                "Checkpoint cannot be used with solver='lbfgs', whose memory SciPy does not give away. Choose another "
                "solver, such as 'adam'."
            )

    def teardown(self, estimator, context):
        """Do nothing: every checkpoint is complete."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Write a checkpoint after an epoch whose turn it is."""
        if context.task_name != "epoch":
            return False
        state = estimator._state
        is_last = state.stopped or state.epoch >= state.n_epochs
        if is_last or state.epoch % self.every == 0:
            if self._fingerprint is None:
                self._fingerprint = fingerprint_of(*estimator._data_in_training)
            write_checkpoint(self.path, estimator, state, self._fingerprint)
        return False
