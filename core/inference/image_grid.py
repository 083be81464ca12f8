"""Sample predictions as one picture: a tile each, with the class and how sure the network is."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.common.errors import DataError
from core.common.text import printable
from core.data.decode import UnreadableImage, read_rgb
from core.inference.prediction_rows import Row
from core.inference.read_file import read_bytes

TILE, CAPTION, MARGIN = 160, 36, 6
_BACKGROUND, _TEXT, _NOTHING = (24, 24, 27), (245, 245, 245), (63, 63, 70)
_UNSURE, _HALF, _SURE = (192, 57, 43), (183, 121, 31), (39, 124, 68)


def confidence_colour(confidence: float) -> tuple[int, int, int]:
    """Return a colour from red (0) over amber (0.5) to green (1); white text reads on all."""
    share = min(1.0, max(0.0, confidence))
    low, high, place = (_UNSURE, _HALF, 2 * share) if share < 0.5 else (_HALF, _SURE, 2 * share - 1)
    red, green, blue = (round(a + (b - a) * place) for a, b in zip(low, high, strict=True))
    return red, green, blue


def thumbnail(path: str, side: int) -> Image.Image | None:
    """Return a picture whose longer side is `side` pixels, or None where it can't be read."""
    try:
        picture = read_rgb(read_bytes(path), draft=side)
    except (UnreadableImage, DataError):
        return None
    return ImageOps.contain(picture, (side, side))


def draw_grid(rows: Sequence[Row]) -> Image.Image:
    """Return a picture with a tile a row; files are read anew."""
    columns = max(1, math.ceil(math.sqrt(len(rows))))
    lines = max(1, math.ceil(len(rows) / columns))
    width, height = TILE + MARGIN, TILE + CAPTION + MARGIN
    sheet = Image.new("RGB", (columns * width + MARGIN, lines * height + MARGIN), _BACKGROUND)
    for number, row in enumerate(rows):
        line, column = divmod(number, columns)
        sheet.paste(_tile(row), (column * width + MARGIN, line * height + MARGIN))
    return sheet


def _tile(row: Row) -> Image.Image:
    colour = confidence_colour(row.confidence) if row.ranked else _NOTHING
    tile = Image.new("RGB", (TILE, TILE + CAPTION), colour)
    picture = thumbnail(row.path, TILE)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, TILE, TILE), fill=_NOTHING)
    if picture is not None:
        tile.paste(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
    said = f"{row.confidence:.1%}" if row.ranked else row.error
    font = ImageFont.load_default(13)
    for place, text in enumerate((row.label or "unreadable", said)):
        draw.text((5, TILE + 2 + 16 * place), _cut(printable(text), font), fill=_TEXT, font=font)
    return tile


def _cut(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont") -> str:
    if font.getlength(text) <= TILE - 10:
        return text
    while text and font.getlength(text + "…") > TILE - 10:
        text = text[:-1]
    return text + "…"
