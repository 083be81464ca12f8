"""`ctl`, `--detach` and an attached app steer a run of another process."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.events import commands as cmd
from core.events.command_file import append_command
from core.events.journal import replay
from core.events.types import CommandApplied, CommandRefused, Paused, Resumed
from core.run.folder import RunFolder
from tests.make_images import make_images
from tests.tools.processes import Process
from tests.tui.command import ENDLESS, SMALL, put_namesakes, read_until, run, run_new, start
from tui.app import ConvNextApp
from tui.screens.run import RunScreen


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "photos", classes=2, per_class=8)


@pytest.fixture
def training(photos: Path, tmp_path: Path) -> Iterator[Process]:
    """A process that trains until it is stopped, past its first epoch."""
    arguments = ["--no-ui", "--log-format", "json", "--data", str(photos), *ENDLESS]
    with start(*arguments, cwd=tmp_path) as process:
        read_until(process, "EpochEnded")
        # Without a reader the run must continue.
        assert process.stdout is not None
        process.stdout.close()
        yield process
        process.kill()


def only_run(cwd: Path) -> RunFolder:
    (path,) = (cwd / "runs").iterdir()
    return RunFolder(path)


def test_ctl_sends_commands_and_prints_the_replies(training: Process, tmp_path: Path) -> None:
    id = only_run(tmp_path).id
    done = run("ctl", id, "patience", "44000", "--wait", cwd=tmp_path)
    assert done.returncode == 0
    assert "patience of head 100000 → 44000" in done.stdout
    refused = run("ctl", id, "resume", "--wait", cwd=tmp_path)
    assert (refused.returncode, refused.stdout.strip()) == (1, "refused: training is not paused")
    wrong = run("ctl", id, "lr", "fast", cwd=tmp_path)
    assert (wrong.returncode, "lr takes a number" in wrong.stderr) == (2, True)
    stopped = run("ctl", id, "stop", "--wait", cwd=tmp_path)
    assert stopped.returncode == 0
    assert training.wait(60) == 0
    late = run("ctl", id, "pause", cwd=tmp_path)
    assert (late.returncode, "no process trains it" in late.stdout) == (3, True)


def test_commands_of_two_clients_get_one_reply_each_in_order(
    training: Process, tmp_path: Path
) -> None:
    folder = only_run(tmp_path)
    choose = random.Random(5)
    kinds = (
        lambda: cmd.SetPatience(patience=choose.randint(-3, 900)),
        lambda: cmd.SetLearningRate(lr=choose.choice([1e-3, -1.0])),
        cmd.Pause,
        cmd.Resume,
    )
    sent: list[cmd.Command] = [choose.choice(kinds)() for _ in range(300)]
    for command in [*sent, last := cmd.Stop()]:
        append_command(folder.commands, command)
    assert training.wait(60) == 0
    events = [record.event for record in replay(folder.journal)[0]]
    replies = [e.id for e in events if isinstance(e, CommandApplied | CommandRefused)]
    assert replies == [command.id for command in [*sent, last]]


def test_an_invalid_command_line_is_reported_and_ignored(training: Process, tmp_path: Path) -> None:
    folder = only_run(tmp_path)
    with folder.commands.open("ab") as file:
        file.write(b'{"type": "Explode"}\nnot json\n\xff\xfe\n[1]\n')
    assert run("ctl", folder.id, "stop", "--wait", cwd=tmp_path).returncode == 0
    assert training.wait(60) == 0
    journal = folder.journal.read_text()
    assert journal.count("is not a valid command") == 4


def test_commands_from_before_the_run_are_ignored(training: Process, tmp_path: Path) -> None:
    folder = only_run(tmp_path)
    assert run("ctl", folder.id, "stop", "--wait", cwd=tmp_path).returncode == 0
    training.wait(60)
    old = cmd.SetPatience(patience=77)
    append_command(folder.commands, old)
    changes = ["--set", "phases.head.epochs=1", "--set", "phases.full.epochs=1"]
    done = run("--resume", folder.id, "--no-ui", *changes, cwd=tmp_path)
    assert done.returncode == 0
    assert old.id not in folder.journal.read_text()


async def test_an_attached_app_steers_and_exits_without_an_effect(
    training: Process, tmp_path: Path
) -> None:
    folder = only_run(tmp_path)

    def never(*arguments: object) -> None:
        raise AssertionError("no run should be started")

    app = ConvNextApp(tmp_path / "runs", never, show=folder.path)  # type: ignore[arg-type]
    async with app.run_test(size=(140, 45)) as pilot:
        for key, status in (("space", "paused"), ("space", "running")):
            await pilot.press(key)
            for _ in range(1000):
                await pilot.pause(0.02)
                assert isinstance(app.screen, RunScreen)
                if app.screen.model.status == status:
                    break
        await pilot.press("q")
    types = [type(record.event) for record in replay(folder.journal)[0]]
    assert (types.count(Paused), types.count(Resumed)) == (1, 1)
    assert training.poll() is None


def test_detach_starts_a_run_without_a_terminal(photos: Path, tmp_path: Path) -> None:
    put_namesakes(tmp_path)
    done = run_new("--detach", "--data", str(photos), *ENDLESS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path)
    assert f"convnext-tui attach {folder.id}" in done.stdout
    assert run("ctl", folder.id, "stop", "--wait", cwd=tmp_path).returncode == 0
    (row,) = json.loads(run("runs", "--json", cwd=tmp_path).stdout)
    assert row["status"] in ("stopped", "running")


def test_detach_reports_why_a_run_can_not_start(photos: Path, tmp_path: Path) -> None:
    arguments = ["--data", str(photos), *SMALL, "--set", "model.name=no_such_net"]
    done = run("--detach", *arguments, cwd=tmp_path)
    assert (done.returncode, "is not a timm model" in done.stderr) == (2, True)
