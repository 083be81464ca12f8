"""What one file of a data folder holds: a whole picture or not, of which kind, and like which."""

import builtins
import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.data.decode import UnreadableImage, read_whole

DRAFT = 64
"""Pixels a side to which a JPEG may be reduced as it is decoded, which is much faster."""
COLOR_GRID_SIDE = 4


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """All that is to be known of a file's content. Without `reason` it is a whole picture."""

    sha256: str
    bytes: int
    format: str = ""
    """As Pillow calls what is in it, whatever its name says."""
    width: int = 0
    height: int = 0
    mode: str = ""
    """Pillow's mode of the file: `RGB`, `L`, `CMYK`, …"""
    shape: int = 0
    """Perceptual hash of 64 bits: near for pictures of the same thing in the same place."""
    tone: builtins.bytes = b""
    """Mean colours of COLOR_GRID_SIDE x COLOR_GRID_SIDE fields, RGB bytes."""
    reason: str = ""
    """Why it can't be used."""


def inspect_image(data: bytes, sha256: str = "") -> ImageInfo:
    """Decode a file to its end and say what it holds; `sha256` is its hash where it is known."""
    digest = sha256 or hashlib.sha256(data).hexdigest()
    if not data:
        return ImageInfo(digest, 0, reason="the file is empty")
    try:
        picture, header = read_whole(data, draft=DRAFT)
    except UnreadableImage as error:
        return ImageInfo(digest, len(data), reason=str(error))
    except MemoryError:
        return ImageInfo(digest, len(data), reason="needs more memory than there is")
    return ImageInfo(
        digest,
        len(data),
        header.format,
        header.width,
        header.height,
        header.mode,
        _shape(picture),
        _tone(picture),
    )


def _shape(picture: Image.Image) -> int:
    from imagehash import phash  # it brings scipy along, for which no first frame should wait

    return int.from_bytes(np.packbits(phash(picture).hash).tobytes(), "big")


def _tone(picture: Image.Image) -> bytes:
    small = picture.resize((COLOR_GRID_SIDE, COLOR_GRID_SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8).tobytes()
