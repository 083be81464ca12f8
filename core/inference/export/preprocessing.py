"""Describe how a run turns an image file into the input of its model, in words and as Python code.

The code uses only Pillow, numpy and timm, and gives the pixels that the run was validated with.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.data.image_cache import REDUCING_GAP
from core.data.value_range import ANY, FLOAT, INT16, INT32, UINT16, ranges_text
from core.inference.image_recipe import reduced_side, value_ranges

if TYPE_CHECKING:
    from core.inference.trained_run import TrainedRun

_MODES = {UINT16: "I;16", INT16: "I", INT32: "I", FLOAT: "F"}
"""Pillow's mode of gray images by the kind of their values."""


def preprocessing_text(run: "TrainedRun") -> list[str]:
    """Return the steps from a file to the transform, as sentences."""
    steps = []
    ranges = value_ranges(run)
    if ranges is None:
        steps.append("16-bit gray values are divided by 257.")
    elif ranges:
        steps.append(
            "Images with more than 8 bits per channel are scaled linearly from their value range "
            f"({ranges_text(ranges)}) to 0 to 255, and clipped. Pillow reads only 8 bits of 16-bit "
            "color."
        )
    background = run.config.data.background
    steps.append(
        f"Turned by its EXIF orientation and converted to RGB, transparent pixels on {background}."
    )
    if side := reduced_side(run):
        steps.append(
            f"Reduced to a short side of {side} pixels where it is longer, a JPEG already while "
            "decoding."
        )
    return steps


def preprocessing_code(run: "TrainedRun", with_normalize: bool) -> str:
    """Return Python code that defines `images`, the input tensor of one image.

    `with_normalize` is whether the model itself normalizes uint8 images.
    """
    lines = [
        *_imports(run),
        "",
        "",
        *_scaling(run),
        "def load_image(path):",
        *(f"    {line}" for line in _loading(run)),
        "    return image",
        "",
        "",
        *_transform(run, with_normalize),
        'images = transform(load_image("image.jpg"))[None]',
    ]
    return "\n".join(lines)


def _imports(run: "TrainedRun") -> Iterator[str]:
    if value_ranges(run):
        yield "import numpy as np"
    yield "from PIL import Image, ImageOps"
    yield "from timm.data import create_transform"


def _scaling(run: "TrainedRun") -> Iterator[str]:
    ranges = value_ranges(run)
    if not ranges:
        return
    by_mode: dict[str, str] = {}
    for kind, pair in sorted(ranges.items()):
        if kind not in _MODES:  # a packed 12-bit TIFF, or a PGM, which Pillow scales to 16 bits
            by_mode |= {"I;16": _pair(pair), "I": _pair((0, 65535))}
    by_mode |= {_MODES[kind]: _pair(pair) for kind, pair in ranges.items() if kind in _MODES}
    if ANY in ranges:
        by_mode = dict.fromkeys(("I;16", "I", "F"), _pair(ranges[ANY]))
    listed = ", ".join(f'"{mode}": {pair}' for mode, pair in by_mode.items())
    yield f"RANGES = {{{listed}}}  # lowest and highest value by Pillow's mode"
    yield ""
    yield ""
    yield "def to_8_bits(image):"
    yield "    low, high = RANGES[image.mode[:4]]"
    yield "    values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=low)"
    yield "    values = (np.clip(values, low, high) - np.float32(low)) / np.float32(high - low)"
    yield "    return Image.fromarray(np.rint(255 * values).astype(np.uint8))"
    yield ""
    yield ""


def _loading(run: "TrainedRun") -> Iterator[str]:
    side = reduced_side(run)
    yield "image = Image.open(path)"
    if side:
        yield f'image.draft("RGB", ({side}, {side}))'
    yield "image = ImageOps.exif_transpose(image)"
    if value_ranges(run):
        yield "if image.mode[:4] in RANGES:"
        yield "    image = to_8_bits(image)"
    yield "if image.has_transparency_data:"
    yield '    image = image.convert("RGBA")'
    yield f'    below = Image.new("RGBA", image.size, "{run.config.data.background}")'
    yield "    image = Image.alpha_composite(below, image)"
    yield 'image = image.convert("RGB")'
    if side:
        yield f"scale = {side} / min(image.size)"
        yield "if scale < 1:"
        yield f"    size = [max({side}, round(length * scale)) for length in image.size]"
        yield (
            f"    image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap={REDUCING_GAP})"
        )


def _transform(run: "TrainedRun", with_normalize: bool) -> Iterator[str]:
    values = run.transform
    size = values["image_size"]
    yield "transform = create_transform("
    yield f"    input_size=(3, {size}, {size}),"
    yield f'    interpolation="{values["interpolation"]}",'
    yield f"    crop_pct={values['crop_pct']},"
    yield f'    crop_mode="{values["crop_mode"]}",'
    if with_normalize:
        yield "    normalize=False,"
    else:
        yield f"    mean={tuple(values['mean'])},"
        yield f"    std={tuple(values['std'])},"
    yield ")"


def _pair(values: Sequence[float]) -> str:
    return f"({', '.join(repr(int(v)) if v == int(v) else repr(v) for v in values)})"
