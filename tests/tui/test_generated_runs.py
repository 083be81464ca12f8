"""Runs at the edges, through every screen and every command that prints a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from tests.tui.generated import EVIL_FOLDER, RUNS, codes, write_all
from tests.tui.kit import make_app
from tui.app import ConvNextApp, Exit
from tui.cli.main import cli

SIZE = (80, 34)
NAMES = ["thousand", "long", "nan", "none", "killed", "evil"]
_SPELT_OUT = r"[red]a\x1b[2J[/]"
# What each run must say, somewhere in the place of that name.
SAID: dict[str, dict[str, tuple[str, ...]]] = {
    "20261124-130000-thousand": {
        "list": ("80.00%", "0.5000"),
        "charts": ("1000 classes", "val 80.00%"),
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
        "charts": ("head skipped", "full skipped", "no step was taken"),
        "config": ("20 classes",),
        "show": ("finished",),
    },
    "20261124-090000-killed": {
        "list": ("! interrupted", "2+1", "process exited unexpectedly"),
        "charts": ("INTERRUPTED", "full interrupted in epoch 2", "best val 93.00%"),
        "show": ("interrupted", "93.00%"),
    },
    EVIL_FOLDER: {
        "list": (_SPELT_OUT, "✗ failed"),
        "charts": (f"FAILED: {_SPELT_OUT}",),
        "classes": (_SPELT_OUT,),
        "pictures": (_SPELT_OUT,),
        "config": (_SPELT_OUT,),
        "log": (_SPELT_OUT,),
        "replay": (_SPELT_OUT,),
        "show": (_SPELT_OUT,),
    },
}
# Keys that lead on from one place to the next; all looks of a place are looked at.
SCREENS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("charts", ((), ("g", "a"), ("g", "a"), ("o", "w", "[", "left"))),
    ("classes", (("2",), ("v",), ("v", "e"))),
    ("pictures", (("3",), ("v",))),
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
    """What the app writes to its terminal beside the screen: title, bell, messages."""
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda self, data: written.append(data))
    yield written


def drawn(pilot: Pilot[Exit]) -> str:
    """Return the whole screen as it is sent; none of it is anything but text."""
    strips = pilot.app.screen._compositor.render_strips()
    for strip in strips:
        assert all(segment.control is None for segment in strip)
        assert codes(strip.text) == set(), strip.text
    return "\n".join(strip.text for strip in strips)


async def look(pilot: Pilot[Exit], *keys: str) -> str:
    await pilot.press(*keys)
    await pilot.app.workers.wait_for_complete()
    assert isinstance(pilot.app, ConvNextApp)
    pilot.app.tick()
    await pilot.pause()
    return drawn(pilot)


async def walk(pilot: Pilot[Exit], row: int) -> dict[str, str]:
    """Go from the run in this row of the list through all that can be seen of it."""
    await look(pilot)
    seen = {"list": await look(pilot, *["down"] * row)}
    await look(pilot, "enter")
    for place, steps in SCREENS:
        seen[place] = "\n".join([await look(pilot, *keys) for keys in steps])
    return seen


@pytest.mark.parametrize("name", RUNS, ids=NAMES)
async def test_all_screens_open_and_tell_the_run_as_text(
    all_runs: Path, sent: list[str], name: str
) -> None:
    app = make_app(runs_dir=all_runs)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        seen = await walk(pilot, list(RUNS).index(name))
    for place, words in SAID[name].items():
        for said in words if place != "show" else ():
            assert said in seen[place], f"{said} is not in {place}:\n{seen[place]}"
    # Titles and messages are escapes with a text between; none may hold another escape.
    assert all(code in ("\x1b", "\x07", "\\") for data in sent for code in codes(data))
    assert "2J" not in "".join(sent).replace(r"\x1b[2J", "")


@pytest.mark.parametrize("name", RUNS, ids=NAMES)
def test_a_run_is_printed_as_text(all_runs: Path, name: str) -> None:
    beginning = name[:15]
    for options in ((), ("--csv",), ("--json",), ("--metric", "lr", "--width", "60")):
        done = CliRunner().invoke(cli, ["show", beginning, "--runs-dir", str(all_runs), *options])
        assert done.exit_code == 0, done.output
        assert codes(done.output.replace("\n", "")) == set()
        for said in SAID[name]["show"] if not options else ():
            assert said in done.output


async def test_all_are_compared_with_each_other_and_help_stands_over_them(
    all_runs: Path, sent: list[str]
) -> None:
    app = make_app(runs_dir=all_runs)
    async with app.run_test(size=(220, 45), notifications=True) as pilot:
        await look(pilot)
        for _ in RUNS:
            await pilot.press("space", "down")
        seen = await look(pilot, "c")
        for said in ("99.35%", "93.00%", "80.00%", "300", "45", _SPELT_OUT[:12], "✗ failed"):
            assert said in seen
        for keys in (["m"], ["m", "x"], ["g", "x", "l"], ["x", "left"], ["g"], ["f1"]):
            await look(pilot, *keys)


def test_lists_and_tables_of_them_are_printed_as_text(all_runs: Path) -> None:
    for arguments, said in (
        (["runs"], r"[b]\x1b[2J\u202e写"),
        (["runs", "--json"], r"[red]a\u001b[2J"),
        (["compare", *(name[:15] for name in RUNS)], r"[red]a\x1b[2J[/]"),
    ):
        done = CliRunner().invoke(cli, [*arguments, "--runs-dir", str(all_runs)])
        assert done.exit_code == 0, done.output
        assert codes(done.output.replace("\n", "")) == set()
        assert said in done.output
