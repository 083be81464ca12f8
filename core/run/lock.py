"""Lock of a run folder: at most one engine trains a run."""

import json
import os
import socket
import time

from core.common.locks import is_held, lock_patiently, open_lock
from core.common.text import printable
from core.run.folder import RunFolder


class RunLock:
    """Exclusive lock of a run while an engine trains it; the kernel releases it at exit."""

    def __init__(self, folder: RunFolder) -> None:
        """Take the lock. Raises BlockingIOError when another engine holds it, and other OSErrors
        if the file system has no locks."""
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._file = open_lock(folder.lock)
        try:
            lock_patiently(self._file)
            os.ftruncate(self._file, 0)
            os.write(self._file, json.dumps(owner).encode() + b"\n")
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)


def lock_owner(folder: RunFolder) -> str:
    """Return a description of the process that holds the lock."""
    try:
        owner = json.loads(folder.lock.read_text())
        return f"process {int(owner['pid'])} on {printable(str(owner['host']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_locked(folder: RunFolder) -> bool:
    """Return whether a running engine holds the lock."""
    return is_held(folder.lock)
