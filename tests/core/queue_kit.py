"""Jobs of a queue that train nothing: their program, `queue_program.py`, does what its option
--name says, and keeps a ledger."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.queue import changes
from core.queue.state import Job, QueueState
from core.queue.store import Queue

PROGRAM = (sys.executable, "-S", str(Path(__file__).with_name("queue_program.py")))
LEDGER = "ledger"


def add(queue: Queue, *acts: str) -> None:
    """Add a job for each act."""
    for act in acts:
        queue.change(
            lambda state, act=act: changes.add(
                state, ("--name", act), str(queue.runs_dir.parent), time.time()
            )
        )


def ledger(queue: Queue) -> list[str]:
    """Return what the programs have written: `start ACT RUN`, `resume ACT RUN`, `end ACT RUN`."""
    try:
        return (queue.runs_dir / LEDGER).read_text().splitlines()
    except FileNotFoundError:
        return []


def states(queue: Queue) -> list[str]:
    """Return the states of all jobs by number."""
    return [job.state for job in sorted(queue.read().jobs, key=lambda job: job.number)]


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait until something has happened; raises TimeoutError if that takes too long."""
    end = time.monotonic() + 60
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def wait_until_running(queue: Queue, act: str) -> None:
    """Wait until the program of a job has begun."""
    wait_until(lambda: any(line.split()[1] == act for line in ledger(queue)))


def processes_of(queue: Queue) -> list[int]:
    """Return the ids of the processes of programs that have begun."""
    return [int(path.read_text()) for path in sorted(queue.runs_dir.glob("*/pid"))]


def job(number: int = 1, **fields: object) -> QueueState:
    """Return a state with one job."""
    made = Job(number=number, arguments=("--demo",), folder="/", **fields)  # type: ignore[arg-type]
    return QueueState(jobs=(made,), next_number=number + 1)
