"""What is right and wrong with a folder of pictures, before anything is trained on it.

Nothing in the folder is ever changed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from core.common.errors import DataError
from core.config.schema import DataConfig
from core.data.balance import class_warnings, classes_have
from core.data.duplicates import exact_duplicates, leaks, near_duplicates
from core.data.scan import (
    VAL_NAMES,
    DamagedImage,
    ImageFile,
    ListedImage,
    is_image_name,
    is_used_folder,
    list_images,
    read_all,
)
from core.data.split import plan_of
from core.data.storage import Location, relative, walk

_SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP", "HEIF": "AVIF"}
"""Formats whose files go by the names of others."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A picture whose name promises something else than its content."""

    path: str
    content: str
    """As Pillow calls it, in lower case: `webp`."""


@dataclass(frozen=True, slots=True)
class OddFolder:
    """A folder that was left out, or that nobody meant to be a class."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class DataReport:
    """A folder of pictures. Paths are relative to it, with `/`."""

    root: str
    images: int
    """Pictures that can be read."""
    classes: dict[str, int]
    """Those of each class; none where the folder has no classes."""
    parts: dict[str, int]
    """Those of `train` and `val`, where folders say so."""
    damaged: list[DamagedImage]
    ignored: list[str]
    """Files that are no pictures by their names, or that systems leave about."""
    mismatched: list[Mismatch]
    duplicates: list[list[str]]
    """Files of the same bytes."""
    near_duplicates: list[list[str]]
    """Pictures that show the same, though their files differ."""
    leaks: list[list[str]]
    """What shows the same in several classes, or on several sides of the split."""
    folders: list[OddFolder]
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: dict[str, list[int]]
    """Width and height of the `smallest`, the `median` and the `largest` picture, by area."""
    structure: str = ""
    """Why the folder can't be trained on as it is, or nothing."""
    notes: list[str] = field(default_factory=list)
    """What else a person should know: classes too small, imbalance."""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, a line each; sides and classes that leak go before copies."""
        found = [self.structure] if self.structure else []
        counted = (
            (len(self.damaged), "can't be read", "file"),
            (len(self.mismatched), "named for another format than they hold", "file"),
            (len(self.leaks), "there in several classes or on several sides", "picture"),
            (len(self.duplicates), "there in several files of the same bytes", "picture"),
            (len(self.near_duplicates), "there in files that look the same", "picture"),
        )
        for number, what, thing in counted:
            if number:
                found.append(f"{number:,} {thing}{'s' * (number != 1)} {what}")
        return [*found, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {**asdict(self), "problems": self.problems}


def check_data(
    root: Location,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DataReport | None:
    """Read every picture of a folder and report on it; raises DataError for a folder that isn't
    there. A folder without classes is reported on too. Returns None when `cancelled` turned true.
    """
    if not root.is_dir():
        list_images(root)  # says what is wrong with it
    listed, structure = _listed(root)
    read = read_all(root, listed, progress, cancelled)
    if read is None:
        return None
    pictures, damaged = read
    same = near_duplicates(pictures)
    structure = structure or _why_not(root, pictures, damaged, same)
    counts = {item.label: 0 for item in listed if item.label}
    counts.update(Counter(p.label for p in pictures if p.label))
    train = Counter(p.label for p in pictures if p.label and p.part != "val")
    files, folders = _others(root, {item.path for item in listed})
    return DataReport(
        root=str(root),
        images=len(pictures),
        classes=dict(sorted(counts.items())),
        parts=dict(Counter(p.part for p in pictures if p.part)),
        damaged=damaged,
        ignored=files,
        mismatched=list(_mismatched(pictures)),
        duplicates=_paths(exact_duplicates(pictures)),
        near_duplicates=_paths(g for g in same if len({p.sha256 for p in g}) > 1),
        leaks=_paths(leaks(pictures, same)),
        folders=folders,
        formats=dict(Counter(p.look.format for p in pictures if p.look).most_common()),
        modes=dict(Counter(p.look.mode for p in pictures if p.look).most_common()),
        sizes=_sizes(pictures),
        structure=structure,
        notes=[*_lost(counts), *class_warnings(counts, train)],
    )


def _lost(counts: Mapping[str, int]) -> list[str]:
    lost = [name for name, count in counts.items() if count == 0]
    return [f"{classes_have(lost)} no picture that can be read"] if lost else []


def _listed(root: Location) -> tuple[list[ListedImage], str]:
    try:
        return list_images(root), ""
    except DataError as error:
        found = []
        for here, folders, files in walk(root):
            folders[:] = sorted(name for name in folders if is_used_folder(name))
            inside = relative(here, root)
            label = _label(inside.parts)
            found += [
                ListedImage((inside / name).as_posix(), label, "")
                for name in sorted(files)
                if is_image_name(name)
            ]
        return found, str(error)


def _why_not(
    root: Location,
    pictures: list[ImageFile],
    damaged: list[DamagedImage],
    same: list[list[ImageFile]],
) -> str:
    """Return why what was read can't be trained on, or nothing."""
    try:
        plan_of(root, pictures, damaged, same, DataConfig().val_fraction, seed=0)
    except DataError as error:
        return str(error)
    return ""


def _label(folders: tuple[str, ...]) -> str:
    """Return the class that a folder is most likely meant for."""
    sides = {"train", *VAL_NAMES}
    inner = [name for name in folders[:2] if name.lower() not in sides]
    return inner[0] if inner else ""


def _others(root: Location, used: set[str]) -> tuple[list[str], list[OddFolder]]:
    """Return the files that are not among the pictures, and the folders that are odd."""
    ignored: list[str] = []
    odd = []
    for top, folders, files in walk(root):
        folders.sort()
        here = relative(top, root)
        paths = sorted((here / name).as_posix() for name in files)
        ignored += [path for path in paths if path not in used]
        if here.parts and not is_used_folder(here.name):
            odd.append(OddFolder(here.as_posix(), "of a system or a tool, left out"))
        elif here.parts and not files and not folders:
            odd.append(OddFolder(here.as_posix(), "empty"))
    return ignored, odd


def _mismatched(pictures: Iterable[ImageFile]) -> Iterator[Mismatch]:
    known = Image.registered_extensions()
    for picture in pictures:
        suffix = Path(picture.path).suffix.lower()
        promised = {".jfif": "JPEG", ".heic": "AVIF"}.get(suffix, known.get(suffix, ""))
        content = picture.look.format if picture.look else promised
        if _SAME_FORMAT.get(content, content) != _SAME_FORMAT.get(promised, promised):
            yield Mismatch(picture.path, content.lower())


def _paths(groups: Iterable[Sequence[ImageFile]]) -> list[list[str]]:
    return sorted(sorted(picture.path for picture in group) for group in groups)


def _sizes(pictures: Sequence[ImageFile]) -> dict[str, list[int]]:
    sizes = sorted(
        ([p.look.width, p.look.height] for p in pictures if p.look),
        key=lambda size: (size[0] * size[1], size),
    )
    if not sizes:
        return {}
    return {"smallest": sizes[0], "median": sizes[len(sizes) // 2], "largest": sizes[-1]}
