"""Runs of studies as charts need them. A journal is read again only if its run has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.analysis.compare import ComparedRun, RunLabel, compared_run
from core.events.types import Evaluated
from core.run.state import ACTIVE, RunState
from core.run.summary import RunSummary
from tui.viewmodel.run_source import JournalSource, RunModel


@dataclass(frozen=True, slots=True)
class MemberRun:
    """A run of a study at one moment."""

    compared: ComparedRun
    evaluation: Evaluated | None
    """That of the best epoch, or else of the latest one."""
    classes: tuple[str, ...]


@dataclass(slots=True)
class _Reader:
    row: RunSummary
    model: RunModel | None
    """None once the run is over: a study may have a hundred of them."""
    seen: int
    run: MemberRun


class MemberRuns:
    """Reads the runs of studies. Reading may take a moment: not for the event loop."""

    def __init__(self) -> None:
        self._readers: dict[str, _Reader] = {}

    def read(self, rows: Sequence[RunSummary]) -> tuple[MemberRun, ...]:
        """Return the current state of runs; that of an unchanged one is the same object."""
        return tuple(self._read(row) for row in rows)

    def _read(self, row: RunSummary) -> MemberRun:
        before = self._readers.get(row.id)
        is_active = row.status in ACTIVE
        if before is not None and before.row == row and not is_active:
            return before.run
        model = before.model if before else None
        if model is None:
            path = Path(row.path)
            model = RunModel(JournalSource(path, "only read here"), path)
        while model.pump():
            continue
        seen = model.state.seq
        if before is not None and before.row == row and before.seen == seen:
            return before.run
        run = _member_run(row, model.state)
        self._readers[row.id] = _Reader(row, model if is_active else None, seen, run)
        return run


def _member_run(row: RunSummary, state: RunState) -> MemberRun:
    label = RunLabel(row.id, row.name, "", 0)
    evaluation = state.evaluations.best or state.evaluations.latest
    classes = tuple(state.data.classes) if state.data else ()
    return MemberRun(compared_run(state, label, row.status), evaluation, classes)
