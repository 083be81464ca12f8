"""Report the run that a process trains to the queue that started the process."""

import os
from contextlib import suppress
from pathlib import Path

from core.common.files import write_text_atomically

VARIABLE = "CONVNEXT_TUI_QUEUE_RUN"
"""Environment variable with the file for the id of the run."""


def announce_run(id: str) -> None:
    """Write the id of the run or study of this process to the queue's file, if a queue started it.

    Without it, a job that is interrupted starts from the beginning.
    """
    file = os.environ.get(VARIABLE)
    if file:
        with suppress(OSError):  # the queue is gone; the run is not
            write_text_atomically(Path(file), f"{id}\n")
