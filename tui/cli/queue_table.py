"""Print the jobs of a queue as a table."""

from rich.table import Table
from rich.text import Text

from core.common.format import duration
from core.common.text import printable
from core.queue.state import Job, QueueState
from tui.cli.console import open_console
from tui.text.queue import command_text, queue_text

_COLUMNS = ("job", "state", "run", "time", "command")


def print_jobs(state: QueueState) -> None:
    """Print a table of jobs, the reasons of failures, and a line about workers."""
    console = open_console()
    table = Table(box=None, pad_edge=False)
    for title in _COLUMNS:
        is_number = title in ("job", "time")
        table.add_column(
            title,
            justify="right" if is_number else "left",
            overflow="ellipsis" if title == "command" else "fold",
            no_wrap=title != "run",
        )
    for job in state.listed():
        table.add_row(*map(Text, _cells(job)))
        if job.reason:
            table.add_row("", "", "", "", Text(printable(job.reason), style="red"))
    if state.jobs:
        console.print(table)
    console.print(Text(queue_text(state)))


def _cells(job: Job) -> tuple[str, ...]:
    return (str(job.number), job.state, printable(job.run), _time(job), command_text(job))


def _time(job: Job) -> str:
    if job.started is None:
        return ""
    return duration(job.ended - job.started) if job.ended is not None else ""
