"""Plan the data of a run: list, read and split the images of a folder."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.common.errors import DataError
from core.common.files import write_text_atomically
from core.common.left_out import LeftOut
from core.common.seeds import derive_seed
from core.common.text import printable, quoted
from core.data.assign import SPLITS, SplitOptions, missed_shares
from core.data.duplicates import NearDuplicates, exact_duplicates, near_duplicates, split_leaks
from core.data.grouping import group_counts, missed_text, split_grouped
from core.data.image_folder import is_in_split, list_images
from core.data.scan import DamagedImage, ImageFile, scan_images
from core.data.source import Location
from core.data.value_range import ANY, AUTO, ValueRanges, choose_ranges


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
    """Groups of duplicates in several splits or classes."""
    missed: str = ""
    """Which classes miss their shares of a split by seed, in words."""
    groups: int = 0
    """Groups by `data.group`."""
    ungrouped: int = 0
    """Images that `data.group` doesn't match."""
    value_ranges: ValueRanges | None = None
    """As in `core.data.decode.read_rgb`."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """Files of the data folder that are no images or in no class, by reason."""

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
class ScannedFolder:
    """The images of a data folder, before they are split."""

    images: list[ImageFile]
    damaged: list[DamagedImage]
    duplicates: NearDuplicates
    left_out: LeftOut


Scan = Callable[
    [Location, Callable[[int, int], None], Callable[[], bool], bool], ScannedFolder | None
]


def scan_folder(
    root: Location,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    use_cache: bool,
) -> ScannedFolder | None:
    """List and read all images of a data folder; the arguments are as for `plan_data`."""
    left_out = LeftOut()
    listed = list_images(root, left_out)
    scanned = scan_images(root, listed, progress, cancelled, use_cache)
    if scanned is None:
        return None
    images, damaged = scanned
    return ScannedFolder(images, damaged, near_duplicates(images), left_out)


class SharedScan:
    """`scan_folder` that reads a folder once for several runs with the same images."""

    def __init__(self) -> None:
        self._last: tuple[Location, ScannedFolder] | None = None

    def __call__(
        self,
        root: Location,
        progress: Callable[[int, int], None],
        cancelled: Callable[[], bool],
        use_cache: bool,
    ) -> ScannedFolder | None:
        """Return the images, from the last call if it was for the same folder."""
        if self._last is not None and self._last[0] == root:
            return self._last[1]
        scanned = scan_folder(root, progress, cancelled, use_cache)
        self._last = None if scanned is None else (root, scanned)
        return scanned


def plan_data(
    root: Location,
    options: SplitOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    use_cache: bool = True,
    value_range: str | Sequence[float] = AUTO,
    scan: Scan = scan_folder,
) -> DataPlan | None:
    """List, read and split all images of a data folder.

    Near-duplicates stay in one split where possible. `value_range` is the config key. `progress`,
    `cancelled` and `use_cache` are as for `scan_images`. Raises DataError with one line that names
    the path and the fix; returns None once `cancelled` is true.
    """
    scanned = scan(root, progress, cancelled, use_cache)
    if scanned is None:
        return None
    plan = plan_split(root, scanned.images, scanned.damaged, scanned.duplicates, options)
    ranges = ranges_of(plan.all, value_range)
    return replace(plan, left_out=scanned.left_out, value_ranges=ranges)


def ranges_of(
    images: Iterable[ImageFile], value_range: str | Sequence[float] = AUTO
) -> ValueRanges:
    """Return the value range of each kind of deep image; `value_range` is the config key."""
    return choose_ranges((image.info.values for image in images if image.info), value_range)


def extended_ranges(
    recorded: ValueRanges | None, images: Iterable[ImageFile]
) -> ValueRanges | None:
    """Return the recorded value ranges, with those of kinds that only new images have."""
    if recorded is None or ANY in recorded:
        return recorded
    return {**ranges_of(images), **recorded}


def plan_split(
    root: Location,
    images: list[ImageFile],
    damaged: list[DamagedImage],
    duplicates: NearDuplicates,
    options: SplitOptions,
) -> DataPlan:
    """Split scanned images; `duplicates` are the near-duplicates among them. Raises DataError."""
    classes = _class_names(root, images, damaged)
    by_folders = any(image.split for image in images)
    missed, groups = "", (0, 0)
    if not by_folders:
        images = split_grouped(images, duplicates.clusters, options)
        shares = missed_shares(images, options)
        missed = missed_text(shares, options) if shares else ""
        groups = group_counts(images, options.group) if options.group else groups
    elif options.group or options.test_fraction or options.folds:
        raise DataError(
            f"{printable(str(root))} is split by its folders; data.group, data.test_fraction and "
            "data.folds don't apply: remove them"
        )
    ignored = options.near_duplicates == "ignore"
    leaks = split_leaks(images, exact_duplicates(images) if ignored else duplicates.chains)
    plan = DataPlan(root, classes, *by_split(images), damaged, leaks, missed, *groups)
    _check_not_empty(plan, by_folders)
    return plan


def by_split(images: list[ImageFile]) -> tuple[list[ImageFile], list[ImageFile], list[ImageFile]]:
    """Return the images of train, val and test."""
    train, val, test = ([image for image in images if image.split == s] for s in SPLITS)
    return train, val, test


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
                reason, change = "its images are copies of one another", "remove the class"
                if plan.groups:
                    reason, change = "too few groups by data.group are in it", "change data.group"
                raise DataError(
                    f"class {quoted(name)} has no images for {split}: {reason}, which stay in one "
                    f"split; add images or {change}"
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
