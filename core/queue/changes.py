"""Changes of a queue: functions from one state to the next, without files and processes."""

from collections.abc import Callable, Collection
from dataclasses import replace

from core.common.errors import SetupError
from core.common.format import counted
from core.common.text import quoted
from core.queue.state import AT_WORK, OVER, Job, JobState, QueueState, WorkerEntry

PLACES = ("up", "down", "first", "last")
MOST_INTERRUPTIONS = 1
"""How often an interrupted job is resumed."""
_MOST_ATTEMPTS = 5
"""How often a worker takes a job whose process never begins, before that counts as an
interruption."""


def add(
    state: QueueState,
    arguments: tuple[str, ...],
    folder: str,
    now: float,
    resume_arguments: tuple[str, ...] = (),
) -> QueueState:
    """Append a job."""
    job = Job(
        number=state.next_number,
        arguments=arguments,
        folder=folder,
        resume_arguments=resume_arguments,
        added=now,
    )
    return replace(state, jobs=(*state.jobs, job), next_number=state.next_number + 1)


def move(state: QueueState, number: int, place: str) -> QueueState:
    """Move a waiting job: `up`, `down`, `first`, `last`, or a position in line, 1 = next.

    Raises SetupError.
    """
    job, line = state.job(number), state.in_line()
    if job not in line:
        raise SetupError(f"job {number} is {job.state}: only a waiting job can be moved")
    index = line.index(job)
    places = {"up": index - 1, "down": index + 1, "first": 0, "last": len(line) - 1}
    if place not in places and not (place.isdecimal() and 1 <= int(place) <= len(line)):
        raise SetupError(
            f"job {number} cannot be moved to {quoted(place)}: expected {', '.join(PLACES)}, or "
            f"a position from 1 to {len(line)}"
        )
    target = places[place] if place in places else int(place) - 1
    line.insert(max(0, target), line.pop(index))
    rest = [each for each in state.jobs if each not in line]
    return replace(state, jobs=(*rest, *line))


def remove(state: QueueState, numbers: Collection[int]) -> QueueState:
    """Remove jobs that are not at work; raises SetupError, with none removed."""
    for number in numbers:
        if (job := state.job(number)).state in AT_WORK:
            raise SetupError(
                f"job {number} is {job.state} and cannot be removed; `convnext-tui queue list` "
                "shows its run, and `convnext-tui ctl RUN stop` stops that"
            )
    return replace(state, jobs=tuple(job for job in state.jobs if job.number not in numbers))


def over(state: QueueState) -> list[int]:
    """Return the numbers of the jobs that are over."""
    return [job.number for job in state.jobs if job.state in OVER]


def pause(state: QueueState, paused: bool) -> QueueState:
    """Start no more jobs, or start them again; running ones continue."""
    return replace(state, paused=paused)


def register(state: QueueState, worker: WorkerEntry) -> QueueState:
    """Add a worker; raises SetupError if its machine has one."""
    for other in state.workers:
        refuse_same_machine(other, worker.host)
    return replace(state, workers=(*state.workers, worker))


def refuse_same_machine(worker: WorkerEntry, host: str) -> None:
    """Raise SetupError if a worker is on this machine."""
    if worker.host == host:
        raise SetupError(
            f"a worker of this queue is running on this machine (process {worker.pid}): "
            "`convnext-tui queue stop` stops it"
        )


def unregister(state: QueueState, host: str) -> QueueState:
    """Remove the worker of a machine."""
    return replace(state, workers=tuple(each for each in state.workers if each.host != host))


def stop(state: QueueState, hosts: Collection[str] | None = None) -> QueueState:
    """Ask workers to exit and their jobs to stop, on all machines or on some."""

    def is_there(host: str) -> bool:
        return hosts is None or host in hosts

    return replace(
        state,
        workers=tuple(replace(w, stopping=w.stopping or is_there(w.host)) for w in state.workers),
        jobs=tuple(
            replace(job, stopping=True) if job.state in AT_WORK and is_there(job.worker) else job
            for job in state.jobs
        ),
    )


def claim(state: QueueState, number: int, worker: str, slot: str, to: JobState) -> QueueState:
    """Assign a waiting job to a slot: from now on no other worker takes it."""
    job = state.job(number)
    return state.with_job(
        replace(
            job,
            state=to,
            attempt=job.attempt + 1,
            begun=False,
            host=worker,
            worker=worker,
            slot=slot,
            cluster_job="",
            stopping=False,
        )
    )


def submitted(state: QueueState, number: int, attempt: int, cluster_job: str) -> QueueState:
    """Record the id that a cluster has given to an attempt."""
    job = state.job(number)
    if job.attempt != attempt or job.state not in AT_WORK:
        return state  # it has begun and ended already
    return state.with_job(replace(job, cluster_job=cluster_job))


def withdraw(state: QueueState, number: int) -> QueueState:
    """Let a job that is only submitted wait again; its attempt can no longer begin."""
    job = state.job(number)
    if job.state != "submitted":
        return state
    return state.with_job(replace(job, state="waiting", stopping=False, cluster_job=""))


def begin(state: QueueState, number: int, attempt: int, host: str, now: float) -> QueueState | None:
    """Record that the process of an attempt exists; None if the attempt is no longer wanted."""
    job = next((job for job in state.jobs if job.number == number), None)
    if job is None or job.attempt != attempt or job.state not in AT_WORK or job.begun:
        return None
    return state.with_job(
        replace(job, state="running", begun=True, started=now, ended=None, reason="", host=host)
    )


def end(
    state: QueueState, number: int, result: JobState, reason: str, run: str, now: float
) -> QueueState:
    """Record how the process of a job has ended.

    A job that was interrupted is resumed once, and has then failed.
    """
    job = state.job(number)
    count = job.interruptions
    if result == "interrupted":
        count += 1
        if count > MOST_INTERRUPTIONS:
            times = counted(count, "time")
            result, reason = "failed", f"interrupted {times}; the last time {reason}"
    ended = now if result in OVER else None
    return state.with_job(
        replace(
            job,
            state=result,
            reason=reason,
            run=run,
            ended=ended,
            interruptions=count,
            begun=False,
            stopping=False,
            cluster_job="",
        )
    )


def end_attempt(
    state: QueueState, attempt: Job, result: JobState, reason: str, run: str, now: float
) -> QueueState:
    """Record how an attempt has ended, by its own process; ignored once the job is another's."""
    for job in state.jobs:
        if job.number == attempt.number and job.attempt == attempt.attempt and job.begun:
            return end(state, job.number, result, reason, run, now)
    return state


def reap(
    state: QueueState,
    is_alive: Callable[[Job], bool],
    outcome: Callable[[Job], tuple[JobState, str, str]],
    now: float,
) -> QueueState:
    """Record the end of jobs whose process ended without recording it.

    `outcome` returns the result, the reason and the run of a job, by the files of the run. A job
    whose worker was killed before it started the process waits again.
    """
    for job in state.jobs:
        if job.state not in AT_WORK or is_alive(job):
            continue
        never_began = not job.begun and not job.cluster_job and job.attempt <= _MOST_ATTEMPTS
        waiting: tuple[JobState, str, str] = ("waiting", "", job.run)
        result, reason, run = waiting if never_began else outcome(job)
        state = end(state, job.number, result, reason, run, now)
    return state


def free_slots(state: QueueState, worker: str, slots: tuple[str, ...]) -> list[str]:
    """Return the slots of a machine without a job, also of an earlier worker; "" = no limit."""
    taken = {job.slot for job in state.jobs if job.state in AT_WORK and job.worker == worker}
    return [slot for slot in slots if slot not in taken] if slots else [""]
