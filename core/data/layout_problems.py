"""Layouts of an image folder that are likely not what the user meant, with the way out."""

import os
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from core.common.errors import DataError
from core.common.text import printable, quoted
from core.data.source import Location

_SPLIT_BEGINNINGS = ("train", "test", "val", "dev", "eval")
_ARCHIVES = {".zip": "zip", ".tar": "tar", ".tgz": "tar", ".gz": "tar"}
_SHOWN = 5


def archive_hint(root: Location) -> str:
    """Return how images are read from an archive, if `root` is the name of one."""
    name = printable(os.path.basename(os.fspath(root)))  # noqa: PTH119 (also of a URL)
    scheme = _ARCHIVES.get(Path(name).suffix.lower())
    if scheme is None:
        return ""
    return f"; an archive is read with --data {scheme}://FOLDER::{name}, a folder inside it"


def check_links(top: Location) -> None:
    """Raise DataError for a link in `top` to a folder that doesn't exist: it would be no class."""
    if not isinstance(top, Path):
        return
    with suppress(OSError):
        for entry in sorted(top.iterdir()):
            if entry.is_symlink() and not entry.exists() and not entry.suffix:
                target = printable(os.fspath(entry.readlink()))
                raise DataError(
                    f"{printable(str(entry))} is a link to {target}, which does not exist: restore "
                    "or remove it"
                )


def have_split_names(folders: Iterable[str]) -> bool:
    """Return whether folders may be splits by their names: Training, test_set, dev …"""
    return any(name.lower().startswith(_SPLIT_BEGINNINGS) for name in folders)


def check_unrecognized_splits(
    root: Location, folders: Mapping[str, Location], inside: Mapping[str, set[str]]
) -> None:
    """Raise DataError if the folders of `root`, which hold no images, have equal subfolders.

    `inside` are the names of the subfolders of each folder.
    """
    names = list(inside.values())
    if len(names) > 1 and len(names[0]) > 1 and all(each == names[0] for each in names):
        first = printable(str(next(iter(folders.values()))))
        raise DataError(
            f"{printable(str(root))}: are {listed(folders)} splits? Each has the folders "
            f"{listed(sorted(names[0]))}; rename them to train/ and val/, or give {first} to split "
            "it automatically"
        )


def check_look_alikes(top: Location, names: Iterable[str]) -> None:
    """Raise DataError for two class names that look the same."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(_seen(name), name)
        if other != name:
            raise DataError(
                f"{printable(str(top))} has two class folders that look alike: "
                f"{_code_points(other)} and {_code_points(name)}; merge or rename them"
            )


def missing_classes(missing: Iterable[str], present: Iterable[str]) -> str:
    """Return the names of missing classes, and of present ones that look like one of them."""
    names = sorted(missing)
    by_look = {_seen(name).casefold(): name for name in present}
    alike = next(((n, by_look[s]) for n in names if (s := _seen(n).casefold()) in by_look), None)
    word = "class" if len(names) == 1 else "classes"
    text = f"{word} {listed(names)}"
    if alike is not None:
        text += f" ({_code_points(alike[0])} looks like {_code_points(alike[1])} there)"
    return text


def listed(names: Iterable[str]) -> str:
    """Return some quoted names, and how many more there are."""
    known = list(names)
    shown = ", ".join(quoted(name) for name in known[:_SHOWN])
    return shown + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")


def _seen(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def _code_points(name: str) -> str:
    """Return a quoted name with the code points of its spaces and of what is not ASCII."""
    special = [f"U+{ord(c):04X}" for c in name if not c.isascii() or c.isspace()]
    return quoted(name) + (f" ({' '.join(special[:6])})" if special else "")
