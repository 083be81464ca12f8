"""Handle SIGINT and SIGTERM: the first saves and stops the run, the second exits at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopSignals:
    """Turn SIGINT and SIGTERM into one call of `stop`, and keep the exit code.

    SIGHUP is ignored: a closed terminal must not end a run.
    """

    def __init__(
        self,
        stop: Callable[[str], None],
        before_exit: Callable[[], None] = lambda: None,
        ignore_second: bool = False,
    ) -> None:
        """Install the handlers.

        `stop` is called once, in the main thread, with the reason as text. `before_exit` is called
        before a second signal ends the process. With `ignore_second` a second signal has no
        effect: a rank receives the signal of a job from the system and again from torchrun, which
        kills ranks that don't exit in time.
        """
        self.exit_code: int | None = None
        self._ignore_second = ignore_second
        self._stop = stop
        self._before_exit = before_exit
        for number in _EXIT_CODES:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        code = _EXIT_CODES[signal.Signals(number)]
        if self.exit_code is not None and self._ignore_second:
            return
        if self.exit_code is not None:
            self._before_exit()
            os._exit(code)
        self.exit_code = code
        self._stop("Ctrl-C" if number == signal.SIGINT else "SIGTERM")
