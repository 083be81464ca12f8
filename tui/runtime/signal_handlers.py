"""Handle SIGINT and SIGTERM: the first saves and stops the run, the second exits at once."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
STOPPING = "{}: stopping after this step; once more to exit without saving"
"""Announcement of a stop by a signal."""
_REPEAT_SECONDS = 1.0
"""A second signal within this time is a repeat of the first: from a bouncing key, or from the
system and the job manager."""


class StopSignals:
    """Turn SIGINT and SIGTERM into one call of `stop`, and keep the exit code.

    SIGHUP is ignored: a closed terminal must not end a run.
    """

    def __init__(
        self,
        stop: Callable[[str], None],
        before_exit: Callable[[], None] = lambda: None,
        ignore_second: bool = False,
        announcement: Callable[[str], str] = lambda reason: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Install the handlers.

        `stop` is called once, in the main thread, with the reason as text, which `announcement`
        turns into a line for standard error. `before_exit` is called before a second signal ends
        the process. With `ignore_second` a second signal has no
        effect: a rank receives the signal of a job from the system and again from torchrun, which
        kills ranks that don't exit in time.
        """
        self.exit_code: int | None = None
        self._ignore_second = ignore_second
        self._stop = stop
        self._before_exit = before_exit
        self._announcement = announcement
        self._clock = clock
        self._first_at = 0.0
        for number in _EXIT_CODES:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        code = _EXIT_CODES[signal.Signals(number)]
        if self.exit_code is not None:
            if self._ignore_second or self._clock() - self._first_at < _REPEAT_SECONDS:
                return
            self._before_exit()
            _remove_sockets()
            os._exit(code)
        self.exit_code = code
        self._first_at = self._clock()
        reason = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        if line := self._announcement(reason):
            _write_error(line)
        self._stop(reason)


def _write_error(line: str) -> None:
    """Write a line to standard error, where `sys.stderr` has it: descriptor 2 may be redirected to
    the log. Not print: the main thread may be printing."""
    descriptor = 2
    with suppress(AttributeError, OSError, ValueError):  # closed, or not a file
        descriptor = sys.stderr.fileno()
    with suppress(OSError):
        os.write(descriptor, f"{line}\n".encode())


def _remove_sockets() -> None:
    """Remove multiprocessing's folder of sockets, which an orderly end of the process removes."""
    module = sys.modules.get("multiprocessing.process")
    folder = module.current_process()._config.get("tempdir") if module else None
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
