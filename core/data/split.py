"""Which picture trains and which one validates: stratified, keyed, the same for any listing."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.common.errors import DataError
from core.common.files import write_text_atomically
from core.common.seeds import derive_seed
from core.common.text import printable
from core.data.duplicates import leaks, near_duplicates
from core.data.groups import together
from core.data.holdout import Group, hold_out
from core.data.scan import DamagedImage, ImageFile, list_images, read_all
from core.data.storage import Location

PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The pictures of a run, each on its side of the split."""

    root: Location
    classes: list[str]
    """In the order of the labels: label i is `classes[i]`."""
    train: list[ImageFile]
    val: list[ImageFile]
    test: list[ImageFile] = field(default_factory=list)
    """What training never sees."""
    damaged: list[DamagedImage] = field(default_factory=list)
    leaks: list[list[ImageFile]] = field(default_factory=list)
    """Pictures that show the same on several sides or in several classes."""

    def per_class(self, part: str) -> dict[str, int]:
        """Return the number of pictures of each class in `train`, `val` or `test`."""
        counts = Counter(p.label for p in self.all if p.part == part)
        return {name: counts[name] for name in self.classes}

    @property
    def fingerprint(self) -> str:
        """A hash of every picture's content, class and side."""
        return f"{derive_seed(*sorted(f'{p.path} {p.label} {p.part} {p.sha256}' for p in self.all)):016x}"

    @property
    def all(self) -> list[ImageFile]:
        """The pictures of all sides."""
        return [*self.train, *self.val, *self.test]

    def write_csv(self, path: Path) -> None:
        """Write `split.csv`: path, class, split, sha256, bytes, mtime_ns of every picture used."""
        text = io.StringIO()
        # Quoted always: left to itself, csv doesn't quote a name for a carriage return in it.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["path", "class", "split", "sha256", "bytes", "mtime_ns"])
        for p in self.all:
            writer.writerow([p.path, p.label, p.part, p.sha256, p.bytes, p.mtime_ns])
        write_text_atomically(path, text.getvalue())


def plan_data(
    root: Location,
    val_fraction: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    test_fraction: float = 0.0,
    group: str | None = None,
    keep: bool = True,
) -> DataPlan | None:
    """Scan a data folder, read every picture and split them.

    Pictures that show the same stay on one side, and those in whose path the pattern `group` finds
    the same. `keep` is as for `read_all`. Raises DataError with one line that names the path and
    what to do; returns None when `cancelled` turned true while reading.
    """
    read = read_all(root, list_images(root), progress, cancelled, keep)
    if read is None:
        return None
    pictures, damaged = read
    same = near_duplicates(pictures)
    return plan_of(root, pictures, damaged, same, val_fraction, seed, test_fraction, group)


def plan_of(
    root: Location,
    pictures: list[ImageFile],
    damaged: list[DamagedImage],
    same: list[list[ImageFile]],
    val_fraction: float,
    seed: int,
    test_fraction: float = 0.0,
    group: str | None = None,
) -> DataPlan:
    """Split the pictures that were read of a folder; `same` are those that show the same, the
    rest is as for `plan_data`. Raises DataError."""
    classes = _classes(root, pictures, damaged)
    is_split = any(p.part for p in pictures)
    if is_split:
        if group or test_fraction:
            raise DataError(
                f"{printable(str(root))} is split by its folders; data.group and "
                "data.test_fraction are for folders that aren't: leave them out"
            )
        sided = pictures
    else:
        sided = split(pictures, val_fraction, seed, test_fraction, together(pictures, same, group))
    plan = DataPlan(root, classes, *by_part(sided), damaged=damaged, leaks=leaks(sided, same))
    _check_sides(plan, is_split)
    return plan


def by_part(pictures: list[ImageFile]) -> tuple[list[ImageFile], list[ImageFile], list[ImageFile]]:
    """Return the pictures that train, that validate, and that test."""
    train, val, test = ([p for p in pictures if p.part == part] for part in PARTS)
    return train, val, test


def split(
    pictures: list[ImageFile],
    val_fraction: float,
    seed: int,
    test_fraction: float = 0.0,
    groups: list[list[ImageFile]] | None = None,
) -> list[ImageFile]:
    """Return the pictures sorted by path, each with its side.

    Every class gives its share of `test_fraction` to test and of `val_fraction` to val, rounded,
    at least one picture to each side, as near as `groups` allow, which stay together. A group's
    rank depends on the seed and the first of its paths alone, so the order of listing doesn't
    matter. Raises DataError for a class with fewer pictures than sides.
    """
    sizes = Counter(p.label for p in pictures)
    least = 3 if test_fraction else 2
    for label, count in sizes.items():
        if count < least:
            raise DataError(
                f"class {printable(label)!r} has {count} readable picture{'s' * (count != 1)}; it "
                f"needs at least {least} to be split into {_sides(least)}: add pictures or remove "
                "the class"
            )
    rest = [sorted(group, key=lambda p: p.path) for group in groups or [[p] for p in pictures]]
    side: dict[str, str] = {}
    wanted = {label: split_counts(n, val_fraction, test_fraction) for label, n in sizes.items()}
    for part in ("test", "val") if test_fraction else ("val",):
        # A group may have taken more than its share, and something is left to train on.
        left = Counter(p.label for group in rest for p in group)
        most = {
            label: max(0, min(numbers[PARTS.index(part)], left[label] - 1))
            for label, numbers in wanted.items()
        }
        held, rest = _hold_out(rest, most, seed, part)
        side.update((p.path, part) for group in held for p in group)
    sided = [replace(p, part=side.get(p.path, "train")) for p in pictures]
    return sorted(sided, key=lambda p: p.path)


def _hold_out(
    groups: list[list[ImageFile]], wanted: dict[str, int], seed: int, part: str
) -> tuple[list[list[ImageFile]], list[list[ImageFile]]]:
    """Return the groups that are held out, and the others."""
    purpose = {"val": "split", "test": "test"}[part]
    ranked = [
        Group(derive_seed(seed, purpose, members[0].path), Counter(p.label for p in members))
        for members in groups
    ]
    chosen = hold_out(ranked, wanted)
    held = [members for place, members in enumerate(groups) if place in chosen]
    return held, [members for place, members in enumerate(groups) if place not in chosen]


def _sides(number: int) -> str:
    return "train, val and test" if number == 3 else "train and val"


def held_out_count(count: int, fraction: float) -> int:
    """Return how many of a class's pictures are held out: the share, at least one on each side."""
    return max(0, min(count - 1, max(1, round(count * fraction))))


def split_counts(count: int, val_fraction: float, test_fraction: float) -> tuple[int, int, int]:
    """Return how many of a class's pictures train, validate and test, where no groups decide."""
    test = min(held_out_count(count, test_fraction), max(0, count - 2)) if test_fraction else 0
    val = min(held_out_count(count, val_fraction), max(0, count - test - 1))
    return count - test - val, val, test


def _classes(root: Location, pictures: list[ImageFile], damaged: list[DamagedImage]) -> list[str]:
    if not pictures:
        first = f" (first: {printable(damaged[0].path)}: {damaged[0].reason})" if damaged else ""
        raise DataError(f"{printable(str(root))}: no readable picture in it{first}")
    readable = {p.label for p in pictures}
    lost = sorted({d.label for d in damaged} - readable)
    if lost:
        raise DataError(
            f"{printable(str(root / lost[0]))}: no readable picture in this class; "
            "mend the files or remove the class"
        )
    return sorted(readable)


def _check_sides(plan: DataPlan, by_folders: bool) -> None:
    for part in PARTS if plan.test else PARTS[:2]:
        for name, count in plan.per_class(part).items():
            if count == 0 and not by_folders:
                raise DataError(
                    f"class {printable(name)!r} has nothing for {part}: all its pictures show the "
                    "same, or are one group by data.group, and stay on one side; add others or "
                    "remove the class"
                )
            if count == 0:
                # By a file of it, as the folder may also be called `valid` or `Train`.
                lost = next((d.path for d in plan.damaged if _is_of(d, part, name)), part)
                folder = plan.root / lost.split("/")[0] / name
                raise DataError(
                    f"{printable(str(folder))}: no readable picture in this class; "
                    "add pictures or remove the class"
                )


def _is_of(damaged: DamagedImage, part: str, label: str) -> bool:
    in_train = damaged.path.split("/")[0].lower() == "train"
    return damaged.label == label and in_train == (part == "train")
