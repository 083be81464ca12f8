"""A bound on the end of this process."""

import os
import threading

MAX_SECONDS = 5.0


def end_within(seconds: float, exit_code: int) -> None:
    """End the process with this exit code after `seconds`, unless it has ended by itself.

    At its end the interpreter waits for threads and child processes; one that hangs, as in a read
    from a lost network share, would keep the process forever.
    """
    timer = threading.Timer(seconds, os._exit, [exit_code])
    timer.daemon = True
    timer.start()
