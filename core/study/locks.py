"""Locks of the workers of a study: one for each worker, which names the member it has claimed.

The kernel releases a lock when its process ends, however it ends, and with it the claim.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.common.locks import is_held, open_lock
from core.run.lock import RunLock
from core.study.definition import SWEEP, Study

_MEMBER = "member"


@dataclass(frozen=True, slots=True)
class _LockFile:
    lock: Path


class WorkerLock:
    """Lock of one worker. A sweep may have several workers, other studies have one."""

    def __init__(self, study: Study) -> None:
        """Take the lock. Raises BlockingIOError if the study has its worker, and other OSErrors if
        the file system has no locks."""
        number = 1
        while True:
            path = study.lock.with_name(f"{study.lock.name}{f'-{number}' if number > 1 else ''}")
            try:
                self._lock = RunLock(_LockFile(path))
                return
            except BlockingIOError:
                if study.kind != SWEEP:
                    raise
                number += 1

    def claim(self, member: int | None) -> None:
        """Record which member this worker runs, None for none; raises OSError.

        In a sweep, `sweep_locked` must be held.
        """
        self._lock.write({_MEMBER: member})

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


def is_worked_on(study: Study) -> bool:
    """Return whether a worker runs members of the study."""
    return any(map(is_held, _lock_files(study)))


def claimed_members(study: Study) -> set[int]:
    """Return the numbers of the members that workers have claimed; `sweep_locked` must be held."""
    found = set()
    for path in _lock_files(study):
        if is_held(path):
            with suppress(OSError, ValueError, KeyError, TypeError):
                found.add(int(json.loads(path.read_text())[_MEMBER]))
    return found


@contextmanager
def sweep_locked(study: Study) -> Iterator[None]:
    """Hold the lock under which trials are asked for and claimed, and their results told; raises
    OSError."""
    file = open_lock(study.sweep_lock)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _lock_files(study: Study) -> list[Path]:
    if study.kind != SWEEP:
        return [study.lock]
    return sorted(study.path.glob(f"{study.lock.name}*"))
