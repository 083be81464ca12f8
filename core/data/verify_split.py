"""Is the data still what a run began with: `split.csv` against the folder."""

import csv
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.common.errors import DataError
from core.common.text import printable
from core.data.duplicates import near_duplicates
from core.data.inspect import ImageInfo
from core.data.inspect_cache import ImageInfoCache
from core.data.scan import ImageFile, ListedImage, list_images, read_all
from core.data.split import DataPlan, by_part
from core.data.storage import Location, mapped

_NAMED = 3


@dataclass
class Differences:
    """What has happened to a run's pictures since it began, by path."""

    missing: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    """`old path -> new path`: the same picture in another class."""
    renamed: list[str] = field(default_factory=list)
    """The same within a class: the order of the pictures depends on their paths."""

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
    keep: bool = True,
) -> tuple[DataPlan, Differences] | None:
    """Return the plan that `split.csv` records, brought up to date, and what differs.

    Size and time of a file are looked at first, its content only where they differ. Pictures
    that are still there keep their side; new ones train, unless they show the same as one that is
    held out. `keep` is as for `read_all`. Raises DataError when `split.csv` can't be read, or when
    a class has gone or come; returns None when `cancelled` turned true.
    """
    recorded = {picture.path: picture for picture in read_split(split)}
    listed = {item.path: item for item in list_images(root)}
    needed = mapped(root, lambda path: _needs_reading(root, recorded.get(path)), listed)
    to_read = [item for item, needs in zip(listed.values(), needed, strict=True) if needs]
    read = read_all(root, to_read, progress, cancelled, keep)
    if read is None:
        return None
    fresh = {picture.path: picture for picture in read[0]}
    looked_at = {item.path for item in to_read}
    differences, pictures = _compare(recorded, listed, looked_at, fresh)
    classes = sorted({p.label for p in recorded.values()})
    if {p.label for p in pictures} != set(classes):
        raise DataError(f"{printable(str(root))} has other classes than when the run began")
    if differences.new:
        pictures = _beside_their_like(root, pictures, set(differences.new), keep)
    return DataPlan(root, classes, *by_part(pictures), damaged=read[1]), differences


def _beside_their_like(
    root: Location, pictures: list[ImageFile], new: set[str], keep: bool
) -> list[ImageFile]:
    """Return the pictures, new ones on the side of what shows the same: a copy of a picture that
    validates must not train."""
    with ImageInfoCache(keep) as store:
        looked = [p if p.look else replace(p, look=_look(root, p, store)) for p in pictures]
    side: dict[str, str] = {}
    for group in near_duplicates(looked):
        held = sorted(p.part for p in group if p.path not in new and p.part != "train")
        side.update((p.path, held[-1]) for p in group if held and p.path in new)
    return [replace(p, part=side.get(p.path, p.part)) for p in pictures]


def _look(root: Location, picture: ImageFile, store: ImageInfoCache) -> ImageInfo | None:
    known = store.known(picture.sha256)
    if known is None:
        try:
            known = store.inspect_file(root / picture.path)
        except OSError:
            return None
    return None if known.reason else known


def read_split(path: Path) -> list[ImageFile]:
    """Return the pictures of a `split.csv`; raises DataError when it isn't one."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return [
                ImageFile(
                    path=row["path"],
                    label=row["class"],
                    part=row["split"],
                    sha256=row["sha256"],
                    bytes=int(row["bytes"]),
                    mtime_ns=int(row["mtime_ns"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise DataError(f"{printable(str(path))} can't be read as a split: {error}") from None


def _needs_reading(root: Location, known: ImageFile | None) -> bool:
    if known is None:
        return True
    try:
        stat = (root / known.path).stat()
        # 0 is the time that nobody told.
        if stat.st_size == known.bytes and stat.st_mtime_ns == known.mtime_ns != 0:
            return False
        return hashlib.sha256((root / known.path).read_bytes()).hexdigest() != known.sha256
    except OSError:
        return True


def _compare(
    recorded: dict[str, ImageFile],
    listed: dict[str, ListedImage],
    looked_at: set[str],
    fresh: dict[str, ImageFile],
) -> tuple[Differences, list[ImageFile]]:
    differences = Differences()
    gone = {path: p for path, p in recorded.items() if path not in listed}
    by_content = {p.sha256: path for path, p in gone.items()}
    pictures = []
    for path in listed:
        known, seen = recorded.get(path), fresh.get(path)
        if known is not None and path not in looked_at:
            pictures.append(known)
        elif known is not None:
            differences.changed.append(path)
            pictures += [replace(seen, part=known.part)] if seen else []
        elif seen is not None and seen.sha256 in by_content:
            origin = gone.pop(by_content.pop(seen.sha256))
            kind = differences.renamed if origin.label == seen.label else differences.moved
            kind.append(f"{origin.path} -> {path}")
            pictures.append(replace(seen, part=origin.part))
        elif seen is not None:
            differences.new.append(path)
            pictures.append(replace(seen, part=seen.part or "train"))
    differences.missing += sorted(gone)
    return differences, sorted(pictures, key=lambda p: p.path)


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(printable(path) for path in paths[:_NAMED]) + more
