"""Jobs through submitit: with its local executor, and the script that it makes for Slurm."""

import builtins
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.common.errors import SetupError
from core.queue import changes
from core.queue.slurm import SlurmLauncher, parse_parameters
from core.queue.store import Queue
from core.queue.worker import Worker
from tests.core.queue_kit import (
    PROGRAM,
    add,
    ledger,
    processes_of,
    states,
    wait_until,
    wait_until_running,
)
from tests.tools.write_docs import GUIDE

submitit = pytest.importorskip("submitit")


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "runs")


@pytest.fixture
def launcher(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> SlurmLauncher:
    monkeypatch.setattr(SlurmLauncher, "poll_seconds", 0.1)
    return SlurmLauncher(queue, {"gpus_per_node": 0}, PROGRAM, cluster="local")


def start(queue: Queue, launcher: SlurmLauncher) -> tuple[Worker, threading.Thread]:
    worker = Worker(queue, launcher, (), "login")
    thread = threading.Thread(target=worker.run, kwargs={"until_empty": True}, daemon=True)
    thread.start()
    return worker, thread


def test_every_job_is_submitted_and_its_end_recorded(queue: Queue, launcher: SlurmLauncher) -> None:
    add(queue, "ok", "fail", "dieonce")
    Worker(queue, launcher, (), "login").run(until_empty=True)
    assert states(queue) == ["finished", "failed", "finished"]
    assert queue.read().jobs[1].reason == "the loss is not finite"
    assert sorted(line.split()[:2] for line in ledger(queue)) == [
        *(["end", "dieonce"], ["end", "fail"], ["end", "ok"]),
        *(["resume", "dieonce"], ["start", "dieonce"], ["start", "fail"], ["start", "ok"]),
    ]


def test_a_job_at_its_time_limit_saves_and_is_submitted_again(
    queue: Queue, launcher: SlurmLauncher
) -> None:
    add(queue, "stoponce")
    _, thread = start(queue, launcher)
    wait_until_running(queue, "stoponce")
    (program,) = processes_of(queue)
    submitted = psutil.Process(program).parent()
    assert submitted is not None
    submitted.send_signal(signal.SIGUSR2)  # as Slurm does before the limit
    thread.join()
    (job,) = queue.read().jobs
    assert (job.state, job.interruptions, job.attempt) == ("finished", 0, 2)


def test_a_stopped_worker_stops_what_it_has_submitted(
    queue: Queue, launcher: SlurmLauncher
) -> None:
    add(queue, "stoponce")
    worker, thread = start(queue, launcher)
    wait_until_running(queue, "stoponce")
    worker.ask_to_stop()
    thread.join()
    wait_until(lambda: states(queue) == ["waiting"])
    assert processes_of(queue)


class FakeSlurm:
    """submitit's view of a cluster job that never starts."""

    job_id = "4711"
    cancelled = ended = False

    def done(self) -> bool:
        return self.ended

    def cancel(self, check: bool) -> None:
        self.cancelled = True


def test_a_job_that_slurm_has_not_started_is_cancelled_or_submitted_again_once(
    queue: Queue, launcher: SlurmLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[FakeSlurm] = []

    def submit(*arguments: object) -> FakeSlurm:
        submitted.append(FakeSlurm())
        return submitted[-1]

    monkeypatch.setattr(launcher._executor, "submit", submit)
    add(queue, "ok")
    worker, thread = start(queue, launcher)
    wait_until(lambda: queue.recorded().jobs[0].cluster_job == "4711")
    assert states(queue) == ["submitted"]
    with pytest.raises(SetupError, match="job 1 is submitted and cannot be removed"):
        queue.change(lambda state: changes.remove(state, [1]))
    worker.ask_to_stop()
    thread.join()
    assert states(queue) == ["waiting"]
    assert submitted[0].cancelled
    monkeypatch.setattr(FakeSlurm, "ended", True)  # others cancel it, each time
    Worker(queue, launcher, (), "login").run(until_empty=True)
    (job,) = queue.read().jobs
    assert (job.state, len(submitted)) == ("failed", 3)
    assert job.reason == "interrupted 2 times; the last time its process ended before it began"


def test_a_submission_that_is_refused_fails_the_job(
    queue: Queue, launcher: SlurmLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*arguments: object) -> None:
        raise RuntimeError("sbatch: error: invalid partition specified: gpux")

    monkeypatch.setattr(launcher._executor, "submit", submit)
    add(queue, "ok")
    Worker(queue, launcher, (), "login").run(until_empty=True)
    assert "invalid partition specified: gpux" in queue.read().jobs[0].reason


def test_parameters_are_parsed() -> None:
    given = parse_parameters(["slurm_partition=gpu", "timeout_min=600", "mem_gb=1.5", "a=b=c"])
    assert given == {"slurm_partition": "gpu", "timeout_min": 600, "mem_gb": 1.5, "a": "b=c"}


def test_the_guide_shows_the_script_for_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from submitit.slurm.slurm import SlurmExecutor

    monkeypatch.setattr(SlurmExecutor, "affinity", classmethod(lambda cls: 1))
    guide = (GUIDE / "queue.md").read_text("utf-8")
    command = re.search(r"queue start --executor slurm (.*)", guide)
    assert command is not None
    given = [text for text in command[1].split() if "=" in text]
    made = SlurmLauncher(Queue(tmp_path), parse_parameters(given))._executor._executor
    script = made._make_submission_file_text("python -m submitit", "uid")
    shown = [line for line in guide.splitlines() if line.startswith(("#!", "#SBATCH", "srun"))]
    assert len(shown) > 5
    here = str(tmp_path / "queue" / "slurm")
    lines = [line.replace(here, "/shared/runs/queue/slurm") for line in script.splitlines()]
    for line in shown:
        assert any(each.startswith(line.split(" …")[0]) for each in lines), (line, lines)


def test_slurm_needs_submitit_and_slurm(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="--executor slurm: "):
        SlurmLauncher(queue, {})
    with pytest.raises(SetupError, match=r"--executor local: .*nonsense"):
        SlurmLauncher(queue, {"nonsense": 1}, cluster="local")
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "submitit":
            raise ImportError
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "submitit")
    with pytest.raises(SetupError, match=r"pip install 'convnext-tui\[slurm\]'"):
        SlurmLauncher(queue, {})


def test_signal_handlers_are_restored(queue: Queue) -> None:
    from core.queue.run_job import run_submitted

    before = signal.getsignal(signal.SIGTERM)
    add(queue, "ok")
    run_submitted(str(queue.runs_dir), 1, 1, PROGRAM)  # an attempt that is not wanted
    assert signal.getsignal(signal.SIGTERM) is before
    assert ledger(queue) == []
