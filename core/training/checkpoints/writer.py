"""Checkpoint writers: which files a run has, and when each is written."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from core.events.emitter import Emit
from core.events.types import CheckpointSaved
from core.run.files import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    MANUAL_CHECKPOINTS,
    PREVIOUS_CHECKPOINT,
    best_checkpoint_of,
)
from core.training.checkpoints.file import (
    DamagedCheckpoint,
    copy_checkpoint,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)
from core.training.checkpoints.writer_thread import WriterThread
from core.training.train_state import Best, TrainState


class CheckpointWriter(Protocol):
    """Interface through which the engine saves its state."""

    saved_position: str
    """Where `last.pt` resumes, as text; empty before it is written."""

    def save_last(self, state: TrainState) -> None:
        """Save the state as the checkpoint to resume from."""

    def seconds_since_last(self) -> float:
        """Return the seconds since the last `save_last`."""

    def save_manual(self, state: TrainState) -> str:
        """Save the state under a new file name and return that name."""

    def save_best(self, state: TrainState) -> None:
        """Save the best weights of the phase."""

    def repair_best(self, state: TrainState) -> None:
        """Make the files of best weights consistent with a restored state."""


class NullCheckpointWriter:
    """Checkpoint writer of ranks other than 0, which write nothing."""

    saved_position = ""

    def save_last(self, state: TrainState) -> None:
        """Do nothing: rank 0 saves."""

    def seconds_since_last(self) -> float:
        """Return 0: no save is ever due."""
        return 0.0

    def save_manual(self, state: TrainState) -> str:
        """Do nothing: rank 0 saves."""
        return ""

    def save_best(self, state: TrainState) -> None:
        """Do nothing: rank 0 saves."""

    def repair_best(self, state: TrainState) -> None:
        """Do nothing: rank 0 repairs."""


class FileCheckpointWriter:
    """Copies a state in the engine thread and writes it in a background thread.

    `best.pt` and `best-<phase>.pt` hold weights; `last.pt`, its previous version and `manual-*.pt`
    also hold the TrainState. All load with `torch.load(weights_only=True)` and have the weights
    under `model`.
    """

    def __init__(
        self,
        folder: Path,
        metadata: Mapping[str, Any],
        emit: Emit,
        keep_manual: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`metadata` goes into every file: configuration, class names, transform. Only the newest
        `keep_manual` manual checkpoints are kept; None keeps all."""
        self._folder = folder
        self._metadata = dict(metadata)
        self._emit = emit
        self._keep_manual = keep_manual
        self._clock = clock
        self._last_saved = clock()
        self.saved_position = ""
        self.thread = WriterThread()

    def save_last(self, state: TrainState) -> None:
        """Queue `last.pt`; the file before it is kept as `last-previous.pt`."""
        self._last_saved = self._clock()
        content = {**self._metadata, **state.snapshot()}
        step = state.global_step
        position = state.position

        def write() -> None:
            self._write(LAST_CHECKPOINT, "last", step, content, keep=PREVIOUS_CHECKPOINT)
            self.saved_position = position

        self.thread.submit(LAST_CHECKPOINT, write)

    def seconds_since_last(self) -> float:
        """Return the seconds since the last `save_last`."""
        return self._clock() - self._last_saved

    def save_manual(self, state: TrainState) -> str:
        """Queue a checkpoint that later ones don't replace; returns its file name."""
        stem = f"manual-{state.phase}-epoch{state.epoch}-step{state.global_step}"
        name, number = f"{stem}.pt", 1
        while (self._folder / name).exists():
            number += 1
            name = f"{stem}-{number}.pt"
        content = {**self._metadata, **state.snapshot()}
        step = state.global_step

        def write() -> None:
            self._write(name, "manual", step, content)
            for old in manual_files(self._folder)[self._keep_manual :] if self._keep_manual else ():
                remove_checkpoint(old)

        self.thread.submit(name, write)
        return name

    def save_best(self, state: TrainState) -> None:
        """Queue the phase's best weights, also as `best.pt` if they are the best of the run."""
        best = state.phase_best
        if best is None:
            return
        name = best_checkpoint_of(best.phase)
        content = {**self._metadata, "model": state.best_weights, "metrics": asdict(best)}
        step, is_best = state.global_step, state.best == best

        def write() -> None:
            self._write(name, "phase-best", step, content)
            if is_best:
                started = time.monotonic()
                size = copy_checkpoint(self._folder / name, self._folder / BEST_CHECKPOINT)
                self._emit_saved(BEST_CHECKPOINT, "best", size, started, step)

        self.thread.submit(name, write)

    def repair_best(self, state: TrainState) -> None:
        """Make the files of best weights consistent with a restored state.

        Files of later epochs and damaged ones are written again, where the weights are available.
        """
        if state.phase_best is not None and not self._holds(
            best_checkpoint_of(state.phase), state.phase_best
        ):
            self.save_best(state)
        elif state.best is not None and not self._holds(BEST_CHECKPOINT, state.best):
            source = self._folder / best_checkpoint_of(state.best.phase)
            if self._holds(source.name, state.best):
                copy_checkpoint(source, self._folder / BEST_CHECKPOINT)

    def close(self) -> None:
        """Write all queued checkpoints and end the thread."""
        self.thread.close()

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
        self._emit_saved(name, kind, size, started, step)

    def _emit_saved(self, name: str, kind: str, size: int, started: float, step: int) -> None:
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
    """Return the manually saved checkpoints, newest first."""
    return sorted(folder.glob(MANUAL_CHECKPOINTS), key=lambda p: p.stat().st_mtime_ns, reverse=True)
