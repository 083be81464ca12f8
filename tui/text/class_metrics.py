"""Describe an evaluation per class: the text of the classes tab."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.analysis.class_metrics import ClassificationReport, ClassRow, ConfusedPair
from core.common import format as fmt
from core.common.text import printable
from core.events.types import Evaluated
from core.run.state import ACTIVE, RunState

_CALIBRATED_GAP = 0.02
"""Gap between mean confidence and accuracy up to which a model is called well calibrated."""


@dataclass(frozen=True, slots=True)
class SelectedEvaluation:
    """The selected evaluation, the one before it, and the title."""

    evaluation: ClassificationReport | None
    before: ClassificationReport | None
    title: str
    empty: str = ""
    """Why there is no evaluation, and how to get one."""


def select_evaluation(state: RunState, status: str, best: bool) -> SelectedEvaluation:
    """Return the latest evaluation of a run, or that of its best epoch."""
    classes = state.data.classes if state.data else []
    event = state.evaluations.best if best else state.evaluations.latest
    if event is None:
        return SelectedEvaluation(None, None, "", empty_text(state, status, best))
    before = None if best else state.evaluations.before
    evaluation = ClassificationReport(event, classes)
    title = (
        f"{epoch_label(event, best)} · macro F1 {fmt.percent(evaluation.macro_f1)} · "
        f"{fmt.counted(evaluation.images, 'val image')} │ {other_epoch_hint(best)}"
    )
    return SelectedEvaluation(
        evaluation, ClassificationReport(before, classes) if before else None, title
    )


def epoch_label(event: Evaluated, best: bool) -> str:
    """Return the label of the selected epoch."""
    return f"{'best' if best else 'latest'}: {printable(event.phase)}, epoch {event.epoch}"


def other_epoch_hint(best: bool) -> str:
    """Return the footer text of the key that selects the other epoch."""
    return f"e {'latest' if best else 'best'}"


def empty_text(state: RunState, status: str, best: bool) -> str:
    """Return why there are no per-class metrics, and how to get them."""
    active = status in ACTIVE
    if best and state.evaluations.latest:
        where = ""
        if state.best:
            where = f" ({printable(state.best.result.phase)}, epoch {state.best.result.epoch})"
        return f"No per-class metrics saved for the best epoch{where}. Press e for the latest."
    if state.epochs:
        text = "This run's journal has no per-class metrics."
        return f"{text} The next validation adds them." if active else text
    if active:
        return "Per-class metrics appear after the first validation, at the end of the epoch."
    return "The run ended before its first validation: there are no per-class metrics."


def f1_changes(selected: SelectedEvaluation) -> Mapping[int, float]:
    """Return the change of each class's F1 since the previous epoch, by label, where known."""
    if selected.evaluation is None or selected.before is None:
        return {}
    both = zip(selected.evaluation.rows, selected.before.rows, strict=False)
    changed = {now.label: now.f1 - then.f1 for now, then in both}
    return {label: change for label, change in changed.items() if math.isfinite(change)}


def change_text(change: float | None) -> str:
    """Return a change in percentage points: `▲ +1.2`, `▼ -0.8`, `=` or `–`."""
    if change is None:
        return fmt.NONE
    points = round(100 * change, 1)
    if points == 0:
        return "="
    return f"{'▲' if points > 0 else '▼'} {points:+.1f}"


def percent_cell(share: float) -> str:
    """Return a fraction as a whole percentage in at most three cells: `97`, `<1`, `·` for 0."""
    if math.isnan(share):
        return fmt.NONE
    if share == 0:
        return "·"
    if share < 0.01:
        return "<1"
    # 100 means exactly 100.
    return str(100 if share == 1 else min(99, round(100 * share)))


def pair_text(evaluation: ClassificationReport, pair: ConfusedPair) -> str:
    """Return a confused pair as text: `ducks predicted as birds 14% (7 of 50)`."""
    names = [printable(evaluation.name(label)) for label in (pair.truth, pair.predicted)]
    support = evaluation.rows[pair.truth].support
    return (
        f"{names[0]} predicted as {names[1]} {_whole_percent(pair.share)} "
        f"({fmt.count(pair.count)} of {fmt.count(support)})"
    )


def cell_text(evaluation: ClassificationReport, truth: int, predicted: int) -> str:
    """Return a cell of the confusion matrix as text."""
    row = evaluation.rows[truth]
    name = printable(row.name)
    if not row.support:
        return f"{name} has no validation images"
    count = evaluation.cells.get((truth, predicted), 0)
    share = _whole_percent(evaluation.share(truth, predicted))
    counts = f"{share} ({fmt.count(count)} of {fmt.count(row.support)})"
    if truth == predicted:
        return f"{name} correct {counts}"
    return f"{name} predicted as {printable(evaluation.name(predicted))} {counts}"


def _whole_percent(share: float) -> str:
    return f"{percent_cell(share)}%" if share else "0%"


def pair_lines(evaluation: ClassificationReport, most: int) -> list[str]:
    """Return the most confused pairs as text, and the number of the remaining ones."""
    pairs = evaluation.pairs
    if not pairs:
        return ["no misclassified images"]
    if most < len(pairs):
        more = f"and {fmt.counted(len(pairs) - max(0, most - 1), 'more pair')}"
        return [*(pair_text(evaluation, pair) for pair in pairs[: max(0, most - 1)]), more]
    return [pair_text(evaluation, pair) for pair in pairs]


def omitted_text(evaluation: ClassificationReport) -> str:
    """Return the number of errors missing in the matrix; empty for none."""
    left_out = evaluation.event.confusions_left_out
    return f" ({fmt.counted(left_out, 'rare error')} omitted)" if left_out > 0 else ""


def calibration_text(evaluation: ClassificationReport) -> str:
    """Return the expected calibration error and whether the model is over- or underconfident."""
    filled = [bar for bar in evaluation.reliability if bar.count]
    total = sum(bar.count for bar in filled)
    if not total:
        return "no confidences recorded"
    error = evaluation.calibration_error
    gap = sum(bar.count / total * (bar.confidence - bar.accuracy) for bar in filled)
    verdict = "well calibrated"
    if abs(gap) > _CALIBRATED_GAP:
        direction = "overconfident" if gap > 0 else "underconfident"
        verdict = f"{direction} by {100 * abs(gap):.1f} points"
    return f"ECE {fmt.percent(error)}: {verdict}"


TITLES = ("class", "support", "precision", "recall", "F1", "change", "predicted as")
NAME, SUPPORT, PRECISION, RECALL, F1, CHANGE, PREDICTED_AS = range(len(TITLES))


class ClassTableData:
    """The cells and the sort order of the class table."""

    def __init__(self, selected: SelectedEvaluation) -> None:
        self.evaluation = selected.evaluation
        self._changes = f1_changes(selected)
        self._worst: dict[int, ConfusedPair] = {}
        for pair in selected.evaluation.pairs if selected.evaluation else []:
            self._worst.setdefault(pair.truth, pair)

    @property
    def rows(self) -> Sequence[ClassRow]:
        """The rows of all classes, by label."""
        return self.evaluation.rows if self.evaluation else []

    def cells(self, label: int) -> list[str]:
        """Return the cells of a class, in the order of `TITLES`."""
        row = self.rows[label]
        metrics = [fmt.percent(value, 1) for value in (row.precision, row.recall, row.f1)]
        return [
            printable(row.name),
            fmt.count(row.support),
            *metrics,
            change_text(self._changes.get(label)),
            self._most_predicted(label),
        ]

    def _most_predicted(self, label: int) -> str:
        pair = self._worst.get(label)
        if pair is None or self.evaluation is None:
            return ""
        return f"{_whole_percent(pair.share)} {printable(self.evaluation.name(pair.predicted))}"

    def order(self, column: int, descending: bool) -> list[int]:
        """Return the labels sorted by a column; classes without a value are last."""
        if column == NAME:
            names = [(row.name.casefold(), row.label) for row in self.rows]
            return [label for _, label in sorted(names, reverse=descending)]
        values = {row.label: self._value(row, column) for row in self.rows}
        known = [label for label in values if math.isfinite(values[label])]
        unknown = [label for label in values if not math.isfinite(values[label])]
        sign = -1 if descending else 1
        return [*sorted(known, key=lambda label: (sign * values[label], label)), *unknown]

    def _value(self, row: ClassRow, column: int) -> float:
        if column == CHANGE:
            return self._changes.get(row.label, math.nan)
        if column == PREDICTED_AS:
            pair = self._worst.get(row.label)
            return pair.share if pair else 0.0
        return {SUPPORT: row.support, PRECISION: row.precision, RECALL: row.recall}.get(
            column, row.f1
        )
