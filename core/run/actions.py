"""What is done to a whole run: rename, archive, put into the trash, bring back."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.errors import os_error_text
from core.common.text import printable
from core.run.folder import RunFolder
from core.run.lock import is_locked, lock_owner
from core.run.notes import AnnotationError, Annotations, annotate

TRASH = ".trash"
_AGAIN = re.compile(r"~\d+$")
"""What is added to an id where the trash holds a run of that name already."""


class ActionError(ValueError):
    """What was asked for can't be done; one line that says why."""


@dataclass(frozen=True, slots=True)
class Trashed:
    """A run in the trash."""

    path: Path
    id: str
    """As it was, and will be, in the runs directory."""


def change(folder: RunFolder, **changes: Any) -> Annotations:
    """Change what a person has added to a run; raises ActionError."""
    try:
        return annotate(folder.notes, **changes)
    except AnnotationError as error:
        raise ActionError(str(error)) from None
    except OSError as error:
        raise ActionError(_cannot("write to", folder.path, error)) from None


def trash_dir(runs_dir: Path) -> Path:
    """Return where deleted runs of a directory go."""
    return runs_dir / TRASH


def delete(folder: RunFolder) -> Trashed:
    """Move a run into the trash of its directory; raises ActionError, also while it trains."""
    if is_locked(folder):
        owner = lock_owner(folder)
        raise ActionError(f"{printable(folder.id)} is in use by {owner}: stop it first")
    trash = trash_dir(folder.path.parent)
    try:
        trash.mkdir(exist_ok=True)
        target = _free(trash, folder.id)
        folder.path.rename(target)
        # Its time tells which one came last.
        os.utime(target)
    except OSError as error:
        raise ActionError(_cannot("move", folder.path, error)) from None
    return Trashed(target, folder.id)


def in_trash(runs_dir: Path) -> list[Trashed]:
    """Return the runs of a directory's trash, the last one first."""
    try:
        paths = [p for p in trash_dir(runs_dir).iterdir() if (p / "events.jsonl").is_file()]
        paths.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    except OSError:
        return []
    return [Trashed(path, _AGAIN.sub("", path.name)) for path in paths]


def restore(trashed: Trashed) -> RunFolder:
    """Bring a run back from the trash; raises ActionError."""
    target = trashed.path.parent.parent / trashed.id
    if os.path.lexists(target):
        raise ActionError(f"{printable(trashed.id)} can't come back: another run has its name now")
    try:
        trashed.path.rename(target)
    except OSError as error:
        raise ActionError(_cannot("move", trashed.path, error)) from None
    return RunFolder(target)


def empty_trash(runs_dir: Path) -> int:
    """Delete all runs of the trash for good; returns the bytes that were freed. Raises
    ActionError."""
    trash = trash_dir(runs_dir)
    size = size_of(trash)
    try:
        shutil.rmtree(trash)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ActionError(_cannot("delete", trash, error)) from None
    return size


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder; what can't be looked at counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118
            except OSError:
                continue
    return total


def _free(trash: Path, id: str) -> Path:
    for number in range(1, 1000):
        path = trash / (id if number == 1 else f"{id}~{number}")
        if not os.path.lexists(path):
            return path
    raise FileExistsError(17, "the trash holds a thousand runs of this name", str(trash / id))


def _cannot(do: str, path: Path, error: OSError) -> str:
    return f"can't {do} {printable(str(path))}: {printable(os_error_text(error))}"
