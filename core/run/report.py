"""A complete report of one run, read once: for `show`, and as plain values for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.common.codec import to_jsonable
from core.common.text import printable
from core.run.folder import RunFolder
from core.run.history_csv import csv_text
from core.run.lock import is_locked
from core.run.snapshot import Snapshot
from core.run.state import RunState
from core.run.state_parts import PhaseState
from core.run.summary import RunSummary, summarize


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run at one moment."""

    folder: RunFolder
    state: RunState
    summary: RunSummary

    def to_json(self, more: Mapping[str, Any] = {}) -> str:
        """Return one strict JSON object: the row of the run list, all details and `more`."""
        state = self.state
        whole: dict[str, Any] = {
            **self.summary.to_dict(),
            "config": state.config,
            "data": state.data,
            "model_ready": state.model,
            "phases": [_phase(phase) for phase in state.phases.values()],
            "history": [{"time": p.time, **asdict(p.result)} for p in state.epochs],
            "marks": state.markers,
            **more,
        }
        return json.dumps(to_jsonable(whole), allow_nan=False, indent=2)

    def to_csv(self) -> str:
        """Return the epochs with the columns of `history.csv`."""
        rows = (point.result for point in self.state.epochs)
        # A journal from elsewhere may contain anything, and this may be printed on a terminal.
        return csv_text(replace(row, phase=printable(row.phase)) for row in rows)


def _phase(phase: PhaseState) -> Mapping[str, Any]:
    best = phase.best.result if phase.best else None
    return {
        "name": phase.name,
        "status": phase.status,
        "reason": phase.reason,
        "epochs": len(phase.epochs),
        "max_epochs": phase.max_epochs,
        "seconds": phase.seconds,
        "lr": phase.lr,
        "best_epoch": best.epoch if best else None,
        "best_val_top1": best.val_top1 if best else None,
        "best_val_loss": best.val_loss if best else None,
        "started": phase.started,
    }


def read_report(folder: RunFolder) -> RunReport:
    """Read a run, finished or live, without writing anything; raises OSError."""
    # Test the lock first: a run that ends while it is read has recorded its end.
    locked = is_locked(folder)
    reader, state = Snapshot(folder.journal, folder.snapshot).open()
    for record in reader.read():
        state.apply(record)
    return RunReport(folder, state, summarize(folder, state, reader.skipped, locked))
