"""Find the folders of a data set's splits by their usual names."""

import re
from collections.abc import Mapping
from itertools import combinations

from core.data.source import Location
from core.data.sources import source_of

VAL_NAMES = ("val", "valid", "validation")
_WORDS = {
    "train": ("train", "training"),
    "val": (*VAL_NAMES, "dev"),
    "test": ("test", "testing"),
}
_SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin"}
_MAX_WRAPPERS = 3


def is_used_folder(folder_name: str) -> bool:
    """Return whether a folder may hold images: hidden and system folders are left out."""
    return not folder_name.startswith(".") and folder_name.lower() not in _SYSTEM_FOLDERS


def subfolders(top: Location) -> dict[str, Location]:
    """Return the used folders in `top`, sorted by name; raise OSError."""
    names = sorted(name for name in source_of(top).list_folders(top) if is_used_folder(name))
    return {name: top / name for name in names}


def split_of(folder_name: str) -> str:
    """Return `train`, `val` or `test` for a usual name such as `Training`, `test_set` or
    `seg_train`, else ""."""
    words = {word.removesuffix("set") for word in re.findall("[a-z]+", folder_name.lower())}
    found = [split for split, names in _WORDS.items() if words & set(names)]
    return found[0] if len(found) == 1 else ""


def find_split(folders: Mapping[str, Location], split: str) -> Location | None:
    """Return the folder with the classes of `train`, `val` or `test`; raise OSError.

    It is called so, in any case, or val also `valid` or `validation`. A name that only contains
    such a word counts if the folder of another split is named so, too, and both have a class in
    common. A folder that only wraps another one, as in `train/train/`, is left out.
    """
    by_name = {name.lower(): folder for name, folder in folders.items()}
    names = VAL_NAMES if split == "val" else (split,)
    exact = next((by_name[name] for name in names if name in by_name), None)
    return _unwrapped(exact) if exact is not None else _likely_splits(folders).get(split)


def _likely_splits(folders: Mapping[str, Location]) -> dict[str, Location]:
    found: dict[str, Location] = {}
    for name, folder in folders.items():
        if split := split_of(name):
            if split in found:
                return {}  # which of the two it is can't be told
            found[split] = folder
    if len(found) < 2:
        return {}
    found = {split: _unwrapped(folder) for split, folder in found.items()}
    classes = [set(subfolders(folder)) for folder in found.values()]
    return found if all(one & other for one, other in combinations(classes, 2)) else {}


def _unwrapped(top: Location) -> Location:
    for _ in range(_MAX_WRAPPERS):
        inside = list(subfolders(top).values())
        if len(inside) != 1 or len(subfolders(inside[0])) < 2:
            break
        top = inside[0]
    return top
