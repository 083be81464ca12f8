"""Print the list of runs as a table."""

import time
from pathlib import Path

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
    table = Table(box=None, pad_edge=False)
    for title in ("run", "status", "model", "phase"):
        table.add_column(title, overflow="fold" if title == "run" else "ellipsis", no_wrap=True)
    for title in ("epochs", "best top-1", "time", "started"):
        table.add_column(title, justify="right", no_wrap=True)
    tagged = any(row.tags or row.starred for row in rows)
    if tagged:
        table.add_column("tags", no_wrap=True, overflow="ellipsis")
    now = time.time()
    for row in rows:
        cells = _cells(row, now) + ([_tags(row)] if tagged else [])
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)


def _tags(row: RunSummary) -> str:
    return printable(" ".join([*(["★"] if row.starred else []), *(f"#{tag}" for tag in row.tags)]))


def _cells(row: RunSummary, now: float) -> list[str]:
    return [
        printable(row.id),
        row.status if not row.error else f"{row.status}: {printable(row.error)}",
        printable(row.model),
        printable(row.phase),
        "+".join(str(count) for count in row.epochs.values()) or fmt.NONE,
        fmt.percent(row.best_val_top1),
        fmt.duration(row.seconds),
        fmt.when(row.started, now) if row.started is not None else fmt.NONE,
    ]
