"""Draw predictions as a grid of images with labels and confidences."""

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from core.common.errors import DataError
from core.common.text import printable
from core.data.decode import EACH_ALONE, UnreadableImage, read_rgb
from core.inference.prediction_rows import PredictionRow
from core.inference.read_file import read_bytes

TILE, CAPTION, MARGIN = 160, 36, 6
_BACKGROUND, _TEXT, _EMPTY = (24, 24, 27), (245, 245, 245), (63, 63, 70)
_LOW, _MEDIUM, _HIGH = (192, 57, 43), (183, 121, 31), (39, 124, 68)


def confidence_color(confidence: float) -> tuple[int, int, int]:
    """Return an RGB color from red (0) over amber (0.5) to green (1), all readable under white
    text."""
    share = min(1.0, max(0.0, confidence))
    if share < 0.5:
        low, high, weight = _LOW, _MEDIUM, 2 * share
    else:
        low, high, weight = _MEDIUM, _HIGH, 2 * share - 1
    red, green, blue = (round(a + (b - a) * weight) for a, b in zip(low, high, strict=True))
    return red, green, blue


def thumbnail(path: str, size: int) -> Image.Image | None:
    """Return an image whose longer side is `size` pixels, or None if it can't be read."""
    try:
        image = read_rgb(read_bytes(path), draft=size, ranges=EACH_ALONE)
    except (UnreadableImage, DataError):
        return None
    return ImageOps.contain(image, (size, size))


def draw_grid(rows: Sequence[PredictionRow]) -> Image.Image:
    """Return a grid with a tile per row; the images are read from their files."""
    columns = max(1, math.ceil(math.sqrt(len(rows))))
    lines = max(1, math.ceil(len(rows) / columns))
    width, height = TILE + MARGIN, TILE + CAPTION + MARGIN
    sheet = Image.new("RGB", (columns * width + MARGIN, lines * height + MARGIN), _BACKGROUND)
    for number, row in enumerate(rows):
        line, column = divmod(number, columns)
        sheet.paste(_tile(row), (column * width + MARGIN, line * height + MARGIN))
    return sheet


def _tile(row: PredictionRow) -> Image.Image:
    color = confidence_color(row.confidence) if row.ranked else _EMPTY
    tile = Image.new("RGB", (TILE, TILE + CAPTION), color)
    image = thumbnail(row.path, TILE)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, TILE, TILE), fill=_EMPTY)
    if image is not None:
        tile.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    detail = f"{row.confidence:.1%}" if row.ranked else row.error
    font = ImageFont.load_default(13)
    for line, text in enumerate((row.label or "unreadable", detail)):
        draw.text((5, TILE + 2 + 16 * line), _cut(printable(text), font), fill=_TEXT, font=font)
    return tile


def _cut(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont") -> str:
    if font.getlength(text) <= TILE - 10:
        return text
    while text and font.getlength(text + "…") > TILE - 10:
        text = text[:-1]
    return text + "…"
