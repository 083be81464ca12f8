"""Decode image files to upright RGB images; a damaged file raises UnreadableImage."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL import __version__ as _PILLOW_VERSION

from core.common.color import parse_color
from core.common.errors import UserError

try:  # the extra `heic`; Pillow itself reads AVIF
    import pillow_heif

    pillow_heif.register_heif_opener()
    _HEIF_VERSION = str(pillow_heif.__version__)
except ImportError:
    _HEIF_VERSION = "none"

if TYPE_CHECKING:  # few images need numpy, and the first frame of the app doesn't
    import numpy as np

MAX_PIXELS = 178_956_970
"""Maximum size in pixels: twice Pillow's warning level, where Pillow itself raises an error."""
MAX_ASPECT_RATIO = 200
"""Maximum ratio of the long to the short side."""

DECODERS = f"pillow-{_PILLOW_VERSION}-heif-{_HEIF_VERSION}"
"""The packages that decide which files are readable, and their pixels: part of cache keys."""
WHITE = "white"
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_NO_HEIF = "a HEIC image: to read it, pip install 'convnext-tui[heic]'"
_DEEP_GRAY_MODES = {"I;16", "I;16L", "I;16B", "I;16N", "I"}


class UnreadableImage(UserError):
    """A file that doesn't decode as a complete image; the message is the reason."""

    may_be_intact = False
    """Whether the file itself may be in order: its storage, the memory or a package is missing."""


@dataclass(frozen=True, slots=True)
class Header:
    """Format and size from the header of an image file."""

    format: str
    """Pillow's name: `JPEG`, `PNG`, …"""
    width: int
    height: int
    mode: str


def silence_pillow() -> None:
    """Suppress Pillow's warnings in this process.

    They lack the file name; problems that matter are reported with it by the caller.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def read_rgb(source: Path | bytes, draft: int = 0, background: str = WHITE) -> Image.Image:
    """Return an image in mode RGB with its EXIF orientation applied.

    Transparent pixels are composited on `background` (a color name of Pillow or `#rrggbb`);
    animations give their first frame. With `draft` > 0 a JPEG may be decoded at a reduced size of
    at least `draft` pixels per side, which still reads the whole file. Raises UnreadableImage,
    also for more than MAX_PIXELS.
    """
    return decode(source, draft, background)[0]


def decode(
    source: Path | bytes, draft: int = 0, background: str = WHITE
) -> tuple[Image.Image, Header]:
    """Return the image as `read_rgb` does, and the header of its file."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            width, height = image.size
            header = Header(image.format or "", width, height, image.mode)
            if width * height > MAX_PIXELS:
                raise UnreadableImage(f"{width} x {height} pixels are more than {MAX_PIXELS:,}")
            if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
                # A transform that resizes the short side would make it huge.
                raise UnreadableImage(
                    f"{width} x {height} pixels: aspect ratio above {MAX_ASPECT_RATIO}:1"
                )
            if draft:
                image.draft("RGB", (draft, draft))
            image.load()
            return upright_rgb(image, background), header
    except UnreadableImage:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on malformed input
        lacks_package = isinstance(error, UnidentifiedImageError) and _is_heif(source)
        unreadable = UnreadableImage(_NO_HEIF if lacks_package else _reason(error))
        unreadable.may_be_intact = lacks_package or _may_be_intact(error)
        raise unreadable from None


def upright_rgb(image: Image.Image, background: str = WHITE) -> Image.Image:
    """Convert an opened image to RGB, with EXIF orientation applied and transparency on
    `background`."""
    return _to_rgb(_upright(image), background)


def _is_heif(source: Path | bytes) -> bool:
    start = b""
    if isinstance(source, bytes):
        start = source[:12]
    else:
        with suppress(OSError), source.open("rb") as file:
            start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def _may_be_intact(error: Exception) -> bool:
    # The errors of Pillow's decoders are OSErrors, too; only those of the system have a number.
    is_of_system = isinstance(error, OSError) and error.errno is not None
    return is_of_system or isinstance(error, MemoryError)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image format that Pillow reads"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image) or image
    except Exception:  # a damaged EXIF block doesn't affect the pixels
        return image


def _to_rgb(image: Image.Image, background: str) -> Image.Image:
    if image.mode in _DEEP_GRAY_MODES:
        return _deep_gray_to_rgb(image)
    if image.mode == "F":
        return _float_gray_to_rgb(image)
    if image.mode == "LAB":
        return _lab_to_rgb(image)
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data or image.mode == "RGBa":
        with_alpha = image.convert("RGBA")
        below = Image.new("RGBA", with_alpha.size, (*parse_color(background), 255))
        return Image.alpha_composite(below, with_alpha).convert("RGB")
    return image.convert("RGB")


def _float_gray_to_rgb(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.nan_to_num(np.asarray(image))
    scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
    return _gray_to_rgb(np.clip(values * scale, 0, 255))


def _deep_gray_to_rgb(image: Image.Image) -> Image.Image:
    import numpy as np

    # Pillow's convert() clips 16-bit values at 255, which turns nearly everything white.
    values = np.asarray(image).astype(np.float32)
    if image.mode != "I" or (values.size and values.max() > 255):
        values = values / 257.0
    return _gray_to_rgb(np.clip(values, 0, 255))


def _gray_to_rgb(values: np.ndarray) -> Image.Image:
    import numpy as np

    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted
