"""Reading a picture as RGB, upright, whatever its file holds; a damaged file is an error."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from core.common.color import rgb

with suppress(ImportError):  # the extra `heic`; Pillow itself reads AVIF
    from pillow_heif import register_heif_opener

    register_heif_opener()

if TYPE_CHECKING:  # few pictures need it, and the app's first frame none
    import numpy as np

MAX_PIXELS = 178_956_970
"""Largest picture in pixels: twice Pillow's own warning level, where Pillow itself refuses."""
MAX_ASPECT = 200
"""Longest side of a picture, in shortest sides."""

WHITE = "white"
_DEEP_GREY = {"I;16", "I;16L", "I;16B", "I;16N", "I"}


class UnreadableImage(ValueError):
    """A file that is no whole picture; the message says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's file says of itself."""

    format: str
    """As Pillow calls it: `JPEG`, `PNG`, …"""
    width: int
    height: int
    mode: str


def silence_pillow() -> None:
    """Have Pillow warn of no odd file in this process: whoever reads one says what matters of it,
    with the name that Pillow's warnings don't have."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def read_rgb(source: Path | bytes, draft: int = 0, background: str = WHITE) -> Image.Image:
    """Return a picture in mode RGB with its EXIF orientation applied, transparency on
    `background` (any colour that Pillow knows by name or `#rrggbb`).

    Animated files give their first frame. With `draft` > 0 a JPEG may be decoded at a reduced
    size, at least `draft` pixels a side: enough to know that the file is whole. Raises
    UnreadableImage for anything else than a whole picture of at most MAX_PIXELS.
    """
    return read_whole(source, draft, background)[0]


def read_whole(
    source: Path | bytes, draft: int = 0, background: str = WHITE
) -> tuple[Image.Image, Header]:
    """Return the same picture, and what its file said of it."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            width, height = image.size
            header = Header(image.format or "", width, height, image.mode)
            if width * height > MAX_PIXELS:
                raise UnreadableImage(f"{width} x {height} pixels are more than {MAX_PIXELS:,}")
            if max(width, height) > MAX_ASPECT * min(width, height):
                # A transform that scales its short side up would make it enormous.
                raise UnreadableImage(f"{width} x {height} pixels: a sliver, not a picture")
            if draft:
                image.draft("RGB", (draft, draft))
            image.load()
            return upright_rgb(image, background), header
    except UnreadableImage:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on malformed input
        raise UnreadableImage(_reason(error)) from None


def upright_rgb(image: Image.Image, background: str = WHITE) -> Image.Image:
    """Return an opened picture in mode RGB with its EXIF orientation applied, transparency on
    `background`."""
    return _to_rgb(_upright(image), background)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that Pillow knows"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    return " ".join(str(error).split()) or type(error).__name__


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image) or image
    except Exception:  # a broken EXIF block says nothing about the pixels
        return image


def _to_rgb(image: Image.Image, background: str) -> Image.Image:
    if image.mode in _DEEP_GREY:
        return _deep_grey(image)
    if image.mode == "F":
        return _real_grey(image)
    if image.mode == "LAB":
        return _lab(image)
    if image.has_transparency_data or image.mode in {"La", "RGBa"}:
        with_alpha = image.convert("RGBA")
        below = Image.new("RGBA", with_alpha.size, (*rgb(background), 255))
        return Image.alpha_composite(below, with_alpha).convert("RGB")
    return image.convert("RGB")


def _real_grey(image: Image.Image) -> Image.Image:
    import numpy as np

    values = np.nan_to_num(np.asarray(image))
    scale = 255.0 if values.size and values.max() <= 1.0 else 1.0
    return _grey(np.clip(values * scale, 0, 255))


def _deep_grey(image: Image.Image) -> Image.Image:
    import numpy as np

    # Pillow's convert() clips 16-bit values at 255: nearly everything turns white.
    values = np.asarray(image).astype(np.float32)
    if image.mode != "I" or (values.size and values.max() > 255):
        values = values / 257.0
    return _grey(np.clip(values, 0, 255))


def _grey(values: np.ndarray) -> Image.Image:
    import numpy as np

    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")


def _lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted
