"""Workers of a queue, with jobs that train nothing: failures, kills, stops, two workers."""

import threading
from pathlib import Path

import psutil
import pytest

from core.common.errors import SetupError
from core.queue import changes
from core.queue.launchers import LocalLauncher
from core.queue.slots import parse_slots, slot_environment
from core.queue.state import Job
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


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "runs")


def worker(queue: Queue, slots: int = 1, host: str = "here") -> Worker:
    return Worker(queue, LocalLauncher(queue, PROGRAM), parse_slots(str(slots)), host)


def start(made: Worker) -> threading.Thread:
    thread = threading.Thread(target=made.run, kwargs={"until_empty": True}, daemon=True)
    thread.start()
    return thread


def job_process(queue: Queue, act: str) -> psutil.Process:
    """Return the process of a job, the parent of its program."""
    wait_until_running(queue, act)
    (pid,) = processes_of(queue)
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


def test_a_failed_job_is_marked_and_the_next_one_starts(queue: Queue) -> None:
    add(queue, "fail", "silent", "die", "dieonce", "ok")
    worker(queue).run(until_empty=True)
    assert states(queue) == ["failed", "failed", "failed", "finished", "finished"]
    fail, silent, die, _, _ = queue.read().jobs
    assert fail.reason == "the loss is not finite"
    assert silent.reason == "exit code 3"
    assert die.reason == "interrupted 2 times; the last time it was ended by SIGKILL"
    done = [line.split()[:2] for line in ledger(queue)]
    assert done == [
        *(["start", "fail"], ["end", "fail"], ["start", "silent"], ["end", "silent"]),
        *(["start", "die"], ["resume", "die"]),
        *(["start", "dieonce"], ["resume", "dieonce"], ["end", "dieonce"]),
        *(["start", "ok"], ["end", "ok"]),
    ]
    assert not queue.read().workers


def test_two_workers_share_the_jobs(queue: Queue) -> None:
    names = [f"ok-{number}" for number in range(6)]
    add(queue, "gate-a", "gate-b", *names)
    threads = [start(worker(queue, host=host)) for host in "ab"]
    wait_until_running(queue, "gate-a")
    wait_until_running(queue, "gate-b")
    assert {job.worker for job in queue.read().jobs if job.state == "running"} == {"a", "b"}
    (queue.runs_dir / "open").touch()
    for thread in threads:
        thread.join()
    assert set(states(queue)) == {"finished"}
    assert sorted(line.split()[1] for line in ledger(queue)) == sorted(
        2 * [*names, "gate-a", "gate-b"]
    )


def test_a_stopped_worker_lets_its_job_save_and_the_next_worker_resumes_it(queue: Queue) -> None:
    add(queue, "stoponce", "ok")
    thread = start(worker(queue))
    wait_until_running(queue, "stoponce")
    queue.change(changes.stop)
    thread.join()
    first = queue.read().jobs[0]
    assert (first.state, first.interruptions, first.stopping) == ("waiting", 0, False)
    assert states(queue) == ["waiting", "waiting"]
    worker(queue).run(until_empty=True)
    assert states(queue) == ["finished", "finished"]
    assert [line.split()[:2] for line in ledger(queue)][:2] == [
        ["start", "stoponce"],
        ["resume", "stoponce"],
    ]


def test_a_job_outlives_its_worker_and_its_own_process(queue: Queue) -> None:
    add(queue, "gate")
    thread = start(worker(queue))
    job_process(queue, "gate").kill()
    thread_two = start(worker(queue, host="other"))
    assert states(queue) == ["running"]  # its program lives
    (queue.runs_dir / "open").touch()
    thread.join()
    thread_two.join()
    assert states(queue) == ["finished"]
    assert [line.split()[0] for line in ledger(queue)] == ["start", "end", "resume", "end"]


def test_a_job_that_is_terminated_is_resumed_without_a_count(queue: Queue) -> None:
    """A machine that shuts down terminates all processes."""
    add(queue, "stoponce")
    thread = start(worker(queue))
    job_process(queue, "stoponce").terminate()
    thread.join()
    (job,) = queue.read().jobs
    assert (job.state, job.interruptions) == ("finished", 0)


def test_a_dead_job_is_interrupted_at_once_and_resumed_by_the_next_worker(queue: Queue) -> None:
    add(queue, "gate")
    state = queue.change(lambda state: changes.claim(state, 1, "gone", "1", "running"))
    assert states(queue) == ["waiting"]  # its worker was killed before the process existed
    attempt = state.job(1).attempt
    queue.change(lambda state: changes.begin(state, 1, attempt, "gone", 1.0) or state)
    assert states(queue) == ["interrupted"]
    (queue.runs_dir / "open").touch()
    worker(queue).run(until_empty=True)
    (job,) = queue.read().jobs
    assert (job.state, job.interruptions) == ("finished", 1)


def test_a_paused_queue_starts_nothing(queue: Queue) -> None:
    add(queue, "gate", "ok")
    thread = start(worker(queue))
    wait_until_running(queue, "gate")
    queue.change(lambda state: changes.pause(state, True))
    (queue.runs_dir / "open").touch()
    wait_until(lambda: "running" not in states(queue))
    assert states(queue) == ["finished", "waiting"]
    queue.change(lambda state: changes.pause(state, False))
    thread.join()
    assert states(queue) == ["finished", "finished"]


def test_a_machine_has_one_worker(queue: Queue) -> None:
    add(queue, "gate")
    thread = start(worker(queue))
    wait_until_running(queue, "gate")
    with pytest.raises(SetupError, match="a worker of this queue is running on this machine"):
        worker(queue).run()
    (queue.runs_dir / "open").touch()
    thread.join()


def test_a_folder_that_is_gone_fails_the_job_with_its_reason(queue: Queue) -> None:
    queue.change(lambda state: changes.add(state, ("--name", "ok"), "/nowhere", 1.0))
    worker(queue).run(until_empty=True)
    assert queue.read().jobs[0].reason == "/nowhere: No such file or directory"


def test_each_gpu_slot_shows_one_gpu(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    slots = parse_slots(None)
    assert slots == parse_slots("gpu") == ("GPU 2", "GPU 5")
    add(queue, "visible-1", "visible-2")
    Worker(queue, LocalLauncher(queue, PROGRAM), slots, "here").run(until_empty=True)
    assert sorted(job.reason for job in queue.read().jobs) == ["2 PCI_BUS_ID", "5 PCI_BUS_ID"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert slot_environment("GPU 1") == {
        "CUDA_VISIBLE_DEVICES": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    assert slot_environment("1") == {}


@pytest.mark.parametrize("text", ["0", "65", "gpus", "-1", "1.5"])
def test_invalid_slots_are_refused(text: str) -> None:
    with pytest.raises(SetupError, match="expected gpu, or a number from 1 to 64"):
        parse_slots(text)


def test_gpu_slots_need_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert parse_slots(None) == ("1",)
    with pytest.raises(SetupError, match="no NVIDIA GPU"):
        parse_slots("gpu")


def test_a_process_that_cannot_be_started_fails_the_job(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: LocalLauncher, job: Job, on_end: object) -> str:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(LocalLauncher, "start", refuse)
    add(queue, "ok")
    worker(queue).run(until_empty=True)
    assert queue.read().jobs[0].reason == (
        "its process cannot be started: Resource temporarily unavailable"
    )


def test_a_damaged_queue_does_not_end_the_worker(queue: Queue) -> None:
    add(queue, "gate")
    said: list[str] = []
    made = Worker(queue, LocalLauncher(queue, PROGRAM), ("1",), "here", said.append)
    thread = start(made)
    wait_until_running(queue, "gate")
    file = queue.folder / "queue.json"
    good = file.read_bytes()
    file.write_text("{")
    wait_until(lambda: any("cannot be read" in line for line in said))
    file.write_bytes(good)
    (queue.runs_dir / "open").touch()
    thread.join()
    assert states(queue) == ["finished"]
