"""Names, leftovers, and files that are not what they seem."""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from tests.folders.case import Given, case, images
from tests.make_images import make_images

_ODD_CLASSES = (
    *("train station", "\u65e5\u672c\u8a9e", "\U0001f431 cats", "\u05e9\u05dc\u05d5\u05dd"),
    *("x" * 200, "[red]", "50%", "a'b\"c", "-rf", "line\nbreak"),
)


@case(40, classes=_ODD_CLASSES)
def _odd_class_names(root: Path) -> Given:
    top = make_images(root / "photos", classes=len(_ODD_CLASSES), per_class=4)
    for number, name in enumerate(_ODD_CLASSES):
        (top / f"class_{number}").rename(top / name)
    return Given(str(top))


@case(22)
def _odd_file_names(root: Path) -> Given:
    given = images(root)
    top = Path(given.data) / "class_0"
    names = ("IMG 1.JPG", "a\nb.png", "\u65e5.png", "50%.png", "-x.png", "x" * 240 + ".png")
    for number, name in enumerate(names):
        _noise(number).save(top / name, "PNG")
    return given


def _noise(seed: int) -> Image.Image:
    pixels = np.random.default_rng(1000 + seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)


@case(16)
def _leftovers_of_systems(root: Path) -> Given:
    given = images(root)
    top = Path(given.data)
    for name in ("__MACOSX", ".ipynb_checkpoints", "@eaDir"):
        shutil.copytree(top / "class_0", top / name)
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._000.png", "labels.csv"):
        (top / "class_0" / name).write_text("x")
    (top / "README.txt").write_text("x")
    return given


@case(14)
def _damaged_files(root: Path) -> Given:
    given = images(root)
    top = Path(given.data)
    (top / "class_0" / "000.png").write_bytes(b"")
    file = top / "class_1" / "000.png"
    file.write_bytes(file.read_bytes()[:100])
    return given


@case(63)
def _twenty_to_one(root: Path) -> Given:
    top = make_images(root / "photos", classes=2, per_class=60)
    for number in range(3, 60):
        (top / "class_1" / f"{number:03d}.png").unlink()
    return Given(str(top))


@case(4)
def _two_images_a_class(root: Path) -> Given:
    return images(root, per_class=2)


@case(16)
def _nested_folders(root: Path) -> Given:
    given = images(root)
    for file in sorted(Path(given.data).rglob("*.png")):
        folder = file.parent / f"day {int(file.stem) % 3}"
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    return given


@case(16)
def _large_metadata(root: Path) -> Given:
    given = images(root)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * 1_600_000, zip=True)
    file = Path(given.data) / "class_0" / "000.png"
    with Image.open(file) as image:
        image.load()
        image.save(file, pnginfo=info, icc_profile=os.urandom(1_600_000))
    return given
