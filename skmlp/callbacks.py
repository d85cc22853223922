"""scikit-learn's callbacks, called around the fit and around each epoch of it."""


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
