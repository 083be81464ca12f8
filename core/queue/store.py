"""Files of a queue: one file with its state, replaced atomically under a lock.

runs/queue/queue.json       the state: jobs in order, workers
runs/queue/lock             held for the moment of a change
runs/queue/worker-*.lock    held by the worker of a machine while it lives
runs/queue/worker-*.log     output of the worker of a machine
runs/queue/jobs/N.lock      held by the process of job N and by its run, while either lives
runs/queue/jobs/N.run       id of the run of job N
runs/queue/jobs/N.log       output of job N
"""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.common.errors import SetupError, os_error_text, reason_of
from core.common.files import remove_temporary_files, write_text_atomically
from core.common.locks import is_held, lock_patiently, open_lock
from core.common.text import printable, slug
from core.queue.state import AT_WORK, Job, QueueState, WorkerEntry
from core.run import files

FOLDER = "queue"
_SETTLED_NS = 1_000_000_000
_MOST_WAITS = 60
"""How often a change waits half a second for another one."""


class Queue:
    """The queue of a runs directory."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = Path(os.path.abspath(runs_dir))  # noqa: PTH100
        self.folder = self.runs_dir / FOLDER
        self._file = self.folder / "queue.json"
        self._cached: tuple[tuple[int, int, int], QueueState] | None = None

    def read(self) -> QueueState:
        """Return the state; raises SetupError if the file is damaged.

        Cheap enough for every second: the file is parsed only after a change. Dead workers are left
        out, and jobs whose process ended without a result are `interrupted`.
        """
        return self.without_dead(self.recorded())

    def recorded(self) -> QueueState:
        """Return the state as recorded, with processes that may have ended."""
        try:
            status = self._file.stat()
            if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
                raise ValueError("it is not a file")
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self._cached is not None and self._cached[0] == stamp:
                return self._cached[1]
            state = QueueState.from_json(self._file.read_bytes())
        except FileNotFoundError:
            return QueueState()
        except (OSError, ValueError, RecursionError) as error:
            raise SetupError(
                f"{printable(str(self._file))} cannot be read: {reason_of(error)}"
            ) from None
        # Two changes within the resolution of file times may have the same stamp.
        is_settled = time.time_ns() - status.st_mtime_ns > _SETTLED_NS
        self._cached = (stamp, state) if is_settled else None
        return state

    def change(self, edit: Callable[[QueueState], QueueState]) -> QueueState:
        """Replace the state by `edit(state)` and return it; all changes happen one after another.

        What `edit` raises is raised, with nothing changed. Raises SetupError if the folder cannot
        be written.
        """
        with self._write_errors(), self._locked():
            self._cached = None
            before = self.recorded()
            after = edit(before)
            if after != before:
                write_text_atomically(self._file, after.to_json())
            return after

    def clean(self) -> None:
        """Remove temporary files of processes that were killed during a change."""
        with self._write_errors(), self._locked():
            remove_temporary_files(self.folder)

    def without_dead(self, state: QueueState) -> QueueState:
        """Return a state for display: without dead workers, and with interrupted jobs."""
        workers = tuple(each for each in state.workers if self.is_working(each))
        jobs = tuple(map(self._seen, state.jobs))
        if workers == state.workers and jobs == state.jobs:
            return state
        return replace(state, workers=workers, jobs=jobs)

    def _seen(self, job: Job) -> Job:
        if job.state not in AT_WORK:
            return job
        run = self.run_of(job.number)
        if job.state == "running" and not self.is_alive(job):
            return replace(job, state="interrupted" if job.begun else "waiting", run=run)
        return replace(job, run=run)

    def is_alive(self, job: Job) -> bool:
        """Return whether a process of a job lives.

        Ranks that have lost the process that started them hold the lock of their run only.
        """
        if is_held(self.job_lock(job.number)):
            return True
        run = self.run_of(job.number)
        return bool(run) and is_held(self.runs_dir / run / files.LOCK)

    def is_working(self, worker: WorkerEntry) -> bool:
        """Return whether a worker lives."""
        return is_held(self.worker_lock(worker.host))

    def worker_lock(self, host: str) -> Path:
        """Lock file of the worker of a machine."""
        return self.folder / f"worker-{slug(host, limit=80)}.lock"

    def worker_log(self, host: str) -> Path:
        """Output of the worker of a machine."""
        return self.worker_lock(host).with_suffix(".log")

    def job_lock(self, number: int) -> Path:
        """Lock file of a job."""
        return self.folder / "jobs" / f"{number}.lock"

    def job_log(self, number: int) -> Path:
        """Output of a job."""
        return self.folder / "jobs" / f"{number}.log"

    def job_run(self, number: int) -> Path:
        """File with the id of the run of a job."""
        return self.folder / "jobs" / f"{number}.run"

    def run_of(self, number: int) -> str:
        """Return the id of the run of a job; empty if it has none, or if the run is gone."""
        try:
            run = self.job_run(number).read_text("utf-8").strip()
        except (OSError, ValueError):
            return ""
        return run if run and "/" not in run and (self.runs_dir / run).is_dir() else ""

    def remove_files(self, numbers: list[int]) -> None:
        """Remove the files of jobs that are no longer in the queue."""
        for number in numbers:
            for path in (self.job_log(number), self.job_run(number), self.job_lock(number)):
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.job_lock(0).parent.mkdir(parents=True, exist_ok=True)
        file = open_lock(self.folder / "lock")
        try:
            for attempt in range(_MOST_WAITS):
                with suppress(BlockingIOError):
                    lock_patiently(file)
                    break
                if attempt == _MOST_WAITS - 1:
                    raise SetupError(f"{printable(str(self.folder))} is in use by another process")
            yield
        finally:
            os.close(file)

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os_error_text(error)
            raise SetupError(
                f"the queue in {printable(str(self.folder))} cannot be written: {reason}"
            ) from None
