"""Run 1,000 tiny jobs with two workers on one queue, and kill the workers again and again.

    python -m tests.stress.queue [--jobs 1000] [--kills 60] [--seed 1] [--die 20]

The jobs train nothing: each writes a line when it starts and one when it ends. A few of them kill
themselves once and must be resumed. The workers are processes as `queue start` makes them, except
for their names, which let two of them share this machine; they are killed with -9 at random moments
and started again.

Prints a verdict; exits with 1 if a job ran twice or not at all, was resumed without need, or has
not finished.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from core.common.subprocesses import python_environment
from core.queue import changes
from core.queue.state import QueueState
from core.queue.store import Queue
from tests.core.queue_kit import ledger
from tests.stress.common import verdict

HOSTS = ("a", "b")
_TIMEOUT_SECONDS = 3600
_WORKER = """
import sys
from pathlib import Path
from core.queue.launchers import LocalLauncher
from core.queue.store import Queue
from core.queue.worker import Worker
from tests.core.queue_kit import PROGRAM
queue = Queue(Path(sys.argv[1]))
Worker(queue, LocalLauncher(queue, PROGRAM), ("1", "2"), sys.argv[2]).run(until_empty=True)
"""


def main() -> int:
    """Run the whole test; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--die", type=int, default=20, help="jobs that kill themselves once")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        queue = Queue(Path(name) / "runs")
        dying = set(choose.sample(range(arguments.jobs), arguments.die))
        acts = [f"{'dieonce' if n in dying else 'ok'}-{n}" for n in range(arguments.jobs)]
        queue.change(lambda state: filled(state, acts, name))
        started = time.monotonic()
        kills = run_with_kills(queue, arguments.kills, choose)
        problems = examine(queue, acts)
        seconds = time.monotonic() - started
        attempts = sum(job.attempt for job in queue.read().jobs)
    return verdict(
        "queue",
        problems,
        f"{arguments.jobs} jobs, {kills} kills of workers, {attempts} attempts, {seconds:.0f} s",
    )


def filled(state: QueueState, acts: list[str], folder: str) -> QueueState:
    """Return a queue with a job per act."""
    for act in acts:
        state = changes.add(state, ("--name", act), folder, time.time())
    return state


def run_with_kills(queue: Queue, kills: int, choose: random.Random) -> int:
    """Run two workers until the queue is empty; returns how often one was killed."""
    workers = {host: start_worker(queue, host) for host in HOSTS}
    total, done = len(queue.read().jobs), 0
    end = time.monotonic() + _TIMEOUT_SECONDS
    while any(worker.poll() is None for worker in workers.values()):
        if time.monotonic() > end:
            break
        time.sleep(choose.uniform(0.05, 0.6))
        over = len(changes.over(queue.read()))
        # Spread over the jobs, so that no part of the queue is spared.
        if done < kills and over >= total * done / (kills + 1):
            host = choose.choice(HOSTS)
            if workers[host].poll() is None:
                workers[host].kill()
                workers[host].wait()
                done += 1
                workers[host] = start_worker(queue, host)
    for worker in workers.values():
        worker.kill()
    return done


def start_worker(queue: Queue, host: str) -> "subprocess.Popen[bytes]":
    """Start a worker with two slots, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(queue.runs_dir), host],
        env=python_environment(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def examine(queue: Queue, acts: list[str]) -> list[str]:
    """Return what is wrong with the states of the jobs and with their ledger."""
    jobs = queue.read().jobs
    problems = [
        f"job {job.number} ({job.arguments[-1]}) is {job.state}: {job.reason}"
        for job in jobs
        if job.state != "finished"
    ]
    if sorted(job.arguments[-1] for job in jobs) != sorted(acts):
        problems.append("jobs are missing in the queue, or there are too many")
    counts = Counter(tuple(line.split()[:2]) for line in ledger(queue))
    for act in acts:
        resumed = int(act.startswith("dieonce"))
        found = tuple(counts[kind, act] for kind in ("start", "resume", "end"))
        if found != (1, resumed, 1):
            problems.append(f"{act}: {found} starts, resumptions and ends")
    return problems


if __name__ == "__main__":
    sys.exit(main())
