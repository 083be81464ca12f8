"""Per-class metrics, confusion matrix and calibration of an `Evaluated` event.

They never fail, whatever lists a damaged journal holds: impossible counts are clipped to the
nearest possible ones, labels without a class are left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.events.evaluation_parts import CalibrationBin
from core.events.types import Evaluated

_MAX_COUNT = 1 << 53


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Metrics of one class; NaN where there is nothing to count."""

    label: int
    name: str
    support: int
    """Validation images of the class."""
    predicted: int
    precision: float
    """Fraction of the images predicted as this class that belong to it."""
    recall: float
    """Fraction of the class's images that were predicted as it."""
    f1: float


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one class that were predicted as another."""

    truth: int
    predicted: int
    count: int
    share: float
    """Fraction of the true class's images; NaN if their number is unknown."""


@dataclass(frozen=True, slots=True)
class CalibrationBar:
    """Mean confidence and accuracy of the predictions in one range of confidence, low to high."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class ClassificationReport:
    """Metrics of one validation pass, by class."""

    def __init__(self, event: Evaluated, classes: Sequence[str]) -> None:
        """`classes` are the names by label; a class without a name gets its number."""
        self.event = event
        self._classes = classes
        self.size = len(event.support)
        """Number of classes."""

    def name(self, label: int) -> str:
        """Return a class name, not yet escaped for a terminal."""
        known = self._classes[label] if 0 <= label < len(self._classes) else ""
        return known or f"class {label}"

    @cached_property
    def rows(self) -> list[ClassRow]:
        """Return the metrics of all classes, in the order of their labels."""
        return [self._class_row(label) for label in range(self.size)]

    def _class_row(self, label: int) -> ClassRow:
        support, predicted = self._support(label), _count(self.event.predicted, label)
        correct = min(support, predicted, _count(self.event.correct, label))
        return ClassRow(
            label=label,
            name=self.name(label),
            support=support,
            predicted=predicted,
            precision=_fraction(correct, predicted),
            recall=_fraction(correct, support),
            f1=_fraction(2 * correct, support + predicted),
        )

    def _support(self, label: int) -> int:
        return _count(self.event.support, label)

    @property
    def macro_f1(self) -> float:
        """Return the mean F1 of the classes that have validation images; NaN without any."""
        known = [row.f1 for row in self.rows if row.support]
        return sum(known) / len(known) if known else math.nan

    @property
    def images(self) -> int:
        """Return the number of validation images that were evaluated."""
        return sum(row.support for row in self.rows)

    @cached_property
    def pairs(self) -> list[ConfusedPair]:
        """Return the confused pairs of classes, largest fraction of the true class first."""
        pairs = [
            ConfusedPair(truth, predicted, count, _fraction(count, self._support(truth)))
            for (truth, predicted), count in self.cells.items()
            if truth != predicted
        ]
        # One image of one says less than 14 of 14: among equal fractions by count.
        return sorted(
            pairs, key=lambda p: (-_finite_or_lowest(p.share), -p.count, p.truth, p.predicted)
        )

    @cached_property
    def cells(self) -> Mapping[tuple[int, int], int]:
        """Return the confusion matrix without its zeros: (truth, predicted) to number of images."""
        cells = {
            (row.label, row.label): correct
            for row in self.rows
            if (correct := min(row.support, _count(self.event.correct, row.label)))
        }
        for truth, predicted, count in self.event.confusions:
            inside = 0 <= truth < self.size and 0 <= predicted < self.size
            if inside and truth != predicted and count > 0:
                cells[truth, predicted] = min(count, _MAX_COUNT)
        return cells

    def share(self, truth: int, predicted: int) -> float:
        """Return the fraction of a class's images predicted as a class; NaN without images."""
        return _fraction(self.cells.get((truth, predicted), 0), self._support(truth))

    @cached_property
    def by_confusion(self) -> list[int]:
        """Return the labels: those of the most confused pairs first, adjacent; then by F1."""
        order = {label: None for pair in self.pairs for label in (pair.truth, pair.predicted)}
        rest = [row for row in self.rows if row.label not in order]
        rest.sort(key=lambda row: (math.isnan(row.f1), row.f1, row.label))
        return [*order, *(row.label for row in rest)]

    @cached_property
    def by_name(self) -> list[int]:
        """Return the labels in the order of the class names."""
        return sorted(range(self.size), key=lambda label: (self.name(label).casefold(), label))

    @cached_property
    def reliability(self) -> list[CalibrationBar]:
        """Return the bars of the reliability diagram; an empty one has NaN."""
        bins = self.event.calibration
        return [_bar(item, number, len(bins)) for number, item in enumerate(bins)]

    @property
    def calibration_error(self) -> float:
        """Return the expected calibration error; NaN without images.

        It is the mean gap between confidence and accuracy over bins of equal width, weighted by
        their images (Guo et al., On Calibration of Modern Neural Networks, 2017).
        """
        filled = [bar for bar in self.reliability if bar.count]
        total = sum(bar.count for bar in filled)
        if not total:
            return math.nan
        return sum(bar.count / total * abs(bar.accuracy - bar.confidence) for bar in filled)


def _bar(item: CalibrationBin, number: int, bins: int) -> CalibrationBar:
    count = min(max(0, item.pictures), _MAX_COUNT)
    confidence = item.confidence if math.isfinite(item.confidence) else 0.0
    return CalibrationBar(
        low=number / bins,
        high=(number + 1) / bins,
        count=count,
        confidence=min(1.0, max(0.0, confidence / count)) if count else math.nan,
        accuracy=_fraction(min(count, max(0, item.correct)), count),
    )


def _count(counts: Sequence[int], label: int) -> int:
    return min(max(0, counts[label]), _MAX_COUNT) if label < len(counts) else 0


def _fraction(part: int, whole: int) -> float:
    return min(1.0, part / whole) if whole else math.nan


def _finite_or_lowest(value: float) -> float:
    return value if math.isfinite(value) else -1.0
