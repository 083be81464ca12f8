"""Closed and failing standard streams, terminals that can't show the app, users without a home."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core.common import user_dirs
from tests.tui.command import environment
from tests.tui.disk import some_runs
from tests.tui.test_terminal import OnTerminal
from tui.terminal.terminal import _agree_on_size

_OVERRIDES = (user_dirs.CACHE_VARIABLE, user_dirs.CONFIG_VARIABLE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    some_runs(folder / "runs")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ("runs > /dev/full", 1, "error: output: No space left on device\n"),
        ("keys > /dev/full", 1, "error: output: No space left on device\n"),
        ("runs >&-", 0, ""),
        ("runs <&- > /dev/null", 0, ""),
        ("runs 2>&- > /dev/null", 0, ""),
        ("<&-", 2, "error: no terminal for the app: list runs with `convnext-tui runs`, or "),
        ("keys | true", 0, ""),
    ],
)
def test_a_stream_that_is_closed_or_full_gives_no_traceback(
    arguments: str, code: int, error: str, folder: Path
) -> None:
    command = f"{sys.executable} -P -m tui {arguments}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(error) and done.stderr.count("\n") == bool(error)


@pytest.mark.parametrize(
    "arguments", [["runs"], ["keys"], ["queue", "list"], ["--help"], ["queue", "--help"]]
)
def test_a_closed_pipe_ends_a_command_as_sigpipe_would(arguments: list[str], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tui", *arguments],
        cwd=folder,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("kind", ["dumb", "unknown", ""])
def test_a_terminal_without_a_cursor_is_refused(kind: str, folder: Path) -> None:
    terminal = OnTerminal([], folder, TERM=kind)
    terminal.read_until(b"this terminal can't show the app: list runs with `convnext-tui runs`")
    assert terminal.process.wait(30) == 2
    terminal.process.close()


@pytest.mark.parametrize("stop", [signal.SIGTSTP, signal.SIGSTOP])
def test_the_list_is_drawn_again_after_the_process_was_stopped(
    stop: signal.Signals, folder: Path
) -> None:
    terminal = OnTerminal([], folder)
    terminal.read_until(b"finished")
    os.kill(terminal.process.pid, stop)
    while psutil.Process(terminal.process.pid).status() != psutil.STATUS_STOPPED:
        continue
    terminal.type(b"")
    os.kill(terminal.process.pid, signal.SIGCONT)
    # The last mode that Textual sets again: from then on it reads keys.
    ready = (b"\x1b[?2004h",) if stop == signal.SIGTSTP else ()
    for part in (*ready, b"Runs in", b"finished", b"Quit"):
        terminal.read_until(part)
    terminal.type(b"q")
    terminal.read_until(b"\x1b[?1049l")  # it can't end before its output is read
    assert terminal.process.wait(30) == 0
    terminal.process.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, ("80", "24")),
        ({"COLUMNS": "100", "LINES": "x"}, ("100", "24")),
        ({"COLUMNS": "0", "LINES": "30"}, ("80", "30")),
    ],
)
def test_a_terminal_without_a_size_gets_one(
    before: dict[str, str], after: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((0, 0)))
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    _agree_on_size()
    assert (os.environ["COLUMNS"], os.environ["LINES"]) == after
    monkeypatch.setattr(os, "get_terminal_size", lambda number: os.terminal_size((90, 20)))
    _agree_on_size()
    assert not {"COLUMNS", "LINES"} & os.environ.keys()


def test_without_a_home_folder_settings_and_cache_are_temporary_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", *_OVERRIDES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    user_dirs._own_temporary_folder.cache_clear()
    own = tmp_path / f"convnext-tui-{os.getuid()}"
    assert (user_dirs.cache_dir(), user_dirs.config_dir()) == (own / "cache", own / "config")
    assert own.stat().st_mode & 0o777 == 0o700
    own.rmdir()
    own.symlink_to("/")  # another user's trap
    user_dirs._own_temporary_folder.cache_clear()
    assert user_dirs.cache_dir().parent != own
    user_dirs._own_temporary_folder.cache_clear()
