"""Worker of a queue: starts the next job as soon as a slot is free, until it is stopped."""

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue

from core.common.errors import SetupError, os_error_text
from core.common.locks import is_held, lock_patiently, open_lock
from core.queue import changes
from core.queue.launchers import Launcher
from core.queue.outcome import reaped
from core.queue.state import AT_WORK, Job, QueueState, WorkerEntry
from core.queue.store import Queue


class Worker:
    """Start the jobs of a queue, one per slot. All state is in the queue: a worker may be killed at
    any moment, and another one continues."""

    def __init__(
        self,
        queue: Queue,
        launcher: Launcher,
        slots: tuple[str, ...],
        host: str = "",
        report: Callable[[str], object] = lambda line: None,
    ) -> None:
        """Without `slots` their number is unlimited. `report` receives a line per event."""
        self._queue = queue
        self._launcher = launcher
        self._slots = slots
        self._host = host or socket.gethostname()
        self._report = report
        # Not an Event: setting one in a signal handler can wait for itself.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._asked = False
        self._problem = ""
        self._started: set[int] = set()

    def ask_to_stop(self) -> None:
        """Stop this worker and its jobs; may be called from any thread or a signal handler."""
        self._asked = True
        self._wake.put(None)

    def run(self, until_empty: bool = False) -> None:
        """Start jobs until the worker is stopped, with `until_empty` until none is left.

        Raises SetupError if this machine has a worker.
        """
        self._queue.clean()
        lock = self._register()
        try:
            while not self._is_stopping():
                if self._step_safely() and until_empty and self._is_empty():
                    return
                with suppress(Empty):
                    self._wake.get(timeout=self._launcher.poll_seconds)
            self._stop_jobs()
        finally:
            self._queue.change(lambda state: changes.unregister(state, self._host))
            os.close(lock)

    def _register(self) -> int:
        lock = -1

        def edit(state: QueueState) -> QueueState:
            nonlocal lock
            alive = tuple(each for each in state.workers if self._queue.is_working(each))
            entry = WorkerEntry(
                host=self._host,
                pid=os.getpid(),
                slots=self._slots,
                executor="local" if self._launcher.first_state == "running" else "slurm",
                started=time.time(),
            )
            after = changes.register(replace(state, workers=alive), entry)
            lock = open_lock(self._queue.worker_lock(self._host))
            lock_patiently(lock)
            return after

        try:
            self._queue.change(edit)
        except SetupError:
            if lock >= 0:
                os.close(lock)
            raise
        return lock

    def _is_stopping(self) -> bool:
        if self._asked:
            return True
        try:
            workers = self._queue.recorded().workers
        except SetupError:  # reported by the next step
            return False
        return any(each.stopping for each in workers if each.host == self._host)

    def _is_empty(self) -> bool:
        state = self._queue.recorded()
        return not state.in_line() and not any(job.state in AT_WORK for job in state.jobs)

    def _step_safely(self) -> bool:
        """Return whether a step was possible: a full disk must not end the worker."""
        try:
            self._step()
        except SetupError as error:
            if str(error) != self._problem:
                self._report(f"error: {error}")
            self._problem = str(error)
            return False
        self._problem = ""
        return True

    def _step(self) -> None:
        """Record jobs that have ended without a word, and fill the free slots."""
        state = self._queue.recorded()
        if any(self._is_lost(job) for job in state.jobs):
            state = self._queue.change(lambda state: reaped(self._queue, state, self._is_alive))
        self._report_ends(state)
        if state.paused or not state.in_line():
            return
        if self._free_slots(state):
            for job in self._claim():
                self._start(job)

    def _is_lost(self, job: Job) -> bool:
        return job.state in AT_WORK and not self._is_alive(job)

    def _is_alive(self, job: Job) -> bool:
        if job.state == "submitted" and self._launcher.first_state != "submitted":
            return True  # only a worker that submits jobs can ask for it
        if job.state == "submitted" and not job.cluster_job and job.worker != self._host:
            return is_held(self._queue.worker_lock(job.worker))
        return self._launcher.is_alive(job)

    def _report_ends(self, state: QueueState) -> None:
        """Report the jobs of this worker that are no longer at work."""
        for job in state.jobs:
            if job.number in self._started and job.state not in AT_WORK:
                self._started.discard(job.number)
                reason = f": {job.reason}" if job.reason else ""
                self._report(f"job {job.number} {job.state}{reason}")

    def _free_slots(self, state: QueueState) -> list[str]:
        free = changes.free_slots(state, self._host, self._slots)
        busy = self._launcher.busy_slots()
        return [slot for slot in free if slot not in busy]

    def _claim(self) -> list[Job]:
        """Assign waiting jobs to free slots; returns those jobs."""
        claimed: list[Job] = []

        def edit(state: QueueState) -> QueueState:
            if state.paused:
                return state
            for job in state.in_line():
                free = self._free_slots(state)
                if not free:
                    break
                if self._launcher.prepare(job):
                    first = self._launcher.first_state
                    state = changes.claim(state, job.number, self._host, free[0], first)
                    claimed.append(state.job(job.number))
            return state

        self._queue.change(edit)
        return claimed

    def _start(self, job: Job) -> None:
        try:
            cluster_job = self._launcher.start(job, lambda: self._wake.put(None))
        except OSError as error:
            reason = f"its process cannot be started: {os_error_text(error)}"
            self._report(f"job {job.number} failed: {reason}")
            self._queue.change(
                lambda state: changes.end(state, job.number, "failed", reason, "", time.time())
            )
            return
        self._started.add(job.number)
        self._report(f"job {job.number} started{' in slot ' + job.slot if job.slot else ''}")
        if cluster_job:
            self._queue.change(
                lambda state: changes.submitted(state, job.number, job.attempt, cluster_job)
            )

    def _stop_jobs(self) -> None:
        """Ask the jobs of this machine to stop, and wait for those that this worker has started."""
        state = self._queue.change(lambda state: changes.stop(state, {self._host}))
        for job in state.jobs:
            if job.state == "submitted" and job.host == self._host:
                self._launcher.cancel(job)
                self._queue.change(partial(changes.withdraw, number=job.number))
        self._launcher.wait()
        self._report_ends(self._queue.recorded())
