"""The app on a real terminal: stray output, signals, and a terminal that goes away."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.runs import RunFolder
from tests.pictures import make_pictures
from tests.tui.command import ENDLESS, environment, run

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
    return make_pictures(tmp_path_factory.mktemp("data") / "photos", classes=2, per_class=8)


class OnTerminal:
    """The command on a terminal of its own."""

    def __init__(self, arguments: list[str], cwd: Path, **changes: str) -> None:
        self.parent, child = pty.openpty()
        self.before = termios.tcgetattr(child)
        self.child = child
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui", *arguments],
            cwd=cwd,
            env=environment(TERM="xterm-256color", COLUMNS="120", LINES="40", **changes),
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(child),
        )
        self.output = b""

    def read_until(self, text: bytes) -> None:
        while text not in self.output:
            chunk = os.read(self.parent, 65536)
            assert chunk, self.output[-2000:]
            self.output += chunk

    def read_to_the_end(self) -> None:
        os.close(self.child)
        while True:
            try:
                chunk = os.read(self.parent, 65536)
            except OSError:
                return
            if not chunk:
                return
            self.output += chunk


def _take_terminal(child: int) -> None:
    import fcntl

    fcntl.ioctl(child, termios.TIOCSCTTY, 0)


@pytest.fixture
def on_terminal(photos: Path, tmp_path: Path) -> Iterator[OnTerminal]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NOISE)
    paths = os.pathsep.join([str(tmp_path / "site"), environment()["PYTHONPATH"]])
    app = OnTerminal(["--data", str(photos), *ENDLESS], tmp_path, PYTHONPATH=paths)
    yield app
    app.process.kill()


def only_run(cwd: Path) -> RunFolder:
    (path,) = (cwd / "runs").iterdir()
    return RunFolder(path)


def test_what_native_code_prints_lands_in_the_log(on_terminal: OnTerminal, tmp_path: Path) -> None:
    on_terminal.read_until(b"running")
    on_terminal.read_until(b"epoch 2")
    begun = on_terminal.output[on_terminal.output.index(b"\x1b[?1049h") :]
    assert b"native noise" not in begun
    assert "native noise" in only_run(tmp_path).log.read_text()


def test_sigterm_saves_gives_the_terminal_back_and_says_143(
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


def test_a_terminal_that_goes_away_leaves_the_run_going(
    on_terminal: OnTerminal, tmp_path: Path
) -> None:
    on_terminal.read_until(b"epoch 2")
    os.close(on_terminal.child)
    os.close(on_terminal.parent)
    id = only_run(tmp_path).id
    answered = run("ctl", id, "patience", "44", "--wait", cwd=tmp_path)
    assert answered.returncode == 0, answered
    assert run("ctl", id, "stop", "--wait", cwd=tmp_path).returncode == 0
    assert on_terminal.process.wait(60) == 0
    assert "head epoch" in only_run(tmp_path).log.read_text()
