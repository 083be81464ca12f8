"""Describe the classes with the lowest accuracy in the last validation pass, for a panel."""

import heapq

from rich.cells import cell_len, set_cell_size

from core.analysis.class_metrics import ClassificationReport
from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from tui.text.elide import elided

_COUNT = 6


def weakest_class_lines(state: RunState, width: int) -> list[str]:
    """Return a line of at most `width` cells for each of a few classes, the lowest accuracy first:
    accuracy, name, number of correct images."""
    event = state.evaluations.latest
    if event is None:
        unknown = "not in this run's journal", "known after the first validation"
        return [elided(unknown[not state.epochs], width)]
    report = ClassificationReport(event, state.data.classes if state.data else [])
    rows = [row for row in report.rows if row.support]
    lowest = heapq.nsmallest(_COUNT, rows, key=lambda row: (row.recall, -row.support, row.label))
    counts = [
        f"{fmt.count(round(row.recall * row.support))} of {fmt.count(row.support)}"
        for row in lowest
    ]
    names = [printable(row.name) for row in lowest]
    accuracies = [fmt.percent(row.recall, 1) for row in lowest]
    before, after = (max(map(cell_len, texts), default=0) for texts in (accuracies, counts))
    cells = min(max(map(cell_len, names), default=0), max(2, width - before - after - 4))
    shown = (set_cell_size(elided(name, cells), cells) for name in names)
    return [
        f"{accuracy:>{before}}  {name}  {count:>{after}}"
        for accuracy, name, count in zip(accuracies, shown, counts, strict=True)
    ] or ["no validation images"]


def weakest_classes_title(state: RunState) -> str:
    """Return the panel's title, which names the epoch."""
    event = state.evaluations.latest
    where = "" if event is None else f" · {printable(event.phase)} epoch {event.epoch}"
    return f"Lowest class accuracy{where}"
