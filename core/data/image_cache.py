"""Cache of decoded images (`data.decode_once`): upright RGB bytes, resized for training.

An image is identical whether it comes from the cache or is decoded again, so the cache may be
full, missing or deleted at any time. Each image is a file named by its content hash: several
processes and runs share the folder, and a killed process leaves only complete files.
"""

import contextlib
import math
import os
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from core.data.decode import WHITE, image_size, read_rgb
from core.data.source import Location
from core.data.sources import source_of
from core.data.value_range import ValueRanges

_HEADER = struct.Struct("<4sIII")  # magic, width, height, CRC-32 of the pixels
_MAGIC = b"RGB1"
_SAMPLED_FILES = 64
REDUCING_GAP = 3.0
"""Factor from the final size to which Pillow first reduces an image fast."""


class ImageCache:
    """Reads images resized to a short side of `short` pixels; smaller ones keep their size."""

    def __init__(
        self,
        short: int,
        folder: Path | None,
        background: str = WHITE,
        ranges: ValueRanges | None = None,
    ) -> None:
        """`folder` is for one `background` color and the value `ranges` of `read_rgb`; None
        disables storing."""
        self.short = short
        self._background = background
        self._ranges = ranges
        self._folder = folder

    def read(self, file: Location, sha256: str) -> Image.Image:
        """Return an image in mode RGB; `sha256` is the hash of its file.

        Raises UnreadableImage, and DataError if the file can't be fetched.
        """
        cached = self._load(sha256)
        if cached is not None:
            return cached
        source = source_of(file).open(file, sha256)
        image = shrink(read_rgb(source, self.short, self._background, self._ranges), self.short)
        self._store(sha256, image)
        return image

    def _load(self, sha256: str) -> Image.Image | None:
        if self._folder is None:
            return None
        try:
            with self._path(self._folder, sha256).open("rb") as file:
                magic, width, height, checksum = _HEADER.unpack(file.read(_HEADER.size))
                pixels = file.read()
        except (OSError, struct.error):
            return None
        complete = magic == _MAGIC and len(pixels) == 3 * width * height > 0
        if not complete or zlib.crc32(pixels) != checksum:
            return None
        return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)

    def _store(self, sha256: str, image: Image.Image) -> None:
        if self._folder is None:
            return
        path = self._path(self._folder, sha256)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
            try:
                with os.fdopen(handle, "wb") as file:
                    pixels = image.tobytes()
                    file.write(_HEADER.pack(_MAGIC, *image.size, zlib.crc32(pixels)))
                    file.write(pixels)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError:
            self._folder = None  # full or deleted: a cache must never stop training

    @staticmethod
    def _path(folder: Path, sha256: str) -> Path:
        return folder / sha256[:2] / sha256


def shrink(image: Image.Image, short: int) -> Image.Image:
    """Resize an image to a short side of `short` pixels; return a smaller one unchanged."""
    scale = short / min(image.size)
    if scale >= 1:
        return image
    width, height = image.size
    size = max(short, round(width * scale)), max(short, round(height * scale))
    return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)


def cached_short_side(image_size: int, min_scale: float, crop_pct: float) -> int:
    """Return the short side in pixels that training needs.

    Neither the resize of the validation transform nor a random crop of `min_scale` of the area
    should scale up; more than twice the model's input size makes no visible difference.
    """
    wanted = max(image_size / crop_pct, image_size / math.sqrt(min_scale))
    return math.ceil(min(wanted, 2 * image_size))


def bytes_per_image(files: Sequence[Location], short: int) -> int:
    """Estimate the size of a cached image in bytes from the headers of some files."""
    sample = files[:: max(1, len(files) // _SAMPLED_FILES)]
    if not sample:
        return 0
    source = source_of(sample[0])

    def cached_size(file: Location) -> int:
        with contextlib.suppress(Exception):
            width, height = image_size(source.open(file))
            scale = min(1.0, short / min(width, height))
            return round(3 * width * height * scale * scale)
        return 0

    sizes = [size for size in source.map(cached_size, sample) if size]
    return sum(sizes) // len(sizes) if sizes else 0
