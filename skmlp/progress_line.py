"""A line in a terminal or a notebook that shows the progress of training, drawn by rich."""


class ProgressLine:
    """Line with the number of the epoch, a bar and metrics.

    If the output is neither a terminal nor a notebook, a line is printed after each epoch instead.

    Parameters
    ----------
    n_epochs : int
        Maximum number of epochs.
    """

    def __init__(self, n_epochs):
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console()
        self._progress = None
        if self._console.is_terminal or self._console.is_jupyter:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[metrics]}"),
                console=self._console,
                expand=True,
            )
            self._task = self._progress.add_task(f"epoch 1/{n_epochs}", total=n_epochs, metrics="")
            self._progress.start()

    def show_epoch(self, epoch, n_epochs, metrics):
        """Show the metrics after an epoch."""
        description = f"epoch {epoch}/{n_epochs}"
        if self._progress is None:
            self._console.print(f"{description}  {metrics}", highlight=False, soft_wrap=True)
            return
        self._progress.update(
            self._task, description=description, total=n_epochs, completed=epoch, metrics=metrics
        )

    def advance(self, fraction):
        """Advance the bar by a fraction of an epoch."""
        if self._progress is not None:
            self._progress.advance(self._task, fraction)

    def close(self):
        """Keep the last line, and stop updating it."""
        if self._progress is not None:
            self._progress.stop()
