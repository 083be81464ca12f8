"""The runs directory: create a run, lock it, list what is there."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.journal import JournalReader, Skipped
from core.run_state import RunState
from core.text import printable, slug

DEFAULT_DIR = "runs"


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
    def log(self) -> Path:
        """Tracebacks and what libraries said."""
        return self.path / "log.txt"


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; numbers that are not finite become text."""
        plain = asdict(self)
        plain["val_losses"] = [_finite(value) for value in self.val_losses]
        plain["best_val_loss"] = _finite(self.best_val_loss)
        plain["best_val_top1"] = _finite(self.best_val_top1)
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
    )


def effective_status(state: RunState, locked: bool) -> str:
    """Return the status with what the lock tells: a run without an engine is interrupted."""
    return state.status if state.over or locked else "interrupted"


class RunList:
    """The runs of a directory, newest first; what it has read of a journal it reads only once."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._known: dict[str, tuple[JournalReader, RunState]] = {}

    def refresh(self) -> list[RunSummary]:
        """Return the rows as they are now. A run that can't be read is a row that says why."""
        folders = list(run_folders(self.runs_dir))
        self._known = {f.id: self._known[f.id] for f in folders if f.id in self._known}
        return [self._row(folder) for folder in folders]

    def _row(self, folder: RunFolder) -> RunSummary:
        reader, state = self._known.setdefault(
            folder.id, (JournalReader(folder.journal), RunState())
        )
        locked = is_locked(folder)
        try:
            for record in reader.read():
                state.apply(record)
        except OSError as error:
            return _unreadable(folder, error)
        return summarize(folder, state, reader.skipped, locked)


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
        error=error.strerror or str(error),
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
