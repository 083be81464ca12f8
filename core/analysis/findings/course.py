"""Course of one phase: its curves, and how much of a difference may be chance."""

import math
from dataclasses import dataclass

from core.config.phases import PHASES
from core.events.types import EpochEnded
from core.run.state import RunState
from core.run.state_parts import PhaseState


@dataclass(frozen=True, slots=True)
class Course:
    """The completed epochs of a phase, with what is needed to judge them."""

    phase: PhaseState
    epochs: list[EpochEnded]
    classes: int
    train_images: int
    val_images: int
    earlier_top1: float
    """Best val top-1 of the phases before; NaN without one."""
    is_last: bool
    """Whether no other phase follows."""

    @property
    def train_loss(self) -> list[float]:
        """Training loss of each epoch."""
        return [epoch.train_loss for epoch in self.epochs]

    @property
    def val_loss(self) -> list[float]:
        """Validation loss of each epoch."""
        return [epoch.val_loss for epoch in self.epochs]

    @property
    def val_top1(self) -> list[float]:
        """Validation top-1 accuracy of each epoch, 0 to 1."""
        return [epoch.val_top1 for epoch in self.epochs]

    @property
    def best_top1(self) -> float:
        """The highest val top-1."""
        return max(self.val_top1)

    @property
    def images_per_class(self) -> float:
        """Mean number of training images of a class."""
        return self.train_images / max(1, self.classes)

    def chance(self, top1: float) -> float:
        """Return the standard error of a top-1 accuracy, that of a binomial proportion."""
        return math.sqrt(max(0.0, top1 * (1 - top1)) / max(1, self.val_images))


def course_of(state: RunState, name: str) -> Course | None:
    """Return the course of a phase; None without a completed epoch of finite losses."""
    phase, data = state.phases.get(name), state.data
    if phase is None or data is None:
        return None
    epochs = [point.result for point in phase.epochs if _is_finite(point.result)]
    if not epochs:
        return None
    later = PHASES[PHASES.index(name) + 1 :] if name in PHASES else ()
    planned = state.config.get("phases")
    return Course(
        phase=phase,
        epochs=epochs,
        classes=len(data.classes),
        train_images=data.train,
        val_images=data.val,
        earlier_top1=_earlier_top1(state, name),
        is_last=not any(_has_epochs(planned, other) for other in later),
    )


def _earlier_top1(state: RunState, name: str) -> float:
    earlier = PHASES[: PHASES.index(name)] if name in PHASES else ()
    found = [
        point.result.val_top1
        for other in earlier
        if other in state.phases
        for point in state.phases[other].epochs
        if math.isfinite(point.result.val_top1)
    ]
    return max(found, default=math.nan)


def _has_epochs(planned: object, phase: str) -> bool:
    section = planned.get(phase) if isinstance(planned, dict) else None
    return isinstance(section, dict) and bool(section.get("epochs"))


def _is_finite(epoch: EpochEnded) -> bool:
    return all(map(math.isfinite, (epoch.train_loss, epoch.val_loss, epoch.val_top1)))
