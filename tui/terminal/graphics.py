"""How pictures get onto a terminal: half-blocks everywhere, graphics where the terminal has them.

The terminal isn't asked: while the app runs its answers would be taken for keys, and before that
the first frame would wait for them. What it says of itself in the environment must do.
"""

import fcntl
import io
import os
import struct
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from textual.widget import Widget

HALF_BLOCKS, KITTY, SIXEL = "half-blocks", "kitty", "sixel"
SETTINGS = ("auto", HALF_BLOCKS, KITTY, SIXEL)

_MULTIPLEXERS = ("tmux", "screen", "zellij")
# With Unicode placeholders, which is what keeps a picture in its place among text.
_KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
_KITTY_PROGRAMS = ("ghostty",)
_SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")
_SIXEL_PROGRAMS = ("WezTerm", "iTerm.app", "mintty", "contour")


def choose(environment: Mapping[str, str], setting: str = "auto") -> str:
    """Return how to draw pictures: what the setting says, else what the terminal can do."""
    if setting in SETTINGS[1:]:
        return setting
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    inside = any(environment.get(name) for name in ("TMUX", "STY", "ZELLIJ"))
    if inside or term.startswith(_MULTIPLEXERS) or program in _MULTIPLEXERS:
        return HALF_BLOCKS
    if environment.get("NO_COLOR"):
        return HALF_BLOCKS  # kitty's placeholders say by their colour which picture is meant
    if environment.get("KITTY_WINDOW_ID") or term in _KITTY_TERMS or program in _KITTY_PROGRAMS:
        return KITTY
    if term.startswith(_SIXEL_TERMS) or program in _SIXEL_PROGRAMS:
        return SIXEL
    return HALF_BLOCKS


def cell_pixels() -> tuple[int, int] | None:
    """Return width and height of a cell in pixels, where the terminal's driver knows them."""
    try:
        packed = fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, bytes(8))  # type: ignore[union-attr]
    except (OSError, ValueError, AttributeError):
        return None
    rows, columns, width, height = struct.unpack("HHHH", packed)
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return width // columns, height // rows


def usable(kind: str) -> str:
    """Return a way to draw that can be used: sixels need to know how large a cell is."""
    return HALF_BLOCKS if kind == SIXEL and cell_pixels() is None else kind


class PictureView(Widget):
    """A widget that shows a picture."""

    def put(self, image: Any) -> None:
        """Show this picture of Pillow's, or none."""


def make_picture(kind: str) -> PictureView:
    """Return what shows pictures in this way. To be called in the app's thread."""
    with _asking_nothing():
        from tui.widgets import image as picture

    view: PictureView = picture.CLASSES[kind]()
    return view


@contextmanager
def _asking_nothing() -> Iterator[None]:
    """The library asks the terminal while it is imported, unless its output is a file; what it
    would like to know of a cell it takes from the environment then."""
    pixels = cell_pixels()
    terminal, sys.__stdout__ = sys.__stdout__, io.StringIO()  # type: ignore[misc, assignment]
    names = ("TEXTUAL_CELL_WIDTH", "TEXTUAL_CELL_HEIGHT")
    given = {} if pixels is None else dict(zip(names, map(str, pixels), strict=True))
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        sys.__stdout__ = terminal  # type: ignore[misc]
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
