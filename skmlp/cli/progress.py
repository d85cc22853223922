"""Callbacks that report each epoch: a progress bar on a terminal, a line in a pipe or a file."""

from skmlp.cli.console import make_console, print_line
from skmlp.formatting import format_percent

MIN_WIDTH_WITH_TIMES = 78
MIN_WIDTH_WITH_BAR = 86
MAX_BAR_WIDTH = 40


def make_progress(validation_name):
    """Return the callback for stdout. It labels the validation metrics with `validation_name`."""
    console = make_console()
    if console.is_terminal and not console.is_dumb_terminal:
        return EpochBar(console, validation_name)
    return EpochLines(validation_name)


class EpochCallback:
    """scikit-learn callback that calls `show` at the end of each epoch."""

    def __init__(self, validation_name):
        self.validation_name = validation_name

    def setup(self, estimator, context):
        """Do nothing before the training."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing at the beginning of the fit or an epoch."""

    def on_fit_task_end(self, estimator, context):
        """Show the metrics at the end of an epoch."""
        if context.task_name == "epoch":
            last = {name: values[-1] for name, values in estimator.history_.items()}
            self.show(len(estimator.history_["loss"]), context.parent.max_subtasks, last)

    def teardown(self, estimator, context):
        """Do nothing after the training."""


class EpochLines(EpochCallback):
    """Progress as one line per epoch."""

    def show(self, epoch, n_epochs, last):
        """Print the line of an epoch."""
        print_line(
            f"epoch {epoch:>{len(str(n_epochs))}}/{n_epochs}"
            f"  loss {last['loss']:.4f}"
            f"  training {format_percent(last['accuracy']):>8}"
            f"  {self.validation_name} {format_percent(last['val_accuracy']):>8}"
            f"  {last['seconds']:.2f} s"
        )


class EpochBar(EpochCallback):
    """Progress as a bar with the metrics of the last epoch."""

    def __init__(self, console, validation_name):
        super().__init__(validation_name)
        self.console = console

    def setup(self, estimator, context):
        """Show the bar. A resumed training starts with its completed epochs."""
        from rich.progress import Progress

        self._progress = Progress(*self._columns(), console=self.console)
        self._task = self._progress.add_task(
            "",
            total=context.max_subtasks,
            completed=len(estimator.history_["loss"]) if hasattr(estimator, "history_") else 0,
            metrics="",
            seconds="",
        )
        self._progress.start()

    def _columns(self):
        """Yield the columns that fit into the width of the terminal."""
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn

        yield SpinnerColumn("line", finished_text="")
        yield TextColumn("epoch {task.completed}/{task.total}", markup=False)
        if self.console.width >= MIN_WIDTH_WITH_BAR:
            yield BarColumn(min(MAX_BAR_WIDTH, self.console.width - MIN_WIDTH_WITH_TIMES))
        yield TextColumn("{task.fields[metrics]}", markup=False)
        if self.console.width >= MIN_WIDTH_WITH_TIMES:
            yield TextColumn("{task.fields[seconds]}", markup=False)
            yield TimeRemainingColumn(compact=True, elapsed_when_finished=True)

    def show(self, epoch, n_epochs, last):
        """Update the bar and the metrics."""
        metrics = (
            f"loss {last['loss']:.4f}  training {format_percent(last['accuracy'])}"
            f"  {self.validation_name} {format_percent(last['val_accuracy'])}"
        )
        seconds = f"{last['seconds']:.2f} s/epoch"
        self._progress.update(self._task, completed=epoch, metrics=metrics, seconds=seconds)

    def teardown(self, estimator, context):
        """Stop updating the bar, which remains on the terminal."""
        self._progress.stop()
