"""Changes of a queue from the app; all functions block, so call them in a thread."""

import os
import stat
import time
from collections.abc import Collection
from pathlib import Path

from core.common.errors import SetupError, os_error_text
from core.common.subprocesses import run_module
from core.common.text import printable
from core.queue import changes
from core.queue.outcome import change
from core.queue.state import Job, QueueState
from core.queue.store import Queue

_LOG_BYTES = 256 << 10
"""Length of the end of a log that is shown."""


def add(queue: Queue, arguments: tuple[str, ...]) -> Job:
    """Add a job that runs in the current directory; raises SetupError."""
    folder = str(Path.cwd())
    state = change(queue, lambda state: changes.add(state, arguments, folder, time.time()))
    return state.jobs[-1]


def move(queue: Queue, number: int, place: str) -> None:
    """Move a waiting job; raises SetupError."""
    change(queue, lambda state: changes.move(state, number, place))


def remove(queue: Queue, numbers: Collection[int]) -> None:
    """Remove jobs that are not at work, with their files; raises SetupError."""
    change(queue, lambda state: changes.remove(state, numbers))
    queue.remove_files(list(numbers))


def remove_ended(queue: Queue) -> None:
    """Remove all jobs that have ended, with their files; raises SetupError."""
    removed: list[int] = []

    def edit(state: QueueState) -> QueueState:
        removed[:] = changes.over(state)
        return changes.remove(state, removed)

    change(queue, edit)
    queue.remove_files(removed)


def pause(queue: Queue, paused: bool) -> None:
    """Start no more jobs, or start them again; raises SetupError."""
    change(queue, lambda state: changes.pause(state, paused))


def read_log(path: Path) -> list[str]:
    """Return the last lines of a log, ready for a terminal; raises SetupError."""
    try:
        # A pipe would be waited for.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise SetupError(f"{printable(str(path))} is not a file")
            size = os.fstat(file).st_size
            content = os.pread(file, _LOG_BYTES, max(0, size - _LOG_BYTES))
        finally:
            os.close(file)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SetupError(f"{printable(str(path))}: {os_error_text(error)}") from None
    lines = content.decode("utf-8", "replace").splitlines()
    return [printable(line) for line in (lines[1:] if size > _LOG_BYTES else lines)]


async def run_command(runs_dir: Path, *arguments: str) -> str:
    """Run `convnext-tui` with these arguments in a separate process; return what it prints.

    Not in a thread. Raises SetupError with the error that it prints.
    """
    try:
        place = ("--runs-dir", str(runs_dir.absolute()))
        code, output, errors = await run_module("tui", *place, *arguments)
    except OSError as error:
        raise SetupError(os_error_text(error)) from None
    lines = (errors if code else output).decode("utf-8", "replace").strip().splitlines()
    line = printable(lines[-1].removeprefix("error: ").removeprefix("Error: ")) if lines else ""
    if code:
        raise SetupError(line or f"convnext-tui {arguments[0]} failed with exit code {code}")
    return line
