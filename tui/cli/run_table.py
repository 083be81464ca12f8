"""Print the list of runs as a table."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from core.common import format as fmt
from core.common.text import printable
from core.run.summary import RunSummary
from tui.cli.console import open_console
from tui.cli.run_report import no_runs_text

_WIDTH_WITHOUT_TERMINAL = 160


def print_runs(rows: list[RunSummary], runs_dir: Path, total: int) -> None:
    """Print a table of runs, or a hint where there is none to print.

    `total` is the number of all runs, before the query.
    """
    console = open_console(without_terminal=_WIDTH_WITHOUT_TERMINAL)
    if not rows and total:
        console.print(Text(f"no matching runs (of {total}); is:archived lists archived ones"))
        return
    if not rows:
        console.print(Text(no_runs_text(runs_dir)))
        return
    now = time.time()
    cells = {title: [cell(row, now) for row in rows] for title, cell in _COLUMNS.items()}
    columns = _fitting(cells, console.width)
    table = Table(box=None, pad_edge=False)
    for title in columns:
        table.add_column(
            title,
            justify="right" if title in _NUMBERS else "left",
            overflow="ellipsis",
            no_wrap=True,
        )
    for texts in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, texts))
    console.print(table)


def _tags(row: RunSummary) -> str:
    return printable(" ".join([*(["✦"] if row.starred else []), *(f"#{tag}" for tag in row.tags)]))


def _status(row: RunSummary) -> str:
    return f"{row.status}: {printable(row.error)}" if row.error else row.status


def _started(row: RunSummary, now: float) -> str:
    return fmt.NONE if row.started is None else fmt.when(row.started, now)


_COLUMNS: dict[str, Callable[[RunSummary, float], str]] = {
    "run": lambda row, now: printable(row.id),
    "name": lambda row, now: printable(row.name),
    "study": lambda row, now: printable(row.study),
    "status": lambda row, now: _status(row),
    "model": lambda row, now: printable(row.model),
    "phase": lambda row, now: printable(row.phase),
    "epochs": lambda row, now: "+".join(map(str, row.epochs.values())) or fmt.NONE,
    "best top-1": lambda row, now: fmt.percent(row.best_val_top1),
    "time": lambda row, now: fmt.duration(row.seconds),
    "started": _started,
    "tags": lambda row, now: _tags(row),
}
_NUMBERS = ("epochs", "best top-1", "time", "started")
_GAP = 2
_LEFT_OUT_FIRST = ("phase", "started", "model", "time", "study", "epochs", "tags", "name")
"""Columns of a narrow terminal go in this order; the id of a run begins with its start."""


def _fitting(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """Return the columns that fit into the width; empty ones and then the least important go."""
    kept = {title: cells for title, cells in columns.items() if title == "run" or any(cells)}
    for title in _LEFT_OUT_FIRST:
        if sum(_cells_wide(title, cells) + _GAP for title, cells in kept.items()) <= width + _GAP:
            break
        kept.pop(title, None)
    return kept


def _cells_wide(title: str, cells: Sequence[str]) -> int:
    return max(cell_len(text) for text in (title, *cells))
