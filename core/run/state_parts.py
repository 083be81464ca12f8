"""Parts of the run state: epochs, phases, chart markers, log lines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from core.config.phases import PHASES, auto_patience
from core.events import types as ev
from core.run.early_stopping import EarlyStopping

DERIVED: Mapping[str, bool] = MappingProxyType({"derived": True})
"""Metadata of fields that follow from the run's epochs and are left out of snapshots."""


@dataclass(frozen=True, slots=True)
class EpochPoint:
    """A completed epoch with its position on the x axis (epochs over all phases)."""

    x: float
    time: float
    result: ev.EpochEnded
    number: int
    """From 1 over all phases; lower than `x` after a phase that ended within an epoch."""


@dataclass(frozen=True, slots=True)
class Marker:
    """An event marked on the charts; `kind` is `phase`, `command`, `warning`, `resume` or `lr`."""

    x: float
    time: float
    kind: str
    text: str
    seconds: float | None = None
    """Since the start of the run: at one x training may pause and resume."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the event log."""

    time: float
    level: str
    text: str


@dataclass
class PhaseState:
    """The state of one phase."""

    name: str
    status: str = "waiting"
    """`waiting`, `running`, `done` or `skipped`."""
    max_epochs: int = 0
    epochs: list[EpochPoint] = field(default_factory=list, metadata=DERIVED)
    started: ev.PhaseStarted | None = None
    start_x: float = 0.0
    """Position of its first epoch; a fraction if the previous phase ended within an epoch."""
    stopping: EarlyStopping | None = None
    """Early stopping after the last epoch, with the current patience."""
    lr: float = 0.0
    lr_is_manual: bool = False
    """Whether the learning rate was set manually, live or on resume."""
    scheduler_bad_epochs: int = 0
    reason: str = ""
    """Why the phase ended, as text."""
    best: EpochPoint | None = field(default=None, metadata=DERIVED)

    @property
    def seconds(self) -> float:
        """Return the duration of its epochs (s), without pauses."""
        return sum(point.result.seconds for point in self.epochs)

    @property
    def verdict(self) -> EarlyStopping | None:
        """Return early stopping after the last epoch, or at the start of the phase."""
        if self.epochs:
            last = self.epochs[-1].result
            return EarlyStopping(
                *(last.patience, last.min_delta, last.monitor_best, last.bad_epochs), last.monitor
            )
        if self.started:
            return early_stopping_at_start(self.started)
        return self.stopping

    def rewind(self, kept: list[EpochPoint], resumed: str) -> None:
        """Go back to the epochs that remain after the run was resumed in phase `resumed`."""
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
        """Apply a config key of the phase that was changed on resume."""
        if item == "epochs" and isinstance(value, int):
            self.max_epochs = value
        elif item == "lr" and isinstance(value, int | float):
            self.lr, self.lr_is_manual = float(value), True
        elif item == "early_stopping.patience" and isinstance(value, int) and self.stopping:
            self.stopping = replace(self.stopping, patience=value)
        elif item == "early_stopping.patience" and value == "auto" and self.stopping:
            self.stopping = replace(self.stopping, patience=auto_patience(self.max_epochs))
        elif (
            item == "early_stopping.min_delta" and isinstance(value, int | float) and self.stopping
        ):
            self.stopping = replace(self.stopping, min_delta=float(value))


def early_stopping_at_start(event: ev.PhaseStarted) -> EarlyStopping:
    """Return early stopping before the first epoch of a phase."""
    return EarlyStopping(event.patience, event.min_delta, monitor=event.monitor)


def last_point(
    points: list[EpochPoint], fits: Callable[[ev.EpochEnded], bool]
) -> EpochPoint | None:
    """Return the latest epoch for which `fits` holds."""
    return next((point for point in reversed(points) if fits(point.result)), None)


def is_later(phase: str, than: str) -> bool:
    """Return whether a phase comes after another one; False if both are unknown."""
    order = [*PHASES, phase, than]
    return order.index(phase) > order.index(than)
