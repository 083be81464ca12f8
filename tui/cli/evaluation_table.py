"""Print an evaluation as tables."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from core.analysis.evaluation_metrics import METRIC_NAMES
from core.common import format as fmt
from core.common.text import printable
from tui.cli.console import open_console

if TYPE_CHECKING:
    from core.inference.evaluation_result import EvaluationResult

_WORST, _PAIRS = 20, 8


def print_evaluation(result: "EvaluationResult") -> None:
    """Print the metrics with their intervals, the weakest classes and the most confused pairs."""
    console = open_console()
    root = printable(result.root)
    left_out = f"; {result.left_out_text}" if result.left_out_text else ""
    console.print(
        Text.assemble(
            (printable(result.metadata["run"]), "bold"),
            f" ({printable(result.metadata['checkpoint'])}) on {root}: "
            f"{fmt.counted(len(result.labels), 'image')}{left_out}",
        )
    )
    if result.values_note:
        console.print(Text(f"warning: {result.values_note}", style="yellow"))
    if result.training_note:
        console.print(Text(f"warning: {result.training_note}", style="yellow"))
    tables = [_metrics(result), _classes(result)]
    if result.evaluation.pairs:
        tables.append(_pairs(result))
    for table in tables:
        console.print()
        console.print(table)


def _metrics(result: "EvaluationResult") -> Table:
    table = _table("", "value", "95% interval")
    tta = result.tta
    for title in (f"with {tta.kind}", "difference", "95% interval") if tta else ():
        table.add_column(title, justify="right")
    for key, name in METRIC_NAMES.items():
        low, high = result.intervals[key]
        cells = [name.short, f"{result.metrics[key]:.4f}", f"{low:.4f} to {high:.4f}"]
        if tta:
            low, high = tta.intervals[key]
            cells += [f"{tta.metrics[key]:.4f}", f"{tta.differences[key]:+.4f}"]
            cells += [f"{low:+.4f} to {high:+.4f}"]
        table.add_row(*cells)
    return table


def _classes(result: "EvaluationResult") -> Table:
    rows = [row for row in result.evaluation.rows if row.support]
    worst = sorted(rows, key=lambda row: (row.f1, row.label))[:_WORST]
    title = "class" if len(worst) == len(rows) else f"{len(worst)} weakest classes"
    table = _table(title, "images", "precision", "recall", "F1")
    for row in worst:
        metrics = (fmt.percent(value, 1) for value in (row.precision, row.recall, row.f1))
        table.add_row(Text(printable(row.name)), fmt.count(row.support), *metrics)
    return table


def _pairs(result: "EvaluationResult") -> Table:
    name = result.evaluation.name
    table = _table("most confused pairs: class", "predicted as", "images", "of the class")
    for pair in result.evaluation.pairs[:_PAIRS]:
        names = (Text(printable(name(label))) for label in (pair.truth, pair.predicted))
        table.add_row(*names, fmt.count(pair.count), fmt.percent(pair.share, 1))
    return table


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first)
    for title in columns:
        table.add_column(title, justify="right")
    return table
