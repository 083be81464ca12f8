"""Runs of a comparison, read side by side and kept up to date."""

from collections.abc import Sequence
from pathlib import Path

from core.analysis.compare import LETTERS, ComparedRun, RunLabel, assign_colors, compared_run
from core.common.text import printable
from core.run.folder import RunFolder
from core.run.notes import CachedNotes, read_if_changed
from core.run.state import RunState
from tui.viewmodel.run_source import JournalSource, RunModel


class Comparison:
    """Follow runs of this or other processes. Reading may take a moment: not for the event loop."""

    def __init__(self, paths: Sequence[Path], letters: Sequence[str] = LETTERS) -> None:
        self._paths, self._letters = list(paths), letters
        self._colors = assign_colors([path.name for path in self._paths])
        self._models: list[RunModel] = []
        self._notes: list[CachedNotes | None] = [None] * len(self._paths)
        self._latest: list[tuple[object, ComparedRun]] = []
        """Each run with the values that it depends on, to rebuild it only when they change."""

    def read(self) -> tuple[ComparedRun, ...]:
        """Return the current state of the runs."""
        if not self._models:
            self._models = [RunModel(JournalSource(path), path) for path in self._paths]
            self._latest = [(None, self._compared(number)) for number in range(len(self._paths))]
        for number, model in enumerate(self._models):
            while model.pump():
                continue
            notes = read_if_changed(RunFolder(self._paths[number]).notes, self._notes[number])
            self._notes[number] = notes
            now = (model.state.seq, model.status, notes)
            if now != self._latest[number][0]:
                self._latest[number] = (now, self._compared(number))
        return tuple(run for _, run in self._latest)

    @property
    def error(self) -> str:
        """Unreadable runs and the reasons; empty if there are none."""
        pairs = zip(self._paths, self._models, strict=False)
        return "; ".join(
            f"{printable(path.name)} can't be read: {printable(model.error)}"
            for path, model in pairs
            if model.error
        )

    def _compared(self, number: int) -> ComparedRun:
        path, model, notes = self._paths[number], self._models[number], self._notes[number]
        state: RunState = model.state
        name = (notes.content.name if notes else "") or state.name or path.name
        label = RunLabel(path.name, name, self._letters[number], self._colors[number])
        return compared_run(state, label, model.status)
