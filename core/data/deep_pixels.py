"""Read deep images (more than 8 bits per channel) with all their bits, and convert them to 8.

Pillow keeps only the high byte of 16-bit color, and clips the values of gray images. Its decoders
write the other byte where the file is decoded with the byte order swapped.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from core.data.orientation import upright
from core.data.value_range import (
    FLOAT,
    INT16,
    INT32,
    UINT16,
    Range,
    ValueRanges,
    ValueStats,
    choose_range,
    find_range,
    stated_kind,
)

if TYPE_CHECKING:  # few images need numpy, and the first frame of the app doesn't
    import numpy as np

_FULL = (0.0, 65535.0)
_OF_TYPE = (_FULL, (-32768.0, 32767.0))
_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
"""Byte orders by the last letter of Pillow's rawmodes: big, little, native."""
_GRAY_ALPHA = "LA;16B"
_COLOR_MODES = ("RGB", "RGBA", "CMYK")
_RAWMODES = {
    _GRAY_ALPHA,
    *(f"{bands};16{order}" for bands in (*_COLOR_MODES, "RGBX") for order in _SWAPPED),
}
_BITS, _MIN, _MAX, _SMIN, _SMAX, _SAMPLE_FORMAT, _NO_DATA = 258, 280, 281, 340, 341, 339, 42113
"""TIFF tags; the last one is GDAL's."""
_SAMPLED_VALUES = 1 << 16
_TAIL = 0.001
"""Part of an image at either end of its values that may be outliers."""
_OUTLIER_RATIO = 8
"""Values are outliers if without them the range is smaller by this factor."""


class NoValues(ValueError):
    """An image without a single finite value."""


@dataclass(frozen=True, slots=True)
class DeepImage:
    """An opened deep image and the metadata about its values."""

    kind: str
    declared: Range | None = None
    no_data: float | None = None
    scale: float = 1.0
    """Factor from the values that Pillow returns to those in the file."""
    is_color: bool = False
    """Whether Pillow returns only the high bytes."""


def describe_deep(image: Image.Image) -> DeepImage | None:
    """Return what is known of a deep image before it is loaded; None for an 8-bit image."""
    if image.mode == "F":
        return DeepImage(FLOAT, _declared(image), _no_data(image))
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _describe_integer(image)
    rawmode = _rawmode(image)
    if image.mode in _COLOR_MODES and (rawmode in _RAWMODES or _is_deep_ppm(image)):
        return DeepImage(UINT16, _declared(image), is_color=True)
    return None


def to_8_bits(
    image: Image.Image, deep: DeepImage, ranges: ValueRanges, reopen: Callable[[], Image.Image]
) -> tuple[Image.Image, ValueStats | None, float]:
    """Load a deep image, and return it upright and with 8 bits per channel.

    The range is that of its kind in `ranges`, or decided from its own values, which are then
    returned, too. The last value is the fraction of pixels outside a given range. `reopen` opens
    the file again. Raises NoValues.
    """
    if deep.is_color:
        return _color_to_8_bits(image, deep, ranges, reopen)
    values = _gray_values(_load_upright(image), deep.scale)
    return _scaled_gray(values, deep, ranges)


def gray_to_8_bits(image: Image.Image, deep: DeepImage, ranges: ValueRanges) -> Image.Image:
    """Return a loaded deep gray image upright and with 8 bits. Raises NoValues."""
    return _scaled_gray(_gray_values(upright(image), deep.scale), deep, ranges)[0]


def _load_upright(image: Image.Image) -> Image.Image:
    image.load()  # damaged pixels are an error, unlike a damaged orientation
    return upright(image)


def _scaled_gray(
    values: np.ndarray, deep: DeepImage, ranges: ValueRanges
) -> tuple[Image.Image, ValueStats | None, float]:
    known = find_range(ranges, deep.kind)
    stats = None if known else value_stats(values, deep)
    used = known or choose_range([stats])  # type: ignore[list-item]
    clipped = _clipped(values, used) if known else 0.0
    return Image.fromarray(_shades(values, used)), stats, clipped


def _color_to_8_bits(
    image: Image.Image, deep: DeepImage, ranges: ValueRanges, reopen: Callable[[], Image.Image]
) -> tuple[Image.Image, ValueStats | None, float]:
    import numpy as np

    is_gray_alpha = _rawmode(image) == _GRAY_ALPHA
    if is_gray_alpha:  # four bytes per pixel: both values of gray and of alpha
        _set_rawmode(image, "RGBA")
    elif image.format == "PPM":
        _set_rawmode(image, "RGB;16B")
    image = _load_upright(image)
    high = np.asarray(image)
    if is_gray_alpha:
        values = high[..., ::2].astype(np.float32) * 256 + high[..., 1::2]
        high = high[..., ::2]
    known = find_range(ranges, deep.kind)
    stats = None if known else _color_stats(high, deep)
    used = known or choose_range([stats])  # type: ignore[list-item]
    if used == _FULL and not is_gray_alpha:
        return image, stats, 0.0
    if not is_gray_alpha:
        with reopen() as again:
            rawmode = "RGB;16L" if again.format == "PPM" else _swapped(_rawmode(again))
            _set_rawmode(again, rawmode)
            values = high.astype(np.float32) * 256 + np.asarray(_load_upright(again))
    clipped = _clipped(_without_alpha(values), used) if known else 0.0
    shades = _shades(values, used)
    if values.shape[-1] in (2, 4) and image.mode != "CMYK":
        shades[..., -1] = _shades(values[..., -1], (0.0, used[1]))
    mode = {2: "LA", 3: "RGB", 4: image.mode if image.mode == "CMYK" else "RGBA"}
    return Image.frombytes(mode[values.shape[-1]], image.size, shades.tobytes()), stats, clipped


def value_stats(values: np.ndarray, deep: DeepImage) -> ValueStats:
    """Return the range of an image's values without no-data values and outliers.

    Raises NoValues.
    """
    import numpy as np

    valid = values[np.isfinite(values)]
    if deep.no_data is not None:
        valid = valid[valid != np.float32(deep.no_data)]
    if not valid.size:
        raise NoValues
    return _stats(deep, *_without_outliers(valid))


def _stats(deep: DeepImage, low: float, high: float) -> ValueStats:
    declared = deep.declared
    holds = declared is not None and declared[0] <= low <= high <= declared[1]
    return ValueStats(deep.kind, low, high, declared if holds else None)


def _without_outliers(values: np.ndarray) -> Range:
    """Return the lowest and the highest value, without a mark such as -9999 for missing values and
    without single hot pixels, if these would make everything else flat."""
    import numpy as np

    low, high = float(values.min()), float(values.max())
    bulk = np.sort(values[:: values.size // _SAMPLED_VALUES | 1])  # odd: not always one column
    for mark in (bulk[0], bulk[-1]):
        others = bulk[bulk != mark]
        if others.size and _is_far(float(mark), others):
            bulk = others
    tail = int(_TAIL * bulk.size)
    inner = float(bulk[tail]), float(bulk[-1 - tail])
    for bounds in ((float(bulk[0]), float(bulk[-1])), inner):
        width = bounds[1] - bounds[0]
        if width > 0 and _OUTLIER_RATIO * width < high - low:
            low, high = bounds
    return low, high


def _is_far(mark: float, others: np.ndarray) -> bool:
    """Return whether one value is far from all others, which are sorted."""
    first, last = float(others[0]), float(others[-1])
    return max(first - mark, mark - last) > _OUTLIER_RATIO * max(last - first, 1e-30)


def _color_stats(high: np.ndarray, deep: DeepImage) -> ValueStats:
    """Return the range of 16-bit values from their high bytes."""
    low_byte, high_byte = _without_outliers(_without_alpha(high).ravel())
    return _stats(deep, 256 * low_byte, 256 * high_byte + 255)


def _without_alpha(values: np.ndarray) -> np.ndarray:
    return values[..., : values.shape[-1] - (values.shape[-1] in (2, 4))]


def _gray_values(image: Image.Image, scale: float) -> np.ndarray:
    import numpy as np

    values = np.asarray(image).astype(np.float32)
    return values if scale == 1.0 else np.rint(values * np.float32(scale))


def _shades(values: np.ndarray, used: Range) -> np.ndarray:
    import numpy as np

    low, high = used
    shades: np.ndarray = np.nan_to_num(values, nan=low)
    np.clip(shades, low, high, out=shades)
    shades -= np.float32(low)
    shades /= np.float32(high - low)  # first, as a tiny range would make the factor infinite
    shades *= 255
    np.rint(shades, out=shades)
    return shades.astype(np.uint8)


def _clipped(values: np.ndarray, used: Range) -> float:
    return float(((values < used[0]) | (values > used[1])).mean()) if values.size else 0.0


def _describe_integer(image: Image.Image) -> DeepImage:
    if image.format == "PPM" and len(_arguments(image)) > 1:
        # Pillow scales to 16 bits by the highest value that the file states.
        highest = int(_arguments(image)[-1])
        kind = UINT16 if highest == 65535 else stated_kind(highest)
        return DeepImage(kind, scale=highest / 65535)
    bits, sample_format = _tag(image, _BITS), _tag(image, _SAMPLE_FORMAT)
    if bits == 12:
        return DeepImage(stated_kind(4095))
    if image.mode == "I" and image.format not in ("PNG", "PPM"):
        is_short = bits == 16
        kind = (INT16 if sample_format == 2 else UINT16) if is_short else INT32
        return DeepImage(kind, _declared(image), _no_data(image))
    return DeepImage(UINT16, _declared(image), _no_data(image))


def _declared(image: Image.Image) -> Range | None:
    """Return the range from the file's metadata, unless it is that of the data type."""
    if image.format == "PNG":
        bits = _significant_bits(image)
        return (0.0, float((1 << bits) - 1)) if 1 < bits < 16 else None
    low = _tag(image, _SMIN, _tag(image, _MIN, 0.0))
    high = _tag(image, _SMAX, _tag(image, _MAX))
    if low is None or high is None or not low < high or (low, high) in _OF_TYPE:
        return None
    return float(low), float(high)


def _no_data(image: Image.Image) -> float | None:
    with suppress(ValueError):
        value = float(_tags(image).get(_NO_DATA, "").strip("\0 "))
        return value if math.isfinite(value) else None
    return None


def _tags(image: Image.Image) -> Any:
    return getattr(image, "tag_v2", {})


def _tag(image: Image.Image, tag: int, default: float | None = None) -> float | None:
    """Return the number in a TIFF tag, of the first channel where it has several."""
    value = _tags(image).get(tag, default)
    first = value[0] if isinstance(value, tuple) and value else value
    try:
        number = float(first)
    except (TypeError, ValueError, ZeroDivisionError):
        return default
    return number if math.isfinite(number) else default


def _significant_bits(image: Image.Image) -> int:
    """Return the significant bits that the chunk sBIT of a PNG states, 0 without one."""
    file = getattr(image, "fp", None)
    if file is None:
        return 0
    position = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            length = int.from_bytes(head[:4], "big")
            if head[4:] == b"sBIT":
                return max(file.read(min(length, 4)), default=0)
            file.seek(length + 4, 1)
    finally:
        file.seek(position)
    return 0


def _is_deep_ppm(image: Image.Image) -> bool:
    """Return whether an image is a PPM of 16-bit colors, stored as in a PNG."""
    if image.format != "PPM" or image.mode != "RGB":
        return False
    tile = getattr(image, "tile", None) or [("",)]
    return tile[0][0] == "ppm" and _arguments(image)[1:] == (65535,)


def _arguments(image: Image.Image) -> tuple[Any, ...]:
    """Return the arguments of the decoder of an image that isn't loaded."""
    tiles = getattr(image, "tile", None)
    if not tiles:
        return ()
    arguments = tiles[0][3]
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _rawmode(image: Image.Image) -> str:
    arguments = _arguments(image)
    return arguments[0] if arguments and isinstance(arguments[0], str) else ""


def _swapped(rawmode: str) -> str:
    return rawmode[:-1] + _SWAPPED[rawmode[-1]]


def _set_rawmode(image: Any, rawmode: str) -> None:
    """Change how the decoder of an image that isn't loaded interprets its bytes."""
    make = getattr(type(image.tile[0]), "_make", tuple)  # before Pillow 11.0 a plain tuple
    tiles = []
    for name, extents, offset, arguments in image.tile:
        if image.format == "PPM":
            tiles.append(make(("raw", extents, offset, (rawmode, 0, 1))))
        else:
            others = arguments[1:] if isinstance(arguments, tuple) else ()
            changed = (rawmode, *others) if isinstance(arguments, tuple) else rawmode
            tiles.append(make((name, extents, offset, changed)))
    image.tile = tiles
