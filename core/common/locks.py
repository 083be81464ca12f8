"""Locks on files with flock: the kernel releases them when the process ends, however it ends.

On a network file system they work between machines if it supports flock (NFS since Linux 2.6.12).
"""

import fcntl
import os
import time
from pathlib import Path

_PATIENCE_SECONDS = 0.5
_RETRY_SECONDS = 0.01


def open_lock(path: Path) -> int:
    """Open a lock file for `lock_patiently`, created if missing; raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def lock_patiently(file: int) -> None:
    """Lock an open file; raises BlockingIOError if another process holds the lock, and other
    OSErrors if the file system has no locks."""
    # A reader that tests the lock holds it for a moment.
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_RETRY_SECONDS)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock of a file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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
