"""Palettes on terminals with sixteen colors."""

import pytest
from rich.color import Color, ColorSystem

from tui.preferences.palettes import palette_for, rgb
from tui.preferences.themes import themes_for

_YELLOW, _CYAN = 3, 6
_WHITE, _GRAY = 15, 7


def nearest(color: tuple[int, int, int]) -> int | None:
    return Color.parse(rgb(color)).downgrade(ColorSystem.STANDARD).number


@pytest.mark.parametrize("dark", [True, False])
def test_train_and_val_differ_with_sixteen_colors(dark: bool) -> None:
    palette = palette_for(dark, few=True)
    assert nearest(palette.train) != nearest(palette.val)


def test_on_white_no_color_becomes_cyan_or_yellow() -> None:
    palette = palette_for(dark=False, few=True)
    shown = {nearest(c) for c in (palette.train, palette.val, palette.best, palette.bad)}
    assert not shown & {_YELLOW, _CYAN, _GRAY, _WHITE}


def test_failures_warnings_and_results_differ_on_black() -> None:
    palette = palette_for(dark=True, few=True)
    colors = (palette.train, palette.val, palette.best, palette.bad, palette.marker)
    assert len({nearest(color) for color in colors}) == len(colors)
    dark = themes_for(few=True)[0]
    shown = [dark.primary, dark.success, dark.warning, dark.error, dark.panel, dark.background]
    numbers = [Color.parse(str(name)).downgrade(ColorSystem.STANDARD).number for name in shown]
    assert len(set(numbers)) == len(shown)


def test_themes_keep_their_names_with_few_colors() -> None:
    assert [t.name for t in themes_for(few=True)] == [t.name for t in themes_for(few=False)]


@pytest.mark.parametrize("dark", [True, False])
def test_without_colors_failures_are_as_visible_as_results(dark: bool) -> None:
    palette = palette_for(dark, gray=True)
    assert palette.bad == palette.best == palette.val != palette.train
    assert all((part > 200) == dark for part in palette.bad)
