"""Decode image files to upright RGB images; a damaged file raises UnreadableImage."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageCms, UnidentifiedImageError
from PIL import __version__ as _PILLOW_VERSION

from core.common.color import parse_color
from core.common.errors import UserError
from core.common.files import read_regular_file
from core.data.deep_pixels import NoValues, describe_deep, gray_to_8_bits, to_8_bits
from core.data.image_format import HEAD_BYTES, HEIC, image_format
from core.data.orientation import upright
from core.data.strip_metadata import without_metadata
from core.data.value_range import ValueRanges, ValueStats

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
MAX_BYTES = 1 << 30
"""Maximum size of a file that is read into memory."""

DECODERS = f"pillow-{_PILLOW_VERSION}-heif-{_HEIF_VERSION}"
"""The packages that decide which files are readable, and their pixels: part of cache keys."""
HAS_HEIF = _HEIF_VERSION != "none"
WHITE = "white"
EACH_ALONE: ValueRanges = {}
"""Value ranges of images without siblings: each is converted by its own values."""
NO_HEIF = "a HEIC image: to read it, pip install 'convnext-tui[heic]'"
_NO_VALUES = "none of its values is a finite number"
_DEEP_GRAY_MODES = {"I;16", "I;16L", "I;16B", "I;16N", "I"}
_TRUNCATED = ("truncated", "unexpected end", "premature end", "broken data stream", "not enough")
_UNSUPPORTED = ("unsupported", "not supported", "unknown pixel mode", "cannot handle")


class UnreadableImage(UserError):
    """A file that doesn't decode as a complete image; the message is the reason."""

    may_be_intact = False
    """Whether the file itself may be in order: its storage, the memory or a package is missing."""


@dataclass(frozen=True, slots=True)
class Header:
    """Format and size from the header of an image file, and its values if it is deep."""

    format: str
    """Pillow's name: `JPEG`, `PNG`, …"""
    width: int
    height: int
    mode: str
    values: ValueStats | None = None
    """Values of a deep image, if its range was decided from them."""
    clipped: float = 0.0
    """Fraction of pixels outside a given value range."""


def silence_pillow() -> None:
    """Suppress Pillow's warnings in this process.

    They lack the file name; problems that matter are reported with it by the caller.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def read_rgb(
    source: Path | bytes,
    draft: int = 0,
    background: str = WHITE,
    ranges: ValueRanges | None = None,
) -> Image.Image:
    """Return an image in mode RGB with its EXIF orientation applied.

    Transparent pixels are composited on `background` (a color name of Pillow or `#rrggbb`);
    animations give their first frame. With `draft` > 0 a JPEG may be decoded at a reduced size of
    at least `draft` pixels per side, which still reads the whole file. Deep images are converted
    by the range of their kind in `ranges`, or their own (`EACH_ALONE`); with None by the range of
    the data type, as in runs from before `data.value_range`. Raises UnreadableImage, also for more
    than MAX_PIXELS.
    """
    return decode(source, draft, background, ranges)[0]


def decode(
    source: Path | bytes,
    draft: int = 0,
    background: str = WHITE,
    ranges: ValueRanges | None = None,
) -> tuple[Image.Image, Header]:
    """Return the image as `read_rgb` does, and the header of its file."""
    try:
        return _decode(source, draft, background, ranges)
    except UnreadableImage:
        raise
    except Exception as error:  # Pillow's decoders raise almost anything on malformed input
        failure = error
    if not _may_be_intact(failure):
        for stripped in without_metadata(_content(source)):
            try:
                return _decode(stripped, draft, background, ranges)
            except UnreadableImage:
                raise
            except Exception as error:
                failure = error
    lacks_package = isinstance(failure, UnidentifiedImageError) and _format(source) == HEIC
    unreadable = UnreadableImage(NO_HEIF if lacks_package else _reason(failure, source))
    unreadable.may_be_intact = lacks_package or _may_be_intact(failure)
    raise unreadable from None


def image_size(source: Path | bytes) -> tuple[int, int]:
    """Return width and height from the header. Raises UnreadableImage."""
    try:
        with _open(source) as image:
            return image.size
    except Exception as error:
        failure = error
    for stripped in without_metadata(_content(source)):
        with suppress(Exception), _open(stripped) as image:
            return image.size
    raise UnreadableImage(_reason(failure, source)) from None


def upright_rgb(
    image: Image.Image, background: str = WHITE, ranges: ValueRanges | None = None
) -> Image.Image:
    """Convert an opened image to RGB, with EXIF orientation applied, transparency on `background`
    and `ranges` as in `read_rgb`. Raises UnreadableImage for an image without a finite value."""
    deep = describe_deep(image) if ranges is not None else None
    image.load()  # damaged pixels are an error, unlike a damaged orientation
    if deep is None or ranges is None or deep.is_color:
        return _to_rgb(upright(image), background)
    try:
        return _to_rgb(gray_to_8_bits(image, deep, ranges), background)
    except NoValues:
        raise UnreadableImage(_NO_VALUES) from None


def _decode(
    source: Path | bytes, draft: int, background: str, ranges: ValueRanges | None
) -> tuple[Image.Image, Header]:
    with _open(source) as image:
        width, height = image.size
        read_as = image.format or "", width, height, image.mode
        if width * height > MAX_PIXELS:
            raise UnreadableImage(f"{width} x {height} pixels are more than {MAX_PIXELS:,}")
        if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
            # A transform that resizes the short side would make it huge.
            raise UnreadableImage(
                f"{width} x {height} pixels: aspect ratio above {MAX_ASPECT_RATIO}:1"
            )
        if draft:
            image.draft("RGB", (draft, draft))
        deep = describe_deep(image) if ranges is not None else None
        if deep is None or ranges is None:
            return upright_rgb(image, background), Header(*read_as)
        shades, values, clipped = to_8_bits(image, deep, ranges, lambda: _open(source))
        return _to_rgb(shades, background), Header(*read_as, values, clipped)


def _open(source: Path | bytes) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _content(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return read_regular_file(source, MAX_BYTES)
    except (OSError, ValueError):
        return b""


def _format(source: Path | bytes) -> str:
    if isinstance(source, bytes):
        return image_format(source[:HEAD_BYTES])
    with suppress(OSError), source.open("rb") as file:
        return image_format(file.read(HEAD_BYTES))
    return ""


def _may_be_intact(error: Exception) -> bool:
    # The errors of Pillow's decoders are OSErrors, too; only those of the system have a number.
    is_of_system = isinstance(error, OSError) and error.errno is not None
    return is_of_system or isinstance(error, MemoryError)


def _reason(error: Exception, source: Path | bytes) -> str:
    """Return why an image can't be read, without the words of the libraries that read it."""
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, NoValues):
        return _NO_VALUES
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS:,} pixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnidentifiedImageError):
        name = _format(source)
        if not name:
            return "not an image in a supported format"
        return f"a {name} image that is damaged or has an unsupported kind of pixels"
    message = str(error).lower()
    if any(word in message for word in _TRUNCATED):
        return "the image data is truncated or damaged"
    if any(word in message for word in _UNSUPPORTED):
        return "its kind of pixels is not supported"
    return "the image data is damaged"


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
