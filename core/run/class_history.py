"""Accuracy of each class over the epochs of a run, of bounded size."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.events.types import Evaluated

MAX_COUNTS = 1 << 19
"""Most counts of correct predictions that are kept, over all classes and epochs: a few MB. With
1,000 classes that is every one of 500 epochs."""
_FEWEST_EPOCHS, _MOST_EPOCHS = 16, 512


class InEpoch(Protocol):
    """Something that happened in an epoch of a phase."""

    @property
    def phase(self) -> str:
        """The name of the phase."""

    @property
    def epoch(self) -> int:
        """Its number in the phase, from 1."""


@dataclass(frozen=True, slots=True)
class ClassAccuracies:
    """Results of one validation pass by class."""

    number: int
    """Counts the validation passes from 0, also those that are not kept."""
    phase: str
    epoch: int
    support: list[int]
    """Validation images by label; the same list in all passes with equal numbers."""
    correct: list[int]
    mean: float
    """Mean accuracy of the classes that have validation images; NaN without any."""

    def accuracy(self, label: int) -> float:
        """Return the fraction of a class's images that were predicted correctly; NaN without any.

        Impossible counts of a damaged journal are clipped.
        """
        return _accuracy(self.support, self.correct, label)


@dataclass
class ClassHistory:
    """The results of validation passes, evenly spaced where there are too many; always with the
    newest."""

    stride: int = 1
    """Passes from one that is kept to the next one."""
    passes: list[ClassAccuracies] = field(default_factory=list)

    @property
    def recorded(self) -> int:
        """The number of epochs whose results were recorded, also of those that are not kept."""
        return self.passes[-1].number + 1 if self.passes else 0

    def add(self, report: Evaluated) -> None:
        """Add a validation pass; a second report of an epoch replaces the first."""
        last = self.passes[-1] if self.passes else None
        number = last.number + 1 if last else 0
        if last and (last.phase, last.epoch) == (report.phase, report.epoch):
            number = last.number
        if last and (number == last.number or last.number % self.stride):
            self.passes.pop()
        known = last is not None and last.support == report.support
        support = last.support if last and known else report.support
        mean = _mean(support, report.correct)
        self.passes.append(
            ClassAccuracies(number, report.phase, report.epoch, support, report.correct, mean)
        )
        if len(self.passes) > _limit(len(support)):
            self.stride *= 2
            self.passes = [p for p in self.passes[:-1] if p.number % self.stride == 0] + [
                self.passes[-1]
            ]

    def rewind(self, is_kept: Callable[[InEpoch], bool]) -> None:
        """Drop the passes of epochs that are trained again."""
        self.passes = [each for each in self.passes if is_kept(each)]


def _limit(classes: int) -> int:
    return min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, MAX_COUNTS // max(1, classes)))


def _accuracy(support: Sequence[int], correct: Sequence[int], label: int) -> float:
    if not (0 <= label < min(len(support), len(correct)) and support[label] > 0):
        return math.nan
    return min(1.0, max(0, correct[label]) / support[label])


def _mean(support: Sequence[int], correct: Sequence[int]) -> float:
    values = [_accuracy(support, correct, label) for label in range(len(support))]
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
