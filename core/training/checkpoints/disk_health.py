"""One look at all that a run writes: is there trouble with the disk, and try again."""

from core.common.errors import os_error_text
from core.events.emitter import Emitter
from core.run.history_csv import History
from core.training.checkpoints.writer_thread import WriterThread

_SAVING_SECONDS = 60.0


class NullDiskHealth:
    """What ranks other than 0 write: nothing."""

    problem: str | None = None

    def settle(self) -> None:
        """Nothing is in line."""

    def retry(self) -> None:
        """Nothing has failed."""


class DiskHealth:
    """Journal, history and checkpoints, as far as the disk refuses them."""

    def __init__(self, emitter: Emitter, history: History, saver: WriterThread) -> None:
        self._emitter = emitter
        self._history = history
        self._saver = saver

    @property
    def problem(self) -> str | None:
        """What can't be written and why; None while all is well."""
        for what, error in (
            ("checkpoint", self._saver.error),
            ("journal", self._emitter.error),
            ("history.csv", self._history.error),
        ):
            if error is not None:
                return f"the {what} can't be written: {os_error_text(error)}"
        return None

    def settle(self) -> None:
        """Wait until everything in line is written, or refused."""
        self._saver.wait()

    def retry(self) -> None:
        """Try again what failed; `problem` then says how it went."""
        if self._emitter.error is not None:
            self._emitter.retry()
        if self._history.error is not None:
            self._history.write()
        if self._saver.error is not None:
            self._saver.retry()
            self._saver.wait(_SAVING_SECONDS)
