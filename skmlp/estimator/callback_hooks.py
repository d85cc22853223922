"""Calls of the hooks of scikit-learn callbacks during fit."""

from functools import partial

from skmlp.estimator.fitted import copy_changing_attributes


class FitCallbacks:
    """Callbacks of an estimator during one call to `fit`.

    Parameters
    ----------
    estimator : estimator with CallbackSupportMixin
    arguments : FitArguments
        Data for the hooks that have parameters for them.
    plan : Plan
    """

    def __init__(self, estimator, arguments, plan):
        self._hook_arguments = {
            "estimator": estimator,
            "X": arguments.X,
            "y": arguments.y,
            "metadata": {"sample_weight": arguments.sample_weight},
        }
        self._reconstruction_attributes = partial(copy_changing_attributes, estimator)
        self._fit_context = estimator._init_callback_context(
            max_subtasks=plan.config.solver.max_epochs
        )
        self._epoch_context = None
        for callback in getattr(estimator, "_skl_callbacks", ()):
            if hasattr(callback, "store_data_fingerprint"):  # skmlp.callbacks.Checkpoint
                callback.store_data_fingerprint(plan.data)
        self._fit_context.call_on_fit_task_begin(**self._hook_arguments)

    def begin_epoch(self):
        """Call the hooks for the beginning of an epoch."""
        self._epoch_context = self._fit_context.subcontext(task_name="epoch")
        self._epoch_context.call_on_fit_task_begin(**self._hook_arguments)

    def end_epoch(self):
        """Call the hooks for the end of an epoch, and return whether a callback requests to stop."""
        return bool(self._end(self._epoch_context))

    def end_fit(self):
        """Call the hooks for the end of `fit`."""
        self._end(self._fit_context)

    def _end(self, context):
        return context.call_on_fit_task_end(
            **self._hook_arguments, reconstruction_attributes=self._reconstruction_attributes
        )


class SingleEpoch:
    """Substitute for FitCallbacks that stops training after one epoch."""

    def begin_epoch(self):
        """Do nothing."""

    def end_epoch(self):
        """Return True to stop training."""
        return True

    def end_fit(self):
        """Do nothing."""
