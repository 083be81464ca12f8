"""Show the progress of a command on standard error; nothing where that is not a terminal."""

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


class ProgressBar:
    """A progress bar, or nothing off a terminal."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def advance(self, by: int = 1) -> None:
        """Add `by` finished items."""
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0], by)

    def update(self, done: int, total: int | None, label: str | None = None) -> None:
        """Set the finished and the total items, None for an unknown total, and another label."""
        if self._progress is not None:
            task = self._progress.task_ids[0]
            self._progress.update(task, completed=done, total=total, description=label)


@contextmanager
def progress_bar(label: str, total: int | None = None) -> Iterator[ProgressBar]:
    """Show a progress bar while the block runs, which updates it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield ProgressBar(None)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(
        *columns, MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        progress.add_task(label, total=total)
        yield ProgressBar(progress)


@contextmanager
def spinner(label: str) -> Iterator[None]:
    """Show a spinner while the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(label):
        yield
