"""Deep images fill the gray levels by one range for all of a folder, which the run records."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config.load import ConfigError, load_config
from core.data.check import check_data
from core.data.decode import EACH_ALONE, UnreadableImage, decode, read_rgb
from core.data.inspect import inspect_image
from core.data.scan import ImageFile
from core.data.split import SplitOptions, plan_data, ranges_of
from core.data.value_range import ValueStats, choose_range, choose_ranges, range_uses, ranges_text
from tests import odd_images
from tests.odd_images import bits, chunk, floats, make_depths, pgm, png, scene, tiff

Array = np.ndarray[Any, Any]


def shades(data: bytes | Path, ranges: Any = EACH_ALONE) -> Array:
    image = np.asarray(read_rgb(data, ranges=ranges))
    assert (image == image[..., :1]).all(), "gray"
    return image[..., 0]


def stats(data: bytes) -> ValueStats:
    values = inspect_image(data).values
    assert values is not None
    return values


def range_of(*contents: bytes) -> tuple[float, float]:
    """Return the range of a folder with these images of one kind."""
    return choose_range([stats(content) for content in contents])


RANGES = {
    "8-bit": (0, 255),
    "10-bit": (0, 1023),
    "12-bit": (0, 4095),
    "14-bit": (0, 16383),
    "16-bit": (0, 65535),
    "12-bit-tiff": (0, 4095),
    "12-bit-pgm": (0, 4095),
    "fractions": (0, 1),
    "float-10000": (0, 10000),
    "z-scores": (-2.5, 2.5),
    "signed": (-1000, 3000),
    "int32": (0, 1e6),
    "no-data": (300, 700),
}


@pytest.mark.parametrize("kind", odd_images.ENCODERS)
def test_images_of_any_depth_use_all_gray_levels(kind: str, tmp_path: Path) -> None:
    root = make_depths(tmp_path, kind, each=3)
    plan = plan_data(root, SplitOptions(0.34, 1))
    assert plan is not None
    ((low, high),) = (plan.value_ranges or {}).values()
    assert (low, high) == pytest.approx(RANGES[kind], rel=0.01, abs=1e-6)
    for image in plan.all:
        found = shades(root / image.path, plan.value_ranges)
        assert (found.min(), found.max()) == (0, 255)
        assert len(np.unique(found)) > 150
    report = check_data(root)
    assert report is not None
    assert [item.path for item in report.deep] == sorted(image.path for image in plan.all)
    (use,) = report.value_ranges
    assert (use.images, use.flat) == (6, 0)
    assert use.range == (low, high)


@pytest.mark.parametrize("depth", odd_images.DEPTHS)
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_deep_color_keeps_all_its_bits(channels: int, depth: int) -> None:
    values = bits(scene(0, 1, channels=channels), depth)
    values[-1, -1, 0] = (1 << depth) - 1
    if channels != 3:
        values[..., -1] = (1 << depth) - 1
    files = {"png": png(values)}
    if channels != 2:
        files |= {f"{o}{c}": tiff(values, order=o, compressed=c) for o in "<>" for c in (0, 1)}
    if channels == 3:
        files["ppm"] = pgm(values, 65535)
    expected = np.rint(values.astype(float) * 255 / ((1 << depth) - 1)).astype(int)
    expected = np.repeat(expected[..., :1], 3, 2) if channels == 2 else expected[..., :3]
    for name, content in files.items():
        image, header = decode(content, ranges=EACH_ALONE)
        # Of 16 bits, Pillow's high byte is kept.
        assert np.abs(np.asarray(image, int) - expected).max() <= (depth == 16), name
        assert header.values is not None
        assert header.values.high == (1 << depth) - 1


def test_transparency_of_a_deep_image_has_its_depth() -> None:
    values = np.zeros((2, 2, 4), np.uint16)
    values[..., 0], values[..., 3] = 4095, [[0, 2048], [4095, 65535]]
    pixels = np.asarray(read_rgb(png(values), ranges={"uint16": [0, 4095]}))
    assert pixels[0].tolist() == [[255, 255, 255], [255, 127, 127]]
    assert pixels[1].tolist() == [[255, 0, 0], [255, 0, 0]]


def test_a_dark_image_stays_darker_than_its_siblings(tmp_path: Path) -> None:
    for name, factor in (("a/dark", 0.05), ("a/mid", 0.4), ("b/bright", 1.0), ("b/last", 0.9)):
        file = tmp_path / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(png(bits(factor * scene(0, len(name)), 14)))
    plan = plan_data(tmp_path, SplitOptions(0.5, 1))
    assert plan is not None
    assert plan.value_ranges == {"uint16": [0, 16383]}
    dark = shades(tmp_path / "a" / "dark.png", plan.value_ranges)
    assert dark.max() == round(0.05 * 255)
    alone = shades(tmp_path / "a" / "dark.png")
    assert alone.max() > 200, "which is why images are not converted by their own values"


DARK = bits(0.2 * scene(0, 1), 12)
LOW, HIGH = ((11, 1, floats("<", value)) for value in (-10, 3000))


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ([png(DARK)], (0, 1023)),
        ([png(DARK, chunk(b"sBIT", b"\x0c"))], (0, 4095)),
        ([png(DARK, chunk(b"sBIT", b"\x0c")), png(bits(scene(0, 2), 16))], (0, 65535)),
        ([png(16 * DARK + 9, chunk(b"sBIT", b"\x0c"))], (0, 16383)),
        ([tiff(DARK, {341: (3, 1, b"\x10\x27")})], (0, 10000)),
        ([tiff(DARK, {281: (3, 1, b"\x10\x27")})], (0, 10000)),
        ([tiff(DARK, {341: (3, 1, b"\xff\xff")})], (0, 1023)),
        ([tiff(DARK, {341: (3, 1, b"\x05\x00")})], (0, 1023)),
        ([tiff(DARK, {341: (3, 0, b"")})], (0, 1023)),
        (
            [tiff(DARK.astype(np.float32), {340: LOW, 341: HIGH})],
            (-10, 3000),
        ),
        ([tiff(DARK.astype(np.int16))], (0, 1023)),
        ([pgm(DARK, 65535)], (0, 1023)),
        ([png(np.array([[0, 1], [1, 0]], np.uint16))], (0, 1)),
        ([png(np.full((4, 4), 30, np.uint16))], (0, 255)),
        ([png(np.full((4, 4), 0, np.uint16))], (0, 1)),
        ([tiff(np.full((4, 4), -7.0, np.float32))], (-7, -6)),
        ([tiff(np.array([[270.0, 310.0]], np.float32))], (270, 310)),
        ([png(np.array([[30000, 34000]], np.uint16))], (30000, 34000)),
    ],
)
def test_a_range_is_taken_from_metadata_or_a_usual_depth(
    contents: list[bytes], expected: tuple[float, float]
) -> None:
    assert range_of(*contents) == expected


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda v: np.where(v < 0.3, -9999, 100 * v), (30, 100)),
        (lambda v: np.where(v < 0.3, -3.4e38, 100 * v), (30, 100)),
        (lambda v: np.where(v < 0.3, np.nan, 100 * v), (30, 100)),
        (lambda v: np.where(v > 0.999, np.inf, 100 * v), (0, 100)),
        (lambda v: np.where(np.arange(v.size).reshape(v.shape) == 77, 1e6, 100 * v), (0, 100)),
    ],
    ids=["mark", "GDAL's mark", "nan", "inf", "hot pixel"],
)
def test_missing_values_and_hot_pixels_make_no_image_flat(
    spoil: Callable[[Array], Array], expected: tuple[float, float]
) -> None:
    content = tiff(spoil(scene(0, 3)).astype(np.float32))
    assert range_of(content) == pytest.approx(expected, rel=0.05, abs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(np.unique(shades(content))) > 150


def test_no_data_values_are_those_that_the_file_states() -> None:
    values = np.where(scene(0, 3) < 0.5, 0, 400 + 300 * scene(0, 3)).astype(np.int16)
    assert range_of(tiff(values)) == (0, 1023)
    assert range_of(tiff(values, {42113: (2, 2, b"0\0")})) == pytest.approx((550, 700), abs=2)


def test_an_image_without_a_finite_value_is_unreadable() -> None:
    content = tiff(np.full((8, 8), np.nan, np.float32))
    assert inspect_image(content).reason == "none of its values is a finite number"
    assert shades(content, {"float32": [0, 1]}).max() == 0


def _image(mode: str) -> Image.Image:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    if mode in ("LA", "RGBA"):
        noise.putalpha(noise.convert("L").rotate(90))
        return noise.convert(mode)
    return noise.quantize(32) if mode == "P" else noise.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *((mode, "TIFF") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB")),
        *((mode, "JPEG") for mode in ("L", "RGB", "CMYK")),
        *(("RGB", kind) for kind in ("BMP", "GIF", "WEBP", "TGA", "PPM", "AVIF", "JPEG2000")),
        ("L", "PPM"),
    ],
)
def test_8_bit_images_are_never_scaled(mode: str, kind: str) -> None:
    image = _image(mode) if mode != "LAB" else Image.new("LAB", (8, 8), (90, 100, 150))
    written = io.BytesIO()
    image.save(written, kind)
    found, header = decode(written.getvalue(), ranges={"any": [0, 10]})
    assert header.values is None
    assert found.tobytes() == read_rgb(written.getvalue()).tobytes()


def test_a_16_bit_bmp_is_no_deep_image() -> None:
    head = b"BM" + bytes(8) + (66).to_bytes(4, "little")
    info = (40).to_bytes(4, "little") + (2).to_bytes(4, "little") + (1).to_bytes(4, "little")
    info += b"\1\0\x10\0" + (3).to_bytes(4, "little") + bytes(20)
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xF800, 0x07E0, 0x001F))
    image, header = decode(head + info + masks + b"\x00\xf8\xe0\x07", ranges=EACH_ALONE)
    assert header.values is None
    assert [image.getpixel((x, 0)) for x in range(2)] == [(255, 0, 0), (0, 255, 0)]


@pytest.mark.parametrize(
    "value", ["5", "[1]", "[3, 1]", "[0, .inf]", "[a, b]", "none", "[0, 1, 2]", "[0, 1e-300]"]
)
def test_an_invalid_range_is_refused(value: str) -> None:
    expected = r"data.value_range is .*; expected auto or \[low, high\] with low below high"
    with pytest.raises(ConfigError, match=expected):
        load_config(overrides=[f"data.value_range={value}"])


def test_a_range_may_be_forced(tmp_path: Path) -> None:
    root = make_depths(tmp_path, "12-bit", each=3)
    config = load_config(overrides=["data.value_range=[1000, 2000]"])
    assert load_config(values={"data.value_range": (1000, 2000)}) == config
    plan = plan_data(root, SplitOptions(0.34, 1), value_range=config.data.value_range)
    assert plan is not None
    file = root / plan.train[0].path
    raw = np.asarray(Image.open(file)).astype(float)
    expected = np.rint(np.clip((raw - 1000) / 1000, 0, 1) * 255)
    assert (shades(file, plan.value_ranges) == expected).all()


def test_flat_images_are_a_problem(tmp_path: Path) -> None:
    root = make_depths(tmp_path, "16-bit", each=3)
    for file in (root / "class_0").iterdir():
        file.write_bytes(png(bits(0.03 * scene(0, 1), 16)))
    uses = range_uses([stats(f.read_bytes()) for f in root.rglob("*.png")], {})
    assert uses[0].flat == 3
    (root / "class_1" / "000.png").write_bytes(png(bits(0.03 * scene(0, 1), 16)))
    report = check_data(root)
    assert report is not None
    assert (
        "4 16-bit images have fewer than 16 of 256 gray levels in the value range 0 to 65,535; set "
        "data.value_range"
    ) in report.problems


def test_ranges_of_images_without_deep_ones_are_empty(photos: Path) -> None:
    plan = plan_data(photos, SplitOptions(0.25, 1))
    assert plan is not None
    assert plan.value_ranges == {}
    assert choose_ranges([None, None]) == {}
    assert ranges_of([ImageFile("a", "a", "", "0", 1, 1)]) == {}


def test_ranges_are_shown_as_text() -> None:
    ranges = {"uint16": [0.0, 4095.0], "float32": [-2.5, 1e12], "max4095": [0.0, 4095.0], "x": []}
    text = "float -2.5 to 1e+12; 12-bit 0 to 4,095; 16-bit 0 to 4,095"
    assert ranges_text(ranges) == text
    assert ranges_text({"any": [-np.inf, np.inf], "uint16": [np.nan]}) == (
        "all images above 8 bits -inf to inf"
    )


def test_a_damaged_record_of_ranges_is_ignored() -> None:
    content = png(bits(scene(0, 1), 12))
    for ranges in ({"uint16": []}, {"uint16": [5.0]}, {"uint16": [2.0, 1.0]}, {"any": [np.nan, 1]}):
        assert shades(content, ranges).max() == 255


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_damaged_pixels_of_a_deep_image_are_an_error(depth: int, channels: int) -> None:
    values = bits(scene(0, 1, channels=channels), depth)
    for content in (odd_images.noisy_tiff(values), tiff(values)[:-3000], png(values)[:-900]):
        for ranges in (None, EACH_ALONE, {"uint16": [0, 4095]}):
            with pytest.raises(UnreadableImage):
                read_rgb(content, ranges=ranges)


def test_a_float_image_with_64_bits_says_that_it_is_not_supported() -> None:
    with pytest.raises(UnreadableImage, match="a TIFF image that is damaged or has an unsupported"):
        read_rgb(tiff(scene(0, 1)))
