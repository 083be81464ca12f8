"""Metadata that is large or damaged doesn't keep the pixels of a file from being read."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from core.data.check import check_data
from core.data.decode import UnreadableImage, decode, image_size, read_rgb
from tests.make_images import make_images
from tests.odd_images import chunk, png, tiff

PIXELS = np.random.default_rng(3).integers(0, 256, (24, 36, 3), dtype=np.uint8)
IMAGE = Image.fromarray(PIXELS)
LARGE = 1_500_000
NOISE = np.random.default_rng(4).integers(0, 256, LARGE, dtype=np.uint8).tobytes()
TURNED = Image.Exif()
TURNED[0x0112] = 6


def encode(kind: str, image: Image.Image = IMAGE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def text_chunk(name: bytes, content: bytes) -> bytes:
    if name == b"iTXt":
        return chunk(name, b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(content))
    return chunk(name, b"Comment\0\0" + zlib.compress(content))


BAD_CHECKSUM = chunk(b"tEXt", b"Comment\0hello")[:-4] + b"\0\0\0\0"
PNG_METADATA = {
    "ICC profile": chunk(b"iCCP", b"profile\0\0" + zlib.compress(NOISE)),
    "XMP": text_chunk(b"iTXt", NOISE),
    "zTXt": text_chunk(b"zTXt", NOISE),
    "eXIf": chunk(b"eXIf", b"Exif" + NOISE),
    "bomb": text_chunk(b"zTXt", bytes(60_000_000)),
    "tEXt": chunk(b"tEXt", b"Comment\0" + bytes(70_000_000)),
    "unknown compression": chunk(b"zTXt", b"Comment\0\5abc"),
    "empty ICC profile": chunk(b"iCCP", b""),
    "short gAMA": chunk(b"gAMA", b"\0"),
    "short pHYs": chunk(b"pHYs", b"\0"),
    "short tRNS": chunk(b"tRNS", b"\0"),
    "bad checksum": BAD_CHECKSUM,
    "animation": chunk(b"acTL", b"\0"),
    "many": text_chunk(b"zTXt", bytes(900_000)) * 80,
}


@pytest.mark.parametrize("name", PNG_METADATA)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_png_is_read_whatever_its_metadata(name: str, place: str, tmp_path: Path) -> None:
    extra = PNG_METADATA[name]
    content = png(PIXELS, extra) if place == "before" else png(PIXELS, after=[extra])
    assert read_rgb(content).tobytes() == PIXELS.tobytes()
    assert image_size(content) == (36, 24)
    (tmp_path / "a.png").write_bytes(content)
    assert read_rgb(tmp_path / "a.png").tobytes() == PIXELS.tobytes()


def test_compressed_text_fills_no_memory_and_limits_stay() -> None:
    limits = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    content = png(PIXELS, PNG_METADATA["bomb"])
    read_rgb(content)
    tracemalloc.start()
    try:
        read_rgb(content)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert limits == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_orientation_and_transparency_remain() -> None:
    exif = chunk(b"eXIf", TURNED.tobytes()[6:])
    read = read_rgb(png(PIXELS, PNG_METADATA["zTXt"], exif))
    assert read.tobytes() == IMAGE.transpose(Image.Transpose.ROTATE_270).tobytes()
    pixel = tuple(int(value) for value in PIXELS[0, 0])
    transparent = chunk(b"tRNS", struct.pack(">HHH", *pixel))
    assert read_rgb(png(PIXELS, transparent, PNG_METADATA["zTXt"])).getpixel((0, 0)) == (255,) * 3


@pytest.mark.parametrize("cut", [60, 400, 1500])
def test_damaged_pixels_are_an_error_with_any_metadata(cut: int) -> None:
    for content in (png(PIXELS, BAD_CHECKSUM), png(PIXELS, chunk(b"gAMA", b""))):
        with pytest.raises(UnreadableImage):
            read_rgb(content[:-cut])


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


JPEG_METADATA = {
    "short JFIF": segment(0xE0, b"JFIF\0"),
    "short ICC": segment(0xE2, b"ICC_PROFILE\0\1"),
    "Photoshop": segment(0xED, b"Photoshop 3.0\x008BIM\4\4" + bytes(3)),
    "short Adobe": segment(0xEE, b"Adobe"),
    "comments": segment(0xFE, bytes(60_000)) * 40,
    "EXIF": segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(60_000)) * 30,
    "XMP": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(60_000)) * 30,
    "multi-picture": segment(0xE2, b"MPF\0II*\0\x08\0\0\0\3\0" + bytes(20)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", JPEG_METADATA)
def test_a_jpeg_is_read_whatever_its_metadata(name: str) -> None:
    for plain in (encode("JPEG"), encode("JPEG", exif=TURNED), encode("JPEG", IMAGE.convert("L"))):
        content = plain[:2] + JPEG_METADATA[name] + plain[2:]
        found, expected = read_rgb(content), read_rgb(plain)
        is_exif_replaced = name == "EXIF"  # two of them: which one counts is not defined
        if not is_exif_replaced:
            assert found.tobytes() == expected.tobytes()


def test_colors_of_a_cmyk_jpeg_need_its_adobe_segment() -> None:
    plain = encode("JPEG", IMAGE.convert("CMYK"))
    content = plain[:2] + JPEG_METADATA["short ICC"] + plain[2:]
    assert read_rgb(content).tobytes() == read_rgb(plain).tobytes()


def test_a_gif_is_read_whatever_its_extensions() -> None:
    plain = encode("GIF", IMAGE.convert("P"), transparency=3)
    start = 13 + (3 << (plain[10] & 7) + 1)
    for extension in (b"\x21\xff\x0bNETSCAPE2.0\0", b"\x21\x01\x02ab\0", b"\x21\x77\x05abcde\0"):
        content = plain[:start] + extension + plain[start:]
        assert read_rgb(content).tobytes() == read_rgb(plain).tobytes()
    comment = b"\x21\xfe" + (b"\xff" + bytes(255)) * 6000 + b"\0"
    content = plain[:start] + comment + plain[start:]
    assert read_rgb(content).tobytes() == read_rgb(plain).tobytes()


@pytest.mark.parametrize("key", ["exif", "xmp", "icc_profile"])
def test_a_webp_is_read_whatever_its_metadata(key: str) -> None:
    plain = encode("WEBP", lossless=True, **{key: b"Exif\0\0" + bytes(100)})
    large = encode("WEBP", lossless=True, **{key: NOISE})
    assert read_rgb(large).tobytes() == PIXELS.tobytes()
    if key != "icc_profile":  # the metadata follows the pixels
        position = plain.rindex({"exif": b"EXIF", "xmp": b"XMP "}[key])
        for length in (0, 1, 5000, 2**32 - 1):
            lie = bytearray(plain)
            lie[position + 4 : position + 8] = struct.pack("<I", length)
            assert read_rgb(bytes(lie)).tobytes() == PIXELS.tobytes()
        assert read_rgb(plain[: position + 20]).tobytes() == PIXELS.tobytes()


TIFF_TAGS: list[dict[int, tuple[int, int, bytes]]] = [
    {700: (3, 1, b"\1\0")},
    {700: (3, 2, b"\1\0\2\0")},
    {34665: (4, 1, b"\xff\xff\xff\xff")},
    {270: (5, 1, b"\1\0\0\0\0\0\0\0")},
    {254: (2, 3, b"ab\0")},
    {266: (3, 1, b"\x09\0")},
    {274: (5, 1, b"\1\0\0\0\1\0\0\0")},
    {65000: (7, LARGE, NOISE)},
    {700: (1, LARGE, NOISE)},
    {270: (2, LARGE, bytes(LARGE))},
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tags", TIFF_TAGS, ids=lambda tags: str(next(iter(tags))))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_tiff_is_read_whatever_its_tags(
    tags: dict[int, tuple[int, int, bytes]], order: str, compressed: bool
) -> None:
    big = order == ">"
    swapped = {tag: (kind, n, d[::-1] if big else d) for tag, (kind, n, d) in tags.items()}
    content = tiff(PIXELS, swapped, order=order, compressed=compressed)
    assert read_rgb(content).tobytes() == PIXELS.tobytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_any_damage_is_one_error_in_the_words_of_a_user(kind: str) -> None:
    content = encode(kind)
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(content)
        for position in rng.integers(0, len(content), rng.integers(1, 12)):
            damaged[position] = rng.integers(0, 256)
        end = int(rng.integers(10, len(content)))
        try:
            decode(bytes(damaged[:end]))
        except UnreadableImage as error:
            words = str(error)
            for word in ("Pillow", "PIL", "MAX_", "BytesIO", "Error", "python", "0x", "struct"):
                assert word not in words, words


def test_such_files_are_used_for_training(tmp_path: Path) -> None:
    root = make_images(tmp_path, classes=2, per_class=3)
    (root / "class_0" / "icc.png").write_bytes(png(PIXELS, PNG_METADATA["ICC profile"]))
    report = check_data(root)
    assert report is not None
    assert (report.damaged, report.images) == ([], 7)
