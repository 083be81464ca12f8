"""Check an image folder before training: damaged files, duplicates, split leaks, class balance.

Read-only: nothing in the folder is changed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath
from typing import Any

from PIL import Image

from core.common.errors import DataError
from core.common.format import counted
from core.common.left_out import LeftOut
from core.config.data_section import DataConfig
from core.data.assign import SplitOptions
from core.data.balance import class_warnings, classes_have
from core.data.duplicates import (
    NearDuplicates,
    exact_duplicates,
    near_duplicates,
    split_leaks,
)
from core.data.file_kind import count_left_out, file_kind
from core.data.image_folder import ListedImage, image_files, list_any_layout, list_images
from core.data.scan import DamagedImage, ImageFile, scan_images
from core.data.source import Location
from core.data.sources import source_of
from core.data.split import plan_split, ranges_of
from core.data.split_folders import find_split, is_used_folder, subfolders
from core.data.value_range import RangeUse, flat_problem, kind_name, range_uses

_SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP", "HEIF": "AVIF"}
"""Formats whose files use the extensions of another format."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An image whose extension doesn't match its content."""

    path: str
    content: str
    """Pillow's name in lower case: `webp`."""


@dataclass(frozen=True, slots=True)
class DeepFile:
    """An image with more than 8 bits per channel."""

    path: str
    kind: str
    """Kind of its values in words: `16-bit`, `float`."""
    low: float
    """Lowest value, without outliers."""
    high: float


@dataclass(frozen=True, slots=True)
class OddFolder:
    """A folder that was skipped, or that is probably not meant as a class."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class DataReport:
    """Result of checking an image folder. Paths are relative to it, with `/`."""

    root: str
    images: int
    """Readable images."""
    classes: dict[str, int]
    """Readable images per class; empty if the folder has no classes."""
    parts: dict[str, int]
    """Readable images in `train`, `val` and `test`, if the folders define the split."""
    damaged: list[DamagedImage]
    ignored: list[str]
    """Files that are not used: no images, formats that aren't supported, and system files."""
    mismatched: list[Mismatch]
    duplicates: list[list[str]]
    """Files with equal bytes."""
    near_duplicates: list[list[str]]
    """Images that look alike, though their files differ."""
    leaks: list[list[str]]
    """Duplicates in several classes or several splits."""
    folders: list[OddFolder]
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: dict[str, list[int]]
    """Width and height of the `smallest`, `median` and `largest` image by area."""
    structure: str = ""
    """Why the folder can't be used for training as it is, or empty."""
    notes: list[str] = field(default_factory=list)
    """Warnings: small classes, imbalance, flat images."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Numbers of ignored files by reason, without hidden and system files."""
    unsupported: list[str] = field(default_factory=list)
    """The ignored files that are images in a format that can't be read."""
    value_ranges: list[RangeUse] = field(default_factory=list)
    """Deep images by kind, with the value range of training."""
    deep: list[DeepFile] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """All problems, one line each; leaks come before other duplicates."""
        found = [self.structure] if self.structure else []
        kinds = (
            (len(self.damaged), "damaged file", ""),
            (len(self.unsupported), "image", " in a format that is not supported"),
            (len(self.mismatched), "file", " whose extension is not that of the format"),
        )
        found += [counted(number, noun) + rest for number, noun, rest in kinds if number]
        found += [text for text in _duplicate_problems(self) if text]
        return [*found, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return {**asdict(self), "problems": self.problems}


def check_data(
    root: Location,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DataReport | None:
    """Read every image of a folder and report problems.

    A folder without classes gets a report too; a missing one raises DataError. Returns None once
    `cancelled` is true.
    """
    if not root.is_dir():
        list_images(root)  # raises the DataError with the reason
    listed, structure = _list(root)
    scanned = scan_images(root, listed, progress, cancelled)
    if scanned is None:
        return None
    images, damaged = scanned
    duplicates = near_duplicates(images)
    structure = structure or _split_error(root, listed, images, damaged, duplicates)
    counts = {item.label: 0 for item in listed if item.label}
    counts.update(Counter(p.label for p in images if p.label))
    train = Counter(p.label for p in images if p.label and p.split not in ("val", "test"))
    others = _other_entries(root, {item.path for item in listed})
    uses = range_uses([p.info.values for p in images if p.info], ranges_of(images))
    flat = [problem for use in uses if (problem := flat_problem(use))]
    infos = [image.info for image in images if image.info]
    return DataReport(
        root=str(root),
        images=len(images),
        classes=dict(sorted(counts.items())),
        parts=dict(Counter(p.split for p in images if p.split)),
        damaged=damaged,
        ignored=others.files,
        mismatched=list(_mismatched(images)),
        duplicates=_paths(exact_duplicates(images)),
        near_duplicates=_paths(g for g in duplicates.chains if len({p.sha256 for p in g}) > 1),
        leaks=_paths(split_leaks(images, duplicates.chains)),
        folders=others.folders,
        formats=dict(Counter(info.format for info in infos).most_common()),
        modes=dict(Counter(info.mode for info in infos).most_common()),
        sizes=_sizes(images),
        structure=structure,
        notes=[*flat, *_unreadable_classes(counts), *class_warnings(counts, train)],
        left_out=others.left_out.by_reason(),
        unsupported=others.unsupported,
        value_ranges=uses,
        deep=[
            DeepFile(image.path, kind_name(values.kind), values.low, values.high)
            for image in images
            if image.info and (values := image.info.values)
        ],
    )


def in_groups(groups: Sequence[Sequence[str]], noun: str) -> str:
    """Return the number of files in some groups: `80 identical files in 1 group`."""
    return f"{counted(sum(map(len, groups)), noun)} in {counted(len(groups), 'group')}"


def _duplicate_problems(report: DataReport) -> Iterator[str]:
    if report.leaks:
        yield f"{in_groups(report.leaks, 'near-duplicate')} across classes or splits"
    if report.duplicates:
        yield in_groups(report.duplicates, "identical file")
    if report.near_duplicates:
        yield in_groups(report.near_duplicates, "near-duplicate")


def _unreadable_classes(counts: Mapping[str, int]) -> list[str]:
    lost = [name for name, count in counts.items() if count == 0]
    return [f"{classes_have(lost)} no readable images"] if lost else []


def _list(root: Location) -> tuple[list[ListedImage], str]:
    """Return the image files, and why the layout can't be used for training or ""."""
    try:
        return [*list_images(root), *_test_images(root)], ""
    except DataError as error:
        return list_any_layout(root), str(error)


def _test_images(root: Location) -> list[ListedImage]:
    """Return the images of `test/` if there is a `train/`: only an evaluation reads them."""
    folders = subfolders(root)
    test = find_split(folders, "test") if find_split(folders, "train") else None
    if test is None:
        return []
    found = (file.relative_to(root) for file in sorted(image_files(test)))
    return [
        ListedImage(path.as_posix(), path.parts[-2] if len(path.parts) > 2 else "", "test")
        for path in found
    ]


def _split_error(
    root: Location,
    listed: list[ListedImage],
    images: list[ImageFile],
    damaged: list[DamagedImage],
    duplicates: NearDuplicates,
) -> str:
    """Return why the scanned images can't be split, or ""."""
    options = SplitOptions(DataConfig().val_fraction, seed=0)
    test = {item.path for item in listed if item.split == "test"}
    used = [image for image in images if image.path not in test]
    try:
        plan_split(
            root, used, [item for item in damaged if item.path not in test], duplicates, options
        )
    except DataError as error:
        return str(error)
    return ""


@dataclass(slots=True)
class _OtherEntries:
    """Files that are not among the images, and folders that are skipped or empty."""

    files: list[str] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)
    folders: list[OddFolder] = field(default_factory=list)

    def add(self, path: PurePath, file: Location) -> None:
        """Add a file below the root that is not used."""
        self.files.append(path.as_posix())
        if not all(map(is_used_folder, path.parts[:-1])):
            return  # its folder is reported
        kind = file_kind(file)
        if kind.is_image:
            self.left_out.outside["the class folders"] += 1
        else:
            count_left_out(file, kind, self.left_out)
        if kind.unsupported:
            self.unsupported.append(path.as_posix())


def _other_entries(root: Location, used: set[str]) -> _OtherEntries:
    found = _OtherEntries()
    for top, folders, files in source_of(root).walk(root):
        folders.sort()
        here = top.relative_to(root)
        for name in sorted(files):
            if (here / name).as_posix() not in used:
                found.add(here / name, top / name)
        if here.parts and not is_used_folder(here.name):
            found.folders.append(OddFolder(here.as_posix(), "hidden or system folder, skipped"))
        elif here.parts and not files and not folders:
            found.folders.append(OddFolder(here.as_posix(), "empty"))
    return found


def _mismatched(images: Iterable[ImageFile]) -> Iterator[Mismatch]:
    known = Image.registered_extensions()
    for image in images:
        suffix = Path(image.path).suffix.lower()
        expected = {".jfif": "JPEG", ".heic": "AVIF"}.get(suffix, known.get(suffix, ""))
        actual = image.info.format if image.info else expected
        if _SAME_FORMAT.get(actual, actual) != _SAME_FORMAT.get(expected, expected):
            yield Mismatch(image.path, actual.lower())


def _paths(groups: Iterable[Sequence[ImageFile]]) -> list[list[str]]:
    return sorted(sorted(image.path for image in group) for group in groups)


def _sizes(images: Sequence[ImageFile]) -> dict[str, list[int]]:
    sizes = sorted(
        ([p.info.width, p.info.height] for p in images if p.info),
        key=lambda size: (size[0] * size[1], size),
    )
    if not sizes:
        return {}
    return {"smallest": sizes[0], "median": sizes[len(sizes) // 2], "largest": sizes[-1]}
