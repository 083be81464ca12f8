"""What a folder of a test is: what the user gives, what is expected, and what a refusal advises.

`follow` does what the sentence of a refusal says, to the letter.
"""

import re
import shutil
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

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
TWO_CLASSES = ("class_0", "class_1")


def case(
    images: int, classes: tuple[str, ...] = TWO_CLASSES, refusal: str = ""
) -> Callable[[Callable[[Path], Given]], Callable[[Path], Given]]:
    """Register the function that follows as a case of that name."""

    def register(make: Callable[[Path], Given]) -> Callable[[Path], Given]:
        CASES.append(
            Case(make.__name__.strip("_").replace("_", " "), make, classes, images, refusal)
        )
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


def images(root: Path, **options: int) -> Given:
    return Given(str(make_images(root / "photos", **{"classes": 2, "per_class": 8, **options})))
