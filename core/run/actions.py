"""Actions on whole runs: rename, archive, delete into the trash, restore."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.errors import UserError, os_error_text
from core.common.text import printable
from core.run.files import TRASH
from core.run.folder import RunFolder
from core.run.lock import is_locked, lock_owner
from core.run.notes import Notes, NotesError, update_notes

_NUMBERED = re.compile(r"~\d+$")
"""Suffix of an id when the trash already has a run of that name."""


class ActionError(UserError):
    """An action failed; a message of one line."""


@dataclass(frozen=True, slots=True)
class TrashedRun:
    """A run in the trash."""

    path: Path
    id: str
    """Its id in the runs directory, before and after."""


def change_notes(folder: RunFolder, **changes: Any) -> Notes:
    """Change the notes of a run; raises ActionError."""
    try:
        return update_notes(folder.notes, **changes)
    except NotesError as error:
        raise ActionError(str(error)) from None
    except OSError as error:
        raise ActionError(_error_text("write to", folder.path, error)) from None


def trash_dir(runs_dir: Path) -> Path:
    """Return the trash folder of a runs directory."""
    return runs_dir / TRASH


def delete(folder: RunFolder) -> TrashedRun:
    """Move a run into the trash; raises ActionError, also while the run is training."""
    if is_locked(folder):
        owner = lock_owner(folder)
        raise ActionError(f"{printable(folder.id)} is in use by {owner}: stop it first")
    trash = trash_dir(folder.path.parent)
    try:
        trash.mkdir(exist_ok=True)
        target = _free_path(trash, folder.id)
        folder.path.rename(target)
        # The folder time orders the trash.
        os.utime(target)
    except OSError as error:
        raise ActionError(_error_text("move", folder.path, error)) from None
    return TrashedRun(target, folder.id)


def trashed_runs(runs_dir: Path) -> list[TrashedRun]:
    """Return the runs in the trash, the last deleted first."""
    try:
        paths = [p for p in trash_dir(runs_dir).iterdir() if RunFolder(p).journal.is_file()]
        paths.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    except OSError:
        return []
    return [TrashedRun(path, _NUMBERED.sub("", path.name)) for path in paths]


def restore(trashed: TrashedRun) -> RunFolder:
    """Restore a run from the trash; raises ActionError."""
    target = trashed.path.parent.parent / trashed.id
    if os.path.lexists(target):
        raise ActionError(f"{printable(trashed.id)} cannot be restored: another run has its name")
    try:
        trashed.path.rename(target)
    except OSError as error:
        raise ActionError(_error_text("move", trashed.path, error)) from None
    return RunFolder(target)


def empty_trash(runs_dir: Path) -> int:
    """Delete all runs in the trash permanently; return the number of bytes freed. Raises
    ActionError."""
    trash = trash_dir(runs_dir)
    size = size_of(trash)
    try:
        shutil.rmtree(trash)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ActionError(_error_text("delete", trash, error)) from None
    return size


def size_of(folder: Path) -> int:
    """Return the total size (bytes) of the files in a folder, ignoring unreadable ones."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_size  # noqa: PTH118
            except OSError:
                continue
    return total


def _free_path(trash: Path, id: str) -> Path:
    for number in range(1, 1000):
        path = trash / (id if number == 1 else f"{id}~{number}")
        if not os.path.lexists(path):
            return path
    raise FileExistsError(17, "the trash already has a thousand runs of this name", str(trash / id))


def _error_text(verb: str, path: Path, error: OSError) -> str:
    return f"can't {verb} {printable(str(path))}: {printable(os_error_text(error))}"
