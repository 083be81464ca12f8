"""Run the worker of a queue in this process or in the background, and stop workers."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from core.common.errors import SetupError
from core.common.format import clock_time, counted, date
from core.common.subprocesses import python_environment
from core.common.text import printable
from core.queue import changes
from core.queue.launchers import Launcher, LocalLauncher
from core.queue.run_job import last_error
from core.queue.slots import parse_slots
from core.queue.store import Queue
from core.queue.worker import Worker
from tui.text.queue import queue_text

_START_SECONDS = 60.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The options of `queue start`."""

    slots: str | None = None
    executor: str = "local"
    slurm: tuple[str, ...] = ()
    until_empty: bool = False

    def arguments(self) -> list[str]:
        """Return the options as arguments of the command line."""
        found = ["--executor", self.executor]
        found += ["--slots", self.slots] if self.slots is not None else []
        found += [text for value in self.slurm for text in ("--slurm", value)]
        return [*found, *(["--until-empty"] if self.until_empty else [])]


def check_worker(queue: Queue, options: WorkerOptions) -> tuple[Launcher, tuple[str, ...]]:
    """Return the launcher and the slots of a worker.

    Raises SetupError for invalid options, or if this machine has a worker.
    """
    for worker in queue.read().workers:
        changes.refuse_same_machine(worker, socket.gethostname())
    if options.executor == "slurm":
        from core.queue.slurm import SlurmLauncher, parse_parameters

        # Slurm itself limits how many jobs run.
        slots = () if options.slots is None else parse_slots(options.slots)
        return SlurmLauncher(queue, parse_parameters(options.slurm)), slots
    if options.slurm:
        raise SetupError("--slurm needs --executor slurm")
    return LocalLauncher(queue), parse_slots(options.slots)


def run_worker(queue: Queue, options: WorkerOptions, report: Callable[[str], object]) -> None:
    """Run a worker in this process until it is stopped; SIGTERM and Ctrl-C stop it and its jobs.

    Raises SetupError.
    """

    def stamped(line: str) -> None:
        now = time.time()
        with suppress(OSError):  # the terminal is gone, or the disk is full
            report(f"{date(now)} {clock_time(now)}  {line}")

    launcher, slots = check_worker(queue, options)
    worker = Worker(queue, launcher, slots, report=stamped)

    def stop(number: int, frame: FrameType | None) -> None:
        worker.ask_to_stop()

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    stamped(f"worker started with {counted(len(slots), 'slot')}" if slots else "worker started")
    worker.run(options.until_empty)
    stamped("worker ended")


def start_worker(queue: Queue, options: WorkerOptions) -> str:
    """Start a worker in a session of its own, without a terminal; returns a message.

    Raises SetupError if it ends at once.
    """
    host = socket.gethostname()
    log = queue.worker_log(host)
    queue.clean()  # creates the folder
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tui", "--runs-dir", str(queue.runs_dir)),
                *("queue", "start", "--foreground", *options.arguments()),
            ],
            env=python_environment(),
            cwd=queue.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        state = queue.read()
        if any(worker.host == host for worker in state.workers):
            return f"{queue_text(state)}; log: {printable(str(log))}"
        if process.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    if process.returncode == 0:  # it has found no job to do
        return f"{queue_text(queue.read())}; log: {printable(str(log))}"
    raise SetupError(f"the worker did not start: {last_error(log, begin) or printable(str(log))}")


def stop_workers(queue: Queue) -> str:
    """Ask all workers and their jobs to stop, and wait a while; returns a message."""
    if not queue.read().workers and not _running(queue):
        return "no worker is running"
    queue.change(changes.stop)
    deadline = time.monotonic() + STOP_SECONDS
    while queue.read().workers or _running(queue):
        if time.monotonic() > deadline:
            running = counted(_running(queue), "job")
            return f"the workers are stopping; {running} still saving a checkpoint"
        time.sleep(_POLL_SECONDS)
    return queue_text(queue.read())


def _running(queue: Queue) -> int:
    return sum(job.state == "running" for job in queue.read().jobs)
