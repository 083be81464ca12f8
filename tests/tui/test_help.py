"""The help dialog: keys of the current screen, and the guide."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from core.config.load import load_config
from core.run.files import LAST_CHECKPOINT
from core.run.folder import RunFolder
from tests.tui import scripted
from tests.tui.bindings import all_bindings
from tests.tui.kit import make_app, press, settle
from tui.app import Exit
from tui.screens.help import HelpScreen
from tui.screens.help_guide import FILES, help_sections
from tui.screens.run import RunScreen
from tui.screens.run_controls import RunControlsScreen
from tui.text.key_bindings import key_for

SIZE = (140, 45)


def shown(pilot: Pilot[Exit]) -> str:
    """Text of the help dialog with its lines joined."""
    assert isinstance(pilot.app.screen, HelpScreen)
    return " ".join(str(pilot.app.screen.query_one("Static").render()).split())


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_lists_the_keys_of_the_screen_it_was_asked_on(key: str) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, key)
        for owner, binding in all_bindings():
            possible = app.screen_stack[-2].check_action(binding.action, ())
            if issubclass(RunScreen, owner) and possible:
                assert binding.tooltip in shown(pilot)
        await press(pilot, "escape")
        assert isinstance(app.screen, RunScreen)


async def test_d_switches_between_the_guide_and_the_keys(tmp_path: Path) -> None:
    app = make_app(scripted.running().source(), runs_dir=tmp_path / "my-runs")
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark")
        keys = shown(pilot)
        await press(pilot, "j", "j", "d")
        for part in ("Two phases", "Early stopping", "Quitting", "over SSH", "Files of a run"):
            assert part in shown(pilot)
        assert "my-runs" in shown(pilot).replace(" ", "")  # a long path is wrapped
        assert "`" not in shown(pilot)
        box = app.screen.query_one(".help")
        assert (str(box.border_title), box.scroll_offset.y) == ("Guide", 0)
        await press(pilot, "d")
        assert shown(pilot) == keys


async def test_the_palette_opens_the_guide_on_any_screen() -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p")
        await pilot.press(*"files and folders")
        for _ in range(100):
            await pilot.pause(0.02)
            if app.screen.query_one("CommandList", OptionList).option_count == 1:
                break
        await press(pilot, "enter")
        assert "Two phases" in shown(pilot)
        await press(pilot, "escape")
        assert isinstance(app.screen, RunScreen)


def guide(title: str) -> str:
    sections = help_sections(make_app(), Path("runs"))
    section = next(s for s in sections if s.title == title)
    return section.text or " ".join(f"{name} {text}" for name, text in section.rows)


def test_the_guide_has_the_current_keys_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    phases = load_config("default").phases
    head, full = phases.head.patience, phases.full.patience
    assert f"{head} in phase head and {full} in phase full" in guide("Early stopping")
    assert f"at most {phases.head.epochs} and {phases.full.epochs}" in guide("Two phases")
    assert "`p` changes it" in guide("Early stopping")
    other = [
        replace(binding, key="f9") if binding.description == "Patience" else binding
        for owner, binding in all_bindings()
        if owner is RunControlsScreen
    ]
    monkeypatch.setattr(RunControlsScreen, "BINDINGS", other)
    assert "`f9` changes it" in guide("Early stopping")


def test_an_unknown_key_raises_an_error() -> None:
    with pytest.raises(KeyError):
        key_for(RunScreen, "fly", App())


def test_the_guide_has_all_files_of_a_run() -> None:
    properties = {n for n, value in vars(RunFolder).items() if isinstance(value, property)}
    names = {getattr(RunFolder(Path()), name) for name in properties - {"id"}}
    assert {path.parts[0] for path in names} <= {name.rstrip("/") for name in FILES}
    assert LAST_CHECKPOINT in guide("Files of a run")


@pytest.mark.parametrize("show_guide", [False, True], ids=["keys", "guide"])
async def test_on_a_tiny_terminal_descriptions_are_below_their_keys(show_guide: bool) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(40, 10)) as pilot:
        await settle(pilot)
        await press(pilot, "question_mark", *["d"] * show_guide)
        static = app.screen.query_one("Static", Static)
        lines = str(static.render()).splitlines()
        explanations = [line for line in lines if line.startswith("    ")]
        assert len(explanations) > 20
        assert max(map(len, explanations)) <= static.content_region.width
