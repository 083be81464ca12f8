"""A bound on the end of this process."""

import os
import signal
import threading
from contextlib import suppress

MAX_SECONDS = 5.0


def end_within(seconds: float, exit_code: int) -> None:
    """End the process with this exit code after `seconds`, unless it has ended by itself.

    At its end the interpreter waits for threads and child processes; one that hangs, as in a read
    from a lost network share, would keep the process forever. Signals to stop are ignored from now
    on: without the handlers of Python they would change the exit code.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, signal.SIG_IGN)
    timer = threading.Timer(seconds, os._exit, [exit_code])
    timer.daemon = True
    timer.start()
