"""Print the jobs of a queue as a table."""

import time

from rich.table import Table
from rich.text import Text

from core.common.format import duration
from core.common.text import printable
from core.queue.state import IN_LINE, Job, QueueState
from tui.cli.console import open_console
from tui.text.queue import command_text, queue_text

_COLUMNS = ("job", "state", "run", "time", "command")


def print_jobs(state: QueueState) -> None:
    """Print a table of jobs, the reasons of failures, and a line about workers."""
    console = open_console()
    table = Table(box=None, pad_edge=False, expand=True)
    for title in _COLUMNS:
        table.add_column(
            title,
            justify="right" if title in ("job", "time") else "left",
            overflow="ellipsis",
            no_wrap=True,
            ratio=1 if title == "command" else None,
        )
    for job in state.listed():
        table.add_row(*map(Text, _cells(job)))
        if job.reason:
            reason = Text(printable(job.reason), overflow="fold", no_wrap=False)
            table.add_row("", "", "", "", reason)
    if state.jobs:
        console.print(table)
    console.print(Text(queue_text(state)))


def _cells(job: Job) -> tuple[str, ...]:
    return (str(job.number), job.state, printable(job.run), _time(job), command_text(job))


def _time(job: Job) -> str:
    """Return how long the latest attempt of a job took, or has taken."""
    if job.started is None or job.state in IN_LINE:
        return ""
    return duration((job.ended or time.time()) - job.started)
