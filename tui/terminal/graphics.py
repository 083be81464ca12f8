"""Choose how images are drawn on a terminal: half blocks everywhere, graphics protocols where
supported.

The terminal is not queried: while the app runs its answers would be read as keys, and before that
the first frame would wait for them. The choice relies on the environment.
"""

import fcntl
import struct
import sys
import termios
from collections.abc import Mapping

HALF_BLOCKS, KITTY, SIXEL = "half-blocks", "kitty", "sixel"
SETTINGS = ("auto", HALF_BLOCKS, KITTY, SIXEL)

_MULTIPLEXERS = ("tmux", "screen", "zellij")
# With Unicode placeholders, which keep an image in its place among text.
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_KITTY_PROGRAMS = ("ghostty",)
_SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")
_SIXEL_PROGRAMS = ("WezTerm", "iTerm.app", "mintty", "contour")


def choose_mode(environment: Mapping[str, str], setting: str = "auto") -> str:
    """Return how to draw images: as set, or else what the terminal supports."""
    if setting in SETTINGS[1:]:
        return setting
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    inside = any(environment.get(name) for name in ("TMUX", "STY", "ZELLIJ"))
    if inside or term.startswith(_MULTIPLEXERS) or program in _MULTIPLEXERS:
        return HALF_BLOCKS
    if environment.get("NO_COLOR"):
        return HALF_BLOCKS  # kitty's placeholders identify the image by their color
    if environment.get("KITTY_WINDOW_ID") or term in _KITTY_TERMS or program in _KITTY_PROGRAMS:
        return KITTY
    if term.startswith(_SIXEL_TERMS) or program in _SIXEL_PROGRAMS:
        return SIXEL
    return HALF_BLOCKS


def cell_pixels() -> tuple[int, int] | None:
    """Return width and height of a cell in pixels, if the terminal driver knows them."""
    try:
        packed = fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, bytes(8))  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        return None
    rows, columns, width, height = struct.unpack("HHHH", packed)
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return width // columns, height // rows


def usable_mode(mode: str, has_true_color: bool = True) -> str:
    """Return a usable graphics mode: sixels need the cell size, and placeholders of kitty all
    colors, as the color is the id of the image."""
    usable = {SIXEL: cell_pixels() is not None, KITTY: has_true_color}
    return mode if usable.get(mode, True) else HALF_BLOCKS
