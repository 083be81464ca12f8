"""Parts of the `Evaluated` event."""

from dataclasses import dataclass
from typing import NamedTuple


class Confusion(NamedTuple):
    """Number of validation images of one class that were predicted as another; classes by label."""

    truth: int
    predicted: int
    pictures: int


class CalibrationBin(NamedTuple):
    """Validation images of similar confidence."""

    pictures: int
    confidence: float
    """Sum over the images of the bin."""
    correct: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """A misclassified validation image."""

    path: str
    """Relative to the data root."""
    truth: int
    predicted: int
    confidence: float
    """Confidence of the wrong prediction, 0 to 1."""
