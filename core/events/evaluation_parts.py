"""What an evaluation by class is told in."""

from dataclasses import dataclass
from typing import NamedTuple


class Confusion(NamedTuple):
    """How many validation pictures of one class were taken for another; classes by label."""

    truth: int
    predicted: int
    pictures: int


class CalibrationBin(NamedTuple):
    """Validation pictures of about the same confidence."""

    pictures: int
    confidence: float
    """Sum over its pictures."""
    correct: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """A validation picture that was taken for another class."""

    path: str
    """Relative to the data root."""
    truth: int
    predicted: int
    confidence: float
    """Of the wrong prediction, 0 to 1."""
