"""Lock of a run folder: at most one engine trains a run; and of a study: one worker runs it."""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Protocol

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
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": time.time()}
        self._file = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _flock_patiently(self._file)
            os.ftruncate(self._file, 0)
            os.write(self._file, json.dumps(owner).encode() + b"\n")
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Release the lock."""
        os.close(self._file)


def _flock_patiently(file: int) -> None:
    # A reader that tests the lock holds it for a moment.
    for _ in range(50):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_owner(folder: Lockable) -> str:
    """Return a description of the process that holds the lock."""
    try:
        owner = json.loads(folder.lock.read_text())
        return f"process {int(owner['pid'])} on {printable(str(owner['host']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_locked(folder: Lockable) -> bool:
    """Return whether a running engine holds the lock."""
    try:
        file = os.open(folder.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False
