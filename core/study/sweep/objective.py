"""Objective of a sweep: the figure by which its trials are judged, and its direction."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.common.errors import SetupError
from core.common.text import quoted
from core.run.figures import EpochValue, Figure, epoch_values_with_goal

if TYPE_CHECKING:
    from core.events.types import EpochEnded

DEFAULT = "val_top1"


@dataclass(frozen=True, slots=True)
class Objective:
    """The best value of a figure over the epochs of a run."""

    figure: str
    """Column of the figure in `history.csv`, such as `val_top1`."""
    label: str
    """Such as `best val top-1`."""
    maximize: bool

    def text(self, value: float | None) -> str:
        """Return a value with its unit."""
        from core.common.format import NONE

        return NONE if value is None else _TABLE[self.figure][0].text(value)

    @property
    def epoch_label(self) -> str:
        """Label of the figure in one epoch, such as `val top-1`."""
        return _TABLE[self.figure][1].label

    def of_epoch(self, epoch: "EpochEnded") -> float:
        """Return the figure of one epoch."""
        return _TABLE[self.figure][1].read(epoch)

    def best(self, values: Iterable[float]) -> float | None:
        """Return the best of several values, None of none."""
        return (max if self.maximize else min)(values, default=None)


_TABLE: dict[str, tuple[Figure, EpochValue]] = {
    value.column: (figure, value) for figure, value in epoch_values_with_goal()
}
OBJECTIVES = tuple(_TABLE)
"""The figures that can be an objective."""


def objective_of(name: str) -> Objective:
    """Return the objective with the name of a figure; raises SetupError."""
    if name not in _TABLE:
        raise SetupError(f"--objective is {quoted(name)}; expected {', '.join(OBJECTIVES)}")
    figure, value = _TABLE[name]
    maximize = figure.goal == "max"
    best = "best" if name == DEFAULT else "highest" if maximize else "lowest"
    return Objective(name, f"{best} {value.label}", maximize)
