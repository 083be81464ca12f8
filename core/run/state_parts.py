"""What a run's state is made of: epochs, phases, marks, lines of the log."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from core.config.phases import PHASES
from core.events import types as ev
from core.run.early_stopping import EarlyStopping


@dataclass(frozen=True, slots=True)
class EpochPoint:
    """An epoch that ended, with its place on the run's x axis (epochs over all phases)."""

    x: int
    time: float
    result: ev.EpochEnded


@dataclass(frozen=True, slots=True)
class Mark:
    """Something worth a mark on the charts; `kind` is `phase`, `command`,
    `warning`, `resume` or `lr`."""

    x: float
    time: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the event log."""

    time: float
    level: str
    text: str


@dataclass
class PhaseState:
    """One of the run's phases as far as it has come."""

    name: str
    status: str = "waiting"
    """`waiting`, `running`, `done` or `skipped`."""
    max_epochs: int = 0
    epochs: list[EpochPoint] = field(default_factory=list)
    started: ev.PhaseStarted | None = None
    start_x: float = 0.0
    stopping: EarlyStopping | None = None
    """The verdict after the last epoch, with the patience that holds now."""
    lr: float = 0.0
    lr_by_hand: bool = False
    """Whether somebody set it while the run trained, or on resume."""
    scheduler_bad_epochs: int = 0
    reason: str = ""
    """Why it ended, in words."""
    best: EpochPoint | None = None

    @property
    def seconds(self) -> float:
        """Time that its epochs took, without pauses."""
        return sum(point.result.seconds for point in self.epochs)

    @property
    def verdict(self) -> EarlyStopping | None:
        """What early stopping made of the last epoch, or begins with."""
        if self.epochs:
            last = self.epochs[-1].result
            return EarlyStopping(last.patience, last.min_delta, last.monitor_best, last.bad_epochs)
        if self.started:
            return EarlyStopping(self.started.patience, self.started.min_delta)
        return self.stopping

    def rewind(self, kept: list[EpochPoint], resumed: str) -> None:
        """Go back to the epochs of the run that stand after it was resumed in a phase."""
        self.epochs = [point for point in kept if point.result.phase == self.name]
        self.best = last_point(self.epochs, lambda result: result.phase_best)
        self.stopping = self.verdict
        if self.epochs:
            last = self.epochs[-1].result
            self.lr, self.scheduler_bad_epochs = last.next_lr, last.scheduler_bad_epochs
        elif self.started:
            self.lr = self.started.lr
        if self.name == resumed:
            self.status, self.reason = "running", ""
        elif is_later(self.name, resumed) and self.status != "skipped":
            self.status, self.reason, self.started, self.stopping = "waiting", "", None, None

    def change(self, item: str, value: Any) -> None:
        """Show a configuration key of the phase that was set anew on resume."""
        if item == "epochs" and isinstance(value, int):
            self.max_epochs = value
        elif item == "lr" and isinstance(value, int | float):
            self.lr, self.lr_by_hand = float(value), True
        elif item == "early_stopping.patience" and isinstance(value, int) and self.stopping:
            self.stopping = replace(self.stopping, patience=value)
        elif (
            item == "early_stopping.min_delta" and isinstance(value, int | float) and self.stopping
        ):
            self.stopping = replace(self.stopping, min_delta=float(value))


def last_point(
    points: list[EpochPoint], fits: Callable[[ev.EpochEnded], bool]
) -> EpochPoint | None:
    """Return the latest epoch whose result fits."""
    return next((point for point in reversed(points) if fits(point.result)), None)


def is_later(phase: str, than: str) -> bool:
    """Whether a phase comes after another one; of two unknown ones none does."""
    order = [*PHASES, phase, than]
    return order.index(phase) > order.index(than)
