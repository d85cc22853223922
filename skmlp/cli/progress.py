"""Callbacks that show each epoch as it ends: a live bar on a terminal, a line for a pipe or file."""

from skmlp.cli.console import make_console, percent, say

NARROWEST_WITH_TIMES = 78
NARROWEST_WITH_BAR = 86
WIDEST_BAR = 40


def make_progress(second_set):
    """Return the callback that suits stdout; `second_set` is what it calls the val_ metrics."""
    console = make_console()
    if console.is_terminal and not console.is_dumb_terminal:
        return EpochBar(console, second_set)
    return EpochLines(second_set)


class _EpochCallback:
    """What both displays share: scikit-learn's protocol of callbacks, reduced to whole epochs."""

    def __init__(self, second_set):
        self.second_set = second_set

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
    """Prints one line an epoch."""

    def show(self, epoch, n_epochs, last):
        """Print the line of an epoch."""
        second = f"  {self.second_set} {percent(last['val_accuracy']):>8}"
        say(
            f"epoch {epoch:>{len(str(n_epochs))}}/{n_epochs}"
            f"  loss {last['loss']:.4f}"
            f"  training {percent(last['accuracy']):>8}{second}"
            f"  {last['seconds']:.2f} s"
        )


class EpochBar(_EpochCallback):
    """Keeps one line of the terminal up to date."""

    def __init__(self, console, second_set):
        super().__init__(second_set)
        self.console = console

    def setup(self, estimator, context):
        """Show the bar before the first epoch, filled by those of a training that goes on."""
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
        """Yield what there is room for."""
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn

        yield SpinnerColumn("line", finished_text="")
        yield TextColumn("epoch {task.completed}/{task.total}", markup=False)
        if self.console.width >= NARROWEST_WITH_BAR:
            yield BarColumn(min(WIDEST_BAR, self.console.width - NARROWEST_WITH_TIMES))
        yield TextColumn("{task.fields[metrics]}", markup=False)
        if self.console.width >= NARROWEST_WITH_TIMES:
            yield TextColumn("{task.fields[seconds]}", markup=False)
            yield TimeRemainingColumn(compact=True, elapsed_when_finished=True)

    def show(self, epoch, n_epochs, last):
        """Move the bar to an epoch."""
        metrics = (
            f"loss {last['loss']:.4f}  training {percent(last['accuracy'])}"
            f"  {self.second_set} {percent(last['val_accuracy'])}"
        )
        seconds = f"{last['seconds']:.2f} s/epoch"
        self._progress.update(self._task, completed=epoch, metrics=metrics, seconds=seconds)

    def teardown(self, estimator, context):
        """Leave the last state of the bar on the terminal."""
        self._progress.stop()
