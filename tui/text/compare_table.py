"""Table of a comparison as text, for the screen and for standard output."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.analysis.compare import ComparedRun, ComparisonRow, config_differences, results
from core.common import format as fmt
from core.common.text import printable
from tui.preferences.palettes import DARK, Color, Palette, rgb
from tui.text.elide import PATH_END, elided
from tui.text.symbols import SYMBOLS

WINNER = "★"
_WIDTH_WITHOUT_TERMINAL = 200
_VALUE_CELLS = (10, 40)
"""Fewest and most cells of a value, without the two in front of it."""
_LABEL_CELLS = 30
_PADDING = 2
"""Cells that a table adds to each column."""


def heading(run: ComparedRun, color: Color, cells: int = 24) -> Text:
    """Return the title of a run's column: its letter in its color, and its name."""
    name = Text(printable(run.name))
    name.truncate(cells, overflow="ellipsis")
    return Text.assemble((f"{run.letter} ", f"bold {rgb(color)}"), name)


def value_cells(width: int, runs: int) -> int:
    """Return how many cells a value may have, so that all runs fit into `width` if possible."""
    each = (width - _LABEL_CELLS - _PADDING) // max(1, runs) - _PADDING - 2
    return min(_VALUE_CELLS[1], max(_VALUE_CELLS[0], each))


def table_rows(
    runs: Sequence[ComparedRun], palette: Palette = DARK, cells: int = _VALUE_CELLS[1]
) -> list[tuple[str, list[Text]]]:
    """Return the rows of the table by key: a cell for the label, then one per run, each value in at
    most `cells` cells."""
    status = [Text(f"{SYMBOLS.get(run.status, '?')} {printable(run.status)}") for run in runs]
    rows = [("status", [Text("status"), *status])]
    found = results(runs)
    longest = max((len(text) for row in found for text in row.texts), default=0)
    rows += [(row.key, _result(row, palette, min(longest, cells))) for row in found]
    different = config_differences(runs)
    heading = "config differences" if different else "no config differences"
    rows.append(("differences", [Text(heading, "bold"), *(Text() for _ in runs)]))
    return rows + [(f"config {row.key}", _difference(row, cells)) for row in different]


def _result(row: ComparisonRow, palette: Palette, width: int) -> list[Text]:
    best = f"bold {rgb(palette.best)}"
    goal = {"highest": " ↑", "lowest": " ↓"}.get(row.goal, "")
    cells = [
        Text(f"{WINNER if won else ' '} {text:>{width}}", best if won else "")
        for text, won in zip(row.texts, row.winners, strict=True)
    ]
    return [Text(f"{row.label}{goal}"), *cells]


def _difference(row: ComparisonRow, cells: int) -> list[Text]:
    values = [Text(f"  {elided(printable(text), cells, PATH_END)}") for text in row.texts]
    return [Text(printable(row.label)), *values]


def print_comparison(runs: Sequence[ComparedRun]) -> None:
    """Print the table."""
    palette = DARK.runs
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_WITHOUT_TERMINAL)
    table = Table(box=None, pad_edge=False)
    table.add_column(Text(f"{WINNER} best result"), no_wrap=True)
    for run in runs:
        table.add_column(heading(run, palette[run.label.color % len(palette)]), overflow="fold")
    for _, cells in table_rows(runs):
        table.add_row(*cells)
    console.print(table)
    for run in runs:
        if run.commands:
            changes = "; ".join(printable(text) for text in run.commands)
            console.print(Text(f"{run.letter} manual changes: {changes}"))


def _lead(runs: Sequence[ComparedRun], row: ComparisonRow) -> str:
    """Return the lead of the best run over the next one."""
    known = {
        run.letter: value
        for run, value in zip(runs, row.values, strict=True)
        if value is not None and math.isfinite(value)
    }
    best = max(known.values())
    others = {letter: value for letter, value in known.items() if value < best}
    if not others:
        return ""
    letter, second = max(others.items(), key=lambda item: item[1])
    return f", {100 * (best - second):.2f} points above {letter}"


def summary(runs: Sequence[ComparedRun]) -> str:
    """Return the first line: the number of runs, the best one and its lead."""
    first = next(row for row in results(runs) if row.key == "best_val_top1")
    won = [run for run, is_best in zip(runs, first.winners, strict=True) if is_best]
    best = ""
    if won:
        names = ", ".join(f"{run.letter} {printable(run.name)}" for run in won)
        value = next(v for v, w in zip(first.values, first.winners, strict=True) if w)
        best = f" · best val top-1 {fmt.percent(value)}{_lead(runs, first)}: {names}"
    return f"Comparing {len(runs)} runs{best}"
