"""What an evaluation says of each class: pure functions of an `Evaluated` event.

Whatever lists a damaged journal holds, they give figures and never fail: counts that can't be are
taken for the nearest that can, labels without a class are left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.events.evaluation_parts import CalibrationBin
from core.events.types import Evaluated

_LARGEST = 1 << 53


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How well one class is told from the others; NaN where there is nothing to count."""

    label: int
    name: str
    support: int
    """Validation pictures of the class."""
    predicted: int
    precision: float
    """Share of the pictures taken for this class that are of it."""
    recall: float
    """Share of the class's pictures that were taken for it."""
    f1: float


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Pictures of one class that were taken for another."""

    truth: int
    predicted: int
    count: int
    share: float
    """Of the true class's pictures; NaN where none is known."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """One bar: how confident the predictions in a range were, and how often they were right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class Evaluation:
    """The figures of one validation pass, by class."""

    def __init__(self, event: Evaluated, classes: Sequence[str]) -> None:
        """`classes` are the names by label; a class without one gets its number."""
        self.event = event
        self._classes = classes
        self.size = len(event.support)
        """Number of classes."""

    def name(self, label: int) -> str:
        """Return a class's name as it is, not yet fit for a terminal."""
        known = self._classes[label] if 0 <= label < len(self._classes) else ""
        return known or f"class {label}"

    @cached_property
    def rows(self) -> list[ClassRow]:
        """All classes, in the order of their labels."""
        return [self._row(label) for label in range(self.size)]

    def _row(self, label: int) -> ClassRow:
        support, predicted = self._support(label), _count(self.event.predicted, label)
        correct = min(support, predicted, _count(self.event.correct, label))
        return ClassRow(
            label=label,
            name=self.name(label),
            support=support,
            predicted=predicted,
            precision=_share(correct, predicted),
            recall=_share(correct, support),
            f1=_share(2 * correct, support + predicted),
        )

    def _support(self, label: int) -> int:
        return _count(self.event.support, label)

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that have validation pictures; NaN without any."""
        known = [row.f1 for row in self.rows if row.support]
        return sum(known) / len(known) if known else math.nan

    @property
    def pictures(self) -> int:
        """Validation pictures that were evaluated."""
        return sum(row.support for row in self.rows)

    @cached_property
    def pairs(self) -> list[ConfusedPair]:
        """Pairs of classes that are confused, by the share of the true class's pictures, the
        largest first."""
        pairs = [
            ConfusedPair(truth, predicted, count, _share(count, self._support(truth)))
            for (truth, predicted), count in self.cells.items()
            if truth != predicted
        ]
        # A share of one picture in one says less than 14 in 100: by count among equals.
        return sorted(pairs, key=lambda p: (-_number(p.share), -p.count, p.truth, p.predicted))

    @cached_property
    def cells(self) -> Mapping[tuple[int, int], int]:
        """The confusion matrix without its zeros: (truth, predicted) to pictures."""
        cells = {
            (row.label, row.label): correct
            for row in self.rows
            if (correct := min(row.support, _count(self.event.correct, row.label)))
        }
        for truth, predicted, count in self.event.confusions:
            inside = 0 <= truth < self.size and 0 <= predicted < self.size
            if inside and truth != predicted and count > 0:
                cells[truth, predicted] = min(count, _LARGEST)
        return cells

    def share(self, truth: int, predicted: int) -> float:
        """Return what share of a class's pictures was taken for another or for itself; NaN for a
        class without pictures."""
        return _share(self.cells.get((truth, predicted), 0), self._support(truth))

    @cached_property
    def by_confusion(self) -> list[int]:
        """Labels, those of the worst pairs first and beside each other, then by F1."""
        order = {label: None for pair in self.pairs for label in (pair.truth, pair.predicted)}
        rest = [row for row in self.rows if row.label not in order]
        rest.sort(key=lambda row: (math.isnan(row.f1), row.f1, row.label))
        return [*order, *(row.label for row in rest)]

    @cached_property
    def by_name(self) -> list[int]:
        """Labels in the order of the classes' names."""
        return sorted(range(self.size), key=lambda label: (self.name(label).casefold(), label))

    @cached_property
    def reliability(self) -> list[Reliability]:
        """The bins of confidence as bars; an empty one has NaN for its figures."""
        bins = self.event.calibration
        return [_bar(item, number, len(bins)) for number, item in enumerate(bins)]

    @property
    def calibration_error(self) -> float:
        """The expected calibration error: the mean gap between confidence and accuracy over bins
        of equal width, weighted by pictures (Guo et al., On Calibration of Modern Neural
        Networks, 2017). NaN without pictures."""
        filled = [bar for bar in self.reliability if bar.count]
        total = sum(bar.count for bar in filled)
        if not total:
            return math.nan
        return sum(bar.count / total * abs(bar.accuracy - bar.confidence) for bar in filled)


def _bar(item: CalibrationBin, number: int, bins: int) -> Reliability:
    count = min(max(0, item.pictures), _LARGEST)
    confidence = item.confidence if math.isfinite(item.confidence) else 0.0
    return Reliability(
        low=number / bins,
        high=(number + 1) / bins,
        count=count,
        confidence=min(1.0, max(0.0, confidence / count)) if count else math.nan,
        accuracy=_share(min(count, max(0, item.correct)), count),
    )


def _count(counts: Sequence[int], label: int) -> int:
    return min(max(0, counts[label]), _LARGEST) if label < len(counts) else 0


def _share(part: int, whole: int) -> float:
    return min(1.0, part / whole) if whole else math.nan


def _number(value: float) -> float:
    return value if math.isfinite(value) else -1.0
