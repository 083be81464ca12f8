"""Start jobs as processes of this machine."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from core.common.locks import lock_patiently, open_lock
from core.common.subprocesses import python_environment
from core.queue.run_job import PROGRAM
from core.queue.slots import slot_environment
from core.queue.state import Job, JobState
from core.queue.store import Queue


class Launcher(Protocol):
    """Start the processes of jobs, here or on other machines."""

    first_state: JobState
    """State of a job until its process begins."""
    poll_seconds: float
    """Time between two looks at the queue."""

    def busy_slots(self) -> Collection[str]:
        """Return the slots of processes that have not exited yet, also after their job's end."""

    def prepare(self, job: Job) -> bool:
        """Return whether a job can be started; called during a change of the queue."""

    def start(self, job: Job, on_end: Callable[[], object]) -> str:
        """Start the process of an attempt; returns its id in a cluster, if any.

        `on_end` is called in any thread after the process has ended. Raises OSError.
        """

    def is_alive(self, job: Job) -> bool:
        """Return whether a process of a job exists, or will exist."""

    def cancel(self, job: Job) -> None:
        """Withdraw a job that is only submitted."""

    def wait(self) -> None:
        """Wait until the processes that are asked to stop have ended."""


class LocalLauncher:
    """Start jobs as processes of this machine, in sessions of their own."""

    first_state: JobState = "running"
    poll_seconds = 0.5

    def __init__(self, queue: Queue, program: Sequence[str] = PROGRAM) -> None:
        """`program` is the command whose options start a run."""
        self._queue = queue
        self._program = program
        self._locks: dict[int, int] = {}
        self._waiting: list[threading.Thread] = []
        self._busy: set[str] = set()

    def busy_slots(self) -> Collection[str]:
        """Return the slots whose process has not exited: it still holds the lock of its job."""
        return set(self._busy)

    def prepare(self, job: Job) -> bool:
        """Lock a job: the lock is inherited by its process, and free when that has ended."""
        if job.number in self._locks:  # its start was not recorded: the disk was full
            return True
        lock = open_lock(self._queue.job_lock(job.number))
        try:
            lock_patiently(lock)
        except OSError:
            os.close(lock)
            return False
        self._locks[job.number] = lock
        return True

    def start(self, job: Job, on_end: Callable[[], object]) -> str:
        """Start the process of a job that is prepared; raises OSError."""
        lock = self._locks.pop(job.number)
        try:
            arguments = (str(self._queue.runs_dir), str(job.number), str(job.attempt), str(lock))
            process = subprocess.Popen(
                [sys.executable, "-m", "core.queue.run_job", *arguments, *self._program],
                env={**python_environment(), **slot_environment(job.slot)},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(lock,),
            )
        finally:
            os.close(lock)

        def wait() -> None:
            process.wait()
            self._busy.discard(job.slot)
            on_end()

        self._busy.add(job.slot)
        thread = threading.Thread(target=wait, name=f"job-{job.number}", daemon=True)
        self._waiting = [each for each in self._waiting if each.is_alive()]
        self._waiting.append(thread)
        thread.start()
        return ""

    def is_alive(self, job: Job) -> bool:
        """Return whether a process of a job holds its lock."""
        return self._queue.is_alive(job)

    def cancel(self, job: Job) -> None:
        """Do nothing: every job of this machine has a process."""

    def wait(self) -> None:
        """Wait until all processes of this launcher have ended."""
        for thread in self._waiting:
            thread.join()
