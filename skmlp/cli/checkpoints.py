"""The directory of a run with checkpoints: the checkpoint, and the settings by which to go on."""

import argparse
import json
from pathlib import Path

from skmlp.cli.arguments import CommandParser
from skmlp.cli.data import absolute_place
from skmlp.cli.failures import BAD_MODEL, CANNOT_WRITE, USAGE, CommandError, failing_with
from skmlp.cli.records import make_directory
from skmlp.cli.train_options import add_options, option, refuse_wrong_combinations, take_defaults
from skmlp.files.atomic import replacing

CHECKPOINT = "checkpoint.safetensors"
SETTINGS = "settings.json"
MAX_SETTINGS_BYTES = 2**20
# What belongs to a call of the command, and not to the run.
OF_THE_CALL = ("checkpoint", "resume", "quiet")


class SettingsParser(CommandParser):
    """Reads options back from a file of settings."""

    def error(self, message):
        """Tell a mistake to the caller: it is in the file, not in the command line."""
        raise argparse.ArgumentError(None, message)


def checkpoint_path(directory):
    """Return where the checkpoint of a directory is."""
    return Path(directory) / CHECKPOINT


def has_checkpoint(directory):
    """Tell whether a checkpoint has been written."""
    return any(path.exists() for path in _checkpoints(directory))


def _checkpoints(directory):
    """Return where the last checkpoint and the one before it are."""
    from skmlp.files.checkpoints import previous

    path = checkpoint_path(directory)
    return path, previous(path)


def begin_run(arguments):
    """Prepare the directory for the checkpoints of a new run, and write its settings."""
    directory = make_directory(arguments.checkpoint, "--checkpoint")
    if has_checkpoint(directory) and not _is_finished(directory):
        raise CommandError(
            USAGE,
            f"{directory}: holds the checkpoint of a run that has not ended; go on with it by "
            f"'skmlp train --resume {directory}', or choose another directory, or delete this one",
        )
    arguments.data = absolute_place(arguments.data)
    with failing_with(CANNOT_WRITE):
        for path in _checkpoints(directory):
            path.unlink(missing_ok=True)
    write_settings(arguments, directory, finished=False)


def write_settings(arguments, directory, *, finished):
    """Write all settings of a run; its paths hold wherever it is resumed."""
    options = {name: getattr(arguments, name) for name in _names_of_options()}
    options["out"] = str(Path(options["out"]).absolute())
    settings = {"finished": finished, "options": options}
    with failing_with(CANNOT_WRITE), replacing(Path(directory) / SETTINGS) as file:
        file.write(json.dumps(settings, indent=2).encode() + b"\n")


def resume_run(arguments):
    """Return the arguments of the run that is to go on, and whether it had ended."""
    for name in (*_names_of_options(), "checkpoint"):
        if getattr(arguments, name) is not None:
            arguments.usage_error(
                f"--resume takes every setting from {arguments.resume}: leave out {option(name)}"
            )
    path = Path(arguments.resume) / SETTINGS
    settings = _read_settings(path)
    options = vars(_options_of(settings["options"], path))
    call = {"checkpoint": arguments.resume, "resume": arguments.resume, "quiet": arguments.quiet}
    return argparse.Namespace(**vars(arguments) | options | call), settings["finished"]


def _read_settings(path):
    with failing_with(BAD_MODEL), open(path, "rb") as file:
        content = file.read(MAX_SETTINGS_BYTES)
    try:
        settings = json.loads(content)
        good = isinstance(settings["options"], dict) and isinstance(settings["finished"], bool)
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good:
        raise CommandError(
            BAD_MODEL,
            f"{path}: holds no settings of a run; give a directory that --checkpoint was given",
        )
    return settings


def _options_of(stored, path):
    """Check stored options as if they stood on the command line, and return them."""
    parser = SettingsParser(prog="skmlp train", add_help=False)
    parser.set_defaults(usage_error=parser.error)
    add_options(parser)
    try:
        unknown = set(stored).difference(_names_of_options())
        if unknown:
            parser.error(f"there is no option {option(min(unknown))}")
        words = [_as_word(name, value) for name, value in stored.items() if value is not None]
        # The directory is no setting, but others need it.
        known = parser.parse_args([*words, "--checkpoint=."])
        take_defaults(known)
        refuse_wrong_combinations(known)
    except argparse.ArgumentError as error:
        raise CommandError(
            BAD_MODEL,
            f"{path}: the settings are not those of a run of this version ({error}); "
            "start the training again",
        ) from error
    del known.usage_error
    return known


def _as_word(name, value):
    """Write an option as it would stand on the command line."""
    if value is True:
        return option(name)
    if isinstance(value, list):
        value = ",".join(map(str, value)) or "none"
    return f"{option(name)}={value}"


def _names_of_options():
    parser = CommandParser(add_help=False)
    add_options(parser)
    return [name for name in vars(parser.parse_args([])) if name not in OF_THE_CALL]


def _is_finished(directory):
    try:
        return _read_settings(directory / SETTINGS)["finished"]
    except CommandError:
        return False
