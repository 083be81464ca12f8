"""Keys in keyboard layouts without Latin letters."""

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui import scripted
from tests.tui.disk import some_runs
from tests.tui.kit import make_app, press, screen_strips, settle, toasts
from tests.tui.test_run_list import reload
from tests.tui.test_terminal import OnTerminal


@pytest.mark.parametrize("key", ["й", "Σ", "ש", "ش", "ก", "中", "ctrl+с"])
async def test_a_key_that_is_not_latin_names_the_reason_once(key: str) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, key, key)
        assert len(pilot.app.screen.query("Toast")) == 1
        assert "is not bound. Key bindings use Latin letters" in toasts(pilot)


async def test_unbound_latin_keys_are_ignored_silently() -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "é", "ß", "Q", "ctrl+y", "f12", "section_sign")
        assert toasts(pilot) == ""


async def test_text_fields_take_all_letters(tmp_path: Path) -> None:
    some_runs(tmp_path)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, "slash", "й", "א", "١")
        assert isinstance(app.focused, Input)
        assert (app.focused.value, toasts(pilot)) == ("йא١", "")


@pytest.mark.parametrize("digit", ["٢", "２", "২"])
async def test_digits_of_all_scripts_are_digits(digit: str) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "2")
        expected = [str(strip) for strip in screen_strips(app)]
        await press(pilot, "1")
        await press(pilot, digit)
        assert [str(strip) for strip in screen_strips(app)] == expected
        assert toasts(pilot) == ""


@pytest.mark.parametrize("sequence", ["\x1b[1081::113;1;1081u", "\x1b[1089::99;5u"])
def test_a_terminal_that_reports_places_needs_no_other_layout(
    sequence: str, tmp_path: Path
) -> None:
    """The Russian keys in the places of q and of c, the latter with ctrl."""
    app = OnTerminal([], tmp_path)
    try:
        app.read_until(b"No runs yet")
        assert b"\x1b[=4;2u" in app.output
        app.type("й".encode())
        app.read_until("Key 'й' is not bound".encode())
        app.type(sequence.encode())
        assert app.process.wait(30) == 0
    finally:
        app.process.close()
