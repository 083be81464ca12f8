"""The read-only app, its process that can't write, and both in a browser."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner
from textual.pilot import Pilot

from core.config.load import to_yaml
from core.config.schema import Config
from core.run.folder import RunFolder
from core.run.lock import RunLock
from tests.tui import scripted
from tests.tui.command import command, environment, put_namesakes, run
from tests.tui.disk import some_runs, write_run
from tests.tui.kit import Starter, make_app, press, settle, text, toasts
from tests.tui.test_run_list import reload
from tests.tui.test_run_list_actions import done
from tests.tui.test_terminal import OnTerminal
from tui.app import Exit
from tui.cli.main import cli
from tui.runtime.read_only import REASON
from tui.runtime.web_server import is_loopback

DONE = "20261124-120000-done"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    some_runs(tmp_path / "runs")
    (tmp_path / "runs" / DONE / "config.yaml").write_text(to_yaml(Config(name="done")))
    return tmp_path / "runs"


async def refused(pilot: Pilot[Exit], *keys: str) -> None:
    """Assert that each key shows why it is refused, and opens nothing."""
    screens = list(pilot.app.screen_stack)
    for key in keys:
        pilot.app.clear_notifications()
        await press(pilot, key)
        assert REASON in toasts(pilot), key
        assert pilot.app.screen_stack == screens, key


async def test_keys_that_would_change_a_run_show_why_they_are_refused(runs: Path) -> None:
    before, starter = contents(runs), Starter()
    app = make_app(runs_dir=runs, starter=starter, read_only_reason=REASON)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await reload(pilot)
        await refused(pilot, "n", "r", "b", "asterisk", "t", "e", "f2", "a", "d", "delete", "u")
    assert (starter.configs, contents(runs)) == ([], before)


async def test_a_run_of_another_process_gets_no_command(tmp_path: Path) -> None:
    path = write_run(tmp_path, "going", scripted.running().records)
    lock = RunLock(RunFolder(path))
    before = contents(tmp_path)
    app = make_app(runs_dir=tmp_path, read_only_reason=REASON)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        app.open_run(path)
        await settle(pilot)
        await refused(pilot, "space", "p", "L", "s", "n", "x")
    lock.release()
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("make", "headline"),
    [
        (scripted.failed, "✗ FAILED: no space left on the disk: /data/runs/animals20  animals20"),
        (scripted.running, "! INTERRUPTED: process exited unexpectedly, last update 14:20:58  an"),
    ],
)
async def test_no_key_is_offered_that_would_be_refused(
    tmp_path: Path, make: Callable[[], scripted.Script], headline: str
) -> None:
    path = write_run(tmp_path, "broken", make().records)
    app = make_app(runs_dir=tmp_path, read_only_reason=REASON)
    async with app.run_test(size=(120, 40)) as pilot:
        app.open_run(path)
        await settle(pilot)
        assert text(pilot, "#headline").startswith(headline)
        await press(pilot, "escape")
        app.open_replay(path)
        await settle(pilot)
        await press(pilot, *"++++")
        assert "r to resume" not in text(pilot, "#headline")


async def test_the_headline_of_a_paused_run_names_no_key(tmp_path: Path) -> None:
    path = write_run(tmp_path, "resting", scripted.paused().records)
    lock = RunLock(RunFolder(path))
    app = make_app(runs_dir=tmp_path, read_only_reason=REASON)
    async with app.run_test(size=(120, 40)) as pilot:
        app.open_run(path)
        await settle(pilot)
        assert "PAUSED since" in text(pilot, "#headline")
        assert "space to resume" not in text(pilot, "#headline")
    lock.release()


async def test_a_comparison_is_not_exported(runs: Path) -> None:
    before = contents(runs)
    app = make_app(runs_dir=runs, read_only_reason=REASON)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        await done(pilot)
        await press(pilot, "e")
        assert REASON in toasts(pilot)
    assert contents(runs) == before


@pytest.mark.parametrize(
    "attempt",
    [
        "open('new', 'w')",
        "open('old', 'a')",
        "open('old', 'r+b')",
        "os.open('new', os.O_CREAT | os.O_WRONLY)",
        "os.mkdir('new')",
        "os.rename('old', 'new')",
        "os.remove('old')",
        "os.utime('old')",
        "os.symlink('old', 'new')",
        "shutil.rmtree('folder')",
        "subprocess.run(['true'])",
        "os.fork()",
        "pathlib.Path('old').write_text('x')",
        "sqlite3.connect('new')",
        "sqlite3.connect('file:new?mode=rwc', uri=True)",
        "sqlite3.connect(':memory:').execute('ATTACH DATABASE ? AS a', ('new',))",
        "socket.socket(socket.AF_UNIX).bind('new')",
    ],
)
def test_a_read_only_process_can_change_nothing(tmp_path: Path, attempt: str) -> None:
    (tmp_path / "old").write_text("kept")
    (tmp_path / "folder").mkdir()
    before = contents(tmp_path)
    code = (
        "import os, pathlib, shutil, socket, sqlite3, subprocess\n"
        "from tui.runtime.read_only import forbid_writing\n"
        "forbid_writing(allowed=pathlib.Path('log'))\n"
        "open('log', 'w').close(); open('/dev/null', 'w').close()\n"
        "assert open('old').read() == 'kept'\n"
        f"try: {attempt}\n"
        "except OSError as error: assert 'read-only' in str(error)\n"
        "else: raise SystemExit('it was done')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment())
    (tmp_path / "log").unlink()
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [["--read-only", "--demo"], ["--read-only", "--resume", "x"], ["--read-only", "trash"]],
)
def test_read_only_starts_and_changes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --read-only")
    assert list(tmp_path.iterdir()) == []


def test_the_app_on_a_terminal_writes_nothing_when_it_is_read_only(runs: Path) -> None:
    before = contents(runs.parent)
    settings = str(runs.parent / "settings")
    terminal = OnTerminal(["--read-only"], runs.parent, CONVNEXT_TUI_CONFIG=settings)
    terminal.read_until(b"read-only")
    terminal.type(b"*")
    terminal.read_until(b"nothing can be")
    terminal.type(b"q")
    terminal.read_until(b"\x1b[?1049l")
    assert terminal.process.wait(30) == 0
    terminal.hang_up()
    assert contents(runs.parent) == before


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[(host, True) for host in ("127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]")],
        *[(host, False) for host in ("0.0.0.0", "::", "10.0.0.7", "node17", "localhost.org", "")],
    ],
)
def test_loopback_addresses(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_listening_on_other_addresses_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr("tui.runtime.web_server.serve", lambda *arguments: calls.append(arguments))
    result = CliRunner().invoke(cli, ["serve", "--host", "0.0.0.0", "--port", "9000"])
    assert "anyone who can reach port 9000" in result.stderr
    assert calls == [(Path("runs"), "0.0.0.0", 9000)]
    assert CliRunner().invoke(cli, ["serve"]).stderr == ""
    assert calls[1] == (Path("runs"), "127.0.0.1", 8000)


def test_without_its_extra_serve_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tui.runtime.web_server", None)
    result = CliRunner().invoke(cli, ["serve"])
    assert "convnext-tui[web]" in str(result.exception)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Visitor:
    """A browser tab, from the server's point of view."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.seen = ""

    async def wait_for(self, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in self.seen:
                message = await self._socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                drawn = message.data.decode("utf-8", "replace")
                self.seen += re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]", "", drawn)

    async def press(self, key: str) -> None:
        await self._socket.send_json(["stdin", key])


async def test_a_browser_shows_the_runs_and_can_change_none(runs: Path) -> None:
    put_namesakes(runs.parent)
    before, port = contents(runs), free_port()
    page = f"http://127.0.0.1:{port}/"
    # A new process: a forked one does not end at SIGINT while a tab is open.
    process = subprocess.Popen(
        command("serve", "--port", str(port)),
        cwd=runs.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        assert page in line
        async with aiohttp.ClientSession() as session:
            await visit(session, page)
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 30) == 0
        process.communicate()
    assert contents(runs) == before


async def visit(session: aiohttp.ClientSession, page: str) -> None:
    async with session.get(page) as answer:
        assert (answer.status, "ws://127.0.0.1" in await answer.text()) == (200, True)
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    for foreign in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        async with session.get(f"{page}ws", headers=foreign) as answer:
            assert answer.status == 403
    async with session.ws_connect(f"{page}ws?width=120&height=40") as socket:
        visitor = Visitor(socket)
        await visitor.wait_for("read-only")
        await visitor.wait_for("animals20")
        await visitor.press("\x1b[1114112u\x1b[38:50;2u")  # no input makes a tab deaf
        for key in ("d", "*", "n"):
            visitor.seen = ""
            await visitor.press(key)
            await visitor.wait_for("nothing can be")
