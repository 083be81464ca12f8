"""Initialization of a loader worker process."""

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

import torch

from core.common.native_stderr import redirect_native_stderr
from core.data.decode import silence_pillow


def init_worker(log: Path | None, worker: int) -> None:
    """Prepare a worker: ignore termination signals, use one math thread, exit with the parent, and
    append the messages of native libraries to `log`."""
    # Ctrl-C and Slurm's SIGTERM reach all processes of a job at once, but only the main process
    # handles them: it ends the workers after its checkpoint.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_exit_with_main, name="exit-with-main", daemon=True).start()
    torch.set_num_threads(1)
    silence_pillow()
    if log is not None:
        with suppress(OSError):
            redirect_native_stderr(log)


def _exit_with_main() -> None:
    # A killed main process closes no loader, and the forkserver, which the workers watch as their
    # parent, lives as long as one of them does.
    main = multiprocessing.parent_process()
    if main is not None:
        main.join()
        os._exit(1)
