"""SIGHUP while an app runs: the terminal is gone."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tui.terminal.terminal import detach_terminal


class HangupHandler:
    """Call a function in the event loop when the terminal hangs up.

    Without a handler a lost connection ends the process at once; with the signal ignored, the app
    would spin on a terminal that is gone.
    """

    def __init__(self, on_hangup: Callable[[], object]) -> None:
        self._on_hangup = on_hangup
        self._previous: Any = None

    def install(self) -> None:
        """Handle SIGHUP from now on; does nothing outside the main thread."""
        loop = asyncio.get_running_loop()

        def hang_up(number: int, frame: object) -> None:
            # Not in the event loop, which may wait for the thread that writes to the terminal.
            detach_terminal()
            loop.call_soon_threadsafe(self._on_hangup)

        with suppress(ValueError):  # not in the main thread
            self._previous = signal.signal(signal.SIGHUP, hang_up)

    def restore(self) -> None:
        """Restore the previous handler."""
        if self._previous is not None:
            signal.signal(signal.SIGHUP, self._previous)
            self._previous = None
