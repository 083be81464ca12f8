"""Summary of a run: one row of the run list."""

from dataclasses import asdict, dataclass, field
from typing import Any

from core.common.nested import flatten_recorded
from core.common.text import printable
from core.events.journal import Skipped
from core.run.figures import best_values
from core.run.folder import RunFolder
from core.run.state import OVER, RunState


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row of the run list."""

    id: str
    path: str
    name: str
    status: str
    """A RunState status, or `interrupted` if the process exited without recording an end."""
    reason: str
    model: str
    phase: str
    epochs: dict[str, int]
    best_val_top1: float | None
    best_val_loss: float | None
    started: float | None
    seconds: float | None
    """From the start to the last event, including pauses."""
    val_losses: list[float] = field(default_factory=list)
    best_values: dict[str, float] = field(default_factory=dict)
    """The best value over all epochs of each figure that has a goal, by column."""
    skipped_lines: int = 0
    error: str = ""
    """Why the run could not be read."""
    config: dict[str, str] = field(default_factory=dict)
    """The recorded configuration by dotted key, values as YAML text."""
    tags: list[str] = field(default_factory=list)
    note: str = ""
    starred: bool = False
    archived: bool = False
    notes_problem: str = ""
    """Why the notes file cannot be read."""

    @property
    def study(self) -> str:
        """The id of the study that the run belongs to; empty without one."""
        study = self.config.get("study", "null")
        return "" if study == "null" else study

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; non-finite numbers become text."""
        plain = {**asdict(self), "study": self.study or None}
        plain["val_losses"] = [_finite(value) for value in self.val_losses]
        for name in ("best_val_loss", "best_val_top1", "started", "seconds"):
            plain[name] = _finite(plain[name])
        return plain


def _finite(value: float | None) -> float | str | None:
    return str(value) if value is not None and value - value != 0 else value


def summarize(folder: RunFolder, state: RunState, skipped: Skipped, locked: bool) -> RunSummary:
    """Return the row of a run whose folded state is `state`."""
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
        best_values=best_values(point.result for point in state.epochs),
        skipped_lines=skipped.count,
        config=flatten_recorded(state.config),
    )


def effective_status(state: RunState, locked: bool) -> str:
    """Return the status of a run; without a running engine an unfinished run is interrupted."""
    return status_with_lock(state.status, locked)


def status_with_lock(status: str, locked: bool) -> str:
    """Return a recorded status, or `interrupted` if the run is unfinished and not locked."""
    return printable(status) if status in OVER or locked else "interrupted"
