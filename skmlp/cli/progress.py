"""Callbacks that print each epoch: a live progress bar on a terminal, a line in a pipe or a file."""

from skmlp.cli.console import make_console, percent, say

MIN_WIDTH_WITH_TIMES = 78
MIN_WIDTH_WITH_BAR = 86
MAX_BAR_WIDTH = 40


def make_progress(validation_name):
    """Return the callback for stdout; `validation_name` is its name of the validation set."""
    console = make_console()
    if console.is_terminal and not console.is_dumb_terminal:
        return EpochBar(console, validation_name)
    return EpochLines(validation_name)


class _EpochCallback:
    """The methods of a callback of scikit-learn, reduced to the end of each epoch."""

    def __init__(self, validation_name):
        self.validation_name = validation_name

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            last = {name: values[-1] for name, values in estimator.history_.items()}
            self.show(len(estimator.history_["loss"]), context.parent.max_subtasks, last)

    def teardown(self, estimator, context):
        pass


class EpochLines(_EpochCallback):
    """Prints one line per epoch."""

    def show(self, epoch, n_epochs, last):
        """Print the line of an epoch."""
        say(
            f"epoch {epoch:>{len(str(n_epochs))}}/{n_epochs}"
            f"  loss {last['loss']:.4f}"
            f"  training {percent(last['accuracy']):>8}"
            f"  {self.validation_name} {percent(last['val_accuracy']):>8}"
            f"  {last['seconds']:.2f} s"
        )


class EpochBar(_EpochCallback):
    """Updates one line of the terminal."""

    def __init__(self, console, validation_name):
        super().__init__(validation_name)
        self.console = console

    def setup(self, estimator, context):
        """Show the bar before the first epoch, with the completed epochs of a resumed training."""
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
        """Yield the columns that fit the width of the terminal."""
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
        """Update the bar to an epoch."""
        metrics = (
            f"loss {last['loss']:.4f}  training {percent(last['accuracy'])}"
            f"  {self.validation_name} {percent(last['val_accuracy'])}"
        )
        seconds = f"{last['seconds']:.2f} s/epoch"
        self._progress.update(self._task, completed=epoch, metrics=metrics, seconds=seconds)

    def teardown(self, estimator, context):
        """Stop updating; the bar stays on the terminal."""
        self._progress.stop()
