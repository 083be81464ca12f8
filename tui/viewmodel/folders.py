"""Folders that the form for a new run offers: contents of a folder, and data folders of runs.

The functions read file systems and never raise; call them outside the event loop.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.common import strict_yaml
from core.common.errors import os_error_text
from core.common.location import absolute_path, expand_user, is_url
from core.common.text import printable
from core.demo import DEMO_SEED, demo_data_dir
from core.run.run_list import RunList

_MAX_ENTRIES = 100_000
"""Entries of a folder that are read."""
_MAX_RECENT = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """Names in a folder, sorted without regard to case."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    is_complete: bool = True
    """Whether all entries were read."""
    problem: str = ""
    """Why the folder cannot be read."""


@dataclass(frozen=True, slots=True)
class RecentFolder:
    """The data folder of a run: a path or a URL."""

    root: str
    exists: bool
    """Always true for a URL, which is not looked up."""


def list_folder(folder: Path, suffixes: tuple[str, ...] = ()) -> Listing:
    """Return the folders in a folder, and its files with one of these lowercase suffixes."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number == _MAX_ENTRIES:
                    return Listing(_sorted(folders), _sorted(files), is_complete=False)
                if _is_folder(entry):
                    folders.append(entry.name)
                elif entry.name.lower().endswith(suffixes or "/"):
                    files.append(entry.name)
    except (OSError, ValueError) as error:
        return Listing(problem=printable(os_error_text(error)))
    return Listing(_sorted(folders), _sorted(files))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a cycle of links
        return False


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name.lower(), name)))


def completion_folder(text: str) -> Path | None:
    """Return the folder whose content completes a path; None if there is nothing to complete."""
    before, slash, name = text.rpartition("/")
    if not name or is_url(text):
        return None
    return Path(expand_user(before + slash) if slash else ".")


def completed(text: str, listing: Listing) -> str | None:
    """Return a path with its last component completed, a folder with a slash; None if unknown.

    Hidden names are completed once their dot is typed. A name that matches exactly comes first, and
    one in the same case before others. Unprintable names are left out.
    """
    before, slash, typed = text.rpartition("/")
    names = [*(f"{name}/" for name in listing.folders), *listing.files]
    matches = [
        name
        for name in names
        if name.lower().startswith(typed.lower())
        and name.startswith(".") == typed.startswith(".")
        and printable(name) == name
    ]
    if not matches:
        return None
    best = min(matches, key=lambda name: (not name.startswith(typed), name != f"{typed}/"))
    return f"{before}{slash}{best}"


def nearest_folder(text: str) -> Path:
    """Return the folder of a typed path or its nearest existing parent.

    For a URL, for no text, and if there is none it is the working directory.
    """
    with suppress(OSError, ValueError):
        path = Path(os.path.normpath(absolute_path("" if is_url(text) else text.strip())))
        return next((folder for folder in (path, *path.parents) if is_folder(folder)), path)
    return Path("/")  # the working directory has been deleted


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; False if that cannot be determined."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def recent_folders(runs_dir: Path) -> list[RecentFolder]:
    """Return the data folders of past runs, existing ones first, then by their newest run."""
    roots = dict.fromkeys(_recorded_roots(runs_dir))
    demo = demo_data_dir(DEMO_SEED).name  # in any cache folder
    shown = [root for root in roots if Path(root).name != demo and printable(root) == root]
    recent = [
        RecentFolder(root, is_url(root) or is_folder(Path(root))) for root in shown[:_MAX_RECENT]
    ]
    return sorted(recent, key=lambda folder: not folder.exists)


def _recorded_roots(runs_dir: Path) -> Iterable[str]:
    with suppress(OSError):
        for row in RunList(runs_dir).refresh():
            with suppress(ValueError):
                root = strict_yaml.load(row.config.get("data.root", "null"))
                if isinstance(root, str) and root:
                    yield root
