"""The ImageFolder layout: one subfolder per class, optionally inside `train/` and `val/`.

The only module that decides which file belongs to which class and split.
"""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from core.common.errors import DataError, os_error_text
from core.common.left_out import LeftOut
from core.common.text import printable
from core.data.file_kind import count_left_out, file_kind, is_image, is_image_name
from core.data.layout_problems import (
    archive_hint,
    check_links,
    check_look_alikes,
    check_unrecognized_splits,
    have_split_names,
    missing_classes,
)
from core.data.source import Location
from core.data.sources import source_of
from core.data.split_folders import VAL_NAMES, find_split, is_used_folder, split_of, subfolders

_CANCEL_CHECK_FILES = 256
"""Files counted between two checks for cancellation."""


@dataclass(frozen=True, slots=True)
class ListedImage:
    """A file that seems to be an image, not decoded yet."""

    path: str
    """Relative to the data root, with `/`."""
    label: str
    """Class name."""
    split: str
    """`train` or `val` if the folders define the split, else empty."""


def image_files(
    folder: Location, left_out: LeftOut | None = None, by_content: bool = True
) -> Iterator[Location]:
    """Yield the image files below a folder, sorted within each folder; links are followed.

    All others are counted in `left_out`. A local file with another name than an image's is opened
    to see what it is, unless `by_content` is false.
    """
    for here, folders, files in source_of(folder).walk(folder, follow_links=True):
        folders[:] = sorted(name for name in folders if is_used_folder(name))
        for name in sorted(files):
            kind = file_kind(here / name, by_content)
            if kind.is_image:
                yield here / name
            elif left_out is not None:
                count_left_out(here / name, kind, left_out)


def check_root(root: Location) -> None:
    """Check the layout without opening an image; raise DataError."""
    splits = _split_folders(root)
    _check_same_classes(splits)
    for folder in splits.values():
        _class_folders(folder)


def count_images(
    root: Location, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, dict[str, int]] | None:
    """Count the image files of each class, without decoding them.

    Returns counts by split and class; the split is "" unless the folders define `train` and `val`.
    Raises DataError; returns None once `cancelled` is true.
    """
    splits = _split_folders(root)
    _check_same_classes(splits)
    counts: dict[str, dict[str, int]] = {}
    for split, top in splits.items():
        counts[split] = {}
        for folder in _class_folders(top):
            number = 0
            for number, _ in enumerate(image_files(folder), 1):
                if number % _CANCEL_CHECK_FILES == 0 and cancelled():
                    return None
            if cancelled():
                return None
            counts[split][folder.name] = number
    return counts


def list_images(
    root: Location, left_out: LeftOut | None = None, by_content: bool = True
) -> list[ListedImage]:
    """Return all image files with class and split, sorted by path; raise DataError.

    The other files of the class folders, and images outside them, are counted in `left_out`;
    `by_content` is as for `image_files`.
    """
    splits = _split_folders(root)
    _check_same_classes(splits)
    if left_out is not None:
        for top in {os.fspath(top): top for top in (root, *splits.values())}.values():
            left_out.outside["the class folders"] += sum(is_image_name(n) for n in _files(top))
        left_out.outside += Counter()  # drops zeros
    return [
        ListedImage(file.relative_to(root).as_posix(), folder.name, split)
        for split, top in splits.items()
        for folder in _class_folders(top)
        for file in sorted(image_files(folder, left_out, by_content))
    ]


def _files(top: Location) -> list[str]:
    """Return the names of the files directly in a folder."""
    return next(iter(source_of(top).walk(top)), (top, [], []))[2]


def list_any_layout(root: Location) -> list[ListedImage]:
    """Return all image files of a folder without a valid layout, with the most likely class."""
    found = []
    for here, folders, files in source_of(root).walk(root):
        folders[:] = sorted(name for name in folders if is_used_folder(name))
        inside = here.relative_to(root)
        found += [
            ListedImage((inside / name).as_posix(), _likely_class(inside), "")
            for name in sorted(files)
            if is_image(here / name)
        ]
    return found


def is_in_split(path: str, split: str) -> bool:
    """Return whether a path below a root with train/ and val/ belongs to `train` or `val`."""
    return (split_of(path.split("/")[0]) == "train") == (split == "train")


def _likely_class(folder: PurePath) -> str:
    inner = [name for name in folder.parts[:2] if not split_of(name)]
    return inner[0] if inner else ""


def _split_folders(root: Location) -> dict[str, Location]:
    """Return the folders that contain class folders: the root under "", or train and val."""
    shown = printable(str(root))
    advice = "give the folder that contains one subfolder per class"
    try:
        mode = root.stat().st_mode
    except DataError:
        raise
    except (FileNotFoundError, ValueError):
        raise DataError(f"{shown}: no such folder; {advice}") from None
    except OSError as error:
        raise DataError(f"{shown}: {os_error_text(error)}; {advice}") from None
    if not stat.S_ISDIR(mode):
        raise DataError(f"{shown} is a file; {advice}{archive_hint(root)}")
    folders = _readable_subfolders(root)
    train, val = _find_splits(folders)
    # With other folders next to it and images directly in it, `train` is a class of trains.
    names = {name.lower() for name in folders}
    if train is None or (val is None and len(names) > 1 and not _readable_subfolders(train)):
        if have_split_names(folders) and not any(map(_has_images, folders.values())):
            inside = {name: set(_readable_subfolders(top)) for name, top in folders.items()}
            check_unrecognized_splits(root, folders, inside)
        return {"": root}
    if val is None:
        raise DataError(
            f"{shown} has {printable(train.name)}/ but none of "
            f"{', '.join(f'{n}/' for n in VAL_NAMES)}; add one, or give "
            f"{printable(str(train))} to split it automatically"
        )
    return {"train": train, "val": val}


def _find_splits(folders: Mapping[str, Location]) -> tuple[Location | None, Location | None]:
    """Return the folders of train and val; raise DataError if one can't be read."""
    try:
        return find_split(folders, "train"), find_split(folders, "val")
    except OSError as error:
        shown = printable(str(error.filename or ""))
        raise DataError(f"{shown}: {os_error_text(error)}; make it readable") from None


def _has_images(folder: Location) -> bool:
    return any(is_image(entry) for entry in folder.iterdir())


def _class_folders(top: Location) -> list[Location]:
    check_links(top)
    folders = list(_readable_subfolders(top).values())
    check_look_alikes(top, [folder.name for folder in folders])
    shown = printable(str(top))
    if not folders:
        loose = any(is_image(entry) for entry in top.iterdir())
        hint = "images are directly in it; " if loose else ""
        raise DataError(f"{shown} has no class folders; {hint}create one subfolder per class")
    if len(folders) == 1:
        inside = len(_readable_subfolders(folders[0]))
        hint = f"; or give {printable(str(folders[0]))}" if inside > 1 else ""
        raise DataError(
            f"{shown} has only one class folder ({printable(folders[0].name)}); "
            f"a classifier needs at least two{hint}"
        )
    for folder in folders:
        if next(image_files(folder), None) is None:
            empty = printable(str(folder))
            raise DataError(f"{empty}: class folder without images; add images or remove it")
    return folders


def _check_same_classes(splits: Mapping[str, Location]) -> None:
    if "val" not in splits:
        return
    names = {split: set(_readable_subfolders(top)) for split, top in splits.items()}
    for split, other in (("train", "val"), ("val", "train")):
        missing = sorted(names[split] - names[other])
        if missing:
            raise DataError(
                f"{printable(str(splits[other]))} lacks the "
                f"{missing_classes(missing, names[other])} of {printable(str(splits[split]))}; "
                "both need the same classes"
            )


def _readable_subfolders(top: Location) -> dict[str, Location]:
    try:
        return subfolders(top)
    except OSError as error:
        shown = printable(str(top))
        raise DataError(f"{shown}: {os_error_text(error)}; make it readable") from None
