"""Early stopping as an immutable value without tensors, shared by engine and previews."""

import math
from dataclasses import dataclass, replace

from core.run.monitors import MONITORS, Monitor


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stops a phase when the monitored metric has not improved for `patience` epochs.

    An epoch improves when its value is better than `best` by more than `min_delta`; NaN never
    improves. This is the usual rule of Keras' and Lightning's `EarlyStopping`.
    """

    patience: int
    """Epochs without improvement after which the phase ends; at least 1."""
    min_delta: float
    """Minimum difference from the best value that counts as an improvement."""
    best: float = math.inf
    """The best value that counted as an improvement; infinite before the first one."""
    bad_epochs: int = 0
    """Epochs since the last improvement."""
    monitor: str = "val_loss"
    """The metric, a key of MONITORS."""

    def update(self, value: float) -> "EarlyStopping":
        """Return the state after an epoch with this value of the metric."""
        if self._improves(value):
            return replace(self, best=value, bad_epochs=0)
        return replace(self, bad_epochs=self.bad_epochs + 1)

    def with_patience(self, patience: int) -> "EarlyStopping":
        """Return the state with another patience; raises ValueError below 1."""
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least 1 epoch")
        return replace(self, patience=patience)

    @property
    def metric(self) -> Monitor:
        """Return the name and direction of the metric; those of the loss if it is unknown."""
        return MONITORS.get(self.monitor, MONITORS["val_loss"])

    @property
    def threshold(self) -> float:
        """Return the value beyond which the next epoch counts as an improvement."""
        return self.best - self.min_delta if self.metric.is_loss else self.best + self.min_delta

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value) or not math.isfinite(self.best):
            return math.isfinite(value)
        return value < self.threshold if self.metric.is_loss else value > self.threshold

    @property
    def exhausted(self) -> bool:
        """Return whether the patience is exhausted at the end of an epoch."""
        return self.bad_epochs >= self.patience

    def last_epoch(self, epochs_done: int) -> int:
        """Return the epoch after which the phase ends if no epoch improves from now on.

        Never earlier than the epoch after `epochs_done`: early stopping is decided at the end of an
        epoch, so an exhausted patience ends the phase with the next one.
        """
        return epochs_done + max(1, self.patience - self.bad_epochs)
