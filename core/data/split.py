"""Split images into train, val and test: stratified, by seed, independent of the listing order."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.common.errors import DataError
from core.common.files import write_text_atomically
from core.common.format import counted
from core.common.seeds import derive_seed
from core.common.text import printable
from core.data.duplicates import DisjointSets, near_duplicates, split_leaks
from core.data.holdout import Group, hold_out
from core.data.image_folder import is_in_split, list_images
from core.data.scan import DamagedImage, ImageFile, scan_images
from core.data.source import Location

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The images of a run in their splits."""

    root: Location
    classes: list[str]
    """By label: label i is `classes[i]`."""
    train: list[ImageFile]
    val: list[ImageFile]
    test: list[ImageFile] = field(default_factory=list)
    """Never used during training."""
    damaged: list[DamagedImage] = field(default_factory=list)
    leaks: list[list[ImageFile]] = field(default_factory=list)
    """Groups of near-duplicates in several splits or classes."""

    def per_class(self, split: str) -> dict[str, int]:
        """Return the number of images per class in `train`, `val` or `test`."""
        counts = Counter(image.label for image in self.all if image.split == split)
        return {name: counts[name] for name in self.classes}

    @property
    def fingerprint(self) -> str:
        """Hash of path, class, split and content of every image."""
        lines = sorted(f"{p.path} {p.label} {p.split} {p.sha256}" for p in self.all)
        return f"{derive_seed(*lines):016x}"

    @property
    def all(self) -> list[ImageFile]:
        """The images of all splits."""
        return [*self.train, *self.val, *self.test]

    def write_csv(self, path: Path) -> None:
        """Write `split.csv`: path, class, split, sha256, bytes, mtime_ns of every image."""
        text = io.StringIO()
        # Always quoted: by default, csv doesn't quote a name that contains a carriage return.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["path", "class", "split", "sha256", "bytes", "mtime_ns"])
        for p in self.all:
            writer.writerow([p.path, p.label, p.split, p.sha256, p.bytes, p.mtime_ns])
        write_text_atomically(path, text.getvalue())


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How images are divided where the folders don't define the split."""

    val_fraction: float
    seed: int
    test_fraction: float = 0.0
    group: str | None = None
    """Regular expression: images with equal matches in their paths stay in one split."""


def plan_data(
    root: Location,
    options: SplitOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    use_cache: bool = True,
) -> DataPlan | None:
    """List, read and split all images of a data folder.

    Near-duplicates stay in one split. `progress`, `cancelled` and `use_cache` are as for
    `scan_images`. Raises DataError with one line that names the path and the fix; returns None
    once `cancelled` is true.
    """
    scanned = scan_images(root, list_images(root), progress, cancelled, use_cache)
    if scanned is None:
        return None
    images, damaged = scanned
    return plan_split(root, images, damaged, near_duplicates(images), options)


def plan_split(
    root: Location,
    images: list[ImageFile],
    damaged: list[DamagedImage],
    duplicates: list[list[ImageFile]],
    options: SplitOptions,
) -> DataPlan:
    """Split scanned images; `duplicates` are their groups of near-duplicates. Raises DataError."""
    classes = _class_names(root, images, damaged)
    by_folders = any(image.split for image in images)
    if not by_folders:
        groups = grouped_images(images, duplicates, options.group)
        images = split_images(images, options, groups)
    elif options.group or options.test_fraction:
        raise DataError(
            f"{printable(str(root))} is split by its folders; data.group and "
            "data.test_fraction don't apply: remove them"
        )
    leaks = split_leaks(images, duplicates)
    plan = DataPlan(root, classes, *by_split(images), damaged=damaged, leaks=leaks)
    _check_not_empty(plan, by_folders)
    return plan


def by_split(images: list[ImageFile]) -> tuple[list[ImageFile], list[ImageFile], list[ImageFile]]:
    """Return the images of train, val and test."""
    train, val, test = ([image for image in images if image.split == s] for s in SPLITS)
    return train, val, test


def grouped_images(
    images: Sequence[ImageFile], duplicates: Iterable[Sequence[ImageFile]], pattern: str | None
) -> list[list[ImageFile]]:
    """Return groups of images that must stay in one split, in the order of their first paths.

    A group joins near-duplicates, and images in whose paths the regular expression `pattern` has
    equal matches (equal capture groups if it has some). All other images are groups of one. Raises
    DataError if the expression matches no path.
    """
    ranked = sorted(images, key=lambda p: p.path)
    position = {image.path: number for number, image in enumerate(ranked)}
    groups = DisjointSets(len(ranked))
    for members in duplicates:
        for member in members[1:]:
            groups.join(position[members[0].path], position[member.path])
    if pattern is not None:
        first: dict[tuple[str | None, ...], int] = {}
        for image in ranked:
            match = re.search(pattern, image.path)
            if match:
                value = match.groups() or (match.group(),)
                here = position[image.path]
                groups.join(here, first.setdefault(value, here))
        if not first:
            raise DataError(
                f"data.group={printable(pattern)} matches none of the {len(ranked):,} paths, such "
                f"as {printable(ranked[0].path)}: remove or change it"
            )
    return [[ranked[number] for number in members] for members in groups.members()]


def split_images(
    images: list[ImageFile],
    options: SplitOptions,
    groups: list[list[ImageFile]] | None = None,
) -> list[ImageFile]:
    """Return the images sorted by path, each with its split.

    Every class gives `test_fraction` of its images to test and `val_fraction` to val, rounded, at
    least one image to each split, as close as the indivisible `groups` allow. The rank of a group
    depends only on the seed and its first path, so the listing order has no effect. Raises
    DataError for a class with fewer images than splits.
    """
    sizes = Counter(image.label for image in images)
    _check_class_sizes(sizes, 3 if options.test_fraction else 2)
    rest = [sorted(group, key=lambda p: p.path) for group in groups or [[p] for p in images]]
    split_of: dict[str, str] = {}
    wanted = {
        label: split_counts(number, options.val_fraction, options.test_fraction)
        for label, number in sizes.items()
    }
    for split in ("test", "val") if options.test_fraction else ("val",):
        # A group may have exceeded the share of a class; leave at least one image to train on.
        left = Counter(p.label for group in rest for p in group)
        most = {
            label: max(0, min(numbers[SPLITS.index(split)], left[label] - 1))
            for label, numbers in wanted.items()
        }
        held, rest = _hold_out(rest, most, options.seed, split)
        split_of.update((p.path, split) for group in held for p in group)
    assigned = [replace(image, split=split_of.get(image.path, "train")) for image in images]
    return sorted(assigned, key=lambda p: p.path)


def held_out_count(count: int, fraction: float) -> int:
    """Return how many of `count` images are held out: at least one, and not all."""
    return max(0, min(count - 1, max(1, round(count * fraction))))


def split_counts(count: int, val_fraction: float, test_fraction: float) -> tuple[int, int, int]:
    """Return the numbers of train, val and test images of a class of `count` without groups."""
    test = min(held_out_count(count, test_fraction), max(0, count - 2)) if test_fraction else 0
    val = min(held_out_count(count, val_fraction), max(0, count - test - 1))
    return count - test - val, val, test


def _hold_out(
    groups: list[list[ImageFile]], wanted: dict[str, int], seed: int, split: str
) -> tuple[list[list[ImageFile]], list[list[ImageFile]]]:
    """Return the groups that are held out for a split, and the others."""
    purpose = {"val": "split", "test": "test"}[split]
    ranked = [
        Group(derive_seed(seed, purpose, members[0].path), Counter(p.label for p in members))
        for members in groups
    ]
    chosen = hold_out(ranked, wanted)
    held = [members for number, members in enumerate(groups) if number in chosen]
    return held, [members for number, members in enumerate(groups) if number not in chosen]


def _check_class_sizes(sizes: Counter[str], least: int) -> None:
    splits = "train, val and test" if least == 3 else "train and val"
    for label, count in sizes.items():
        if count < least:
            raise DataError(
                f"class {printable(label)!r} has {counted(count, 'readable image')}; a split into "
                f"{splits} needs at least {least}: add images or remove the class"
            )


def _class_names(root: Location, images: list[ImageFile], damaged: list[DamagedImage]) -> list[str]:
    if not images:
        first = f" (first: {printable(damaged[0].path)}: {damaged[0].reason})" if damaged else ""
        raise DataError(f"{printable(str(root))}: no readable images{first}")
    readable = {image.label for image in images}
    lost = sorted({item.label for item in damaged} - readable)
    if lost:
        raise DataError(
            f"{printable(str(root / lost[0]))}: no readable images in this class; "
            "repair the files or remove the class"
        )
    return sorted(readable)


def _check_not_empty(plan: DataPlan, by_folders: bool) -> None:
    for split in SPLITS if plan.test else SPLITS[:2]:
        for name, count in plan.per_class(split).items():
            if count == 0 and not by_folders:
                raise DataError(
                    f"class {printable(name)!r} has no images for {split}: all its images are "
                    "near-duplicates or one group by data.group, which stay in one split; add "
                    "images or remove the class"
                )
            if count == 0:
                # Named by one of its files, as the folder may also be called `valid` or `Train`.
                lost = next(
                    (
                        item.path
                        for item in plan.damaged
                        if item.label == name and is_in_split(item.path, split)
                    ),
                    split,
                )
                folder = plan.root / lost.split("/")[0] / name
                raise DataError(
                    f"{printable(str(folder))}: no readable images in this class; "
                    "add images or remove the class"
                )
