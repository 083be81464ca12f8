"""Extreme runs on all screens, and in all commands that print a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from tests.stages import slow_except
from tests.tui.generated import EVIL_FOLDER, RUNS, codes, write_all
from tests.tui.kit import make_app, screen_strips
from tui.app import ConvNextApp, Exit
from tui.cli.main import cli

SIZE = (80, 34)
NAMES = ["thousand", "long", "nan", "none", "killed", "evil"]
_ESCAPED = r"[red]a\x1b[2J[/]"
# Texts that each run must show, by view.
EXPECTED: dict[str, dict[str, tuple[str, ...]]] = {
    "20261124-130000-thousand": {
        "list": ("80.00%", "0.5000"),
        "charts": ("1,000 classes", "val 80.00%"),
        "classes": ("class number 7", "80.0%"),
        "show": ("1,000", "80.00%"),
    },
    "20261124-120000-long": {
        "list": ("✓ finished", "200+100", "99.35%"),
        "charts": ("200 epochs", "best val 99.35%", "patience → 49"),
        "log": ("patience is 50 already", "full epoch 100: val 99.35%"),
        "show": ("99.35%", "200 epochs"),
    },
    "20261124-110000-nan": {
        "list": ("✗ failed", "×××", "the loss is nan"),
        "charts": ("FAILED: the loss is nan", "val nan", "head interrupted in epoch 4"),
        "log": ("head epoch 3: val –, loss nan",),
        "show": ("the loss is nan",),
    },
    "20261124-100000-none": {
        "list": ("✓ finished", "–"),
        "charts": ("head skipped", "full skipped", "no training step"),
        "config": ("20 classes",),
        "show": ("finished",),
    },
    "20261124-090000-killed": {
        "list": ("! interrupted", "2+1", "process exited unexpectedly"),
        "charts": ("INTERRUPTED", "full interrupted in epoch 2", "best val 93.00%"),
        "show": ("interrupted", "93.00%"),
    },
    EVIL_FOLDER: {
        "list": (_ESCAPED, "✗ failed"),
        "charts": (f"FAILED: {_ESCAPED}",),
        "classes": (_ESCAPED,),
        "images": (_ESCAPED,),
        "config": (_ESCAPED,),
        "log": (_ESCAPED,),
        "replay": (_ESCAPED,),
        "show": (_ESCAPED,),
    },
}
# Keys that lead from one view to the next, through all modes of each.
SCREENS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("charts", ((), ("g", "a"), ("g", "a"), ("o", "w", "[", "left"))),
    ("classes", (("2",), ("v",), ("v", "e"))),
    ("images", (("3",), ("v",))),
    ("config", (("4",),)),
    ("log", (("5",),)),
    ("replay", (("escape",), ("v",), ("+", "+"))),
)


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs_dir = tmp_path_factory.mktemp("generated") / "runs"
    write_all(runs_dir)
    return runs_dir


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return what the app writes to the terminal besides the screen: title, bell, messages."""
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda self, data: written.append(data))
    yield written


def drawn(pilot: Pilot[Exit]) -> str:
    """Return the text of the screen; it must not contain control characters."""
    assert isinstance(pilot.app, ConvNextApp)
    strips = screen_strips(pilot.app)
    for strip in strips:
        assert all(segment.control is None for segment in strip)
        assert codes(strip.text) == set(), strip.text
    return "\n".join(strip.text for strip in strips)


async def press(pilot: Pilot[Exit], *keys: str) -> str:
    await pilot.press(*keys)
    await pilot.app.workers.wait_for_complete()
    assert isinstance(pilot.app, ConvNextApp)
    pilot.app.tick()
    await pilot.pause()
    return drawn(pilot)


async def walk(pilot: Pilot[Exit], row: int) -> dict[str, str]:
    """Open the run in a row of the list and visit all its views."""
    await press(pilot)
    seen = {"list": await press(pilot, *["down"] * row)}
    await press(pilot, "enter")
    for view, steps in SCREENS:
        seen[view] = "\n".join([await press(pilot, *keys) for keys in steps])
    return seen


@pytest.mark.parametrize("name", slow_except(RUNS, *list(RUNS)[2:4], list(RUNS)[-1]), ids=NAMES)
async def test_all_screens_show_the_run_without_control_characters(
    all_runs: Path, sent: list[str], name: str
) -> None:
    app = make_app(runs_dir=all_runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        seen = await walk(pilot, list(RUNS).index(name))
    for view, texts in EXPECTED[name].items():
        for text in texts if view != "show" else ():
            assert text in seen[view], f"{text} is not in {view}:\n{seen[view]}"
    # Titles and messages are texts within escape sequences; none may contain another one.
    assert all(code in ("\x1b", "\x07", "\\") for data in sent for code in codes(data))
    assert "2J" not in "".join(sent).replace(r"\x1b[2J", "")


@pytest.mark.parametrize("name", RUNS, ids=NAMES)
def test_a_run_is_printed_without_control_characters(all_runs: Path, name: str) -> None:
    beginning = name[:15]
    for options in ((), ("--csv",), ("--json",), ("--metric", "lr", "--width", "60")):
        done = CliRunner().invoke(cli, ["show", beginning, "--runs-dir", str(all_runs), *options])
        assert done.exit_code == 0, done.output
        assert codes(done.output.replace("\n", "")) == set()
        for text in EXPECTED[name]["show"] if not options else ():
            assert text in done.output


async def test_all_runs_are_compared_also_under_the_help_dialog(
    all_runs: Path, sent: list[str]
) -> None:
    app = make_app(runs_dir=all_runs)
    async with app.run_test(size=(220, 45), notifications=True) as pilot:
        await press(pilot)
        for _ in RUNS:
            await pilot.press("space", "down")
        seen = await press(pilot, "c")
        for said in ("99.35%", "93.00%", "80.00%", "300", "45", _ESCAPED[:12], "✗ failed"):
            assert said in seen
        for keys in (["m"], ["m", "x"], ["g", "x", "l"], ["x", "left"], ["g"], ["f1"]):
            await press(pilot, *keys)


def test_lists_and_tables_are_printed_without_control_characters(all_runs: Path) -> None:
    for arguments, said in (
        (["runs"], r"[b]\x1b[2J\u202e写"),
        (["runs", "--json"], r"[red]a\u001b[2J"),
        (["compare", *(name[:15] for name in RUNS)], r"[red]a\x1b[2J[/]"),
    ):
        done = CliRunner().invoke(cli, [*arguments, "--runs-dir", str(all_runs)])
        assert done.exit_code == 0, done.output
        assert codes(done.output.replace("\n", "")) == set()
        assert said in done.output
