"""How far a command is that puts many pictures through a network; on standard error alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)


@contextmanager
def working(what: str, total: int | None = None) -> Iterator[Progress | None]:
    """Show a bar while the block runs; its one task is to be advanced by the caller.

    Off a terminal nothing is shown, and there is no bar.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(
        *columns, MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        progress.add_task(what, total=total)
        yield progress


def advance(progress: Progress | None, by: int = 1) -> None:
    """Move the bar on, if there is one."""
    if progress is not None:
        progress.advance(progress.task_ids[0], by)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is waited for, on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
