"""Lock of a run folder: at most one engine trains a run; and of a study: one worker runs it."""

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from core.common.locks import is_held, lock_patiently, open_lock
from core.common.text import printable


class Lockable(Protocol):
    """A folder with a lock file: that of a run or study."""

    @property
    def lock(self) -> Path:
        """The file that is locked."""


class RunLock:
    """Exclusive lock of a run while an engine trains it; the kernel releases it at exit."""

    def __init__(self, folder: Lockable) -> None:
        """Take the lock. Raises BlockingIOError when another engine holds it, and other OSErrors
        if the file system has no locks."""
        self._owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._file = open_lock(folder.lock)
        try:
            lock_patiently(self._file)
            self.write({})
        except OSError:
            os.close(self._file)
            raise

    def write(self, more: Mapping[str, object]) -> None:
        """Replace the content of the lock file: its owner, and `more` about it; raises OSError."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps({**self._owner, **more}).encode() + b"\n", 0)

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)


def lock_owner(folder: Lockable) -> str:
    """Return a description of the process that holds the lock."""
    try:
        owner = json.loads(folder.lock.read_text())
        return f"process {int(owner['pid'])} on {printable(str(owner['host']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_locked_here(folder: Lockable) -> bool:
    """Return whether a process of this machine holds the lock."""
    try:
        owner = json.loads(folder.lock.read_text())
        return bool(owner["host"] == socket.gethostname()) and is_held(folder.lock)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_locked(folder: Lockable) -> bool:
    """Return whether a running engine holds the lock."""
    return is_held(folder.lock)
