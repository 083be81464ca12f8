"""Inspect the content of one image file: whether it decodes, its format and perceptual hash."""

import builtins
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.data.decode import EACH_ALONE, UnreadableImage, decode
from core.data.value_range import ValueStats

DRAFT = 64
"""Size in pixels to which a JPEG may be reduced while decoding, which is much faster."""
COLOR_GRID_SIDE = 4


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Properties of a file's content. It is a complete image unless there is a `reason`."""

    sha256: str
    bytes: int
    format: str = ""
    """Pillow's name of the actual format, whatever the file name says."""
    width: int = 0
    height: int = 0
    mode: str = ""
    """Pillow's mode of the file: `RGB`, `L`, `CMYK`, …"""
    phash: int = 0
    """64-bit perceptual hash: a small Hamming distance for images that look alike."""
    color_grid: builtins.bytes = b""
    """Mean colors of COLOR_GRID_SIDE x COLOR_GRID_SIDE cells, RGB bytes."""
    reason: str = ""
    """Why the image can't be used."""
    values: ValueStats | None = None
    """Values of a deep image: more than 8 bits per channel."""


def inspect_image(data: bytes, sha256: str = "") -> ImageInfo:
    """Decode a file completely and return its properties; `sha256` is its hash if known."""
    digest = sha256 or hashlib.sha256(data).hexdigest()
    if not data:
        return ImageInfo(digest, 0, reason="the file is empty")
    try:
        image, header = decode(data, draft=DRAFT, ranges=EACH_ALONE)
    except UnreadableImage as error:
        return ImageInfo(digest, len(data), reason=str(error))
    except MemoryError:
        return ImageInfo(digest, len(data), reason="not enough memory to decode it")
    return ImageInfo(
        digest,
        len(data),
        header.format,
        header.width,
        header.height,
        header.mode,
        _phash(image),
        _color_grid(image),
        values=header.values,
    )


def _phash(image: Image.Image) -> int:
    from imagehash import phash  # imports scipy, which must not delay the first frame

    return int.from_bytes(np.packbits(phash(image).hash).tobytes(), "big")


def _color_grid(image: Image.Image) -> bytes:
    small = image.resize((COLOR_GRID_SIDE, COLOR_GRID_SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8).tobytes()
