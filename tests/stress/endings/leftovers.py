"""What a run leaves behind: processes, shared memory, temporary files."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

MARKER = "STRESS_RUN"
"""Environment variable that all processes of a run inherit."""
_ALONE = "STRESS_ALONE"
_SHARED_MEMORY = Path("/dev/shm")


def isolate() -> None:
    """Start this program again with its own shared memory, where it may mount file systems.

    Otherwise that of other programs on the machine would be counted, too.
    """
    if _ALONE in os.environ:
        return
    script = f'mount -t tmpfs stress {_SHARED_MEMORY} && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    with suppress(OSError):
        if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode == 0:
            os.environ[_ALONE] = "yes"
            os.execvp(wrapper[0], [*wrapper, sys.executable, "-m", *_own_arguments()])


def _own_arguments() -> list[str]:
    return [__name__.rpartition(".")[0], *sys.argv[1:]]


def processes(marker: str) -> list[psutil.Process]:
    """Return the living processes that were started with this marker."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARKER) == marker:
                found.append(process)
    return found


def wait_for_processes(marker: str, seconds: float) -> list[psutil.Process]:
    """Return the processes that are still there after `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := processes(marker)) and time.monotonic() < deadline:
        psutil.wait_procs(found, timeout=0.1)
    return found


def describe(process: psutil.Process) -> str:
    """Return a process as text."""
    with suppress(psutil.Error):
        return f"process {process.pid} is left: {' '.join(process.cmdline())[:200]}"
    return f"process {process.pid} was left"


def shared_memory() -> set[str]:
    """Return the names of the segments of shared memory."""
    return {path.name for path in _SHARED_MEMORY.iterdir()}


def files(folder: Path) -> list[str]:
    """Return the files and folders in a folder of temporary files, at any depth."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
