"""A run's checkpoints: which there are, when they are written, and finding a good one again."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from core.events.emitter import Emit
from core.events.types import CheckpointSaved
from core.training.checkpoints.file import (
    DamagedCheckpoint,
    copy_checkpoint,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)
from core.training.checkpoints.writer_thread import WriterThread
from core.training.train_state import Best, TrainState

LAST, PREVIOUS = "last.pt", "last-previous.pt"


class CheckpointWriter(Protocol):
    """Where the engine leaves its states."""

    def save_last(self, state: TrainState) -> None:
        """Have the state kept as the one to go on from."""

    def seconds_since_last(self) -> float:
        """Seconds since then."""

    def save_manual(self, state: TrainState) -> str:
        """Have the state kept under a name of its own; returns the name."""

    def save_best(self, state: TrainState) -> None:
        """Have the phase's best weights kept."""

    def repair_best(self, state: TrainState) -> None:
        """Let the best weights fit a state that was read back."""


class NullCheckpointWriter:
    """What ranks other than 0 leave: nothing."""

    def save_last(self, state: TrainState) -> None:
        """Rank 0 does."""

    def seconds_since_last(self) -> float:
        """Never long ago."""
        return 0.0

    def save_manual(self, state: TrainState) -> str:
        """Rank 0 does."""
        return ""

    def save_best(self, state: TrainState) -> None:
        """Rank 0 does."""

    def repair_best(self, state: TrainState) -> None:
        """Rank 0 does."""


class FileCheckpointWriter:
    """Snapshots a state in the engine's thread and writes it in another one.

    `best.pt` and `best-<phase>.pt` hold weights, `last.pt` (with one generation before it) and
    `manual-*.pt` also the TrainState. All load with `torch.load(weights_only=True)` and have the
    weights under `model`.
    """

    def __init__(
        self,
        folder: Path,
        about: Mapping[str, Any],
        emit: Emit,
        keep_manual: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`about` goes into every file: configuration, class names, transform values. Of the
        manual checkpoints the newest `keep_manual` stay, or all."""
        self._folder = folder
        self._about = dict(about)
        self._emit = emit
        self._keep_manual = keep_manual
        self._clock = clock
        self._last_saved = clock()
        self.saver = WriterThread()

    def save_last(self, state: TrainState) -> None:
        """Have `last.pt` written; the file before it stays as `last-previous.pt`."""
        self._last_saved = self._clock()
        content = {**self._about, **state.snapshot()}
        step = state.global_step
        self.saver.submit(LAST, lambda: self._write(LAST, "last", step, content, keep=PREVIOUS))

    def seconds_since_last(self) -> float:
        """Seconds since the last snapshot for `last.pt`."""
        return self._clock() - self._last_saved

    def save_manual(self, state: TrainState) -> str:
        """Have a checkpoint written that later ones don't replace; returns its name."""
        stem = f"manual-{state.phase}-epoch{state.epoch}-step{state.global_step}"
        name, number = f"{stem}.pt", 1
        while (self._folder / name).exists():
            number += 1
            name = f"{stem}-{number}.pt"
        content = {**self._about, **state.snapshot()}
        step = state.global_step

        def write() -> None:
            self._write(name, "manual", step, content)
            for old in manual_files(self._folder)[self._keep_manual :] if self._keep_manual else ():
                remove_checkpoint(old)

        self.saver.submit(name, write)
        return name

    def save_best(self, state: TrainState) -> None:
        """Have the phase's best written from the state's copy, also as the run's if it is that."""
        best = state.phase_best
        if best is None:
            return
        name = phase_file(best.phase)
        content = {**self._about, "model": state.best_weights, "metrics": asdict(best)}
        step, is_best = state.global_step, state.best == best

        def write() -> None:
            self._write(name, "phase-best", step, content)
            if is_best:
                started = time.monotonic()
                size = copy_checkpoint(self._folder / name, self._folder / "best.pt")
                self._tell("best.pt", "best", size, started, step)

        self.saver.submit(name, write)

    def repair_best(self, state: TrainState) -> None:
        """Make the best files fit a state that was read back: later ones are undone, damaged
        ones written again where the weights are at hand."""
        if state.phase_best is not None and not self._holds(
            phase_file(state.phase), state.phase_best
        ):
            self.save_best(state)
        elif state.best is not None and not self._holds("best.pt", state.best):
            source = self._folder / phase_file(state.best.phase)
            if self._holds(source.name, state.best):
                copy_checkpoint(source, self._folder / "best.pt")

    def close(self) -> None:
        """Write what is in line and end the thread."""
        self.saver.close()

    def _holds(self, name: str, best: Best) -> bool:
        try:
            return bool(read_checkpoint(self._folder / name)["metrics"] == asdict(best))
        except (OSError, DamagedCheckpoint, KeyError):
            return False

    def _write(
        self, name: str, kind: str, step: int, content: Mapping[str, Any], keep: str | None = None
    ) -> None:
        started = time.monotonic()
        keep_at = self._folder / keep if keep else None
        size = write_checkpoint(self._folder / name, content, keep_at)
        self._tell(name, kind, size, started, step)

    def _tell(self, name: str, kind: str, size: int, started: float, step: int) -> None:
        self._emit(
            CheckpointSaved(
                path=f"checkpoints/{name}",
                kind=kind,
                bytes=size,
                seconds=time.monotonic() - started,
                global_step=step,
            )
        )


def manual_files(folder: Path) -> list[Path]:
    """Return the checkpoints that were saved by hand, newest first."""
    return sorted(folder.glob("manual-*.pt"), key=lambda p: p.stat().st_mtime_ns, reverse=True)


def phase_file(phase: str) -> str:
    """Return the name of the file with a phase's best weights."""
    return f"best-{phase}.pt"


def find_resumable(folder: Path) -> tuple[dict[str, Any] | None, str, list[str]]:
    """Return the newest checkpoint to go on from, its name, and what is wrong with newer ones.

    Looks at `last.pt`, the generation before it, then the manual ones, newest first. The content
    is None when there is none.
    """
    problems = []
    for path in (folder / LAST, folder / PREVIOUS, *manual_files(folder)):
        try:
            content = read_checkpoint(path)
        except FileNotFoundError:
            continue
        except (OSError, DamagedCheckpoint) as error:
            problems.append(str(error))
            continue
        if "train_state" in content:
            return content, path.name, problems
        problems.append(f"{path.name} holds no training state")
    return None, "", problems
