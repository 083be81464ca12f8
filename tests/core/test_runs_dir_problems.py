"""A runs directory in which nothing can be written: the reason, exit code 2, and nothing left."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.split import DataPlan
from core.events import types as ev
from core.run.lock import RunLock
from core.session.engine_thread import EngineResult, EngineThread
from core.session.run_setup import RunSetup
from tests.core.engine_kit import small_config
from tests.make_images import make_images
from tests.tui.command import run


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=2, per_class=8)


def start(photos: Path, runs_dir: Path) -> tuple[EngineResult, list[ev.Event]]:
    engine = EngineThread(small_config(photos), runs_dir)
    queue = engine.subscribe()
    engine.start()
    result = engine.join()
    assert result is not None
    assert engine.folder is None
    return result, [queue.get_nowait().event for _ in range(queue.qsize())]


def no_permission(*_: Any, **__: Any) -> Any:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "folder")


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unreadable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "exists", no_permission)
    patch.setattr(Path, "mkdir", no_permission)


def checkpoints_do_not_fit(patch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def full_for_checkpoints(path: Path, *arguments: Any, **options: Any) -> None:
        return full() if path.name == "checkpoints" else mkdir(path, *arguments, **options)

    patch.setattr(Path, "mkdir", full_for_checkpoints)


@pytest.mark.parametrize(
    ("refuse", "reason"),
    [
        (unreadable, "Permission denied"),
        (lambda patch: patch.setattr(Path, "mkdir", no_permission), "Permission denied"),
        (checkpoints_do_not_fit, "No space left on device"),
        (lambda patch: patch.setattr(RunLock, "__init__", full), "No space left on device"),
        (lambda patch: patch.setattr(RunSetup, "_write_config", full), "No space left on device"),
        (lambda patch: patch.setattr(DataPlan, "write_csv", full), "No space left on device"),
    ],
    ids=["unreadable", "unwritable", "folder", "lock", "config", "split"],
)
def test_the_reason_and_the_path_are_named_and_nothing_is_left(
    refuse: Callable[[pytest.MonkeyPatch], None],
    reason: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs_dir = tmp_path / "a" / "runs"
    with monkeypatch.context() as patch:
        refuse(patch)
        result, events = start(photos, runs_dir)
    text = f"{runs_dir}: {reason}; choose another --runs-dir"
    assert result == EngineResult("failed", text, 2)
    assert events[-1] == ev.RunEnded(outcome="failed", reason=text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--detach", "--no-ui"])
@pytest.mark.parametrize("runs_dir", ["file", "file/a/runs"])
def test_a_file_in_the_place_of_a_folder(
    option: str, runs_dir: str, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    done = run("--data", str(photos), option, "--runs-dir", runs_dir, cwd=tmp_path)
    reason = "File exists" if runs_dir == "file" else "Not a directory"
    expected = f"error: {runs_dir}: {reason}; choose another --runs-dir"
    assert (done.returncode, done.stderr.splitlines()) == (2, [expected])
    assert [path.name for path in tmp_path.rglob("*")] == ["file"]


def test_an_error_before_the_run_has_a_folder_reaches_the_process_that_waits(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.session.engine_thread.create_run", lambda *_: 1 / 0)
    result, events = start(photos, tmp_path)
    assert result.exit_code == 1
    assert events[-1] == ev.RunEnded(outcome="failed", reason=result.reason)
    assert "division by zero" in result.reason
