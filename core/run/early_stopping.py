"""Early stopping as an immutable value without tensors, shared by engine and previews."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stops a phase when the validation loss has not improved for `patience` epochs.

    An epoch improves when its loss is below `best - min_delta`; NaN never improves. This is the
    usual rule of Keras' and Lightning's `EarlyStopping` with `mode="min"`.
    """

    patience: int
    """Epochs without improvement after which the phase ends; at least 1."""
    min_delta: float
    """Minimum decrease below the best loss that counts as an improvement."""
    best: float = math.inf
    """The lowest loss that counted as an improvement."""
    bad_epochs: int = 0
    """Epochs since the last improvement."""

    def update(self, loss: float) -> "EarlyStopping":
        """Return the state after an epoch with this validation loss."""
        if loss < self.threshold:
            return replace(self, best=loss, bad_epochs=0)
        return replace(self, bad_epochs=self.bad_epochs + 1)

    def with_patience(self, patience: int) -> "EarlyStopping":
        """Return the state with another patience; raises ValueError below 1."""
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least 1 epoch")
        return replace(self, patience=patience)

    @property
    def threshold(self) -> float:
        """Return the loss below which the next epoch counts as an improvement."""
        return self.best - self.min_delta

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
