"""Hints for the first steps: they leave once their keys were used, and the settings remember."""

import json
from pathlib import Path

import pytest

from tests.tui import scripted
from tests.tui.disk import some_runs
from tests.tui.kit import Starter, make_app, press, settle, text
from tests.tui.test_run_list import reload
from tests.tui.test_settings import saved
from tui.preferences.preferences import Preferences, load_preferences
from tui.preferences.settings import SettingsFile
from tui.runtime.read_only import REASON
from tui.widgets.hint import HintLine


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path / "settings"))
    return tmp_path / "settings" / "settings.json"


async def test_hints_leave_the_run_list_as_their_keys_are_used(
    tmp_path: Path, config: Path, starter: Starter
) -> None:
    some_runs(tmp_path)
    app = make_app(
        runs_dir=tmp_path, starter=starter, preferences=load_preferences(None, read_only=False)
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await reload(pilot)
        assert "Enter opens a run" in text(pilot, "#hint")
        await press(pilot, "enter", "escape")
        await reload(pilot)
        assert "Enter opens" not in text(pilot, "#hint")
        await press(pilot, "n", "escape", "c", "escape")
        await reload(pilot)
        assert not app.screen.query_one(HintLine).display
    assert set(saved(config)["hints_done"].split()) >= {"list-open", "list-new", "list-compare"}
    again = make_app(runs_dir=tmp_path, preferences=Preferences(SettingsFile().read(), None))
    async with again.run_test(size=(100, 30)) as pilot:
        await reload(pilot)
        assert not again.screen.query_one(HintLine).display


async def test_the_run_screen_hints_at_keys_that_apply() -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert "space pauses training" in text(pilot, "#hint")
        await press(pilot, "2", "space")
        assert text(pilot, "#hint").startswith("First steps  Esc lists")
    over = make_app(scripted.finished().source(live=False))
    async with over.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert "pauses" not in text(pilot, "#hint")


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_a_small_run_screen_has_no_hint(size: tuple[int, int]) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert not app.screen.query_one(HintLine).display


async def test_a_full_list_has_no_hint(tmp_path: Path) -> None:
    some_runs(tmp_path)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        assert app.screen.query_one(HintLine).display
        shown = text(pilot, "#hint")
        assert len(shown) <= 78
        assert shown.endswith("c compares two runs")
        table = app.screen.query_one("#table")
        assert table.max_scroll_y == 0
        await pilot.resize_terminal(80, 14)
        await settle(pilot)
        assert not app.screen.query_one(HintLine).display


async def test_a_read_only_app_has_no_hints_and_writes_no_settings(
    tmp_path: Path, config: Path
) -> None:
    some_runs(tmp_path / "runs")
    app = make_app(
        runs_dir=tmp_path / "runs",
        read_only_reason=REASON,
        preferences=load_preferences(None, read_only=True),
    )
    async with app.run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        assert not app.screen.query_one(HintLine).display
        await press(pilot, "enter", "2")
        assert not app.screen.query_one(HintLine).display
    assert not config.exists()


async def test_hints_can_be_shown_again(config: Path) -> None:
    config.parent.mkdir()
    config.write_text(json.dumps({"hints_done": "run-tab run-pause run-back"}))
    app = make_app(scripted.running().source(), preferences=load_preferences(None, False))
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert not app.screen.query_one(HintLine).display
        app.set_preference("hints_done", "none")
        await settle(pilot)
        assert app.screen.query_one(HintLine).display
