"""Metrics that early stopping, the plateau schedule and the choice of the best epoch may use."""

from collections.abc import Callable
from dataclasses import dataclass

from core.common import format as fmt


@dataclass(frozen=True, slots=True)
class Monitor:
    """A validation metric with its direction."""

    label: str
    """As in a sentence."""
    is_loss: bool
    """Whether lower is better."""
    text: Callable[[float], str]

    def improved_by(self, value: float) -> str:
        """Return what improves on a threshold, such as `val loss drops below 0.512`."""
        verb = "drops below" if self.is_loss else "rises above"
        return f"{self.label} {verb} {self.text(value)}"

    def beyond(self, value: float) -> str:
        """Return the better side of a threshold, such as `val loss below 0.512`."""
        return f"{self.label} {'below' if self.is_loss else 'above'} {self.text(value)}"

    def comparison(self, value: float) -> str:
        """Return the better side of a threshold, such as `val loss < 0.512`."""
        return f"{self.label} {'<' if self.is_loss else '>'} {self.text(value)}"


MONITORS: dict[str, Monitor] = {
    "val_loss": Monitor("val loss", True, fmt.loss),
    "val_top1": Monitor("val top-1", False, fmt.percent),
    "macro_f1": Monitor("macro F1", False, fmt.percent),
    "balanced_accuracy": Monitor("balanced accuracy", False, fmt.percent),
}
"""By the value of the config key `monitor`; each is a field of EpochEnded."""


def stopping_monitor(key: str) -> str:
    """Return the metric of early stopping and plateau for a value of the config key."""
    return "val_loss" if key == "auto" else key


def best_monitor(key: str) -> str:
    """Return the metric of the best epoch for a value of the config key."""
    return "val_top1" if key == "auto" else key
