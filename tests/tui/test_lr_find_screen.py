"""The learning rate range test of the new-run form, and its process."""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from textual.pilot import Pilot

from core.analysis.lr_range import rounded
from core.common.errors import SetupError
from core.config.load import load_config
from core.config.schema import Config
from core.session.lr_find import LrRangeTest
from tests.core.test_lr_range import valley
from tests.tui.form_kit import field, shown, until
from tests.tui.kit import make_app, press
from tests.tui.test_cli_lr_find import result
from tui.app import Exit
from tui.screens.lr_find import LrFindScreen
from tui.screens.new_run import NewRunScreen
from tui.viewmodel import lr_find_process

OnProgress = Callable[[str, int, int | None], object]
SUGGESTED = rounded(result(valley()).suggestion.rate or 0.0)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").write_bytes(b"x")
    return tmp_path / "photos"


async def open_test(pilot: Pilot[Exit], images: Path) -> None:
    await press(pilot, "n")
    field(pilot).value = str(images)
    field(pilot, "more").value = "'data.group=a b' phases.head.lr=5 phases.full.lr=6"
    await press(pilot, "f8")
    await until(pilot, lambda: isinstance(pilot.app.screen, LrFindScreen))


@pytest.mark.parametrize("size", [(80, 24), (140, 45), (200, 50)])
async def test_the_suggested_rate_is_entered_in_the_form(
    images: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    asked: list[tuple[str, float]] = []

    async def find_lr(config: Config, phase: str, on_progress: OnProgress) -> LrRangeTest:
        asked.append((phase, config.phases.get(phase).lr))
        on_progress("learning rate range test", 25, 100)
        await asyncio.sleep(0)
        return result(valley(), phase=phase)

    monkeypatch.setattr("tui.screens.lr_find.find_lr", find_lr)
    async with make_app().run_test(size=size) as pilot:
        await open_test(pilot, images)
        await until(pilot, lambda: f"suggested learning rate: {SUGGESTED}" in shown(pilot))
        assert "Training loss of phase head" in shown(pilot)
        assert "▲ configured 0.001" in shown(pilot)
        await press(pilot, "p")
        await until(pilot, lambda: "Training loss of phase full" in shown(pilot))
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, NewRunScreen)
        more = f"'data.group=a b' phases.head.lr=5 phases.full.lr={SUGGESTED}"
        assert field(pilot, "more").value == more
    assert asked == [("head", 5), ("full", 6)]


async def test_without_a_suggestion_the_reason_is_shown_and_nothing_is_entered(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[LrRangeTest | SetupError] = [result([2.0] * 100), SetupError("no [red] memory")]

    async def find_lr(config: Config, phase: str, on_progress: OnProgress) -> LrRangeTest:
        answer = answers.pop(0)
        if isinstance(answer, SetupError):
            raise answer
        return answer

    monkeypatch.setattr("tui.screens.lr_find.find_lr", find_lr)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await open_test(pilot, images)
        before = "'data.group=a b' phases.head.lr=5 phases.full.lr=6"
        await until(pilot, lambda: "no suggestion: the loss does not fall" in shown(pilot))
        await press(pilot, "enter", "r")
        await until(pilot, lambda: "no [red] memory" in shown(pilot))
        await press(pilot, "enter", "escape")
        assert isinstance(pilot.app.screen, NewRunScreen)
        assert field(pilot, "more").value == before


async def test_leaving_the_dialog_cancels_the_test(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def find_lr(config: Config, phase: str, on_progress: OnProgress) -> LrRangeTest:
        on_progress("importing torch", 0, None)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(phase)
        raise AssertionError

    monkeypatch.setattr("tui.screens.lr_find.find_lr", find_lr)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await open_test(pilot, images)
        await until(pilot, lambda: "Phase head: importing torch" in shown(pilot))
        await press(pilot, "p")
        await until(pilot, lambda: "Phase full: importing torch" in shown(pilot))
        assert ended == ["head"]
        await press(pilot, "escape")
        await until(pilot, lambda: ended == ["head", "full"])


def _program(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(lr_find_process, "PROGRAM", (sys.executable, "-S", "-c", code))


async def test_the_process_reports_progress_and_returns_the_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = result(valley(), phase="full")
    _program(
        monkeypatch,
        "import sys, time\n"
        'print(\'{"stage": "a", "done": 1, "total": 9}\', file=sys.stderr, flush=True)\n'
        f"time.sleep(0.3)\nprint({json.dumps(test.to_dict())!r})",
    )
    told: list[tuple[object, ...]] = []
    found = await lr_find_process.find_lr(load_config(), "full", lambda *each: told.append(each))
    assert (found.suggestion.rate, found.key) == (float(SUGGESTED), "phases.full.lr")
    assert (found.curve.losses, found.curve.rates) == (test.curve.losses, test.curve.rates)
    assert set(told) == {("a", 1, 9)}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('warning: x\\nerror: no memory')", "no memory"),
        ("import os; os._exit(9)", "exit code 9"),
        ("print('[')", "has printed no result"),
    ],
)
async def test_a_failed_process_is_a_sentence(
    code: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(monkeypatch, code)
    with pytest.raises(SetupError, match=said):
        await lr_find_process.find_lr(load_config(), "head", lambda *each: None)


@pytest.mark.parametrize("ignores", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN);"])
async def test_a_canceled_process_ends_with_its_children(
    ignores: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lr_find_process, "_PATIENCE_SECONDS", 0.2)
    file = tmp_path / "pids"
    _program(
        monkeypatch,
        f"import os, signal, time; {ignores} child = os.fork()\n"
        f"if child: open({str(file)!r}, 'w').write(str(os.getpid()) + ' ' + str(child) + '\\n')\n"
        "time.sleep(60)",
    )
    task = asyncio.create_task(lr_find_process.find_lr(load_config(), "head", lambda *each: None))
    while not (file.exists() and file.read_text().endswith("\n")):
        await asyncio.sleep(0.01)
    pids = [int(pid) for pid in file.read_text().split()]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(500):
        if not any(_lives(pid) for pid in pids):
            return
        await asyncio.sleep(0.01)
    for pid in pids:
        os.kill(pid, 9)
    raise AssertionError(f"{pids} still live")


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_program_that_cannot_be_started_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lr_find_process, "PROGRAM", ("/nothere/python",))
    with pytest.raises(SetupError, match="the test cannot be started: No such file"):
        await lr_find_process.find_lr(load_config(), "head", lambda *each: None)
