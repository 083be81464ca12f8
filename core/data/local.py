"""Image source for folders of this machine's file systems."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from core.common.cpu import usable_cores
from core.common.errors import DataError, os_error_text
from core.common.files import read_regular_file
from core.common.text import printable
from core.data.source import Location, R, T

_MAX_THREADS = 16


class LocalSource:
    """Local folders. A location is a plain `pathlib.Path`."""

    is_remote = False

    @property
    def threads(self) -> int:
        """One thread per core, as decoding takes most of the time."""
        return min(_MAX_THREADS, usable_cores())

    def accepts(self, text: str) -> bool:
        """Accept every text: this source comes last in the table."""
        return True

    def location(self, text: str) -> Path:
        """Return the path."""
        return Path(text)

    def owns(self, location: Location) -> bool:
        """Return whether the location is a path."""
        return isinstance(location, Path)

    def check_installed(self, root: Path) -> None:
        """Do nothing: a local folder needs no package."""

    def list_folders(self, top: Path) -> list[str]:
        """Return the names of the folders in `top`, links to folders included."""
        with os.scandir(top) as entries:
            return [entry.name for entry in entries if entry.is_dir()]

    def walk(
        self, top: Path, follow_links: bool = False
    ) -> Iterator[tuple[Path, list[str], list[str]]]:
        """Yield folders as `os.walk` does."""
        if follow_links:
            yield from _walk_links(top)
            return
        for here, folders, files in os.walk(top):
            yield Path(here), folders, files

    def open(self, file: Path, sha256: str = "") -> Path:
        """Return the file itself; a changed one is noticed by the run's split check."""
        return file

    def read(self, file: Path, max_bytes: int, retry: bool = True) -> bytes:
        """Return the content without waiting for a pipe."""
        return read_regular_file(file, max_bytes)

    def fingerprint(self, file: Path) -> str:
        """Return "": reading and hashing a local file is cheap."""
        return ""

    def is_missing_here(self, file: Path) -> bool:
        """Return whether the file doesn't exist on this machine."""
        try:
            return not file.is_file()
        except OSError:
            return True

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield the results one by one, as they are asked for."""
        yield from map(work, items)


def _walk_links(top: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    # A link to a parent folder would bring in the images of every other class.
    seen = {_identity(parent) for parent in (*top.absolute().parents, *top.resolve().parents)}
    for text, folders, files in os.walk(top, onerror=_raise_unreadable, followlinks=True):
        here = Path(text)
        identity = _identity(here)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        yield here, folders, files


def _raise_unreadable(error: OSError) -> None:
    shown = printable(str(error.filename))
    raise DataError(f"{shown}: {os_error_text(error)}; make it readable or move it away") from None


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
