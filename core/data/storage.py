"""Where pictures lie: a folder of this machine, or one of another that fsspec opens.

A folder here is a `Path` and stays as fast as that; elsewhere it is a `RemotePath`, which has what
this program asks of a path. Everything that isn't the same for both stands in this module.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import TypeVar

from core.common.cpu import usable_cores
from core.common.errors import DataError, os_error_text
from core.common.location import absolute_url, is_url
from core.common.text import printable
from core.data.listing import THREADS
from core.data.remote import RemotePath

Location = Path | RemotePath
"""A folder or a file."""

T = TypeVar("T")
R = TypeVar("R")


def parse_location(text: str) -> Location:
    """Return the place that a text names: a path, or a URL such as `s3://bucket/photos`.

    Nothing is looked at. Raises DataError for a URL that can't be used, as one with a password.
    """
    return RemotePath(absolute_url(text)) if is_url(text) else Path(text)


def to_decode(file: Location, sha256: str) -> Path | bytes:
    """Return what Pillow opens: the file itself, or what was fetched of it, which must have this
    hash. Raises DataError where it can't be fetched."""
    return file if isinstance(file, Path) else file.fetch(sha256)


def stamp_of(file: Location) -> str:
    """Return what changes when a file does and costs less than to read it, or nothing."""
    return "" if isinstance(file, Path) else file.stamp()


def may_be_missing(file: Location) -> bool:
    """Whether a machine may lack a file that another one has found: elsewhere all see the same."""
    try:
        return isinstance(file, Path) and not file.is_file()
    except OSError:
        return True


def relative(file: Location, root: Location) -> PurePath:
    """Return the path below a root that a file or folder came from."""
    if isinstance(file, Path) and isinstance(root, Path):
        return file.relative_to(root)
    assert not isinstance(file, Path)
    assert not isinstance(root, Path)
    return file.relative_to(root)


def folder_names(top: Location) -> list[str]:
    """Return the names of the folders in one; raises OSError."""
    if not isinstance(top, Path):
        return [folder.name for folder in top.iterdir() if folder.is_dir()]
    with os.scandir(top) as entries:
        return [entry.name for entry in entries if entry.is_dir()]


def walk(top: Location) -> Iterator[tuple[Location, list[str], list[str]]]:
    """Yield each folder from `top` down with the names of its folders and files, as `os.walk`;
    links to folders are not followed."""
    if not isinstance(top, Path):
        yield from top.walk()
        return
    for here, folders, files in os.walk(top):
        yield Path(here), folders, files


def walk_links(top: Location) -> Iterator[tuple[Location, list[str], list[str]]]:
    """Yield the same, but with links to folders followed unless they lead back. Raises DataError
    for a folder that can't be looked into: what is in it would be missing without a word."""
    if not isinstance(top, Path):
        yield from top.walk()
        return
    # A link that leads back up would bring in the pictures of every other class.
    seen = {_identity(parent) for parent in (*top.absolute().parents, *top.resolve().parents)}
    for text, folders, files in os.walk(top, onerror=_refused, followlinks=True):
        here = Path(text)
        identity = _identity(here)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        yield here, folders, files


def _refused(error: OSError) -> None:
    shown = printable(str(error.filename))
    raise DataError(f"{shown}: {os_error_text(error)}; make it readable, or move it away") from None


def readers(root: Location) -> int:
    """Return how many threads may read files at once: elsewhere each of them mostly waits."""
    return min(16, usable_cores()) if isinstance(root, Path) else THREADS


def mapped(root: Location, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield `work(item)` on files below a root, in order: here one by one as they are asked for,
    elsewhere many at once, as each of them is a trip."""
    if isinstance(root, Path):
        yield from map(work, items)
        return
    with ThreadPoolExecutor(readers(root)) as pool:
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
