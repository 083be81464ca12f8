"""Files of a queue: atomic, locked, and read without harm when damaged."""

import json
import os
import threading
from pathlib import Path

import pytest

from core.common.errors import SetupError
from core.common.locks import lock_patiently, open_lock
from core.queue import announce, changes, store
from core.queue.outcome import reaped
from core.queue.state import QueueState
from core.queue.store import Queue
from core.run.folder import RunFolder
from core.run.lock import RunLock
from tests.core.run_kit import FINISHED, HEAD, STARTED, make_run, write


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "runs")


def add(queue: Queue) -> QueueState:
    return queue.change(lambda state: changes.add(state, ("--demo",), "/", 1.0))


def test_there_is_no_file_until_a_job_is_added(queue: Queue) -> None:
    assert queue.read() == QueueState()
    assert not queue.runs_dir.exists()


def test_changes_of_several_threads_are_all_kept(queue: Queue) -> None:
    def many() -> None:
        mine = Queue(queue.runs_dir)
        for _ in range(5):
            add(mine)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [job.number for job in queue.read().jobs] == list(range(1, 21))
    assert sorted(path.name for path in queue.folder.iterdir()) == ["jobs", "lock", "queue.json"]


def test_a_process_killed_during_a_change_leaves_the_queue_as_it_was(queue: Queue) -> None:
    add(queue)
    (queue.folder / ".queue.json.123.tmp").write_text('{"version": 1, "jobs": [')
    assert len(queue.read().jobs) == 1
    queue.clean()
    assert len(add(queue).jobs) == 2
    assert not list(queue.folder.glob(".*"))


def test_an_unchanged_file_is_parsed_once(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    add(queue)
    os.utime(queue.folder / "queue.json", (1.0, 1.0))
    assert len(queue.read().jobs) == 1
    parse = QueueState.from_json
    monkeypatch.setattr(QueueState, "from_json", None)
    assert len(queue.read().jobs) == 1
    monkeypatch.setattr(QueueState, "from_json", parse)
    add(Queue(queue.runs_dir))
    assert len(queue.read().jobs) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda tree: [],
        lambda tree: {**tree, "version": 2},
        lambda tree: {**tree, "jobs": None},
        lambda tree: {**tree, "jobs": [1]},
        lambda tree: {**tree, "workers": "none"},
        lambda tree: {**tree, "paused": 1},
        lambda tree: {**tree, "jobs": [{**tree["jobs"][0], "state": "lost"}]},
        lambda tree: {**tree, "jobs": [{**tree["jobs"][0], "number": "1"}]},
        lambda tree: {**tree, "jobs": [{**tree["jobs"][0], "arguments": [1]}]},
        lambda tree: {**tree, "jobs": [{"number": 1}]},
    ],
)
def test_a_damaged_file_is_reported_and_kept(queue: Queue, damage: "object") -> None:
    add(queue)
    file = queue.folder / "queue.json"
    file.write_text(json.dumps(damage(json.loads(file.read_text()))))  # type: ignore[operator]
    before = file.read_bytes()
    for action in (queue.read, lambda: add(queue)):
        with pytest.raises(SetupError, match=r"queue\.json cannot be read: "):
            action()
    assert file.read_bytes() == before


def test_half_a_file_and_binary_content_are_reported(queue: Queue) -> None:
    add(queue)
    file = queue.folder / "queue.json"
    for content in (file.read_bytes()[:40], b"\xff\x00", b""):
        file.write_bytes(content)
        with pytest.raises(SetupError, match="cannot be read"):
            queue.read()


def test_fields_of_a_newer_version_are_ignored(queue: Queue) -> None:
    add(queue)
    file = queue.folder / "queue.json"
    tree = json.loads(file.read_text())
    tree["jobs"][0]["priority"] = 3
    file.write_text(json.dumps(tree | {"color": "red"}))
    assert len(queue.read().jobs) == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(SetupError, match=r"the queue in .*/runs/queue cannot be written: "):
        add(Queue(tmp_path / "runs"))


def test_a_change_waits_for_another_one_but_not_for_ever(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(queue)
    monkeypatch.setattr(store, "_MOST_WAITS", 1)
    lock = open_lock(queue.folder / "lock")
    lock_patiently(lock)
    with pytest.raises(SetupError, match="is in use by another process"):
        add(queue)
    os.close(lock)
    assert len(add(queue).jobs) == 2


def test_the_run_of_a_job_is_announced_by_its_process(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(queue)
    announce.announce_run("nothing listens")
    monkeypatch.setenv(announce.VARIABLE, str(queue.job_run(1)))
    announce.announce_run("no-such-run")
    assert queue.run_of(1) == ""
    (queue.runs_dir / "run").mkdir()
    announce.announce_run("run")
    assert queue.run_of(1) == "run"
    monkeypatch.setenv(announce.VARIABLE, "/nowhere/1.run")
    announce.announce_run("the queue is gone")


def lost(queue: Queue, folder: RunFolder) -> tuple[str, str]:
    """Return state and reason of a job with this run after its process was lost."""
    number = add(queue).jobs[-1].number
    queue.job_run(number).write_text(folder.id)
    state = queue.change(lambda state: changes.claim(state, number, "a", "1", "running"))
    state = queue.change(lambda state: changes.begin(state, number, 1, "a", 1.0) or state)
    job = reaped(queue, state).job(number)
    assert queue.run_of(number) == folder.id
    return job.state, job.reason


def test_ranks_without_their_launcher_keep_the_job_running(queue: Queue) -> None:
    folder = make_run(queue.runs_dir, STARTED)
    lock = RunLock(folder)
    assert lost(queue, folder) == ("running", "")
    lock.release()
    assert [job.state for job in queue.read().jobs] == ["interrupted"]


def test_a_lost_process_is_judged_by_the_journal_of_its_run(queue: Queue) -> None:
    def ended(outcome: str, reason: str) -> RunFolder:
        end = type(FINISHED)(outcome=outcome, reason=reason)
        return make_run(queue.runs_dir, STARTED, HEAD, end, name=reason[:8])

    assert lost(queue, ended("finished", "all phases done")) == ("finished", "")
    assert lost(queue, ended("failed", "disk full")) == ("failed", "disk full")
    assert lost(queue, ended("stopped", "asked to stop")) == ("stopped", "asked to stop")
    gone = ("interrupted", "its process ended unexpectedly")
    assert lost(queue, ended("stopped", "SIGTERM, before the first step")) == gone
    running = make_run(queue.runs_dir, STARTED, name="running")
    assert lost(queue, running) == gone
    write(running, HEAD, first=2)
    assert lost(queue, running) == gone
