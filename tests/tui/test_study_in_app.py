"""A study that a command starts or attaches to opens in the app."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from core.run.actions import delete_study
from core.run.lock import RunLock
from tests.tui.kit import make_app, settle
from tests.tui.studies import planned
from tests.tui.test_study_screen import settled
from tui.cli import attach, open_app, start_study
from tui.cli.main import cli
from tui.runtime import remote_control
from tui.runtime.study_control import StudyProcesses
from tui.screens.study import StudyScreen

PIPES: list[io.StringIO] = []
"""Standard output of the processes."""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The folders that the app was opened on, instead of it."""
    found: list[Path | None] = []

    def record(options: Any, plan: Any = None, show: Path | None = None) -> int:
        found.append(show)
        return 0

    monkeypatch.setattr(start_study, "open_app", record)
    monkeypatch.setattr(start_study, "has_terminal", lambda: True)
    monkeypatch.setattr(attach, "open_app", record)
    monkeypatch.setattr(attach, "require_terminal", lambda: None)
    return found


def background(monkeypatch: pytest.MonkeyPatch, *events: dict[str, str]) -> list[list[str]]:
    """Let a process in the background write these events; returns the commands."""
    started: list[list[str]] = []
    pipes = PIPES
    pipes.clear()

    def popen(command: list[str], **options: Any) -> Any:
        started.append(command)
        lines = "".join(json.dumps(event) + "\n" for event in events)
        pipes.append(io.StringIO(lines))
        return SimpleNamespace(stdout=pipes[-1], wait=lambda: 0)

    monkeypatch.setattr(remote_control.subprocess, "Popen", popen)
    return started


def test_a_study_started_on_a_terminal_is_shown(
    tmp_path: Path, shown: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = planned(tmp_path, top1=(0.9, None))
    background(
        monkeypatch,
        {"type": "StudyStarted", "study": study.id},
        {"type": "RunResumed", "run_id": "a run"},
        {"type": "ModelReady"},
    )
    done = CliRunner().invoke(cli, ["--resume", study.id, "--runs-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert shown == [tmp_path / study.id]
    assert "runs in the background; show it" in done.output


def test_a_finished_study_is_shown_too(
    tmp_path: Path, shown: list[Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = planned(tmp_path)
    background(
        monkeypatch,
        {"type": "StudyStarted", "study": study.id},
        {"type": "StudyEnded", "status": "finished"},
    )
    done = CliRunner().invoke(cli, ["--resume", study.id, "--runs-dir", str(tmp_path)])
    assert (done.exit_code, shown) == (0, [tmp_path / study.id])


def test_attach_takes_a_study(tmp_path: Path, shown: list[Path | None]) -> None:
    study = planned(tmp_path)
    done = CliRunner().invoke(cli, ["attach", study.id[:20], "--runs-dir", str(tmp_path)])
    assert (done.exit_code, shown) == (0, [study.path])


async def test_the_app_opens_on_a_study(tmp_path: Path) -> None:
    study = planned(tmp_path)
    app = make_app(runs_dir=tmp_path)
    app._show_first = study.path
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await settled(pilot)
        assert isinstance(app.screen, StudyScreen)


def test_the_app_resumes_and_controls_studies_in_other_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = planned(tmp_path, top1=(0.9, None))
    started = background(
        monkeypatch, {"type": "StudyStarted", "study": study.id}, {"type": "ModelReady"}
    )
    applied, message = open_app.BackgroundStudies().resume(study.path)
    assert applied and study.id in message
    # While the app is open nobody reads it: a full pipe would stop the study.
    assert [pipe.closed for pipe in PIPES] == [True]
    (command,) = started
    assert command[3:] == [
        *("--resume", study.id, "--runs-dir", str(tmp_path)),
        *("--no-ui", "--log-format", "json"),
    ]
    assert open_app.BackgroundStudies().send(study.path, "pause") == (
        False,
        f"study {study.id} is not in progress: no process runs it",
    )
    monkeypatch.setattr("tui.runtime.study_control.REPLY_SECONDS", -1.0)
    lock = RunLock(study)
    try:
        applied, message = StudyProcesses().send(study.path, "pause")
    finally:
        lock.release()
    assert not applied and "between two runs" in message


def test_the_command_trash_lists_and_restores_a_study(tmp_path: Path) -> None:
    study = planned(tmp_path)
    runs = sorted(path for path in tmp_path.iterdir() if path != study.path)
    delete_study(study.path, runs)
    arguments = ["--runs-dir", str(tmp_path)]
    listed = CliRunner().invoke(cli, ["trash", *arguments])
    assert study.id in listed.output and "1 trashed run in" in listed.output
    done = CliRunner().invoke(cli, ["trash", study.id[:20], *arguments])
    assert (done.exit_code, done.output) == (0, f"{study.id} restored\n")
    assert study.definition.exists() and all(run.is_dir() for run in runs)
