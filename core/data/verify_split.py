"""Compare a run's `split.csv` with the data folder before resuming."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.common.errors import DataError, os_error_text
from core.common.left_out import LeftOut
from core.common.text import printable
from core.data.duplicates import exact_duplicates, near_duplicates
from core.data.image_folder import ListedImage, list_images
from core.data.inspect import ImageInfo
from core.data.inspect_cache import ImageInfoCache
from core.data.scan import ImageFile, scan_images
from core.data.source import Location
from core.data.sources import source_of
from core.data.split import DataPlan, by_split

_MAX_NAMED = 3


@dataclass
class Differences:
    """Changes of a run's images since it started, by path."""

    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """`old path -> new path` of an image that is in another class now."""
    renamed: list[str] = field(default_factory=list)
    """`old path -> new path` within a class; paths determine the order of images."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.new or self.changed or self.moved or self.renamed)

    def __str__(self) -> str:
        kinds = {
            "missing": self.missing,
            "new": self.new,
            "changed": self.changed,
            "moved to another class": self.moved,
            "renamed": self.renamed,
        }
        return "; ".join(
            f"{len(paths)} {kind} ({_some(paths)})" for kind, paths in kinds.items() if paths
        )


def verify_split(
    root: Location,
    split: Path,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    use_cache: bool = True,
    group_near_duplicates: bool = True,
    read_all: bool = False,
    by_content: bool = True,
) -> tuple[DataPlan, Differences] | None:
    """Return the split recorded in `split.csv` updated to the folder's content, and the changes.

    A file's content is only read if its size or modification time has changed, or with `read_all`.
    Known images keep their split; new ones go to train unless they are copies of held-out images
    or, with `group_near_duplicates`, look like images that are all held out. `use_cache` is as for
    `scan_images`, `by_content` as for `list_images`. Raises DataError if `split.csv` is unreadable
    or the classes have changed; returns None once `cancelled` is true.
    """
    recorded = {image.path: image for image in read_split(split)}
    left_out = LeftOut()
    listed = {item.path: item for item in list_images(root, left_out, by_content)}
    to_read = list(listed.values())
    if not read_all:
        needed = source_of(root).map(lambda path: _has_changed(root, recorded.get(path)), listed)
        to_read = [item for item, needs in zip(listed.values(), needed, strict=True) if needs]
    scanned = scan_images(root, to_read, progress, cancelled, use_cache)
    if scanned is None:
        return None
    fresh = {image.path: image for image in scanned[0]}
    differences, images = _compare(recorded, listed, {item.path for item in to_read}, fresh)
    classes = sorted({p.label for p in recorded.values()})
    if {p.label for p in images} != set(classes):
        raise DataError(f"{printable(str(root))}: the classes have changed since the run started")
    if differences.new:
        new = set(differences.new)
        images = _join_held_out(exact_duplicates(images), images, new)
        if group_near_duplicates:
            inspected = _inspected(root, images, use_cache)
            images = _join_held_out(near_duplicates(inspected).clusters, images, new)
    plan = DataPlan(root, classes, *by_split(images), damaged=scanned[1], left_out=left_out)
    return plan, differences


def _inspected(root: Location, images: list[ImageFile], use_cache: bool) -> list[ImageFile]:
    with ImageInfoCache(use_cache) as cache:
        return [p if p.info else replace(p, info=_info(root, p, cache)) for p in images]


def _join_held_out(
    groups: Iterable[Sequence[ImageFile]], images: list[ImageFile], new: set[str]
) -> list[ImageFile]:
    """Move new images to the split of their duplicates: a copy of a validation image must not be
    trained on. Where the known images of a group are in train, too, the group is divided already.
    """
    split_of: dict[str, str] = {}
    for group in groups:
        known = {p.split for p in group if p.path not in new}
        if known and "train" not in known:
            split_of.update((p.path, max(known)) for p in group if p.path in new)
    return [replace(p, split=split_of.get(p.path, p.split)) for p in images]


def _info(root: Location, image: ImageFile, cache: ImageInfoCache) -> ImageInfo | None:
    info = cache.find(image.sha256)
    if info is None:
        try:
            info = cache.inspect_file(root / image.path)
        except OSError:
            return None
    return None if info.reason else info


def read_split(path: Path) -> list[ImageFile]:
    """Return the images of a `split.csv`; raise DataError if it is unreadable."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [
                ImageFile(
                    path=row["path"],
                    label=row["class"],
                    split=row["split"],
                    sha256=row["sha256"],
                    bytes=int(row["bytes"]),
                    mtime_ns=int(row["mtime_ns"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        reason = printable(os_error_text(error))
        raise DataError(
            f"{printable(str(path))} can't be read ({reason}); give a split.csv "
            "with the columns path, class, split, sha256, bytes and mtime_ns"
        ) from None


def _has_changed(root: Location, known: ImageFile | None) -> bool:
    if known is None:
        return True
    try:
        status = (root / known.path).stat()
        # 0 is an unknown modification time.
        if status.st_size == known.bytes and status.st_mtime_ns == known.mtime_ns != 0:
            return False
        return hashlib.sha256((root / known.path).read_bytes()).hexdigest() != known.sha256
    except OSError:
        return True


def _compare(
    recorded: Mapping[str, ImageFile],
    listed: Mapping[str, ListedImage],
    read: set[str],
    fresh: Mapping[str, ImageFile],
) -> tuple[Differences, list[ImageFile]]:
    """Return the changes and the current images; `fresh` are the readable ones among `read`."""
    differences = Differences()
    gone = {path: p for path, p in recorded.items() if path not in listed}
    by_content = {p.sha256: path for path, p in gone.items()}
    images = []
    for path in listed:
        known, current = recorded.get(path), fresh.get(path)
        if known is not None and path not in read:
            images.append(known)
        elif known is not None and current is not None and current.sha256 == known.sha256:
            images.append(replace(current, split=known.split))
        elif known is not None:
            differences.changed.append(path)
            images += [replace(current, split=known.split)] if current else []
        elif current is not None and current.sha256 in by_content:
            origin = gone.pop(by_content.pop(current.sha256))
            same_class = origin.label == current.label
            kind = differences.renamed if same_class else differences.moved
            kind.append(f"{origin.path} -> {path}")
            images.append(replace(current, split=origin.split))
        elif current is not None:
            differences.new.append(path)
            images.append(replace(current, split=current.split or "train"))
    differences.missing += sorted(gone)
    return differences, sorted(images, key=lambda p: p.path)


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else ""
    return ", ".join(printable(path) for path in paths[:_MAX_NAMED]) + more
