"""Callbacks for :class:`skmlp.MLPDigitClassifier`, beside those of :mod:`sklearn.callback`."""

from numbers import Integral

from skmlp.files.checkpoints import fingerprint_of, remove_leftovers, write_checkpoint


class Checkpoint:
    """A callback that writes checkpoints, from which the training can be resumed to the last bit.

    Each checkpoint is written completely or not at all, and the one before it is kept, under the same name with
    ``.previous`` in it. Set it on the classifier itself; a Pipeline or a search does not pass it on.

    Parameters
    ----------
    path : str or Path
        The file, by convention ending in ``.safetensors``; its directory must exist.
    every : int, default=1
        Number of epochs between checkpoints, at least 1; the last epoch always writes one.

    See Also
    --------
    skmlp.MLPDigitClassifier.resume : Continues from a checkpoint.

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
        self._data_fingerprint = None

    def setup(self, estimator, context):
        """Raise an error for a training that cannot be resumed, before it begins."""
        remove_leftovers(self.path)
        if getattr(estimator, "solver", None) == "lbfgs":
            raise ValueError(
                "Checkpoint cannot be used with solver='lbfgs', because SciPy gives no access to the state of its "
                "optimizer. Choose another solver, such as 'adam'."
            )

    def identify_data(self, data):
        """Remember a digest of the data, by which `resume` recognizes them.

        `fit` calls it before the training: scikit-learn's hooks receive no validation set.

        Parameters
        ----------
        data : TrainingData
        """
        self._data_fingerprint = fingerprint_of(data)

    def teardown(self, estimator, context):
        """Do nothing: every checkpoint is complete."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Write a checkpoint after every `every` epochs, and after the last one."""
        if context.task_name != "epoch":
            return False
        state = estimator._state
        if state.ended or state.epoch % self.every == 0:
            write_checkpoint(self.path, estimator, self._data_fingerprint)
        return False
