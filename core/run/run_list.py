"""List of the runs in a directory, cached between calls and processes."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from core.common.cache_file import CacheFile
from core.common.errors import os_error_text
from core.events.journal import JournalReader
from core.run.files import RUN_LIST_CACHE
from core.run.folder import RunFolder, run_folders
from core.run.lock import is_locked
from core.run.notes import CachedNotes, Notes, read_if_changed
from core.run.snapshot import MIN_BYTES, Snapshot
from core.run.state import RunState
from core.run.summary import RunSummary, status_with_lock, summarize

_NOTES_COST = MIN_BYTES // 20
"""Journal bytes that take as long to read as a notes file."""


@dataclass(frozen=True, slots=True)
class _CachedRow:
    """The row of a run as if it were locked, and size and time of the journal it was made from."""

    size: int
    modified: int
    """Unix time in ns."""
    row: RunSummary
    notes: CachedNotes | None = None
    """The notes as they were last read."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A run whose journal this process has read."""

    snapshot: Snapshot
    reader: JournalReader
    state: RunState


class RunList:
    """The runs of a directory, newest first; journals are read incrementally.

    Rows are cached in a file of the directory for the next process. A cached row is valid while its
    journal has the same size and time.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._index = CacheFile(runs_dir / RUN_LIST_CACHE, dict[str, _CachedRow], form=4)
        self._cached: dict[str, _CachedRow] | None = None
        self._open: dict[str, _Open] = {}
        self._unsaved = 0
        """Journal bytes that the cache file does not cover yet."""

    def refresh(self) -> list[RunSummary]:
        """Return the current rows. The row of an unreadable run has its `error` set."""
        folders = {folder.id: folder for folder in run_folders(self.runs_dir)}
        before = (self._index.read() or {}) if self._cached is None else self._cached
        self._cached = cached = {id: item for id, item in before.items() if id in folders}
        self._open = {id: run for id, run in self._open.items() if id in folders}
        rows = [self._row(folder, cached) for folder in folders.values()]
        if self._unsaved >= MIN_BYTES:
            self._unsaved = 0
            self._index.write(cached)
        return rows

    def _row(self, folder: RunFolder, cached: dict[str, _CachedRow]) -> RunSummary:
        locked = is_locked(folder)
        item = cached.get(folder.id)
        notes = read_if_changed(folder.notes, item.notes if item else None)
        if notes is not None and (item is None or notes != item.notes):
            self._unsaved += _NOTES_COST
        try:
            size, modified = _size_and_time(folder.journal)
            if item is None or (item.size, item.modified) != (size, modified):
                self._unsaved += size - (item.size if item else 0)
                item = _CachedRow(size, modified, self._read(folder))
        except OSError as error:
            return _with_notes(_unreadable(folder, error), notes)
        item = cached[folder.id] = replace(item, notes=notes)
        # The folder may have been moved.
        status = status_with_lock(item.row.status, locked)
        row = replace(item.row, id=folder.id, path=str(folder.path), status=status)
        return _with_notes(row, notes)

    def _read(self, folder: RunFolder) -> RunSummary:
        run = self._open.get(folder.id)
        if run is None:
            snapshot = Snapshot(folder.journal, folder.snapshot)
            run = self._open[folder.id] = _Open(snapshot, *snapshot.open())
        for record in run.reader.read():
            run.state.apply(record)
        write = run.snapshot.save(run.reader, run.state)
        if write:
            write()
        return summarize(folder, run.state, run.reader.skipped, locked=True)


def _with_notes(row: RunSummary, notes: CachedNotes | None) -> RunSummary:
    content = notes.content if notes else Notes()
    return replace(
        row,
        name=content.name or row.name,
        tags=list(content.tags),
        note=content.note,
        starred=content.starred,
        archived=content.archived,
        notes_problem=notes.problem if notes else "",
    )


def _size_and_time(journal: Path) -> tuple[int, int]:
    """Return a journal's size (bytes) and time (ns)."""
    # Opening the file makes network file systems return current values.
    with journal.open("rb") as file:
        status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _unreadable(folder: RunFolder, error: OSError) -> RunSummary:
    return RunSummary(
        id=folder.id,
        path=str(folder.path),
        name=folder.id,
        status="unreadable",
        reason="",
        model="",
        phase="",
        epochs={},
        best_val_top1=None,
        best_val_loss=None,
        started=None,
        seconds=None,
        error=os_error_text(error),
    )
