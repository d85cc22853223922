"""The calls of scikit-learn's callbacks around a fit and around each of its epochs."""

from functools import partial

from skmlp.estimator.fitted import copied_training


class FitCallbacks:
    """The callbacks of an estimator during one fit.

    Parameters
    ----------
    estimator : estimator with CallbackSupportMixin
    arguments : FitArguments
        For callbacks whose hooks have parameters for the data.
    plan : Plan
    """

    def __init__(self, estimator, arguments, plan):
        self._data = {
            "estimator": estimator,
            "X": arguments.X,
            "y": arguments.y,
            "metadata": {"sample_weight": arguments.sample_weight},
        }
        self._reconstruction_attributes = partial(copied_training, estimator)
        self._fit = estimator._init_callback_context(max_subtasks=plan.config.solver.max_epochs)
        self._epoch = None
        for callback in getattr(estimator, "_skl_callbacks", ()):
            if hasattr(callback, "identify_data"):  # a Checkpoint
                callback.identify_data(plan.data)
        self._fit.call_on_fit_task_begin(**self._data)

    def begin_epoch(self):
        """Call the hooks of the beginning of an epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._data)

    def end_epoch(self):
        """Call the hooks of the end of an epoch, and return whether a callback asks to stop."""
        return bool(self._end(self._epoch))

    def end_fit(self):
        """Call the hooks of the end of the fit."""
        self._end(self._fit)

    def _end(self, context):
        return context.call_on_fit_task_end(
            **self._data, reconstruction_attributes=self._reconstruction_attributes
        )


class SingleEpoch:
    """In place of callbacks: stops after one epoch."""

    def begin_epoch(self):
        """Do nothing."""

    def end_epoch(self):
        """Ask to stop."""
        return True

    def end_fit(self):
        """Do nothing."""
