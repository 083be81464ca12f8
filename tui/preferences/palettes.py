"""Chart colors: the Okabe-Ito palette, distinguishable with all kinds of color vision."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colors by meaning; each is paired with a symbol wherever it is used."""

    train: Color
    val: Color
    best: Color
    bad: Color
    marker: Color
    faint: Color
    """Raw points behind a smoothed line."""
    star: Color
    """Starred runs."""
    runs: tuple[Color, ...]
    """Compared runs."""


DARK = Palette(
    train=(86, 180, 233),
    val=(230, 159, 0),
    best=(0, 158, 115),
    bad=(213, 94, 0),
    marker=(204, 121, 167),
    faint=(70, 104, 128),
    star=(240, 228, 66),
    runs=(
        (86, 180, 233),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (240, 228, 66),
        (213, 94, 0),
        (120, 140, 255),
        (170, 170, 170),
    ),
)
LIGHT = Palette(
    train=(0, 114, 178),
    val=(190, 90, 0),
    best=(0, 120, 85),
    bad=(180, 32, 0),
    marker=(160, 70, 120),
    faint=(150, 185, 205),
    star=(130, 120, 0),
    runs=(
        (0, 114, 178),
        (190, 90, 0),
        (0, 120, 85),
        (160, 70, 120),
        (130, 120, 0),
        (180, 32, 0),
        (70, 80, 200),
        (90, 90, 90),
    ),
)


def rgb(color: Color) -> str:
    """Return a color as rich and Textual write it."""
    return f"rgb({color[0]},{color[1]},{color[2]})"


# With sixteen colors the terminal picks the nearest: on white, cyan and yellow are barely visible,
# so blue and orange are used.
_FEW_ON_LIGHT = replace(
    LIGHT,
    train=(0, 0, 170),
    val=(170, 0, 170),
    bad=(170, 0, 0),
    marker=(85, 85, 85),
    star=(170, 0, 170),
    runs=(
        (0, 0, 170),
        (170, 0, 170),
        (170, 0, 0),
        (0, 0, 0),
        (0, 170, 0),
        (85, 85, 85),
        (0, 170, 170),
        (85, 85, 255),
    ),
)
# And on black, orange and green become brown and a dark cyan.
_FEW_ON_DARK = replace(
    DARK,
    train=(85, 255, 255),
    val=(255, 255, 85),
    best=(85, 255, 85),
    bad=(255, 85, 85),
    marker=(255, 85, 255),
    star=(255, 255, 85),
    runs=(
        (85, 255, 255),
        (255, 255, 85),
        (85, 255, 85),
        (255, 85, 255),
        (255, 255, 255),
        (255, 85, 85),
        (85, 85, 255),
        (170, 170, 170),
    ),
)


def _gray(palette: Palette, strong: int, weak: int) -> Palette:
    color, other = (strong, strong, strong), (weak, weak, weak)
    return replace(
        palette,
        train=other,
        val=color,
        best=color,
        bad=color,
        marker=color,
        star=color,
        runs=(color, other) * (len(palette.runs) // 2),
    )


# Without colors all are grays of their brightness, and failures would be the darkest ones.
_GRAY_ON_DARK, _GRAY_ON_LIGHT = _gray(DARK, 230, 165), _gray(LIGHT, 30, 105)


def palette_for(dark: bool, few: bool = False, gray: bool = False) -> Palette:
    """Return colors that contrast with a dark or light background; `few` if the terminal has only
    sixteen, `gray` if it is to show none."""
    if gray:
        return _GRAY_ON_DARK if dark else _GRAY_ON_LIGHT
    if dark:
        return _FEW_ON_DARK if few else DARK
    return _FEW_ON_LIGHT if few else LIGHT


def palette_of(app: "App[Any]") -> Palette:
    """Return the colors for the theme and the terminal of an app."""
    return palette_for(app.current_theme.dark, has_few_colors(app), app.no_color)


def has_few_colors(app: "App[Any]") -> bool:
    """Return whether the terminal of an app has only sixteen colors."""
    return app.console.color_system == "standard"
