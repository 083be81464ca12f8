import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.common.errors import SetupError
from tests.tui import scripted
from tests.tui.command import run
from tests.tui.kit import make_app, press, settle, toasts
from tui.preferences.preferences import Preferences, load_preferences
from tui.preferences.settings import (
    DESCRIPTIONS,
    NAMES,
    Settings,
    SettingsFile,
    allowed_values,
    valid_settings,
    with_setting,
)


def test_settings_are_saved_and_unknown_keys_are_kept(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "deep" / "settings.json")
    assert file.read() == Settings()
    settings = with_setting(Settings(), "layout", "all")
    file.write(settings)
    file.path.write_text(json.dumps({**json.loads(file.path.read_text()), "later": 1}))
    assert file.read() == settings
    file.write(with_setting(settings, "notify", "off"))
    assert json.loads(file.path.read_text())["later"] == 1
    assert file.read().notify == "off"
    assert file.error == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    file = SettingsFile(path, clock=lambda: 17.0)
    assert file.read() == Settings()
    assert "settings.damaged-17.json" in file.error
    assert (tmp_path / "settings.damaged-17.json").read_bytes() == content
    assert not path.exists()


values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3)


@given(st.dictionaries(st.sampled_from([*NAMES, "x"]), values))
def test_only_valid_values_are_read_from_a_file(tree: dict[str, object]) -> None:
    settings, _ = valid_settings(tree)
    assert all(getattr(settings, name) in allowed for name, allowed in allowed_values().items())
    assert isinstance(settings.theme, str)


def test_an_invalid_value_lists_the_valid_ones() -> None:
    with pytest.raises(SetupError, match="notify is 'loud'; expected one of: bell, message, off"):
        with_setting(Settings(), "notify", "loud")
    with pytest.raises(SetupError, match="unknown setting 'color'"):
        with_setting(Settings(), "color", "red")
    assert set(DESCRIPTIONS) == set(NAMES)


async def test_chart_settings_are_saved(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / "settings.json")
    app = make_app(scripted.running().source(), preferences=Preferences(Settings(), file))
    async with app.run_test(size=(140, 45)) as pilot:
        await press(pilot, "g", "a", "w")
        assert (app.preferences.settings.layout, app.preferences.settings.axis) == ("one", "step")
    again = make_app(scripted.running().source(), preferences=Preferences(file.read(), file))
    async with again.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        shown = [chart for chart in pilot.app.screen.query("Chart") if chart.display]
        assert [chart.id for chart in shown] == ["loss"]
        assert "smoothed 0.6" in str(shown[0].border_title)


async def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text("{")
    file = SettingsFile(path)
    app = make_app(preferences=Preferences(file.read(), file))
    async with app.run_test(size=(140, 45), notifications=True) as pilot:
        await settle(pilot)
        for _ in range(4):
            await settle(pilot)
        assert "could not be understood" in toasts(pilot)


async def test_settings_can_be_changed_from_the_palette() -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p", *"layout = all")
        await pilot.app.workers.wait_for_complete()
        await pilot.press("down", "enter")
        await settle(pilot)
        assert app.preferences.settings.layout == "all"
        assert len([c for c in pilot.app.screen.query("Chart") if c.display]) == 9


def test_the_command_shows_and_changes_settings(tmp_path: Path) -> None:
    done = run("settings", "notify", "off", cwd=tmp_path, CONVNEXT_TUI_CONFIG=str(tmp_path))
    assert done.returncode == 0
    assert "notify = off" in done.stdout
    assert json.loads((tmp_path / "settings.json").read_text())["notify"] == "off"
    bad = run("settings", "notify", "loud", cwd=tmp_path, CONVNEXT_TUI_CONFIG=str(tmp_path))
    assert bad.returncode == 2
    assert "expected one of" in bad.stderr


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of the user."""
    monkeypatch.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path))
    return tmp_path / "settings.json"


def saved(config: Path) -> dict[str, str]:
    """Return the content of the file once the threads that write it are done."""
    for thread in threading.enumerate():
        if thread.name == "settings":
            thread.join()
    return json.loads(config.read_text())


async def test_a_theme_given_as_an_option_is_not_saved(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTUAL_THEME", "dracula")  # the option is more specific
    app = make_app(scripted.running().source(), preferences=load_preferences("nord", False))
    async with app.run_test(size=(140, 45)) as pilot:
        assert app.theme == "nord"
        await settle(pilot)
        assert not config.exists()
        await press(pilot, "g")
    assert saved(config) == {"layout": "one"}
    assert load_preferences(None, False).settings.theme == Settings().theme


async def test_a_theme_chosen_in_the_app_is_saved(config: Path) -> None:
    app = make_app(preferences=load_preferences("nord", False))
    async with app.run_test(size=(140, 45)) as pilot:
        app.theme = "gruvbox"
        await settle(pilot)
    assert saved(config) == {"theme": "gruvbox"}


async def test_settings_that_another_process_has_changed_are_kept(config: Path) -> None:
    app = make_app(scripted.running().source(), preferences=load_preferences(None, False))
    SettingsFile().write(with_setting(Settings(), "notify", "off"), ["notify"])
    async with app.run_test(size=(140, 45)) as pilot:
        await press(pilot, "g")
    assert saved(config) == {"notify": "off", "layout": "one"}


def test_an_unknown_theme_lists_the_known_ones(config: Path) -> None:
    with pytest.raises(SetupError, match="--theme is 'nrod'; expected one of: convnext, "):
        load_preferences("nrod", False)
    assert not config.exists()
