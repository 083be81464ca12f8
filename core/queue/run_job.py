"""Process of a job: starts its command, waits for it, and records how it ended.

    python -m core.queue.run_job RUNS_DIR NUMBER ATTEMPT LOCK PROGRAM...

It depends on no worker: a job whose worker is killed continues, and its end is recorded.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from core.common.errors import SetupError, reason_of
from core.common.locks import lock_patiently, open_lock
from core.common.subprocesses import python_environment
from core.queue import changes
from core.queue.announce import VARIABLE
from core.queue.outcome import outcome_of_exit
from core.queue.state import Job, JobState, QueueState
from core.queue.store import Queue

PROGRAM = (sys.executable, "-m", "tui")
_POLL_SECONDS = 0.5
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""SIGUSR2 announces Slurm's time limit or a preemption."""


class JobProcess:
    """The command of one attempt of a job, from this process."""

    def __init__(self, queue: Queue, number: int, attempt: int, lock: int, program: Sequence[str]):
        """`lock` is the open lock file of the job, which is locked."""
        self._queue = queue
        self._number = number
        self._attempt = attempt
        self._lock = lock
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = False
        self._output_start = 0

    def run(self) -> None:
        """Run the command to its end; does nothing if the attempt is no longer wanted."""
        before = {number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS}
        try:
            self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._ask()

    def _run(self) -> None:
        job = self._begin()
        if job is None:
            return
        with self._queue.job_log(job.number).open("ab") as log:
            result, reason = self._train(job, log)
        run = self._queue.run_of(job.number)
        if not reason and result == "failed" and self._process is not None:
            error = last_error(self._queue.job_log(job.number), self._output_start)
            reason = error or f"exit code {self._process.returncode}"
        self._queue.change(
            lambda state: changes.end_attempt(state, job, result, reason, run, time.time())
        )

    def _begin(self) -> Job | None:
        begun: list[Job] = []

        def edit(state: QueueState) -> QueueState:
            after = changes.begin(
                state, self._number, self._attempt, socket.gethostname(), time.time()
            )
            if after is not None:
                begun.append(after.job(self._number))
            return after or state

        self._queue.change(edit)
        return begun[0] if begun else None

    def _train(self, job: Job, log: BinaryIO) -> tuple[JobState, str]:
        command = [*self._program, *self._arguments(job)]
        log.write(f"$ {shlex.join(command)}\n".encode("utf-8", "surrogateescape"))
        log.flush()
        self._output_start = log.tell()
        try:
            self._process = subprocess.Popen(
                command,
                cwd=job.folder,
                env={**python_environment(), VARIABLE: str(self._queue.job_run(job.number))},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Not in this process's group, which Slurm sends SIGUSR2 to.
                process_group=0,
                # The run holds the lock, too: it may outlive this process.
                pass_fds=(self._lock,),
            )
        except OSError as error:
            place = error.filename or command[0]
            return "failed", f"{place}: {error.strerror}"
        if self._is_asked():
            self._ask()  # the signal arrived before the process existed
        code = self._wait()
        stopping = self._is_stopping()
        return outcome_of_exit(self._queue, job, code, self._is_asked() and not stopping, stopping)

    def _arguments(self, job: Job) -> list[str]:
        always = ["--runs-dir", str(self._queue.runs_dir), "--no-ui", "--log-format", "plain"]
        run = self._queue.run_of(job.number)
        if not run:
            return [*always, *job.arguments]
        return [*always, "--resume", run, *job.resume_arguments]

    def _wait(self) -> int:
        assert self._process is not None
        while True:
            try:
                return self._process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if not self._is_asked() and self._is_stopping():
                    self._ask()

    def _is_stopping(self) -> bool:
        try:
            return self._queue.recorded().job(self._number).stopping
        except SetupError:  # the file of the queue is damaged
            return False

    def _is_asked(self) -> bool:
        return self._asked

    def _ask(self) -> None:
        """Ask the command to save a checkpoint and to exit."""
        self._asked = True
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGTERM)


def last_error(log: Path, start: int) -> str:
    """Return the last error in a job's output from the offset `start`, else its last line."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - (64 << 10)))
        lines = file.read().decode("utf-8", "replace").splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    others = [line for line in lines if line.strip()]
    return reason_of(SetupError((errors or others or [""])[-1])) if errors or others else ""


def run_submitted(runs_dir: str, number: int, attempt: int, program: Sequence[str]) -> None:
    """Run an attempt of a job in this process, on the machine that a cluster has chosen."""
    queue = Queue(Path(runs_dir))
    lock = open_lock(queue.job_lock(number))
    try:
        lock_patiently(lock)
        JobProcess(queue, number, attempt, lock, program).run()
    finally:
        os.close(lock)


def main(arguments: Sequence[str]) -> None:
    """Run the process of a job on this machine."""
    runs_dir, number, attempt, lock, *program = arguments
    # A closed terminal must not end a job.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    JobProcess(Queue(Path(runs_dir)), int(number), int(attempt), int(lock), program).run()


if __name__ == "__main__":
    main(sys.argv[1:])
