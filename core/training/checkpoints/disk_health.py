"""Disk health of a run: errors of its journal, history and checkpoints, and retries."""

import time
from collections.abc import Callable
from pathlib import Path

from core.common.errors import os_error_text
from core.events.emitter import Emitter
from core.run.files import HISTORY
from core.run.history_csv import History
from core.training.checkpoints.writer_thread import WriterThread

_RETRY_SECONDS = 60.0
MAX_FOLDER_SECONDS = 600.0
"""How long a run waits for its folder to come back."""
MAX_RETRIES = 5
"""Retries after an error that is not one of the disk."""


class NullDiskHealth:
    """Disk health of ranks other than 0, which write nothing."""

    problem: str | None = None
    failure = ""

    def wait(self) -> None:
        """Return at once: nothing is queued."""

    def retry(self) -> None:
        """Do nothing: nothing has failed."""


class DiskHealth:
    """Write errors of the journal, the history and the checkpoints."""

    def __init__(
        self,
        folder: Path,
        emitter: Emitter,
        history: History,
        writer: WriterThread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` is the run's."""
        self._folder = folder
        self._emitter = emitter
        self._history = history
        self._writer = writer
        self._clock = clock
        self._gone_since: float | None = None
        self._retries = 0

    @property
    def problem(self) -> str | None:
        """What can't be written and why; None if there is no problem."""
        for name, error in self._errors():
            if isinstance(error, FileNotFoundError) and not self._folder.is_dir():
                return f"the folder of the run is gone: {self._folder}"
            if error is not None:
                return f"the {name} can't be written: {_text(error)}"
        return None

    @property
    def failure(self) -> str:
        """Why the run can't continue; empty while waiting may help.

        A full disk is waited for without a limit: the user decides.
        """
        problem = self.problem
        if problem is None:
            return ""
        gone = self._gone_since is not None
        if gone and self._clock() - (self._gone_since or 0.0) >= MAX_FOLDER_SECONDS:
            return f"{problem}; it did not come back in {MAX_FOLDER_SECONDS / 60:.0f} minutes"
        if self._retries >= MAX_RETRIES:
            return f"{problem}; {MAX_RETRIES} retries failed"
        return ""

    def wait(self) -> None:
        """Wait until all queued checkpoints are written, or one has failed."""
        self._writer.wait()

    def retry(self) -> None:
        """Repeat the failed writes; `problem` then reports the result."""
        if self._emitter.error is not None:
            self._emitter.retry()
        if self._history.error is not None:
            self._history.write()
        if self._writer.error is not None:
            self._writer.retry()
            self._writer.wait(_RETRY_SECONDS)
        error = self._writer.error
        self._retries = 0 if error is None or isinstance(error, OSError) else self._retries + 1
        if self.problem is None or self._folder.is_dir():
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = self._clock()

    def _errors(self) -> tuple[tuple[str, Exception | None], ...]:
        return (
            ("checkpoint", self._writer.error),
            ("journal", self._emitter.error),
            (HISTORY, self._history.error),
        )


def _text(error: Exception) -> str:
    if isinstance(error, OSError):
        return os_error_text(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")
