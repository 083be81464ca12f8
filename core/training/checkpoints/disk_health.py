"""Disk health of a run: errors of its journal, history and checkpoints, and retries."""

from core.common.errors import os_error_text
from core.events.emitter import Emitter
from core.run.files import HISTORY
from core.run.history_csv import History
from core.training.checkpoints.writer_thread import WriterThread

_RETRY_SECONDS = 60.0


class NullDiskHealth:
    """Disk health of ranks other than 0, which write nothing."""

    problem: str | None = None

    def wait(self) -> None:
        """Return at once: nothing is queued."""

    def retry(self) -> None:
        """Do nothing: nothing has failed."""


class DiskHealth:
    """Write errors of the journal, the history and the checkpoints."""

    def __init__(self, emitter: Emitter, history: History, writer: WriterThread) -> None:
        self._emitter = emitter
        self._history = history
        self._writer = writer

    @property
    def problem(self) -> str | None:
        """What can't be written and why; None if there is no problem."""
        for name, error in (
            ("checkpoint", self._writer.error),
            ("journal", self._emitter.error),
            (HISTORY, self._history.error),
        ):
            if error is not None:
                return f"the {name} can't be written: {os_error_text(error)}"
        return None

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
