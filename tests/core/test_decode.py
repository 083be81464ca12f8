import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data.decode import MAX_PIXELS, UnreadableImage, read_rgb
from core.data.inspect_cache import ImageInfoCache

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> tuple[int, ...]:
    assert image.mode == "RGB"
    value = image.getpixel((x, y))
    assert isinstance(value, tuple)
    return value


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_lossless_formats_decode_to_equal_pixels(kind: str) -> None:
    image = noise(12, 7)
    options = {"lossless": True} if kind == "WEBP" else {}
    assert read_rgb(encode(image, kind, **options)).tobytes() == image.tobytes()


def test_path_and_bytes_decode_equally(tmp_path: Path) -> None:
    data = encode(noise(9, 9), "JPEG")
    file = tmp_path / "caf\udce9 [red]\n.jpg"
    file.write_bytes(data)
    assert read_rgb(file).tobytes() == read_rgb(data).tobytes()


def test_format_does_not_depend_on_the_name(tmp_path: Path) -> None:
    file = tmp_path / "really.jpg"
    file.write_bytes(encode(noise(5, 5), "WEBP", lossless=True))
    assert read_rgb(file).tobytes() == noise(5, 5).tobytes()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled(kind: str) -> None:
    deep = np.array([[0, 257, 128 * 257, 65535]], dtype=np.uint16)
    shades = np.asarray(read_rgb(encode(Image.fromarray(deep), kind)))
    assert shades[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


def test_dark_16_bit_image_stays_dark() -> None:
    deep = np.full((3, 3), 200, dtype=np.uint16)
    assert pixel(read_rgb(encode(Image.fromarray(deep), "PNG"))) == (1, 1, 1)


def test_big_endian_16_bit_tiff_is_scaled() -> None:
    deep = Image.fromarray(np.array([[0, 128 * 257, 65535]], dtype=">u2"))
    shades = np.asarray(read_rgb(encode(deep, "TIFF")))
    assert shades[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "shades"),
    [
        ([0, 100, 255], [0, 100, 255]),
        ([0, 128 * 257, 65535], [0, 128, 255]),
        ([-5, 0, 1 << 30], [0, 0, 255]),
    ],
)
def test_integer_tiff_is_scaled_by_its_range(values: list[int], shades: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.int32))
    assert np.asarray(read_rgb(encode(image, "TIFF")))[0, :, 0].tolist() == shades


@pytest.mark.parametrize(
    ("values", "shades"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 300.0], [0, 100, 255]),
        ([float("nan"), -1.0, 1.0], [0, 0, 255]),
        ([float("inf"), 0.0, 200.0], [255, 0, 200]),
    ],
)
def test_float_tiff_is_scaled_by_its_range(values: list[float], shades: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert np.asarray(read_rgb(encode(image, "TIFF")))[0, :, 0].tolist() == shades


@pytest.mark.parametrize(
    ("mode", "color", "seen"),
    [
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("LA", (0, 0), WHITE),
        ("LA", (40, 255), (40, 40, 40)),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_transparency_is_composited_on_white(
    mode: str, color: tuple[int, ...], seen: tuple[int, ...], kind: str
) -> None:
    assert pixel(read_rgb(encode(Image.new(mode, (4, 4), color), kind))) == seen


def test_transparent_palette_entry_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    read = read_rgb(encode(image, "PNG", transparency=0))
    assert (pixel(read, 0), pixel(read, 1)) == (WHITE, (0, 0, 255))


def test_transparent_color_of_an_rgb_png_is_white() -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), (0, 0, 255))
    read = read_rgb(encode(image, "PNG", transparency=RED))
    assert (pixel(read, 0), pixel(read, 1)) == (WHITE, (0, 0, 255))


@pytest.mark.parametrize(
    ("mode", "color", "seen"),
    [("L", 77, (77, 77, 77)), ("1", 1, WHITE), ("1", 0, (0, 0, 0))],
)
def test_gray_and_bilevel_images_become_rgb(mode: str, color: int, seen: tuple[int, ...]) -> None:
    assert pixel(read_rgb(encode(Image.new(mode, (4, 4), color), "PNG"))) == seen


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    data = encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), kind)
    red, green, blue = pixel(read_rgb(data))
    assert red > 240
    assert green < 15
    assert blue < 15


def test_lab_is_converted() -> None:
    image = Image.new("LAB", (4, 4), (255, 128, 128))
    assert min(pixel(read_rgb(encode(image, "TIFF")))) > 245


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind: str) -> None:
    image = Image.new("RGB", (48, 16), "blue")
    image.paste("red", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees clockwise: the left side is on top
    read = read_rgb(encode(image, kind, exif=exif))
    assert read.size == (16, 48)
    assert pixel(read, 8, 4)[0] > 200
    assert pixel(read, 8, 40)[2] > 200


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_block_is_ignored() -> None:
    data = encode(noise(16, 16), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    assert read_rgb(data).size == (16, 16)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert pixel(read_rgb(data)) == RED


JPEG, PNG = encode(noise(64, 64), "JPEG"), encode(noise(64, 64), "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (JPEG[: len(JPEG) // 2], "truncated"),
        (JPEG[:40], ""),
        (PNG[: len(PNG) // 2], "truncated"),
        (PNG[:-30], ""),
        (PNG[:20], ""),
        (PNG[:200] + b"\0" * 50 + PNG[250:], ""),
        (b"", "not an image in a supported format"),
        (b"this is text, whatever its name", "not an image in a supported format"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"GIF89a", ""),
        (b"\0" * 1000, "not an image in a supported format"),
    ],
    ids=lambda value: repr(value)[:24],
)
@pytest.mark.parametrize("draft", [0, 16])
def test_damaged_file_is_an_error_with_a_reason(data: bytes, reason: str, draft: int) -> None:
    with pytest.raises(UnreadableImage) as caught:
        read_rgb(data, draft)
    message = str(caught.value)
    assert reason in message
    assert message
    assert "BytesIO" not in message
    assert len(message.splitlines()) == 1


def test_missing_file_and_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(UnreadableImage):
            read_rgb(path)


def png_with_size(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("pillows_limit", [None, Image.MAX_IMAGE_PIXELS])
def test_decompression_bomb_is_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch, pillows_limit: int | None
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows_limit)
    side = int(MAX_PIXELS**0.5) + 2
    with pytest.raises(UnreadableImage, match=r"pixels"):
        read_rgb(png_with_size(side, side))


def test_draft_decodes_a_jpeg_at_a_reduced_size() -> None:
    data = encode(noise(640, 480), "JPEG")
    width, height = read_rgb(data, draft=64).size
    assert 64 <= height < 480
    assert 64 <= width < 640
    assert read_rgb(data).size == (640, 480)


def test_draft_does_not_affect_other_formats() -> None:
    assert read_rgb(encode(noise(640, 480), "PNG"), draft=64).size == (640, 480)


def test_image_stays_usable_after_its_file_is_deleted(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    noise(6, 6).save(file)
    image = read_rgb(file)
    file.unlink()
    assert image.tobytes() == noise(6, 6).tobytes()


def test_extreme_aspect_ratio_is_refused() -> None:
    data = io.BytesIO()
    Image.new("RGB", (1, 5000)).save(data, "PNG")
    with pytest.raises(UnreadableImage, match="aspect ratio above 200:1"):
        read_rgb(data.getvalue())


@pytest.mark.parametrize(
    ("background", "seen"),
    [("black", (0, 0, 0)), ("#00f", (0, 0, 255)), ("white", (255, 255, 255))],
)
def test_transparency_is_composited_on_the_background(
    background: str, seen: tuple[int, int, int]
) -> None:
    data = encode(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), "PNG")
    assert pixel(read_rgb(data, background=background)) == seen


def test_heic_is_read_if_its_library_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    file = tmp_path / "a.heic"
    noise(64, 48).save(file, quality=90)
    assert read_rgb(file).size == (64, 48)


def test_heic_without_its_library_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pillow_heif")
    written = io.BytesIO()
    noise(64, 48).save(written, "HEIF")
    Image.init()
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    with pytest.raises(UnreadableImage, match=r"a HEIC image: to read it, pip install") as caught:
        read_rgb(written.getvalue())
    assert caught.value.may_be_intact


def test_the_cache_of_a_scan_depends_on_the_decoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CACHE", str(tmp_path))
    with ImageInfoCache() as cache:
        assert cache.inspect(b"....ftypheic....").reason
    before = set((tmp_path / "scans").iterdir())
    monkeypatch.setattr("core.data.inspect_cache.DECODERS", "pillow-0-heif-1")
    with ImageInfoCache():
        pass
    assert set((tmp_path / "scans").iterdir()) > before
