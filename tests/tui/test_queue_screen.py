"""The queue screen: jobs are listed, moved, removed and opened; nothing waits for the queue."""

import fcntl
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from core.common.errors import SetupError
from core.common.locks import lock_patiently, open_lock
from core.queue import changes
from core.queue.state import WorkerEntry
from core.queue.store import Queue
from tests.core import queue_kit
from tests.core.queue_kit import states
from tests.tui import scripted
from tests.tui.disk import write_run
from tests.tui.form_kit import shown, until
from tests.tui.kit import make_app, press, settle, text, toasts
from tests.tui.studies import planned
from tui.app import ConvNextApp, Exit
from tui.dialogs.choice import ChoiceDialog
from tui.runtime.read_only import REASON
from tui.screens.new_run import NewRunScreen
from tui.screens.queue import QueueScreen
from tui.screens.run import RunScreen
from tui.screens.run_list import RunListScreen
from tui.screens.study import StudyScreen
from tui.text.queue_jobs import job_text
from tui.viewmodel import queue_changes

RUN = "20261124-120000-done"


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "runs")


def claim(queue: Queue, number: int, run: str = "") -> None:
    """Let a job run, as far as the file of the queue says."""
    queue.change(lambda state: changes.claim(state, number, "node7", "1", "running"))
    queue.change(lambda state: changes.begin(state, number, 1, "node7", scripted.START) or state)
    if run:
        queue.job_run(number).write_text(run)


def end(queue: Queue, number: int, result: str, reason: str = "", run: str = "") -> None:
    claim(queue, number, run)
    queue.change(
        lambda state: changes.end(state, number, result, reason, run, scripted.START + 65)  # type: ignore[arg-type]
    )


@asynccontextmanager
async def opened(
    queue: Queue, app: ConvNextApp | None = None, size: tuple[int, int] = (140, 45)
) -> AsyncIterator[Pilot[Exit]]:
    app = app or make_app(runs_dir=queue.runs_dir)
    async with app.run_test(size=size, notifications=True) as pilot:
        await press(pilot, "w")
        await until(pilot, lambda: isinstance(app.screen, QueueScreen) and app.screen._loaded)
        yield pilot


def rows(pilot: Pilot[Exit]) -> list[list[str]]:
    table = pilot.app.screen.query_one("#table", DataTable)
    return [
        [str(cell) for cell in table.get_row_at(number) if str(cell)]
        for number in range(table.row_count)
    ]


def order(queue: Queue) -> list[int]:
    return [job.number for job in queue.read().in_line()]


async def test_jobs_are_listed_with_their_position_state_and_reason(queue: Queue) -> None:
    queue_kit.add(queue, "good", "bad", "first", "second")
    end(queue, 1, "finished")
    end(queue, 2, "failed", "no space [red] left")
    async with opened(queue) as pilot:
        assert rows(pilot)[:2] == [
            ["1", "3", "· waiting", "first"],
            ["2", "4", "· waiting", "second"],
        ]
        failed = next(row for row in rows(pilot) if row[0] == "2" and "failed" in row[1])
        assert failed[2:4] == ["bad", "1:05"]
        assert failed[-1] == "no space [red] left"
        assert "2 waiting · 1 failed · 1 finished" in text(pilot, "#title")
        assert "no worker is running: s starts one" in text(pilot, "#workers")
        await press(pilot, "k", "j", "down", "down")
        assert "job 2: failed" in text(pilot, "#detail") or "job 1: fin" in text(pilot, "#detail")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunListScreen)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("K", [2, 1, 3, 4]),
        ("shift+up", [2, 1, 3, 4]),
        ("J", [1, 3, 2, 4]),
        ("shift+down", [1, 3, 2, 4]),
        ("t", [2, 1, 3, 4]),
        ("b", [1, 3, 4, 2]),
    ],
)
async def test_a_waiting_job_is_moved_and_stays_selected(
    queue: Queue, key: str, expected: list[int]
) -> None:
    queue_kit.add(queue, "a", "b", "c", "d")
    async with opened(queue) as pilot:
        await press(pilot, "down", key)
        await until(pilot, lambda: [int(row[1]) for row in rows(pilot)] == expected)
        assert order(queue) == expected
        assert text(pilot, "#detail").startswith("job 2: waiting")


async def test_a_job_is_removed_after_a_question(queue: Queue) -> None:
    queue_kit.add(queue, "a", "b", "c")
    end(queue, 3, "failed", "broken")
    queue.job_log(3).write_text("output")
    async with opened(queue) as pilot:
        await press(pilot, "d", "escape", "d")
        assert isinstance(pilot.app.screen, ChoiceDialog)
        await press(pilot, "enter")
        await until(pilot, lambda: rows(pilot)[0][1] == "2")
        assert "Removed job 1" in toasts(pilot)
        await press(pilot, "c", "enter")
        await until(pilot, lambda: len(rows(pilot)) == 1)
        assert states(queue) == ["waiting"]
        assert not queue.job_log(3).exists()
        await press(pilot, "c")
        assert "no job has ended" in toasts(pilot)


async def test_the_queue_is_paused_and_resumed(queue: Queue) -> None:
    queue_kit.add(queue, "a")
    async with opened(queue) as pilot:
        assert "space Pause" in shown(pilot)
        await press(pilot, "space")
        await until(pilot, lambda: "PAUSED" in text(pilot, "#workers"))
        assert queue.read().paused
        await until(pilot, lambda: "space Resume" in shown(pilot))
        await press(pilot, "space")
        await until(pilot, lambda: "PAUSED" not in text(pilot, "#workers"))
        assert not queue.read().paused


async def test_the_run_of_a_job_is_opened(queue: Queue) -> None:
    write_run(queue.runs_dir, RUN, scripted.finished().records)
    queue_kit.add(queue, "a", "b")
    end(queue, 2, "finished", run=RUN)
    async with opened(queue) as pilot:
        await press(pilot, "enter")
        assert "job 1 is waiting and has no run yet" in toasts(pilot)
        await press(pilot, "down", "enter")
        assert isinstance(pilot.app.screen, RunScreen)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, QueueScreen)


async def test_the_study_of_a_job_is_opened(queue: Queue) -> None:
    study = planned(queue.runs_dir, name="a", top1=(0.9, None))
    queue_kit.add(queue, "a")
    end(queue, 1, "finished", run=study.id)
    async with opened(queue) as pilot:
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, StudyScreen)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, QueueScreen)


async def test_the_output_of_a_job_is_shown_and_followed(queue: Queue) -> None:
    queue_kit.add(queue, "a")
    async with opened(queue) as pilot:
        await press(pilot, "l")
        await until(pilot, lambda: "no output yet" in shown(pilot))
        queue.job_log(1).write_text("".join(f"line {n} [b]\x1b[2J\n" for n in range(200)))

        def follows() -> bool:
            assert isinstance(pilot.app, ConvNextApp)
            pilot.app.tick()
            return "line 199 [b]" in shown(pilot)

        await until(pilot, follows)
        await press(pilot, "pageup", "escape", "w")
        await until(pilot, lambda: "Worker: output" in shown(pilot))


async def test_workers_are_started_and_stopped_in_a_process(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_kit.add(queue, "a")
    called: list[tuple[str, ...]] = []

    async def run_module(*arguments: str) -> tuple[int, bytes, bytes]:
        called.append(arguments[3:])
        if arguments[-1] == "3":
            return 2, b"", b"error: a worker of this queue is running\n"
        return 0, b"1 waiting job; worker on node7 with 2 slots\n", b""

    monkeypatch.setattr("tui.viewmodel.queue_changes.run_module", run_module)
    monkeypatch.setattr("core.queue.slots.visible_gpus", list)
    async with opened(queue) as pilot:
        await press(pilot, "x")
        assert "no worker is running" in toasts(pilot)
        await press(pilot, "s")
        field = pilot.app.screen.query_one(Input)
        assert field.value == "1"
        field.value = "none"
        await pilot.pause()
        assert "the value is 'none'; expected gpu, or a number" in text(pilot, "#hint")
        for slots, said in (("2", "worker on node7 with 2 slots"), ("3", "is running")):
            if slots == "3":
                await press(pilot, "s")
                field = pilot.app.screen.query_one(Input)
            field.value = slots
            await press(pilot, "enter")
            await until(pilot, lambda said=said: said in toasts(pilot))  # type: ignore[misc]
        lock = open_lock(queue.worker_lock("node7"))
        lock_patiently(lock)
        entry = WorkerEntry(host="node7", pid=1, slots=("1", "2"))
        queue.change(lambda state: changes.register(state, entry))
        await press(pilot, "f5")
        await until(pilot, lambda: "worker on node7 with 2 slots" in text(pilot, "#workers"))
        await press(pilot, "x", "x")
        await until(pilot, lambda: len(called) == 3)
    assert called == [
        ("queue", "start", "--slots", "2"),
        ("queue", "start", "--slots", "3"),
        ("queue", "stop"),
    ]


async def test_the_run_of_a_running_job_is_stopped_instead_of_removed(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[tuple[str, ...]] = []

    async def run_module(*arguments: str) -> tuple[int, bytes, bytes]:
        called.append(arguments[3:])
        return 0, b"stop applied\n", b""

    monkeypatch.setattr("tui.viewmodel.queue_changes.run_module", run_module)
    queue_kit.add(queue, "a", "b")
    (queue.runs_dir / RUN).mkdir()
    claim(queue, 1, RUN)
    lock = open_lock(queue.job_lock(1))
    lock_patiently(lock)
    async with opened(queue) as pilot:
        assert rows(pilot)[0][1] == "● running"
        await press(pilot, "K")
        assert "only a waiting job can be moved" in toasts(pilot)
        await press(pilot, "delete", "x")
        await until(pilot, lambda: "stop applied" in toasts(pilot))
    assert called == [("ctl", RUN, "stop")]
    assert states(queue) == ["running", "waiting"]


async def test_an_empty_queue_says_how_to_add_a_job(queue: Queue) -> None:
    async with opened(queue, size=(80, 24)) as pilot:
        assert "F7 there adds it to the queue" in shown(pilot)
        assert "convnext-tui queue start" in shown(pilot)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, NewRunScreen)
        await press(pilot, "escape")
        await pilot.click("#new")
        await settle(pilot)
        assert isinstance(pilot.app.screen, NewRunScreen)
    assert not queue.runs_dir.exists()


@pytest.mark.parametrize(
    "content", ["{", '{"version": 99}', '{"version": 1, "jobs": [1]}', "a pipe", None]
)
async def test_a_damaged_queue_is_a_sentence(queue: Queue, content: str | None) -> None:
    queue.folder.parent.mkdir()
    if content is None:
        queue.folder.write_text("a file in its place")
    elif content == "a pipe":
        queue.folder.mkdir()
        os.mkfifo(queue.folder / "queue.json")
    else:
        queue.folder.mkdir()
        (queue.folder / "queue.json").write_text(content)
    async with opened(queue) as pilot:
        assert "queue.json cannot be read: " in text(pilot, "#workers")
        await press(pilot, "d", "K", "l", "c", "enter", "space")
        cause = "cannot be read" if content else "cannot be written"
        await until(pilot, lambda: cause in toasts(pilot))
        assert isinstance(pilot.app.screen, QueueScreen)


async def test_a_change_does_not_wait_for_a_locked_queue_for_ever(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.queue.store._MOST_WAITS", 2)
    monkeypatch.setattr("core.common.locks._PATIENCE_SECONDS", 0.01)
    queue_kit.add(queue, "a", "b")
    lock = open_lock(queue.folder / "lock")
    fcntl.flock(lock, fcntl.LOCK_EX)
    async with opened(queue) as pilot:
        await press(pilot, "J", "down")
        assert text(pilot, "#detail").startswith("job 2: waiting")
        await until(pilot, lambda: "is in use by another process" in toasts(pilot))
    assert order(queue) == [1, 2]


async def test_a_read_only_app_changes_nothing(queue: Queue) -> None:
    queue_kit.add(queue, "a", "b")
    end(queue, 2, "failed", "broken")
    before = (queue.folder / "queue.json").read_bytes()
    app = make_app(runs_dir=queue.runs_dir, read_only_reason=REASON)
    async with opened(queue, app) as pilot:
        assert "read-only" in text(pilot, "#title")
        for key in ("K", "d", "c", "space", "s", "x", "n"):
            app.clear_notifications()
            await press(pilot, key)
            assert REASON in toasts(pilot), key
            assert isinstance(app.screen, QueueScreen)
    assert (queue.folder / "queue.json").read_bytes() == before


async def test_a_thousand_jobs_are_listed_and_only_changed_cells_are_redrawn(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def many(state: queue_kit.QueueState) -> queue_kit.QueueState:
        for number in range(1000):
            state = changes.add(state, ("--demo", "--seed", str(number)), "/", 0.0)
        return state

    queue.change(many)
    async with opened(queue, size=(80, 24)) as pilot:
        assert len(rows(pilot)) == 1000
        described: list[int] = []
        cells = job_text

        def counting(job: queue_kit.Job) -> str:
            described.append(job.number)
            return cells(job)

        monkeypatch.setattr("tui.text.queue_jobs.job_text", counting)
        await press(pilot, "ctrl+end", "t")
        await until(pilot, lambda: rows(pilot)[0][1] == "1000")
        described.clear()
        await press(pilot, "f5")
        await pilot.pause()
        assert described == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--demo",), "demo"),
        (
            ("--data", "/data/birds", "--config", "large", "--gpus", "2"),
            "birds, preset large",
        ),
        (("--set", "name=a b", "--set", "phases.head.lr=1e-3", "--seed", "4"), "a b, phases.head"),
        (("--data=-x", "--seeds", "5", "--vary-split"), "-x, 5 seeds, varied split"),
        (("--resume", "/runs/20261124-1-a"), "resume 20261124-1-a"),
        (("sweep", "spec.yaml", "--trials", "20"), "sweep, spec.yaml, trials=20"),
        (("--name",), "convnext-tui --name"),
    ],
)
def test_a_job_is_described_in_words(arguments: tuple[str, ...], said: str) -> None:
    job = queue_kit.Job(number=1, arguments=arguments, folder="/")
    assert job_text(job).startswith(said)


def test_a_log_that_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(SetupError, match="log is not a file"):
        queue_changes.read_log(tmp_path / "log")
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="Not a directory"):
        queue_changes.read_log(tmp_path / "file" / "log")
    assert queue_changes.read_log(tmp_path / "none") == []


async def test_a_command_that_cannot_be_started_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nothere/python")
    with pytest.raises(SetupError, match="No such file"):
        await queue_changes.run_command(tmp_path, "queue", "start")
