"""Find a run's checkpoint file without importing torch."""

from pathlib import Path

from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from core.run.folder import RunFolder

CHECKPOINT_NAMES = ("best", "best-head", "best-full", "last")
"""Checkpoints selected by name; any other value is the path of a checkpoint file."""


class CheckpointError(SetupError):
    """A checkpoint that can't be used; one line with the reason and a remedy."""


def checkpoint_file(folder: RunFolder, checkpoint: str) -> Path:
    """Return the file of a checkpoint, one of CHECKPOINT_NAMES or a path.

    Raises CheckpointError if it doesn't exist, can't be read or belongs to another run.
    """
    is_name = checkpoint in CHECKPOINT_NAMES
    file = folder.checkpoints / f"{checkpoint}.pt" if is_name else Path(checkpoint)
    try:
        file.stat()
    except FileNotFoundError:
        others = other_checkpoints(folder, file)
        raise CheckpointError(f"{printable(str(file))}: no such checkpoint{others}") from None
    except OSError as error:
        why = os_error_text(error)
        raise CheckpointError(f"{printable(str(file))} can't be read: {why}") from None
    if not is_name and file.resolve().parent != folder.checkpoints.resolve():
        # Its metrics would be saved and shown as those of this run.
        raise CheckpointError(
            f"{printable(checkpoint)} is not a checkpoint of run {printable(folder.id)}, whose "
            f"checkpoints are in {printable(str(folder.checkpoints))}; name the run that wrote it"
        )
    return file


def other_checkpoints(folder: RunFolder, file: Path) -> str:
    """Return the end of an error message about `file`: the run's other checkpoints, if any."""
    names = sorted(path.stem for path in folder.checkpoints.glob("*.pt") if path != file)
    return f"; the run also has: {printable(', '.join(names))} (--checkpoint)" if names else ""
