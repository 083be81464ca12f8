"""Images of a run for the screen: decoded in a thread, bounded, never trusted."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.common.errors import DataError, os_error_text
from core.data.source import Location
from core.data.sources import parse_location, source_of

# Pillow is imported where an image is decoded: in a thread, and only when needed.
if TYPE_CHECKING:
    from PIL.Image import Image

    from core.data.value_range import ValueRanges

MAX_FILE_BYTES = 64 << 20
MAX_PIXELS = 50_000_000
MAX_SIDE = 640
"""Maximum side (pixels) that a terminal can show."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image of at most `MAX_SIDE` pixels per side, or the reason why there is none."""

    image: "Image | None"
    problem: str = ""


def load(file: Location, ranges: "ValueRanges | None" = None) -> LoadedImage:
    """Decode an image that may be damaged, huge or missing. Takes a moment; never fails.

    `ranges` are as in `core.data.decode.read_rgb`.
    """
    data = _bytes(file)
    if isinstance(data, str):
        return LoadedImage(None, data)
    from core.data.decode import UnreadableImage, read_rgb

    try:
        too_large = _too_large(data)
        if too_large:
            return LoadedImage(None, too_large)
        image = read_rgb(data, draft=MAX_SIDE, ranges=ranges)
        image.thumbnail((MAX_SIDE, MAX_SIDE))
    except UnreadableImage as error:
        return LoadedImage(None, f"can't be read: {error}")
    return LoadedImage(image)


def load_sheet(file: Location, side: int, columns: int, count: int) -> list[LoadedImage]:
    """Decode a sample sheet and cut it into its images, each `side` pixels wide and high."""
    data = _bytes(file)
    if isinstance(data, str):
        return [LoadedImage(None, data)] * count
    from core.data.decode import UnreadableImage, read_rgb

    try:
        too_large = _too_large(data)
        if too_large:
            return [LoadedImage(None, too_large)] * count
        sheet = read_rgb(data)
    except UnreadableImage as error:
        return [LoadedImage(None, f"can't be read: {error}")] * count
    return [_cut(sheet, side, columns, number) for number in range(count)]


def _cut(sheet: "Image", side: int, columns: int, number: int) -> LoadedImage:
    row, column = divmod(number, max(1, columns))
    box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
    if side < 1 or box[2] > sheet.width or box[3] > sheet.height:
        return LoadedImage(None, "is outside its sheet")
    return LoadedImage(sheet.crop(box))


def _too_large(data: bytes) -> str:
    """Return why an image is not decoded, judging by the size in its header."""
    from core.data.decode import UnreadableImage, image_size

    try:
        width, height = image_size(data)
    except UnreadableImage:
        raise UnreadableImage("damaged or not an image in a supported format") from None
    if width * height > MAX_PIXELS:
        return f"is too large to be shown: {width} x {height} pixels"
    return ""


def _bytes(file: Location) -> bytes | str:
    """Return the content of a file, or the reason why it is not read; does not block on pipes."""
    if not isinstance(file, Path):
        try:
            return source_of(file).read(file, MAX_FILE_BYTES, retry=False)
        except DataError as error:
            return str(error)
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return "can't be read here: there is no such file (moved, or on another machine?)"
    except (OSError, ValueError) as error:
        return f"can't be read here: {os_error_text(error)}"
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return "is not a file"
        if status.st_size > MAX_FILE_BYTES:
            return f"is too large to be shown: {status.st_size >> 20} MB"
        with os.fdopen(os.dup(handle), "rb") as opened:
            return opened.read(MAX_FILE_BYTES)
    except OSError as error:
        return f"can't be read here: {os_error_text(error)}"
    finally:
        os.close(handle)


def resolve_image(root: str, path: str) -> Location | None:
    """Return the location of an image in the data root, or None for a path that leads out of it, as
    only a damaged journal has."""
    parts = Path(path).parts
    if not path or Path(path).is_absolute() or ".." in parts:
        return None
    try:
        return parse_location(root) / path
    except DataError:
        return None
