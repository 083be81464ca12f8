"""The app on a real terminal: stray output, signals, and a lost terminal."""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from core.run.folder import RunFolder
from tests.make_images import make_images
from tests.tools.processes import Process
from tests.tui.command import ENDLESS, command, environment, run

BREAKING_APP = """
import tui.screens.run as run
tick = run.RunScreen.tick
def breaking(self, now, charts):
    if len(self.model.state.epochs) > 1:
        raise ZeroDivisionError("the screen breaks")
    tick(self, now, charts)
run.RunScreen.tick = breaking
"""
BREAKING_INPUT = """
from tui.terminal.input_parser import InputParser
def breaking(self, text):
    raise ZeroDivisionError("the input breaks")
InputParser.feed = breaking
"""
ENDLESS_SAVING = """
import threading
import tui.runtime.signal_handlers
tui.runtime.signal_handlers._REPEAT_SECONDS = 0
import core.training.checkpoints.writer
write = core.training.checkpoints.writer.write_checkpoint
def slow(path, content, keep=None):
    if content.get("train_state", {}).get("epoch", 1) > 1:
        threading.Event().wait()
    return write(path, content, keep)
core.training.checkpoints.writer.write_checkpoint = slow
"""
NOISE = """
import os, threading
def write():
    pause = threading.Event()
    while not pause.wait(0.02):
        os.write(2, b"native noise ")
        os.write(1, b"native noise ")
threading.Thread(target=write, daemon=True).start()
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "photos", classes=2, per_class=8)


class Terminal:
    """A terminal, with the output on it."""

    def __init__(self) -> None:
        self.parent, self.child = pty.openpty()
        self.before = termios.tcgetattr(self.child)
        self.output = b""

    def read_until(self, text: bytes) -> None:
        deadline = time.monotonic() + 60
        while text not in self.output:
            ready, _, _ = select.select([self.parent], [], [], deadline - time.monotonic())
            assert ready, self.output[-2000:]
            self.output += os.read(self.parent, 65536)
            assert time.monotonic() < deadline, self.output[-2000:]

    def type(self, keys: bytes) -> None:
        """Discard the output so far, and type."""
        self.output = b""
        os.write(self.parent, keys)

    def hang_up(self) -> None:
        os.close(self.child)
        os.close(self.parent)


class OnTerminal(Terminal):
    """Run the command on its own terminal."""

    def __init__(
        self,
        arguments: list[str],
        cwd: Path,
        controlling: bool = True,
        code: str = "",
        **environ: str,
    ) -> None:
        super().__init__()
        self.process = Process(
            command(*arguments)[1:],
            cwd=cwd,
            env=terminal_environment(**environ),
            stdin=self.child,
            stdout=self.child,
            stderr=self.child,
            terminal=controlling,
            code=code,
        )


def terminal_environment(**changes: str) -> dict[str, str]:
    return environment(**{"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **changes})


@pytest.fixture
def open_app(photos: Path, tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    """Start the app on an endless run, with code that runs before the program."""
    opened: list[OnTerminal] = []

    def start(code: str = "", controlling: bool = True) -> OnTerminal:
        arguments = ["--data", str(photos), *ENDLESS]
        opened.append(OnTerminal(arguments, tmp_path, controlling, code))
        return opened[0]

    yield start
    for app in opened:
        app.process.close()


@pytest.fixture
def list_app(tmp_path: Path) -> Iterator[Callable[..., OnTerminal]]:
    """Start the app on an empty list of runs, with code that runs before the program."""
    opened: list[OnTerminal] = []

    def start(code: str = "") -> OnTerminal:
        app = OnTerminal([], tmp_path, code=code)
        opened.append(app)
        app.read_until(b"No runs yet")
        return app

    yield start
    for app in opened:
        app.process.close()


@pytest.fixture
def on_terminal(open_app: Callable[..., OnTerminal]) -> OnTerminal:
    return open_app(NOISE)


def only_run(cwd: Path) -> RunFolder:
    (path,) = (cwd / "runs").iterdir()
    return RunFolder(path)


def test_output_of_native_code_goes_to_the_log(on_terminal: OnTerminal, tmp_path: Path) -> None:
    on_terminal.read_until(b"running")
    on_terminal.read_until(b"epoch 2")
    begun = on_terminal.output[on_terminal.output.index(b"\x1b[?1049h") :]
    assert b"native noise" not in begun
    assert "native noise" in only_run(tmp_path).log.read_text()


def test_sigterm_saves_restores_the_terminal_and_exits_with_143(
    on_terminal: OnTerminal, tmp_path: Path
) -> None:
    on_terminal.read_until(b"epoch 2")
    on_terminal.process.send_signal(signal.SIGTERM)
    on_terminal.read_until(b"\x1b[?1049l")
    assert on_terminal.process.wait(60) == 143
    assert termios.tcgetattr(on_terminal.child) == on_terminal.before
    folder = only_run(tmp_path)
    assert json.loads(folder.journal.read_text().splitlines()[-1])["outcome"] == "stopped"
    assert (folder.checkpoints / "last.pt").is_file()


@pytest.mark.parametrize("controlling", [True, False], ids=["hang-up signal", "write error"])
def test_the_run_continues_after_its_terminal_is_lost(
    controlling: bool, open_app: Callable[..., OnTerminal], tmp_path: Path
) -> None:
    app = open_app(controlling=controlling)
    app.read_until(b"epoch 2")
    app.hang_up()
    id = only_run(tmp_path).id
    answered = run("ctl", id, "patience", "44000", "--wait", cwd=tmp_path)
    assert answered.returncode == 0, answered
    assert run("ctl", id, "stop", "--wait", cwd=tmp_path).returncode == 0
    assert app.process.wait(60) == 0
    assert "head epoch" in only_run(tmp_path).log.read_text()


def test_the_run_continues_after_an_error_of_the_app(
    open_app: Callable[..., OnTerminal], tmp_path: Path
) -> None:
    app = open_app(BREAKING_APP)
    app.read_until(b"the app failed, see ")
    assert b"\x1b[?1049l" in app.output
    assert b"ZeroDivisionError" not in app.output
    assert termios.tcgetattr(app.child) == app.before
    folder = only_run(tmp_path)
    assert "ZeroDivisionError: the screen breaks" in folder.log.read_text()
    assert run("ctl", folder.id, "stop", "--wait", cwd=tmp_path).returncode == 0
    app.read_until(b"run folder: ")
    assert app.process.wait(60) == 0


@pytest.mark.parametrize("training", [False, True])
def test_an_error_of_the_input_ends_the_app_with_its_reason(
    training: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    app = request.getfixturevalue("open_app" if training else "list_app")(BREAKING_INPUT)
    if training:
        app.read_until(b"epoch 2")
    app.type(b"j")
    app.read_until(b"error: the app failed, see ")
    assert termios.tcgetattr(app.child) == app.before
    if training:
        app.read_until(b"; the run continues without it")
        folder = only_run(tmp_path)
        assert run("ctl", folder.id, "stop", "--wait", cwd=tmp_path).returncode == 0
    app.read_until(b"\n")
    assert app.process.wait(60) == (0 if training else 1)
    log = tmp_path / re.findall(rb"failed, see ([^;\s]+)", app.output)[0].decode()
    assert "ZeroDivisionError: the input breaks" in log.read_text()
    log.unlink()  # without a run it is in the folder of temporary files


def test_no_input_ends_the_app(list_app: Callable[..., OnTerminal]) -> None:
    app = list_app()
    for sequence in (
        b"\x1b[38:50;2u",
        b"\x1b[99999999999;1u\x1b[1114112u\x1b[;;;u\x1b[97;1;55296u",
        b"\x1b[48;24;80;0;0t\x1b[<35;5;5M\x1b[<0;99999999999;1M\x1b[M\xff\xff\xff",
        b"\xff\xc3\xed\xa0\x80\x80",
        b"\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\\x1bP>|xterm(3)\x1b\\\x1b[?62;4c",
    ):
        app.type(sequence + b"?")
        app.read_until(b"Keys")
        app.type(b"\x1b[27u")  # escape
        app.read_until(b"No runs yet")
    app.type(b"q")
    assert app.process.wait(30) == 0


def test_a_second_signal_exits_immediately_and_restores_the_terminal(
    open_app: Callable[..., OnTerminal], tmp_path: Path
) -> None:
    app = open_app(ENDLESS_SAVING)
    app.read_until(b"epoch 3")
    app.process.send_signal(signal.SIGTERM)
    app.read_until(b"\x1b[?1049l")
    app.process.send_signal(signal.SIGTERM)
    assert app.process.wait(60) == 143
    assert termios.tcgetattr(app.child) == app.before


def test_a_second_signal_during_progress_bars_restores_the_cursor(
    photos: Path, tmp_path: Path
) -> None:
    arguments = ["--no-ui", "--data", str(photos), *ENDLESS]
    headless = OnTerminal(arguments, tmp_path, code=ENDLESS_SAVING)
    try:
        headless.read_until(b"epoch 3")
        headless.process.send_signal(signal.SIGINT)
        headless.read_until(b"stop, requested")
        headless.process.send_signal(signal.SIGINT)
        assert headless.process.wait(60) == 130
    finally:
        headless.process.close()
    os.write(headless.child, b"the end")
    headless.read_until(b"the end")
    assert headless.output.rindex(b"\x1b[?25h") > headless.output.rindex(b"\x1b[?25l")


def test_a_slow_terminal_gets_its_cursor_back(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    os.set_blocking(child, False)
    with suppress(BlockingIOError):
        while True:
            os.write(child, b"drawn before " * 100)
    # The kernel moves what was written on, which makes room again: until it stays full.
    while select.select([], [child], [], 0.1)[1]:
        with suppress(BlockingIOError):
            os.write(child, b".")
    os.set_blocking(child, True)
    ready, begin = os.pipe()
    code = (
        "import os; from tui.terminal import terminal; terminal._WRITE_TIMEOUT = 60; "
        "os.write(2, b'.'); terminal.show_cursor()"
    )
    process = Process(["-c", code], cwd=tmp_path, env=environment(), stdout=child, stderr=begin)
    os.close(child)
    os.close(begin)
    assert os.read(ready, 1) == b"."
    os.close(ready)
    while psutil.Process(process.pid).status() == psutil.STATUS_RUNNING:
        pass  # until the process waits for the terminal
    output = b""
    with suppress(OSError):  # Linux reports a closed other end as an error
        while chunk := os.read(parent, 65536):
            output += chunk
    assert process.wait(60) == 0
    assert output.endswith(b"\x1b[?25h")


@pytest.mark.slow
def test_ctrl_z_restores_the_shell_and_fg_redraws_the_screen(photos: Path, tmp_path: Path) -> None:
    shell = Terminal()
    process = subprocess.Popen(
        ["bash", "--norc", "-i"],
        cwd=tmp_path,
        env=terminal_environment(),
        stdin=shell.child,
        stdout=shell.child,
        stderr=shell.child,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(shell.child, termios.TIOCSCTTY, 0),
    )
    try:
        shell.type(shlex.join(command("--data", str(photos), *ENDLESS)).encode() + b"\n")
        shell.read_until(b"epoch 2")
        shell.type(b"\x1a")
        shell.read_until(b"Stopped")
        assert b"\x1b[?1049l" in shell.output
        shell.type(b"fg\n")
        shell.read_until(b"\x1b[?1049h")
        for part in (b"photos", b"running", b"Early stopping", b"Learning rate", b"patience"):
            shell.read_until(part)
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()
