"""Image files and folders that are unusual: depths, metadata, names and layouts.

`python -m tests.odd_images DIR` writes a folder of each kind to DIR.
"""

import struct
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]

_PNG = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
DEPTHS = (8, 10, 12, 14, 16)


def scene(label: int, number: int, size: int = 48, channels: int = 1) -> Array:
    """Return a drawing with values from 0 to 1: stripes whose direction is the class, on noise."""
    rng = np.random.default_rng(1000 * label + number)
    y, x = np.mgrid[0:size, 0:size] / size
    angle = np.pi * label / 3
    phase = rng.uniform(0, 2 * np.pi)
    wave = 0.5 + 0.35 * np.sin(20 * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    noise = rng.normal(0, 0.05, (size, size, channels))
    drawn = np.clip(wave[..., None] + noise, 0, 1)
    drawn.flat[0], drawn.flat[-1] = 0.0, 1.0
    return drawn if channels > 1 else drawn[..., 0]


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(values: Array, *before: bytes, after: Sequence[bytes] = ()) -> bytes:
    """Return a PNG of uint8 or uint16 values (H, W) or (H, W, channels), with more chunks before or
    after the pixels."""
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    depth = 8 * values.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, _COLOR_TYPES[channels], 0, 0, 0)
    rows = values.astype(values.dtype.newbyteorder(">")).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    pixels = chunk(b"IDAT", zlib.compress(raw))
    parts = [chunk(b"IHDR", header), *before, pixels, *after, chunk(b"IEND", b"")]
    return _PNG + b"".join(parts)


def tiff(
    values: Array,
    tags: Mapping[int, tuple[int, int, bytes]] = {},
    order: str = "<",
    compressed: bool = False,
) -> bytes:
    """Return a TIFF of (H, W) or (H, W, channels) values of any data type, in a byte order.

    `tags` are data type, count and bytes by number; they replace those that are derived.
    """
    height, width = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    if compressed:
        pixels = zlib.compress(pixels)

    def numbers(letter: str, *of: int) -> bytes:
        return struct.pack(f"{order}{len(of)}{letter}", *of)

    bits, form = 8 * values.dtype.itemsize, _SAMPLE_FORMATS[values.dtype.kind]
    entries = {
        256: (4, 1, numbers("I", width)),
        257: (4, 1, numbers("I", height)),
        258: (3, channels, numbers("H", *[bits] * channels)),
        259: (3, 1, numbers("H", 8 if compressed else 1)),
        262: (3, 1, numbers("H", 2 if channels >= 3 else 1)),
        273: (4, 1, b""),
        277: (3, 1, numbers("H", channels)),
        278: (4, 1, numbers("I", height)),
        279: (4, 1, numbers("I", len(pixels))),
        339: (3, channels, numbers("H", *[form] * channels)),
        **({338: (3, 1, numbers("H", 2))} if channels == 4 else {}),
        **tags,
    }
    start = 8 + 2 + 12 * len(entries) + 4
    outside = bytearray(pixels + b"\0" * (len(pixels) & 1))
    directory = numbers("H", len(entries))
    for tag, (kind, count, data) in sorted(entries.items()):
        field = numbers("I", start) if tag == 273 else data
        if len(field) > 4:
            position = start + len(outside)
            outside += field + b"\0" * (len(field) & 1)
            field = numbers("I", position)
        directory += struct.pack(f"{order}HHI", tag, kind, count) + field.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + numbers("I", 8) + directory + bytes(4) + bytes(outside)


def noisy_tiff(values: Array) -> bytes:
    """Return a compressed TIFF with a wrong checksum, about which libtiff writes a message."""
    plain, content = tiff(values), bytearray(tiff(values, compressed=True))
    pixels = zlib.compress(values.tobytes())
    start = content.index(pixels)
    assert pixels not in plain
    content[start + len(pixels) - 1] ^= 0xFF
    return bytes(content)


def pgm(values: Array, highest: int) -> bytes:
    """Return a binary PGM (H, W) or PPM (H, W, 3) that states its highest value."""
    height, width = values.shape[:2]
    kind = b"P6" if values.ndim == 3 else b"P5"
    header = kind + f"\n{width} {height}\n{highest}\n".encode()
    return header + values.astype(">u2" if highest > 255 else "u1").tobytes()


def floats(order: str, *values: float) -> bytes:
    """Return the bytes of float32 values of a TIFF tag."""
    return struct.pack(f"{order}{len(values)}f", *values)


def bits(values: Array, depth: int) -> Array:
    """Return values from 0 to 1 as integers of `depth` bits in 16."""
    return np.rint(values * ((1 << depth) - 1)).astype(np.uint16)


def _depth_writer(depth: int) -> Callable[[Array], tuple[str, bytes]]:
    return lambda values: (".png", png(bits(values, depth)))


ENCODERS: dict[str, Callable[[Array], tuple[str, bytes]]] = {
    **{f"{depth}-bit": _depth_writer(depth) for depth in DEPTHS},
    "12-bit-tiff": lambda values: (".tif", tiff(bits(values, 12), order=">")),
    "12-bit-pgm": lambda values: (".pgm", pgm(bits(values, 12), 4095)),
    "fractions": lambda values: (".tif", tiff(values.astype(np.float32))),
    "float-10000": lambda values: (".tif", tiff((10000 * values).astype(np.float32))),
    "z-scores": lambda values: (".tif", tiff(((values - 0.5) / 0.2).astype(np.float32))),
    "signed": lambda values: (".tif", tiff((4000 * values - 1000).astype(np.int16))),
    "int32": lambda values: (".tif", tiff((1e6 * values).astype(np.int32))),
    "no-data": lambda values: (
        ".tif",
        tiff(np.where(values < 0.2, -9999, 200 + 500 * values).astype(np.float32)),
    ),
}
"""By the name of the kind: from values from 0 to 1 to the suffix and content of a file."""


def make_depths(root: Path, kind: str, classes: int = 2, each: int = 6) -> Path:
    """Write a folder of gray images of one kind of ENCODERS; return `root`."""
    for label in range(classes):
        folder = root / f"class_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            suffix, content = ENCODERS[kind](scene(label, number))
            (folder / f"{number:03d}{suffix}").write_bytes(content)
    return root


def make_odd_names(root: Path) -> Path:
    """Write two classes with images under names that are none of an image, and with other files;
    return `root`."""
    for label in range(2):
        folder = root / f"class_{label}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(4):
            Image.fromarray(_gray(label, number)).save(folder / f"{number}.png")
    odd = root / "class_0"
    for number, name in enumerate(ODD_IMAGES):
        Image.fromarray(_gray(0, 100 + number)).save(odd / name, format="JPEG")
    for name, content in OTHER_FILES.items():
        (odd / name).write_bytes(content)
    return root


ODD_IMAGES = ("photo", "photo.JPG ", "photo.jpg?w=200", "x.mpo", "large.jpg_large")
"""Names of images that are not those of images."""
OTHER_FILES = {
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    ".DS_Store": b"\0\0\0\1Bud1",
    "desktop.ini": b"[.ShellClassInfo]",
    "labels.csv": b"a,b\n",
    "notes.txt": b"x",
    "0.xml": b"<annotation/>",
    "new.jxl": b"\xff\x0a\x00\x00",
    "raw.cr2": b"II*\0\x10\0\0\0CR\2\0",
    "README": b"about these images",
}
"""Files of the odd folder that are not images, or of formats that are not supported."""


def make_odd_layout(root: Path) -> Path:
    """Write train, val and test folders with images outside their classes, in subfolders, and in
    hidden and system folders; return `root`."""
    for part, (split, each) in enumerate((("train", 3), ("Val", 2), ("test", 2))):
        for label in range(2):
            folders = [root / split / f"class_{label}", root / split / f"class_{label}" / "more"]
            for number in range(each):
                folder = folders[number % 2]
                folder.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(_gray(label, 50 * part + number))
                image.save(folder / f"{number}.png")
        Image.fromarray(_gray(0, 50 * part + 40)).save(root / split / "loose.png")
    for name in (".ipynb_checkpoints", "__MACOSX", "class_0/@eaDir"):
        folder = root / "train" / name
        folder.mkdir()
        Image.fromarray(_gray(0, 7)).save(folder / "thumbnail.png")
    (root / "train" / "class_1" / "vacant").mkdir()
    (root / "labels.csv").write_text("path,label\n")
    return root


def _gray(label: int, number: int) -> Array:
    return np.rint(255 * scene(label, number)).astype(np.uint8)


def _write_all(root: Path) -> None:
    for kind in ENCODERS:
        make_depths(root / kind, kind)
    make_odd_names(root / "odd-names")
    make_odd_layout(root / "odd-layout")


if __name__ == "__main__":
    _write_all(Path(sys.argv[1]))
