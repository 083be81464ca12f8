"""The command `queue`: jobs are checked when they are added; a worker belongs to no terminal."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core.common.errors import SetupError
from core.queue import changes
from core.queue.state import WorkerEntry
from core.queue.store import Queue
from tests.core.queue_kit import add, states, wait_until
from tests.tui.command import run
from tests.tui.kit import Starter
from tui.app import ConvNextApp
from tui.cli.main import cli
from tui.cli.open_app import AppOptions
from tui.runtime import queue_worker
from tui.runtime.queue_worker import WorkerOptions, start_worker, stop_workers
from tui.screens.queue import QueueScreen
from tui.screens.run_list import RunListScreen


def listed(folder: Path, *arguments: str) -> dict[str, Any]:
    result = run(*arguments, "queue", "list", "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    tree: dict[str, Any] = json.loads(result.stdout)
    return tree


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "missing"], "missing: no such folder"),
        (["--demo", "--set", "foo=1"], "unknown key 'foo'"),
        (["--demo", "--set", "phases.head.epochs=many"], "phases.head.epochs"),
        (["--resume", "20261124"], "no run '20261124'"),
        (["--demo", "--resume", "x"], "--demo is for a new run"),
        (["--demo", "--gpus", "0"], "--gpus is '0'; expected all"),
        (["--demo", "--read-only"], "--read-only starts no run"),
        (["--demo", "--device", "tpu"], "Invalid value for '--device'"),
        (["--dmeo"], "No such option"),
        (["runs"], "was given 'runs'"),
        (["--demo", "photos"], "was given 'photos'"),
        ([], "there is nothing to train"),
    ],
)
def test_a_job_that_cannot_start_is_not_added(
    options: list[str], said: str, tmp_path: Path
) -> None:
    result = run("queue", "add", *options, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert not (tmp_path / "runs").exists()


def test_jobs_are_added_listed_moved_paused_and_removed(tmp_path: Path) -> None:
    first = run("queue", "add", "--demo", "--seed", "1", "--theme", "nord", cwd=tmp_path)
    assert first.stdout == (
        "job 1 added; 1 waiting job; no worker is running: `convnext-tui queue start` starts one\n"
    )
    options = ["--", "--demo", "--no-ui", "--detach", "--name=-x", "--set", "seed=9"]
    assert run("queue", "add", *options, "--gpus", "2", cwd=tmp_path).returncode == 0
    moved = run("queue", "move", "2", "up", cwd=tmp_path)
    assert moved.stdout == "job 2 is number 1 of 2 waiting jobs\n"
    one, two = sorted(listed(tmp_path)["jobs"], key=lambda job: job["number"])
    assert one["arguments"] == ["--demo", "--seed", "1"]
    assert two["command"] == ("convnext-tui --demo --set seed=9 --name=-x --gpus 2")
    assert two["resume_arguments"] == ["--gpus", "2"]
    assert two["folder"] == str(tmp_path)
    text = run("queue", "list", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[:2] for line in text[1:3]] == [["2", "waiting"], ["1", "waiting"]]
    paused = run("queue", "pause", cwd=tmp_path).stdout
    assert paused == (
        "2 waiting jobs; the queue is paused: `convnext-tui queue resume` resumes it\n"
    )
    assert listed(tmp_path)["paused"] is True
    assert "no worker is running" in run("queue", "resume", cwd=tmp_path).stdout
    assert run("queue", "remove", "2", cwd=tmp_path).stdout == "1 job removed\n"
    assert [job["number"] for job in listed(tmp_path)["jobs"]] == [1]


def test_changes_on_resume_are_kept_for_the_next_resumption(trained_copy: Path) -> None:
    place = ["--runs-dir", str(trained_copy.parent)]
    options = ["--resume", trained_copy.name, "--set", "phases.full.epochs=9", "--device", "cpu"]
    added = run(*place, "queue", "add", *options, cwd=trained_copy.parent)
    assert added.returncode == 0, added.stderr
    (job,) = listed(trained_copy.parent, *place)["jobs"]
    assert job["arguments"] == [*options[2:], *options[:2]]
    assert job["resume_arguments"] == options[2:]


def test_the_queue_is_that_of_the_runs_directory(tmp_path: Path) -> None:
    for arguments in (["--runs-dir", "a", "queue", "add"], ["queue", "add", "--runs-dir", "a"]):
        assert run(*arguments, "--demo", cwd=tmp_path).returncode == 0
    assert len(listed(tmp_path, "--runs-dir", "a")["jobs"]) == 2
    assert listed(tmp_path)["jobs"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["move", "1", "first"], "no job 1 in the queue"),
        (["move", "x", "first"], "'x' is not a valid integer"),
        (["remove", "1"], "no job 1 in the queue"),
        (["remove"], "give the number of a job, or --ended"),
        (["start", "--slots", "none"], "--slots is 'none'"),
        (["start", "--slurm", "a=1"], "--slurm needs --executor slurm"),
        (["start", "--executor", "slurm", "--slurm", "partition"], "expected KEY=VALUE"),
        (["list", "--runs-dir", "missing"], "missing: no such folder"),
        (["stop", "--runs-dir", "missing"], "missing: no such folder"),
    ],
)
def test_invalid_input_is_one_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = run("queue", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stderr.count("error: ") + result.stderr.count("Error: ") == 1


@pytest.mark.parametrize("on_terminal", [True, False])
def test_without_a_subcommand_the_app_opens_the_queue(
    on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, bool]] = []

    def open_app(options: AppOptions, show_queue: bool) -> int:
        opened.append((options.runs_dir, show_queue))
        return 0

    monkeypatch.setattr("tui.cli.open_app.has_terminal", lambda: on_terminal)
    monkeypatch.setattr("tui.cli.open_app.open_app", open_app)
    done = CliRunner().invoke(cli, ["--runs-dir", "mine", "queue"])
    assert done.exit_code == (0 if on_terminal else 2)
    assert opened == ([(Path("mine"), True)] if on_terminal else [])
    assert ("Usage: " in done.stderr) != on_terminal


async def test_the_queue_is_opened_over_the_run_list(tmp_path: Path) -> None:
    app = ConvNextApp(tmp_path / "runs", Starter(), show_queue=True)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert isinstance(app.screen, QueueScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, RunListScreen)


def test_failed_jobs_are_listed_with_their_reason_until_they_are_removed(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "runs")
    add(queue, "fail", "ok")
    queue.change(lambda state: changes.claim(state, 1, "a", "1", "running"))
    queue.change(lambda state: changes.begin(state, 1, 1, "a", 10.0) or state)
    reason = "device=cuda is not available to torch on this machine, only cpu"
    queue.change(lambda state: changes.end(state, 1, "failed", reason, "", 75.0))
    text = run("queue", "list", cwd=tmp_path).stdout
    assert text.splitlines()[1].split()[:3] == ["1", "failed", "1:05"]
    assert reason in text
    assert run("queue", "remove", "--ended", cwd=tmp_path).stdout == "1 job removed\n"
    assert states(queue) == ["waiting"]
    assert "no worker is running" in run("queue", "stop", cwd=tmp_path).stdout


def test_a_worker_in_the_background_starts_jobs_and_is_stopped(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "runs")
    add(queue, "ok")  # the real command is given no images
    assert "with 2 slots; log: " in start_worker(queue, WorkerOptions(slots="2"))
    again = run("queue", "start", cwd=tmp_path)
    assert again.returncode == 2
    assert "a worker of this queue is running on this machine (process " in again.stderr
    wait_until(lambda: states(queue) == ["failed"])
    assert "data.root is not set" in queue.read().jobs[0].reason
    assert "0 waiting jobs; no worker" in run("queue", "stop", cwd=tmp_path).stdout
    (log,) = queue.folder.glob("worker-*.log")
    words = [line.split("  ", 1)[1] for line in log.read_text().splitlines()]
    assert words[:2] == ["worker started with 2 slots", "job 1 started in slot 1"]
    assert words[2].startswith("job 1 failed: data.root is not set")
    assert words[3] == "worker ended"


def test_a_worker_that_does_not_start_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(tmp_path / "runs")
    with pytest.raises(SetupError, match=r"the worker did not start: .*--slots is 'none'"):
        start_worker(queue, WorkerOptions(slots="none"))
    assert "0 waiting jobs" in start_worker(queue, WorkerOptions(until_empty=True))
    add(queue, "ok")
    queue.change(lambda state: changes.claim(state, 1, "a", "1", "running"))
    entry = WorkerEntry(host="elsewhere", pid=1, slots=())
    queue.change(lambda state: changes.register(state, entry))
    monkeypatch.setattr(Queue, "without_dead", lambda self, state: state)
    monkeypatch.setattr(queue_worker, "STOP_SECONDS", 0.0)
    assert stop_workers(queue) == "the workers are stopping; 1 job still saving a checkpoint"
