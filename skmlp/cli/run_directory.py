"""Directory of `skmlp train --checkpoint`: the options of a run and its last checkpoints."""

import json
from pathlib import Path

from skmlp.cli.errors import BAD_MODEL, CANNOT_WRITE, USAGE, CommandError, translate_errors
from skmlp.cli.outputs import make_directory
from skmlp.cli.train_options import TrainOptions
from skmlp.cli.values import OptionError
from skmlp.files.atomic import atomic_write

CHECKPOINT = "checkpoint.safetensors"
SETTINGS = "settings.json"
MAX_SETTINGS_BYTES = 2**20


class RunDirectory:
    """Directory of a run that can be resumed.

    Parameters
    ----------
    path : str
        Value of --checkpoint or --resume.
    """

    def __init__(self, path):
        self.path = Path(path)

    @property
    def checkpoint(self):
        """Path of the last checkpoint."""
        return self.path / CHECKPOINT

    @property
    def settings(self):
        """Path of the file with the options."""
        return self.path / SETTINGS

    def has_checkpoint(self):
        """Return whether the directory contains a checkpoint, which may be that of a network of a committee."""
        paths = self.checkpoint, previous_checkpoint(self.checkpoint)
        return any(path.exists() for path in paths) or any(
            self.path.glob(f"{name_member('*')}/{CHECKPOINT}")
        )

    def start(self, options):
        """Prepare the directory for a new run and write its options."""
        make_directory(self.path, "--checkpoint")
        if self.has_checkpoint() and not self._contains_finished_run():
            raise CommandError(
                USAGE,
                f"{self.path}: the directory contains an unfinished run. Resume it with "
                f"'skmlp train --resume {self.path}', delete it, or choose another directory.",
            )
        with translate_errors(CANNOT_WRITE):
            self.checkpoint.unlink(missing_ok=True)
            previous_checkpoint(self.checkpoint).unlink(missing_ok=True)
        self.write(options, finished=False)

    def write(self, options, *, finished):
        """Write the options of the run and whether it is finished."""
        content = {"finished": finished, "options": options.to_json()}
        with translate_errors(CANNOT_WRITE), atomic_write(self.settings) as file:
            file.write(json.dumps(content, indent=2).encode() + b"\n")

    def read(self, *, quiet):
        """Return the options for resuming the run, and whether it is finished."""
        content = self._read_settings()
        try:
            options = TrainOptions.from_json(
                content["options"], checkpoint=str(self.path), resume=str(self.path), quiet=quiet
            )
        except OptionError as error:
            raise CommandError(
                BAD_MODEL,
                f"{self.settings}: {error} Correct the file, use the version of skmlp that wrote "
                "it, or start a new run.",
            ) from error
        return options, content["finished"]

    def _read_settings(self):
        if not self.settings.exists():
            found = f"a directory without {SETTINGS}" if self.path.is_dir() else "no directory"
            raise CommandError(
                BAD_MODEL,
                f"{self.path}: expected the directory of a run, got {found}. "
                "Pass a directory that --checkpoint has written.",
            )
        with translate_errors(BAD_MODEL), open(self.settings, "rb") as file:
            text = file.read(MAX_SETTINGS_BYTES + 1)
        try:
            content = json.loads(text) if len(text) <= MAX_SETTINGS_BYTES else None
            valid = isinstance(content["options"], dict) and isinstance(content["finished"], bool)
        except (ValueError, KeyError, TypeError, RecursionError):
            valid = False
        if not valid:
            raise CommandError(
                BAD_MODEL,
                f"{self.settings}: expected the settings of a run, got other content. "
                "Pass a directory that --checkpoint has written.",
            )
        return content

    def _contains_finished_run(self):
        try:
            return self._read_settings()["finished"]
        except CommandError:
            return False


def name_member(number):
    """Return the name of the directory of a network of a committee, or a pattern for the number "*"."""
    return f"network-{number}"


def previous_checkpoint(path):
    """Return the path of the checkpoint before the last one."""
    from skmlp.files.checkpoints import get_previous_path

    return get_previous_path(path)
