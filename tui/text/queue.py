"""Describe the jobs and workers of a queue."""

import shlex

from core.common.format import counted
from core.common.text import printable
from core.queue.state import Job, QueueState


def command_text(job: Job) -> str:
    """Return the command line of a job, ready to paste."""
    return printable(f"convnext-tui {shlex.join(job.arguments)}")


def queue_text(state: QueueState) -> str:
    """Return one sentence about workers and waiting jobs."""
    waiting = counted(len(state.in_line()), "waiting job")
    if state.paused:
        return f"{waiting}; the queue is paused: `convnext-tui queue resume` resumes it"
    if not state.workers:
        return f"{waiting}; no worker is running: `convnext-tui queue start` starts one"
    return f"{waiting}; " + ", ".join(
        f"worker on {printable(worker.host)} with {_slots(worker.slots)}"
        + (" is stopping" if worker.stopping else "")
        for worker in state.workers
    )


def _slots(slots: tuple[str, ...]) -> str:
    return counted(len(slots), "slot") if slots else "as many slots as jobs"
