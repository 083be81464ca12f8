"""Decode once: pictures as upright RGB bytes of the size that training needs, on the disk.

What comes back is the same whether it was kept or decoded anew, so the cache may be full, away or
deleted at any time. Each picture is a file of its own, named by its content: several processes
and runs fill and read it side by side, and a kill leaves whole files only.
"""

import contextlib
import io
import math
import os
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from core.data.decode import WHITE, read_rgb
from core.data.storage import Location, mapped, to_decode

_HEADER = struct.Struct("<4sIII")  # magic, width, height, CRC-32 of the pixels
_MAGIC = b"RGB1"


class ImageCache:
    """Reads pictures reduced to a short side of `short` pixels; smaller ones stay as they are."""

    def __init__(self, short: int, folder: Path | None, background: str = WHITE) -> None:
        """`folder` keeps them, all on one `background`; None keeps nothing."""
        self.short = short
        self._background = background
        self._folder = folder

    def read(self, file: Location, content: str) -> Image.Image:
        """Return a picture in mode RGB; `content` is the SHA-256 of its file. Raises
        UnreadableImage, and DataError for one that can't be fetched."""
        kept = self._kept(content)
        if kept is not None:
            return kept
        picture = reduce(
            read_rgb(to_decode(file, content), self.short, self._background), self.short
        )
        self._keep(content, picture)
        return picture

    def _kept(self, content: str) -> Image.Image | None:
        if self._folder is None:
            return None
        try:
            with self._path(self._folder, content).open("rb") as file:
                magic, width, height, checksum = _HEADER.unpack(file.read(_HEADER.size))
                pixels = file.read()
        except (OSError, struct.error):
            return None
        whole = magic == _MAGIC and len(pixels) == 3 * width * height > 0
        if not whole or zlib.crc32(pixels) != checksum:
            return None
        return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)

    def _keep(self, content: str, picture: Image.Image) -> None:
        if self._folder is None:
            return
        path = self._path(self._folder, content)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    pixels = picture.tobytes()
                    file.write(_HEADER.pack(_MAGIC, *picture.size, zlib.crc32(pixels)))
                    file.write(pixels)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError:
            self._folder = None  # full or away: nobody waits for a cache

    @staticmethod
    def _path(folder: Path, content: str) -> Path:
        return folder / content[:2] / content


def reduce(picture: Image.Image, short: int) -> Image.Image:
    """Return a picture with a short side of `short` pixels; one that has less as it is."""
    scale = short / min(picture.size)
    if scale >= 1:
        return picture
    width, height = picture.size
    size = max(short, round(width * scale)), max(short, round(height * scale))
    return picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def cached_short_side(image_size: int, min_scale: float, crop_pct: float) -> int:
    """Return the short side (pixels) that training needs of a picture.

    Neither validation's resize nor a random crop of `min_scale` of the area should have to be
    scaled up; beyond twice the model's own side that gains nothing one could see.
    """
    wanted = max(image_size / crop_pct, image_size / math.sqrt(min_scale))
    return math.ceil(min(wanted, 2 * image_size))


def bytes_per_image(files: Sequence[Location], short: int) -> int:
    """Return about how many bytes a kept picture takes, by the headers of some files."""

    def kept(file: Location) -> int:
        with contextlib.suppress(Exception):
            source = to_decode(file, "")
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                scale = min(1.0, short / min(image.size))
                return round(3 * image.size[0] * image.size[1] * scale * scale)
        return 0

    some = files[:: max(1, len(files) // 64)]
    sizes = [size for size in mapped(some[0], kept, some) if size] if some else []
    return sum(sizes) // len(sizes) if sizes else 0
