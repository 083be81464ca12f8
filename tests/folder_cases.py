"""Folders as people have them: honest ones to train on, and mistaken ones with a way out.

`follow` does what the sentence of a refusal says, to the letter.
"""

import os
import re
import shutil
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from tests.look_alikes import fixed_camera, slices, video_frames
from tests.make_images import make_images


@dataclass(frozen=True, slots=True)
class Given:
    """What the user gives: a folder or URL, and other keys."""

    data: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A folder, and what is expected of it."""

    name: str
    make: Callable[[Path], Given]
    """Write it below an empty folder."""
    classes: tuple[str, ...]
    """After following the refusal, if there is one."""
    images: int
    """Used for training and validation."""
    refusal: str = ""
    """Part of the sentence with which it is refused."""


CASES: list[Case] = []
_TWO = ("class_0", "class_1")


def _case(
    images: int, classes: tuple[str, ...] = _TWO, refusal: str = ""
) -> Callable[[Callable[[Path], Given]], Callable[[Path], Given]]:
    def register(make: Callable[[Path], Given]) -> Callable[[Path], Given]:
        CASES.append(Case(make.__name__.strip("_"), make, classes, images, refusal))
        return make

    return register


def follow(message: str, given: Given) -> Given:
    """Do what a refusal says; raises AssertionError if it says nothing to do."""
    for pattern, act in _ADVICE.items():
        if found := re.search(pattern, message):
            return act(given, found)
    raise AssertionError(f"no way out in: {message}")


def _use(given: Given, found: re.Match[str]) -> Given:
    return replace(given, data=found[1])


def _remove(given: Given, found: re.Match[str]) -> Given:
    path = Path(found[1])
    path.unlink() if path.is_symlink() else shutil.rmtree(path)
    return given


def _remove_class(given: Given, found: re.Match[str]) -> Given:
    shutil.rmtree(Path(given.data) / found[1])
    return given


def _rename_to_splits(given: Given, found: re.Match[str]) -> Given:
    for old, new in zip(sorted(Path(given.data).iterdir()), ("train", "val"), strict=True):
        old.rename(old.with_name(new))
    return given


def _merge(given: Given, found: re.Match[str]) -> Given:
    top = Path(found[1])
    one, other = (_named(top, found[n]) for n in (2, 3))
    for file in sorted(other.iterdir()):
        file.rename(one / f"moved {file.name}")
    other.rmdir()
    return given


def _named(top: Path, shown: str) -> Path:
    """Return the folder with a name as a message shows it, with its code points in parentheses."""
    name, _, points = shown.partition("' (")
    name = name.strip("'")
    codes = {chr(int(code[2:], 16)) for code in points.rstrip(")").split()}
    match = [
        p
        for p in top.iterdir()
        if _plain(p.name) == _plain(name)
        and {c for c in p.name if not c.isascii() or c.isspace()} == codes
    ]
    assert len(match) == 1, (name, codes)
    return match[0]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _add_class(given: Given, found: re.Match[str]) -> Given:
    lacking, name, source = found[1], found[2], found[3]
    shutil.copytree(Path(source) / name, Path(lacking) / name)
    for number, file in enumerate(sorted((Path(lacking) / name).iterdir())):
        pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
    return given


def _sort_into_classes(given: Given, found: re.Match[str]) -> Given:
    top = Path(found[1])
    for number, file in enumerate(sorted(top.iterdir())):
        folder = top / f"class_{number % 2}"
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    return given


def _read_archive(given: Given, found: re.Match[str]) -> Given:
    place = found[1].replace("FOLDER", "photos")
    scheme, _, name = place.partition("::")
    return replace(given, data=f"{scheme}::{Path(given.data).with_name(name)}")


def _without_group(given: Given, found: re.Match[str]) -> Given:
    return replace(given, settings=())


_ADVICE: dict[str, Callable[[Given, re.Match[str]], Given]] = {
    r"is read with --data (\S+),": _read_archive,
    r"rename them to train/ and val/": _rename_to_splits,
    r"give (\S+) to split it automatically": _use,
    r"at least two; or give (\S+)$": _use,
    r"^(\S+) has two class folders that look alike: (.+) and (.+); merge": _merge,
    r"^(\S+) is a link to .*restore or remove it": _remove,
    r"^(\S+): class folder without images; add images or remove it": _remove,
    r"^(\S+): no readable images in this class; .*remove the class": _remove,
    r"change data.group$": _without_group,
    r"class '(\w+)' has .*remove the class": _remove_class,
    r"^(\S+) lacks the class '(\w+)' of (\S+);": _add_class,
    r"^(\S+) has no class folders; images are directly in it; create one": _sort_into_classes,
    r"^data.group=\S+ matches none .*remove or change it": _without_group,
}


def _images(root: Path, **options: int) -> Given:
    return Given(str(make_images(root / "photos", **{"classes": 2, "per_class": 8, **options})))


@_case(16)
def _plain_folder(root: Path) -> Given:
    return _images(root)


def _split(root: Path, train: str, val: str, wrapped: bool = False) -> Given:
    for seed, name in enumerate((train, val)):
        top = root / "photos" / name / (name if wrapped else "")
        make_images(top, classes=2, per_class=6 - 3 * seed, seed=seed)
    return Given(str(root / "photos"))


@_case(18)
def _train_and_val(root: Path) -> Given:
    return _split(root, "train", "val")


@_case(18)
def _upper_case_splits(root: Path) -> Given:
    return _split(root, "TRAIN", "Valid")


@_case(18)
def _training_and_validation(root: Path) -> Given:
    return _split(root, "Training", "Validation")


@_case(18)
def _splits_with_a_prefix(root: Path) -> Given:
    return _split(root, "seg_train", "seg_dev")


@_case(18)
def _wrapped_splits(root: Path) -> Given:
    return _split(root, "train", "val", wrapped=True)


@_case(18)
def _a_test_folder_too(root: Path) -> Given:
    make_images(root / "photos" / "test", classes=2, per_class=2, seed=3)
    return _split(root, "train", "val")


@_case(12, refusal="has Training/ but none of val/")
def _training_and_testing(root: Path) -> Given:
    return _split(root, "Training", "Testing")


@_case(18, refusal="are 'Development', 'Evaluation' splits?")
def _unusual_splits(root: Path) -> Given:
    return _split(root, "Development", "Evaluation")


@_case(16, refusal="has only one class folder (photos)")
def _a_folder_around_it(root: Path) -> Given:
    _images(root / "outer")
    return Given(str(root / "outer"))


@_case(16, refusal="images are directly in it")
def _images_without_folders(root: Path) -> Given:
    top = Path(_images(root).data)
    for file in sorted(top.rglob("*.png")):
        file.rename(top / f"{file.parent.name}-{file.name}")
    for folder in list(top.iterdir()):
        if folder.is_dir():
            folder.rmdir()
    return Given(str(top))


@_case(16, refusal="class folder without images; add images or remove it")
def _an_empty_class(root: Path) -> Given:
    given = _images(root)
    (Path(given.data) / "vacant").mkdir()
    return given


@_case(16, refusal="no readable images in this class")
def _a_class_of_damaged_files(root: Path) -> Given:
    given = _images(root)
    (Path(given.data) / "torn").mkdir()
    (Path(given.data) / "torn" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return given


@_case(16, refusal="has 1 readable image")
def _a_class_of_one_image(root: Path) -> Given:
    given = _images(root)
    make_images(Path(given.data), classes=1, per_class=1, prefix="rare", seed=4)
    return given


@_case(16, refusal="its images are copies")
def _a_class_of_copies(root: Path) -> Given:
    given = _images(root)
    made = make_images(Path(given.data), classes=1, per_class=1, prefix="copies", seed=4)
    for number in range(5):
        file = made / "copies_0" / f"copy {number}.png"
        shutil.copy(made / "copies_0" / "000.png", file)
    return given


@_case(16, refusal="is a link to /no/where")
def _a_dangling_class(root: Path) -> Given:
    given = _images(root)
    (Path(given.data) / "class_2").symlink_to("/no/where")
    return given


@_case(20, classes=("class_0", "class_1", "elsewhere"))
def _a_class_that_is_a_link(root: Path) -> Given:
    given = _images(root)
    other = make_images(root / "other", classes=1, per_class=4, seed=7)
    (Path(given.data) / "elsewhere").symlink_to(other / "class_0")
    return given


@_case(15)
def _a_file_that_is_a_dangling_link(root: Path) -> Given:
    given = _images(root)
    file = Path(given.data) / "class_0" / "000.png"
    file.unlink()
    file.symlink_to("/no/where.png")
    return given


@_case(20, refusal="look alike: 'class_0' and 'class_0 ' (U+0020)")
def _a_trailing_space(root: Path) -> Given:
    given = _images(root)
    other = make_images(root / "other", classes=1, per_class=4, seed=7)
    shutil.move(other / "class_0", Path(given.data) / "class_0 ")
    return given


@_case(12, classes=("caf\u00e9", "class_1"), refusal="look alike")
def _one_name_in_two_forms(root: Path) -> Given:
    given = _images(root, per_class=6)
    top = Path(given.data)
    (top / "class_0").rename(top / "caf\u00e9")
    (top / "cafe\u0301").mkdir()
    for number in range(3):
        (top / "caf\u00e9" / f"00{number}.png").rename(top / "cafe\u0301" / f"{number}.png")
    return given


@_case(21, refusal="lacks the class 'class_1'")
def _a_class_that_val_lacks(root: Path) -> Given:
    given = _split(root, "train", "val")
    shutil.rmtree(Path(given.data) / "val" / "class_1")
    return given


@_case(16, classes=("a", "A"))
def _names_that_differ_in_case(root: Path) -> Given:
    given = _images(root)
    top = Path(given.data)
    (top / "class_0").rename(top / "a")
    (top / "class_1").rename(top / "A")
    return given


_ODD_CLASSES = (
    *("train station", "\u65e5\u672c\u8a9e", "\U0001f431 cats", "\u05e9\u05dc\u05d5\u05dd"),
    *("x" * 200, "[red]", "50%", "a'b\"c", "-rf", "line\nbreak"),
)


@_case(40, classes=_ODD_CLASSES)
def _odd_class_names(root: Path) -> Given:
    top = make_images(root / "photos", classes=len(_ODD_CLASSES), per_class=4)
    for number, name in enumerate(_ODD_CLASSES):
        (top / f"class_{number}").rename(top / name)
    return Given(str(top))


@_case(22)
def _odd_file_names(root: Path) -> Given:
    given = _images(root)
    top = Path(given.data) / "class_0"
    names = ("IMG 1.JPG", "a\nb.png", "\u65e5.png", "50%.png", "-x.png", "x" * 240 + ".png")
    for number, name in enumerate(names):
        _noise(number).save(top / name, "PNG")
    return given


def _noise(seed: int) -> Image.Image:
    pixels = np.random.default_rng(1000 + seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)


@_case(16)
def _leftovers_of_systems(root: Path) -> Given:
    given = _images(root)
    top = Path(given.data)
    for name in ("__MACOSX", ".ipynb_checkpoints", "@eaDir"):
        shutil.copytree(top / "class_0", top / name)
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._000.png", "labels.csv"):
        (top / "class_0" / name).write_text("x")
    (top / "README.txt").write_text("x")
    return given


@_case(14)
def _damaged_files(root: Path) -> Given:
    given = _images(root)
    top = Path(given.data)
    (top / "class_0" / "000.png").write_bytes(b"")
    file = top / "class_1" / "000.png"
    file.write_bytes(file.read_bytes()[:100])
    return given


@_case(63)
def _twenty_to_one(root: Path) -> Given:
    top = make_images(root / "photos", classes=2, per_class=60)
    for number in range(3, 60):
        (top / "class_1" / f"{number:03d}.png").unlink()
    return Given(str(top))


@_case(4)
def _two_images_a_class(root: Path) -> Given:
    return _images(root, per_class=2)


@_case(16)
def _nested_folders(root: Path) -> Given:
    given = _images(root)
    for file in sorted(Path(given.data).rglob("*.png")):
        folder = file.parent / f"day {int(file.stem) % 3}"
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    return given


def _zipped(root: Path, separator: str = "/", inside: str = "photos") -> Path:
    top = Path(_images(root).data)
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for file in sorted(top.rglob("*.png")):
            name = f"{inside}/{file.relative_to(top).as_posix()}".lstrip("/")
            info = zipfile.ZipInfo("x")
            info.create_system = 0 if separator != "/" else 3
            info.filename = name.replace("/", separator)
            archive.writestr(info, file.read_bytes())
    return root / "photos.zip"


@_case(16)
def _an_archive(root: Path) -> Given:
    return Given(f"zip://photos::{_zipped(root)}")


@_case(16)
def _an_archive_without_a_folder(root: Path) -> Given:
    return Given(f"zip://::{_zipped(root, inside='')}")


@_case(16)
def _an_archive_made_on_windows(root: Path) -> Given:
    return Given(f"zip://photos::{_zipped(root, separator=chr(92))}")


@_case(16, refusal="an archive is read with --data zip://FOLDER::photos.zip")
def _an_archive_by_its_path(root: Path) -> Given:
    return Given(str(_zipped(root)))


@_case(16)
def _a_tar_archive(root: Path) -> Given:
    top = Path(_images(root).data)
    with tarfile.open(root / "photos.tar", "w") as archive:
        archive.add(top, "photos")
    return Given(f"tar://photos::{root / 'photos.tar'}")


@_case(60, classes=("good", "scratched"))
def _a_fixed_camera(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=30)))


@_case(200, classes=("good", "scratched"))
def _a_fixed_camera_with_many_parts(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=100, seed=3)))


@_case(20, classes=("good", "scratched"))
def _a_fixed_camera_with_few_parts(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=10, seed=5)))


@_case(60, classes=("good", "scratched"))
def _a_fixed_camera_with_a_test_split(root: Path) -> Given:
    return Given(str(fixed_camera(root / "photos", each=30)), ("data.test_fraction=0.2",))


@_case(60, classes=("good", "scratched"))
def _a_fixed_camera_without_a_warning(root: Path) -> Given:
    given = _a_fixed_camera(root)
    return replace(given, settings=("data.near_duplicates=ignore",))


@_case(76, classes=("class_0", "class_1", "good", "scratched"))
def _a_fixed_camera_for_some_classes(root: Path) -> Given:
    make_images(root / "photos", classes=2, per_class=8)
    return _a_fixed_camera(root)


@_case(180, classes=("a", "b"))
def _frames_of_videos(root: Path) -> Given:
    return Given(str(video_frames(root / "photos")))


@_case(180, classes=("a", "b"))
def _frames_grouped_by_video(root: Path) -> Given:
    return Given(str(video_frames(root / "photos")), (r"data.group=(\w)/\w(\d)_",))


@_case(60, classes=("a", "b"))
def _one_video_a_class(root: Path) -> Given:
    return Given(str(video_frames(root / "photos", videos=1)))


@_case(60, classes=("a", "b"), refusal="has no images for val")
def _one_group_a_class(root: Path) -> Given:
    return Given(str(video_frames(root / "photos", videos=1)), (r"data.group=(\w)/\w(\d)_",))


@_case(240, classes=("a", "b"))
def _slices_of_volumes(root: Path) -> Given:
    return Given(str(slices(root / "photos")))


@_case(240, classes=("a", "b"))
def _slices_grouped_by_volume(root: Path) -> Given:
    return Given(str(slices(root / "photos")), (r"data.group=(\w)/\w(\d)_",))


@_case(16, refusal="data.group=")
def _a_group_that_matches_nothing(root: Path) -> Given:
    return replace(_images(root), settings=(r"data.group=(patient\d+)_",))


@_case(16)
def _large_metadata(root: Path) -> Given:
    given = _images(root)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", "x" * 1_600_000, zip=True)
    file = Path(given.data) / "class_0" / "000.png"
    with Image.open(file) as image:
        image.load()
        image.save(file, pnginfo=info, icc_profile=os.urandom(1_600_000))
    return given


def cases() -> Iterator[Case]:
    """Yield all cases."""
    yield from CASES
