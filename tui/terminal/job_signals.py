"""Signals of the terminal while an app runs: hang-up, and stop and continue of the process."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from tui.terminal.terminal import detach_terminal

_REPLACED = (signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


@contextmanager
def restored_signals() -> Iterator[None]:
    """Restore the handlers of the terminal's signals after an app, however it has ended.

    Textual leaves its own installed: Ctrl-Z would then use a driver that is closed.
    """
    before = {number: signal.getsignal(number) for number in _REPLACED}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # not installed by Python
                signal.signal(number, handler)


class JobSignals:
    """Call functions in the event loop when the terminal hangs up or the process continues.

    Without a handler of SIGHUP a lost connection ends the process at once; with the signal ignored,
    the app would spin on a terminal that is gone. After SIGTSTP and SIGCONT Textual enters the
    alternate screen again, which is blank, and repaints nothing. A process that was stopped by
    SIGSTOP has never left it; Textual would start a second thread that reads the keys.
    """

    def __init__(self, on_hangup: Callable[[], object], on_continue: Callable[[], object]) -> None:
        self._on_hangup = on_hangup
        self._on_continue = on_continue
        self._previous: dict[int, Any] = {}
        self._is_suspended = False

    def install(self) -> None:
        """Handle the signals from now on; does nothing outside the main thread."""
        self._loop = asyncio.get_running_loop()
        try:
            self._replace(signal.SIGHUP, self._hang_up)
            self._replace(signal.SIGTSTP, self._suspend)
            self._replace(signal.SIGCONT, self._continue)
        except ValueError:  # not in the main thread
            self.restore()

    def restore(self) -> None:
        """Restore the previous handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _replace(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        self._previous[number] = signal.signal(number, handler)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        # Not in the event loop, which may wait for the thread that writes to the terminal.
        detach_terminal()
        self._call_soon(self._on_hangup)

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        self._is_suspended = True
        self._call_previous(number, frame)

    def _continue(self, number: int, frame: FrameType | None) -> None:
        if self._is_suspended:
            self._is_suspended = False
            self._call_previous(number, frame)
        self._call_soon(self._on_continue)

    def _call_previous(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous.get(number)
        if callable(previous):
            previous(number, frame)

    def _call_soon(self, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the app has ended, and its event loop is closed
            self._loop.call_soon_threadsafe(function)
