"""Actions on whole runs: rename, archive, delete into the trash, restore."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.errors import UserError, os_error_text
from core.common.text import printable
from core.run.files import STUDY, TRASH
from core.run.folder import RunFolder
from core.run.lock import is_locked, lock_owner
from core.run.notes import Notes, NotesError, update_notes

_MEMBERS = "runs"
"""Folder of a trashed study with the runs that were deleted together with it."""
_NUMBERED = re.compile(r"~\d+$")
"""Suffix of an id when the trash already has a run of that name."""


class ActionError(UserError):
    """An action failed; a message of one line."""


@dataclass(frozen=True, slots=True)
class TrashedRun:
    """A run in the trash, or a study with its runs."""

    path: Path
    id: str
    """Its id in the runs directory, before and after."""

    @property
    def members(self) -> list[Path]:
        """The runs that were deleted together with it, if it is a study."""
        if RunFolder(self.path).journal.exists():
            return []
        try:
            return sorted((self.path / _MEMBERS).iterdir())
        except OSError:
            return []


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


def delete_study(path: Path, runs: Sequence[Path]) -> TrashedRun:
    """Move a study and its runs into the trash as one; raises ActionError, also while one of them
    is in use.

    The folder of the study may be missing.
    """
    for folder in map(RunFolder, [path, *runs]):
        if is_locked(folder):
            owner = lock_owner(folder)
            raise ActionError(f"{printable(folder.id)} is in use by {owner}: stop it first")
    trash = trash_dir(path.parent)
    moved = path
    try:
        trash.mkdir(exist_ok=True)
        target = _free_path(trash, path.name)
        # The study first: an interrupted move leaves a study in the trash that can be restored.
        if path.is_dir():
            path.rename(target)
        (target / _MEMBERS).mkdir(parents=True, exist_ok=True)
        for moved in runs:
            moved.rename(target / _MEMBERS / moved.name)
        os.utime(target)
    except OSError as error:
        raise ActionError(_error_text("move", moved, error)) from None
    return TrashedRun(target, path.name)


def trashed_runs(runs_dir: Path) -> list[TrashedRun]:
    """Return the runs and studies in the trash, the last deleted first."""
    try:
        paths = [p for p in trash_dir(runs_dir).iterdir() if _is_run_or_study(p)]
        paths.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
    except OSError:
        return []
    return [TrashedRun(path, _NUMBERED.sub("", path.name)) for path in paths]


def _is_run_or_study(path: Path) -> bool:
    known = (RunFolder(path).journal, path / STUDY, path / _MEMBERS)
    return any(each.exists() for each in known)


def restore(trashed: TrashedRun) -> RunFolder:
    """Restore a run from the trash, or a study with the runs that were deleted together with it;
    raises ActionError."""
    runs_dir = trashed.path.parent.parent
    target = runs_dir / trashed.id
    members = trashed.members
    for taken in (target, *(runs_dir / member.name for member in members)):
        if os.path.lexists(taken):
            raise ActionError(
                f"{printable(taken.name)} cannot be restored: another run has its name"
            )
    moved = trashed.path
    try:
        for moved in members:
            moved.rename(runs_dir / moved.name)
        moved = trashed.path
        if (trashed.path / _MEMBERS).is_dir():
            (trashed.path / _MEMBERS).rmdir()
        if any(trashed.path.iterdir()):
            trashed.path.rename(target)
        else:  # only runs, of a study whose folder was missing
            trashed.path.rmdir()
    except OSError as error:
        raise ActionError(_error_text("move", moved, error)) from None
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
