"""Which of a run's checkpoints is used: known before torch is loaded."""

from pathlib import Path

from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from core.run.folder import RunFolder

NAMED = ("best", "best-head", "best-full", "last")
"""FileCheckpointWriter that are asked for by a word; anything else is the path of a file."""


class RunError(SetupError):
    """A run whose network can't be had; one line that says why and what to do."""


def checkpoint_file(folder: RunFolder, checkpoint: str) -> Path:
    """Return the file of one of NAMED, or of a path; raises RunError where the run has none."""
    named = checkpoint in NAMED
    file = folder.checkpoints / f"{checkpoint}.pt" if named else Path(checkpoint)
    try:
        file.stat()
    except FileNotFoundError:
        there = others(folder, file)
        raise RunError(f"{printable(str(file))}: no such checkpoint{there}") from None
    except OSError as error:
        why = os_error_text(error)
        raise RunError(f"{printable(str(file))} can't be read: {why}") from None
    if not named and file.resolve().parent != folder.checkpoints.resolve():
        # Its figures would be kept, and told, as this run's.
        raise RunError(
            f"{printable(checkpoint)} is no checkpoint of run {printable(folder.id)}: they are in "
            f"{printable(str(folder.checkpoints))}; name the run that wrote it"
        )
    return file


def others(folder: RunFolder, file: Path) -> str:
    """Return, as the end of an error about `file`, what else the run has; empty if nothing."""
    there = sorted(path.stem for path in folder.checkpoints.glob("*.pt") if path != file)
    return f"; the run also has: {printable(', '.join(there))} (--checkpoint)" if there else ""
