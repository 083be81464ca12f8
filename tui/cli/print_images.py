"""Pictures with a line below each, printed once to a terminal, two pixels a cell."""

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
"""Columns of a picture."""


def half_blocks(image: "Image", width: int = WIDTH, height: int | None = None) -> Text:
    """Return a picture as text: the upper half of each cell in the text's colour, the lower half
    in that of its background. `height` cells at most; as the picture's shape has it if not given.
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
            upper, lower = (f"#{pixels[6 * p : 6 * p + 6]}" for p in _places(line, column, columns))
            text.append("▀", Style(color=upper, bgcolor=lower))
        text.append("\n")
    return text


def print_images(console: Console, items: Iterable[tuple["Image | None", Sequence[str]]]) -> None:
    """Print pictures beside each other, each with its lines of text below."""
    tiles = [_tile(image, lines) for image, lines in items]
    console.print(Columns(tiles, padding=(1, 2)))


def _tile(image: "Image | None", lines: Sequence[str]) -> Group:
    below = [Text(printable(line), no_wrap=True, overflow="ellipsis") for line in lines]
    for line in below:
        line.truncate(WIDTH, overflow="ellipsis", pad=True)
    picture = half_blocks(image, WIDTH, WIDTH // 2) if image else Text("(no picture)\n")
    return Group(picture, *below)


def _places(line: int, column: int, columns: int) -> tuple[int, int]:
    upper = 2 * line * columns + column
    return upper, upper + columns
