"""The charts' colours: Okabe and Ito's, told apart with every kind of colour vision."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they stand for; each has a sign beside it wherever it is used."""

    train: Colour
    val: Colour
    best: Colour
    bad: Colour
    mark: Colour
    faint: Colour
    """Raw points behind a smoothed line."""
    star: Colour
    """Runs that a person has starred."""
    runs: tuple[Colour, ...]
    """Runs that are compared."""


DARK = Palette(
    train=(86, 180, 233),
    val=(230, 159, 0),
    best=(0, 158, 115),
    bad=(213, 94, 0),
    mark=(204, 121, 167),
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
    mark=(160, 70, 120),
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


def rgb(colour: Colour) -> str:
    """Return a colour as rich and Textual write it."""
    return f"rgb({colour[0]},{colour[1]},{colour[2]})"


# Where a terminal has sixteen colours the nearest is taken: on white, cyan and yellow, which can
# hardly be seen there, for blue and orange.
_FEW_ON_LIGHT = replace(
    LIGHT,
    train=(0, 0, 170),
    val=(170, 0, 170),
    bad=(170, 0, 0),
    mark=(85, 85, 85),
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


def palette_for(dark: bool, few: bool = False) -> Palette:
    """Return the colours that stand out from a dark or a light background; `few` where the
    terminal has only sixteen."""
    if dark:
        return DARK
    return _FEW_ON_LIGHT if few else LIGHT


def palette_of(app: "App[Any]") -> Palette:
    """Return the colours for an app's theme and terminal."""
    return palette_for(app.current_theme.dark, app.console.color_system == "standard")
