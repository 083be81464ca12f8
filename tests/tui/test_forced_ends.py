"""Ends of a process before its run is over: without its terminal, its agent, or its patience."""

import asyncio
import errno
import multiprocessing
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import psutil
import pytest

from core.events.commands import Stop
from core.run.folder import RunFolder
from tui.cli import open_app, start
from tui.cli.main import main
from tui.runtime import headless, launch, process_end, signal_handlers
from tui.runtime.signal_handlers import StopSignals
from tui.terminal import terminal
from tui.terminal.job_signals import JobSignals
from tui.terminal.terminal import detach_terminal


@pytest.fixture
def handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT)
    saved = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in saved.items():
        signal.signal(number, handler)


def test_ctrl_c_before_the_run_ends_the_command_as_documented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tui.cli.main.end_within", lambda seconds, code: None)
    monkeypatch.setattr(start, "start", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["--demo"])
    assert end.value.code == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.usefixtures("handlers")
def test_a_second_signal_leaves_no_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = tmp_path / "pymp-1"
    sockets.mkdir()
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    monkeypatch.setitem(config, "tempdir", str(sockets))
    exits: list[int] = []
    monkeypatch.setattr(signal_handlers.os, "_exit", exits.append)
    now = [0.0]
    StopSignals(lambda reason: None, clock=lambda: now[0])
    signal.raise_signal(signal.SIGTERM)
    now[0] = 2.0
    signal.raise_signal(signal.SIGTERM)
    assert exits == [143]
    assert not sockets.exists()


@pytest.mark.usefixtures("handlers")
def test_a_signal_at_the_end_of_the_process_does_not_change_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_end.threading, "Timer", MagicMock())
    process_end.end_within(5.0, 1)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)


def test_a_terminal_that_outlives_its_hang_up_signal_gets_a_plain_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as screen:
        monkeypatch.setattr(sys, "__stdout__", None)
        monkeypatch.setattr(sys, "__stderr__", screen)
        detach_terminal()
        screen.write("a frame of the app")
        screen.flush()
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError as error:
        assert error.errno == errno.EIO
    os.close(parent)
    assert b"\x1b[?1049l" in shown
    assert b"frame" not in shown


def test_a_run_stops_when_its_agent_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter((7, 7, 1))
    sent: list[Stop] = []
    done = Event()

    def send(command: Stop) -> None:
        sent.append(command)
        done.set()

    monkeypatch.setattr(headless.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(headless, "_AGENT_SECONDS", 0.0)
    headless._stop_without_agent(SimpleNamespace(send=send))  # type: ignore[arg-type]
    assert done.wait(60)
    assert [command.reason for command in sent] == ["torchrun has exited"]


def test_all_processes_of_an_agent_are_killed() -> None:
    agent = subprocess.Popen(
        ["sh", "-c", "setsid sh -c 'trap \"\" TERM; echo; sleep 600; :' & wait"],
        stdout=subprocess.PIPE,
    )
    assert agent.stdout is not None
    agent.stdout.readline()
    ranks = psutil.Process(agent.pid).children(recursive=True)
    launch._kill_tree(agent.pid)
    assert agent.wait(60) == -signal.SIGKILL
    assert psutil.wait_procs(ranks, timeout=60)[1] == []
    agent.stdout.close()


class SuspendableApp:
    """An app that handles the terminal's signals as Textual's driver does, and then ends or fails
    without restoring them."""

    return_code = 0

    def __init__(self, error: Exception | None) -> None:
        self.suspended: list[int] = []
        self._error = error

    def run(self) -> None:
        for number in (signal.SIGTSTP, signal.SIGCONT):
            signal.signal(number, lambda number, frame: self.suspended.append(number))
        asyncio.run(self._main())

    async def _main(self) -> None:
        JobSignals(lambda: None, lambda: None).install()
        if self._error is not None:
            raise self._error


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("error", [None, KeyError("tick")])
def test_signals_of_the_terminal_do_not_reach_an_app_that_has_ended(
    error: Exception | None, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped: list[int] = []
    numbers = (signal.SIGHUP, signal.SIGTSTP, signal.SIGCONT)
    for number in numbers:
        signal.signal(number, lambda number, frame: stopped.append(number))
    app: Any = SuspendableApp(error)
    assert open_app._run(app) == (None, error is not None)
    for number in numbers:
        signal.raise_signal(number)
    assert (stopped, app.suspended) == (list(numbers), [])


@pytest.mark.usefixtures("handlers")
def test_a_signal_between_the_end_of_the_event_loop_and_that_of_the_app_is_no_error() -> None:
    async def install() -> None:
        JobSignals(lambda: None, lambda: None).install()

    signal.signal(signal.SIGCONT, signal.SIG_DFL)
    asyncio.run(install())
    signal.raise_signal(signal.SIGCONT)


@pytest.mark.parametrize("journal", ["missing", "unreadable"])
@pytest.mark.parametrize("hung_up", [True, False])
def test_a_run_whose_folder_is_away_continues_without_the_app(
    hung_up: bool, journal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "away")
    if journal == "unreadable":
        folder.journal.mkdir(parents=True)
        folder.log.mkdir()
    followed: list[object] = []
    monkeypatch.setattr(headless, "follow", lambda *arguments: followed.append(arguments))
    monkeypatch.setattr(headless, "_report", lambda *arguments, **options: None)
    output = os.open(os.devnull, os.O_WRONLY)
    monkeypatch.setattr(terminal, "_OUTPUTS", (output,))
    engine: Any = MagicMock(alive=True, folder=folder, result=None)
    signals: Any = SimpleNamespace(exit_code=None)
    assert headless.finish_headless(engine, signals, hung_up) == 0
    assert len(followed) == 1
    assert os.write(output, b"lost") == 4
    os.close(output)
