"""Print images with captions to a terminal, two pixels per cell."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Console, Group
from rich.style import Style
from rich.text import Text

from core.common.text import printable

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH = 28
"""Columns of an image."""


def half_blocks(image: "Image", width: int = WIDTH, height: int | None = None) -> Text:
    """Return an image as half-block characters, the upper pixel as foreground and the lower one as
    background color. `height` limits the rows; the aspect ratio is kept.
    """
    scale = width / image.width
    if height is not None:
        scale = min(scale, 2 * height / image.height)
    columns = max(1, round(image.width * scale))
    lines = max(1, round(image.height * scale / 2))
    pixels = image.convert("RGB").resize((columns, 2 * lines)).tobytes().hex()
    text = Text(no_wrap=True)
    for line in range(lines):
        for column in range(columns):
            upper, lower = (
                f"#{pixels[6 * p : 6 * p + 6]}" for p in _pixel_indices(line, column, columns)
            )
            text.append("▀", Style(color=upper, bgcolor=lower))
        text.append("\n")
    return text


def print_images(console: Console, items: Iterable[tuple["Image | None", Sequence[str]]]) -> None:
    """Print images side by side, each with its caption below."""
    tiles = [_tile(image, lines) for image, lines in items]
    console.print(Columns(tiles, padding=(1, 2)))


def _tile(image: "Image | None", lines: Sequence[str]) -> Group:
    caption = [Text(printable(line), no_wrap=True, overflow="ellipsis") for line in lines]
    for line in caption:
        line.truncate(WIDTH, overflow="ellipsis", pad=True)
    shown = half_blocks(image, WIDTH, WIDTH // 2) if image else Text("(no image)\n")
    return Group(shown, *caption)


def _pixel_indices(line: int, column: int, columns: int) -> tuple[int, int]:
    upper = 2 * line * columns + column
    return upper, upper + columns
