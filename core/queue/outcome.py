"""Result of a job, by the exit code of its process and the journal of its run."""

import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.common.errors import reason_of
from core.queue import changes
from core.queue.state import Job, JobState, QueueState
from core.queue.store import Queue
from core.run.folder import RunFolder

if TYPE_CHECKING:
    from core.run.state import RunState

_EXIT_STOPPED = {130: "SIGINT", 143: "SIGTERM"}
LOST = "its process ended unexpectedly"
_BY_SIGNAL = ("Ctrl-C", "SIGTERM")
"""How the reasons begin of runs that were stopped by a signal."""


def outcome_of_exit(
    queue: Queue, job: Job, code: int, signaled: bool, stopping: bool
) -> tuple[JobState, str]:
    """Return result and reason of a job whose process has exited; the reason may be in its output.

    The process was asked to save a checkpoint and to exit: with `signaled` by a signal, with
    `stopping` by the queue.
    """
    run = _run_state(queue, job)
    status = run.status if run else ""
    if code == 0:
        return ("stopped", run.reason) if run and status == "stopped" else ("finished", "")
    if code in _EXIT_STOPPED or code < 0:
        if status == "finished":
            return "finished", ""
        # A time limit that ends every attempt before it has a run must not do so without end.
        if stopping or (signaled and queue.run_of(job.number)):
            return "waiting", ""
        return "interrupted", _ended_by(code)
    return "failed", reason_of(ValueError(run.reason)) if run and status == "failed" else ""


def outcome_of_lost(queue: Queue, job: Job) -> tuple[JobState, str, str]:
    """Return result, reason and run of a job whose process is gone, by the journal of its run."""
    run, id = _run_state(queue, job), queue.run_of(job.number)
    if not job.begun:
        return "interrupted", "its process ended before it began", id
    if run is not None and run.status == "finished":
        return "finished", "", id
    if run is not None and run.status == "failed":
        return "failed", run.reason, id
    if run is not None and run.status == "stopped" and not run.reason.startswith(_BY_SIGNAL):
        return "stopped", run.reason, id
    if job.stopping:
        return "waiting", "", id
    return "interrupted", LOST, id


def reaped(
    queue: Queue, state: QueueState, is_alive: Callable[[Job], bool] | None = None
) -> QueueState:
    """Return a state in which jobs whose process has ended without recording it have ended.

    By default, jobs that are only submitted to a cluster are left alone.
    """

    def lives(job: Job) -> bool:
        return job.state == "submitted" or queue.is_alive(job)

    return changes.reap(
        state, is_alive or lives, lambda job: outcome_of_lost(queue, job), time.time()
    )


def change(queue: Queue, edit: Callable[[QueueState], QueueState]) -> QueueState:
    """Replace the state of a queue, in which jobs without a process are no longer running, by
    `edit(state)`; raises SetupError."""
    return queue.change(lambda state: edit(reaped(queue, state)))


def _ended_by(code: int) -> str:
    if code in _EXIT_STOPPED:
        return f"it was ended by {_EXIT_STOPPED[code]}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"


def _run_state(queue: Queue, job: Job) -> "RunState | None":
    """Return the state of a job's run; None for a study, or without a run."""
    id = queue.run_of(job.number)
    if not id:
        return None
    folder = RunFolder(queue.runs_dir / id)
    if not folder.journal.is_file():
        return None
    # Imported here: a process of a study, and a worker at its start, need none of it.
    from core.run.snapshot import Snapshot

    reader, state = Snapshot(folder.journal, folder.snapshot).open()
    for record in reader.read():
        state.apply(record)
    return state
