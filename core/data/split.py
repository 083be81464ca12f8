"""Which picture trains and which one validates: stratified, keyed, the same for any listing."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.scan import Damaged, DataError, Picture, list_pictures, read_all
from core.files import write_text_atomically
from core.keys import key
from core.text import printable


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The pictures of a run, each on its side of the split."""

    root: Path
    classes: list[str]
    """In the order of the labels: label i is `classes[i]`."""
    train: list[Picture]
    val: list[Picture]
    damaged: list[Damaged]

    def per_class(self, part: str) -> dict[str, int]:
        """Return the number of pictures of each class in `train` or `val`."""
        counts = Counter(p.label for p in (self.train if part == "train" else self.val))
        return {name: counts[name] for name in self.classes}

    @property
    def fingerprint(self) -> str:
        """A hash of every picture's content, class and side."""
        return f"{key(*sorted(f'{p.path} {p.label} {p.part} {p.sha256}' for p in self._all)):016x}"

    @property
    def _all(self) -> list[Picture]:
        return [*self.train, *self.val]

    def write_csv(self, path: Path) -> None:
        """Write `split.csv`: path, class, split, sha256, bytes, mtime_ns of every picture used."""
        text = io.StringIO()
        # Quoted always: left to itself, csv doesn't quote a name for a carriage return in it.
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["path", "class", "split", "sha256", "bytes", "mtime_ns"])
        for p in self._all:
            writer.writerow([p.path, p.label, p.part, p.sha256, p.bytes, p.mtime_ns])
        write_text_atomically(path, text.getvalue())


def plan_data(
    root: Path,
    val_fraction: float,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> DataPlan | None:
    """Scan a data folder, read every picture and split them.

    Raises DataError with one line that names the path and what to do; returns None when
    `cancelled` turned true while reading.
    """
    read = read_all(root, list_pictures(root), progress, cancelled)
    if read is None:
        return None
    pictures, damaged = read
    classes = _classes(root, pictures, damaged)
    split_by_folders = any(p.part for p in pictures)
    sided = pictures if split_by_folders else split(pictures, val_fraction, seed)
    plan = DataPlan(
        root=root,
        classes=classes,
        train=[p for p in sided if p.part == "train"],
        val=[p for p in sided if p.part == "val"],
        damaged=damaged,
    )
    _check_sides(plan)
    return plan


def split(pictures: list[Picture], val_fraction: float, seed: int) -> list[Picture]:
    """Return the pictures sorted by path, each with its side.

    Every class gives its share of `val_fraction` to val, rounded, at least one picture to each
    side. A picture's rank depends on the seed and its own path alone, so the order of listing
    doesn't matter. Raises DataError for a class with fewer than two pictures.
    """
    by_class: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_class[picture.label].append(picture)
    sided = []
    for label, members in by_class.items():
        if len(members) < 2:
            raise DataError(
                f"class {printable(label)!r} has {len(members)} readable picture; it needs at "
                "least 2 to be split into train and val: add pictures or remove the class"
            )
        ranked = sorted(members, key=lambda p: (key(seed, "split", p.path), p.path))
        val = held_out(len(members), val_fraction)
        sided += [replace(p, part="val" if i < val else "train") for i, p in enumerate(ranked)]
    return sorted(sided, key=lambda p: p.path)


def held_out(count: int, val_fraction: float) -> int:
    """Return how many of a class's pictures validate: the share, at least one on each side."""
    return max(0, min(count - 1, max(1, round(count * val_fraction))))


def _classes(root: Path, pictures: list[Picture], damaged: list[Damaged]) -> list[str]:
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


def _check_sides(plan: DataPlan) -> None:
    for part in ("train", "val"):
        for name, count in plan.per_class(part).items():
            if count == 0:
                # By a file of it, as the folder may also be called `valid` or `Train`.
                lost = next((d.path for d in plan.damaged if _is_of(d, part, name)), part)
                folder = plan.root / lost.split("/")[0] / name
                raise DataError(
                    f"{printable(str(folder))}: no readable picture in this class; "
                    "add pictures or remove the class"
                )


def _is_of(damaged: Damaged, part: str, label: str) -> bool:
    in_train = damaged.path.split("/")[0].lower() == "train"
    return damaged.label == label and in_train == (part == "train")
