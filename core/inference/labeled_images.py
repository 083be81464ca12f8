"""Pictures with the class that they are of, for an evaluation."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from core.data.image_folder import find_split, subfolders
from core.data.source import Location
from core.inference.input_paths import pictures_below
from core.run.folder import RunFolder

PARTS = ("test", "val", "train")
_SHOWN = 5


class LabelledError(SetupError):
    """A folder that a run can't be evaluated on."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures of known classes."""

    root: Location
    part: str
    """`test`, `val` or `train`; empty where the folder itself holds the classes."""
    paths: Sequence[str]
    labels: Sequence[int]


def labelled_pictures(root: Location, classes: Sequence[str], part: str | None = None) -> Labelled:
    """Return the pictures below `root` with their labels: places of their folders in `classes`.

    `root` holds a folder a class, or parts (`test`, `val`, `valid`, `validation`, `train`) that
    do: `part`, or the first there is of test and val. Classes without a folder have no pictures.
    Raises LabelledError for folders that are no class, as their pictures would count for nothing.
    """
    shown = printable(str(root))
    folders = class_folders(root)
    top, found = root, ""
    if part is not None or not folders.keys() & set(classes):
        top, found = _part(root, folders, part)
        folders = class_folders(top)
    unknown = [name for name in folders if name not in classes]
    if unknown:
        raise LabelledError(
            f"{printable(str(top))} has folders that are no class of this run: "
            f"{_some(unknown)}; the run's classes are {_some(classes)}"
        )
    labels = {name: label for label, name in enumerate(classes)}
    pairs = [
        (path, labels[name]) for name, folder in folders.items() for path in pictures_below(folder)
    ]
    if not pairs:
        raise LabelledError(f"{shown}: no picture in it")
    return Labelled(top, found, [path for path, _ in pairs], [label for _, label in pairs])


def own_pictures(
    folder: RunFolder, root: Location, classes: Sequence[str], part: str | None = None
) -> Labelled:
    """Return the pictures of a part of the run's own split, by its split.csv: `part`, or test
    where there is one, else val. Raises LabelledError."""
    file = folder.split
    labels = {name: label for label, name in enumerate(classes)}
    try:
        with file.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
            rows = [
                (row["split"], row["path"], labels[row["class"]]) for row in csv.DictReader(opened)
            ]
    except (OSError, KeyError) as error:
        raise LabelledError(
            f"{printable(str(file))} can't be read ({type(error).__name__}); "
            "give the folder to evaluate on"
        ) from None
    there = {side for side, _, _ in rows}
    wanted = part or ("test" if "test" in there else "val")
    if wanted not in there:
        raise LabelledError(
            f"this run has no {wanted} part of its own; it has {', '.join(sorted(there))}"
        )
    mine = [(str(root / path), label) for side, path, label in rows if side == wanted]
    return Labelled(root, wanted, [path for path, _ in mine], [label for _, label in mine])


def _part(root: Location, folders: Mapping[str, Location], part: str | None) -> tuple[Location, str]:
    for wanted in (part,) if part else ("test", "val"):
        found = find_split(folders, wanted)
        if found is not None:
            return found, wanted
    shown = printable(str(root))
    if part:
        raise LabelledError(f"{shown} has no folder {part}/; leave --part out, or give its parent")
    raise LabelledError(
        f"{shown} has neither a folder of one of the run's classes nor test/ or val/; "
        "give the folder that holds one folder a class"
    )


def class_folders(top: Location) -> dict[str, Location]:
    """Return the folders in one, by name, but for those that tools leave about; raises
    LabelledError for what is none."""
    try:
        return subfolders(top)
    except OSError as error:
        raise LabelledError(
            f"{printable(str(top))}: {os_error_text(error)}; give a folder"
        ) from None


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
