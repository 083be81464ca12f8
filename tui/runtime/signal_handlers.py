"""Signals as wishes: the first one asks the engine to save and stop, a second one ends at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType

_ENDING = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopSignals:
    """Turns SIGINT and SIGTERM into one call of `stop`, and remembers the exit code.

    SIGHUP is ignored: a closed terminal is no reason to lose a run.
    """

    def __init__(
        self,
        stop: Callable[[str], None],
        at_once: Callable[[], None] = lambda: None,
        is_patient: bool = False,
    ) -> None:
        """`stop` gets the reason in words; it is called in the main thread, once. `at_once` is
        the last thing that happens when a second signal ends the process. With `is_patient` it
        ends nothing: of a job's signal a process hears once from the system and once more from
        torchrun, which kills what doesn't end in time."""
        self.exit_code: int | None = None
        self._is_patient = is_patient
        self._stop = stop
        self._at_once = at_once
        for number in _ENDING:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        code = _ENDING[signal.Signals(number)]
        if self.exit_code is not None and self._is_patient:
            return
        if self.exit_code is not None:
            self._at_once()
            os._exit(code)
        self.exit_code = code
        self._stop("Ctrl-C" if number == signal.SIGINT else "SIGTERM")
