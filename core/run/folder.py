"""The runs directory: create a run, lock it, list what is there."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.common.cache_file import CacheFile
from core.common.errors import os_error_text
from core.common.nested import flatten_recorded
from core.common.text import printable, slug
from core.events.journal import JournalReader, Skipped
from core.run.notes import Annotations, Noted, look
from core.run.snapshot import MIN_BYTES, Snapshot
from core.run.state import OVER, RunState

DEFAULT_DIR = "runs"
_NOTES_WORTH = MIN_BYTES // 20
"""Bytes of a journal that take as long to read as what a person has added to a run."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id: the name of its folder."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Resolved configuration."""
        return self.path / "config.yaml"

    @property
    def journal(self) -> Path:
        """Events, one a line."""
        return self.path / "events.jsonl"

    @property
    def commands(self) -> Path:
        """Commands from other processes, one a line."""
        return self.path / "commands.jsonl"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def split(self) -> Path:
        """Path, class, split and hash of every picture used."""
        return self.path / "split.csv"

    @property
    def checkpoints(self) -> Path:
        """Weights."""
        return self.path / "checkpoints"

    @property
    def lock(self) -> Path:
        """Held with flock while an engine lives."""
        return self.path / "lock"

    @property
    def snapshot(self) -> Path:
        """How far the journal was read and what it told; no view needs it."""
        return self.path / ".bookmark.json"

    @property
    def log(self) -> Path:
        """Tracebacks and what libraries said."""
        return self.path / "log.txt"

    @property
    def notes(self) -> Path:
        """What a person has added; may be missing."""
        return self.path / "notes.yaml"


def create_run(runs_dir: Path, name: str, now: float) -> RunFolder:
    """Make a new, empty run folder `<yyyymmdd-hhmmss>-<name>`; raises OSError when it can't.

    Two runs of the same second and name get different folders.
    """
    runs_dir.mkdir(parents=True, exist_ok=True)
    stem = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{slug(name)}"
    for number in range(1, 1000):
        path = runs_dir / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        folder = RunFolder(path)
        folder.checkpoints.mkdir()
        return folder
    raise FileExistsError(f"{runs_dir / stem}: a thousand runs of this second exist already")


class RunLock:
    """Shows that an engine lives in a run folder; the kernel lets go when the process dies."""

    def __init__(self, folder: RunFolder) -> None:
        """Take the lock; raises BlockingIOError when another engine holds it, other OSErrors
        where the file system has no locks."""
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._file = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _flock_patiently(self._file)
            os.ftruncate(self._file, 0)
            os.write(self._file, json.dumps(owner).encode() + b"\n")
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let go of the run."""
        os.close(self._file)


def _flock_patiently(file: int) -> None:
    # A reader that looks whether the lock is held holds it itself for a moment.
    for _ in range(50):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_owner(folder: RunFolder) -> str:
    """Return who holds the run, in words."""
    try:
        owner = json.loads(folder.lock.read_text())
        return f"process {int(owner['pid'])} on {printable(str(owner['host']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_locked(folder: RunFolder) -> bool:
    """Whether a living engine holds the run."""
    try:
        file = os.open(folder.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row of the run list."""

    id: str
    path: str
    name: str
    status: str
    """A RunState status, or `interrupted` when the engine is gone without a word."""
    reason: str
    model: str
    phase: str
    epochs: dict[str, int]
    best_val_top1: float | None
    best_val_loss: float | None
    started: float | None
    seconds: float | None
    """From the start to the last event, pauses included."""
    val_losses: list[float] = field(default_factory=list)
    skipped_lines: int = 0
    error: str = ""
    """Why the run could not be read."""
    config: dict[str, str] = field(default_factory=dict)
    """The recorded configuration by dotted key, its values as they are written."""
    tags: list[str] = field(default_factory=list)
    note: str = ""
    starred: bool = False
    archived: bool = False
    notes_problem: str = ""
    """Why what a person has added can't be understood."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; numbers that are not finite become text."""
        plain = asdict(self)
        plain["val_losses"] = [_finite(value) for value in self.val_losses]
        for name in ("best_val_loss", "best_val_top1", "started", "seconds"):
            plain[name] = _finite(plain[name])
        return plain


def _finite(value: float | None) -> float | str | None:
    return str(value) if value is not None and value - value != 0 else value


def summarize(folder: RunFolder, state: RunState, skipped: Skipped, locked: bool) -> RunSummary:
    """Return the row of a run whose journal was folded to `state`."""
    best = state.best.result if state.best else None
    model = state.config.get("model")
    return RunSummary(
        id=folder.id,
        path=str(folder.path),
        name=state.name or folder.id,
        status=effective_status(state, locked),
        reason=state.reason,
        model=str(model.get("name", "")) if isinstance(model, dict) else "",
        phase=state.phase,
        epochs={name: len(phase.epochs) for name, phase in state.phases.items()},
        best_val_top1=best.val_top1 if best else None,
        best_val_loss=best.val_loss if best else None,
        started=state.started,
        seconds=state.elapsed(state.last_time) if state.last_time is not None else None,
        val_losses=[point.result.val_loss for point in state.epochs],
        skipped_lines=skipped.count,
        config=flatten_recorded(state.config),
    )


def effective_status(state: RunState, locked: bool) -> str:
    """Return the status with what the lock tells: a run without an engine is interrupted."""
    return _with_lock(state.status, locked)


def _with_lock(status: str, locked: bool) -> str:
    return printable(status) if status in OVER or locked else "interrupted"


@dataclass(frozen=True, slots=True)
class _Listed:
    """A row as if its run were locked, and the journal that it was made of."""

    size: int
    modified: int
    """In nanoseconds."""
    row: RunSummary
    noted: Noted | None = None
    """What a person has added, as it was last read."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A run whose journal this process has read."""

    snapshot: Snapshot
    reader: JournalReader
    state: RunState


class RunList:
    """The runs of a directory, newest first; what was read of a journal is read only once.

    Rows are kept in a file of the directory for the next process, and believed as long as a
    journal has the size and time that it had then.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._index = CacheFile(runs_dir / ".runs.json", dict[str, _Listed], form=2)
        self._listed: dict[str, _Listed] | None = None
        self._open: dict[str, _Open] = {}
        self._unsaved = 0
        """Bytes of journals that the file knows nothing of."""

    def refresh(self) -> list[RunSummary]:
        """Return the rows as they are now. A run that can't be read is a row that says why."""
        folders = {folder.id: folder for folder in run_folders(self.runs_dir)}
        before = (self._index.read() or {}) if self._listed is None else self._listed
        self._listed = listed = {id: item for id, item in before.items() if id in folders}
        self._open = {id: run for id, run in self._open.items() if id in folders}
        rows = [self._row(folder, listed) for folder in folders.values()]
        if self._unsaved >= MIN_BYTES:
            self._unsaved = 0
            self._index.write(listed)
        return rows

    def _row(self, folder: RunFolder, listed: dict[str, _Listed]) -> RunSummary:
        locked = is_locked(folder)
        item = listed.get(folder.id)
        noted = look(folder.notes, item.noted if item else None)
        if noted is not None and (item is None or noted != item.noted):
            self._unsaved += _NOTES_WORTH
        try:
            size, modified = _size_and_time(folder.journal)
            if item is None or (item.size, item.modified) != (size, modified):
                self._unsaved += size - (item.size if item else 0)
                item = _Listed(size, modified, self._read(folder))
        except OSError as error:
            return _annotated(_unreadable(folder, error), noted)
        item = listed[folder.id] = replace(item, noted=noted)
        # The folder may have been moved since.
        status = _with_lock(item.row.status, locked)
        row = replace(item.row, id=folder.id, path=str(folder.path), status=status)
        return _annotated(row, noted)

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


def _annotated(row: RunSummary, noted: Noted | None) -> RunSummary:
    added = noted.content if noted else Annotations()
    return replace(
        row,
        name=added.name or row.name,
        tags=list(added.tags),
        note=added.note,
        starred=added.starred,
        archived=added.archived,
        notes_problem=noted.problem if noted else "",
    )


def _size_and_time(journal: Path) -> tuple[int, int]:
    """Return a journal's size (bytes) and time (ns)."""
    # Opened, not looked up: over a network that asks for how the file is now.
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


def run_folders(runs_dir: Path) -> Iterator[RunFolder]:
    """Yield the runs of a directory, newest first by id; folders without a journal are none."""
    try:
        paths = sorted(runs_dir.iterdir(), reverse=True)
    except OSError:
        return
    for path in paths:
        folder = RunFolder(path)
        if _may_be_run(folder):
            yield folder


def _may_be_run(folder: RunFolder) -> bool:
    try:
        return folder.journal.is_file()
    except OSError:  # nobody may look into it: the list says so
        return True
