"""Protocols of an image source: a location that behaves like a path, and how to read below it.

`core.data.sources` holds the table of sources; adding one takes one entry there.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import Protocol, Self, TypeVar

from core.common.errors import DataError

T = TypeVar("T")
R = TypeVar("R")


class FetchError(DataError):
    """A file that can't be fetched now, which doesn't mean that it is damaged."""

    is_missing = False
    """Whether the server answered that there is no such file."""


class FileStatus(Protocol):
    """Metadata of a file or folder by the names of `os.stat_result`."""

    @property
    def st_mode(self) -> int:
        """File type, as `stat.S_ISREG` and `stat.S_ISDIR` expect it."""

    @property
    def st_size(self) -> int:
        """Size in bytes."""

    @property
    def st_mtime_ns(self) -> int:
        """Time of the last change in ns, 0 if unknown."""


class Location(Protocol):
    """A file or folder of a source: the part of `pathlib.Path` that this program uses.

    Must survive pickling, as loader workers open images too. A missing file raises
    FileNotFoundError, an unreachable one DataError.
    """

    @property
    def name(self) -> str:
        """Last component of the path."""

    def __fspath__(self) -> str: ...

    def __lt__(self, other: Self, /) -> bool: ...

    def __truediv__(self, name: str, /) -> Self: ...

    def absolute(self) -> Self:
        """Return the location independent of the working directory."""

    def relative_to(self, top: Self, /) -> PurePath:
        """Return the path below a folder of the same source."""

    def stat(self) -> FileStatus:
        """Return the metadata."""

    def is_dir(self) -> bool:
        """Return whether it is an existing folder."""

    def iterdir(self) -> Iterator[Self]:
        """Yield the files and folders in a folder."""

    def read_bytes(self) -> bytes:
        """Return the content of a file."""


L = TypeVar("L", bound=Location)


class ImageSource(Protocol[L]):
    """How to list, open and fingerprint images at one kind of location."""

    @property
    def is_remote(self) -> bool:
        """Whether listing a folder takes a network access, so is not done while a user waits."""

    @property
    def threads(self) -> int:
        """Number of threads that may read files at once."""

    def accepts(self, text: str) -> bool:
        """Return whether a path or URL as the user gives it belongs to this source."""

    def location(self, text: str) -> L:
        """Return the location without accessing it; raise DataError for an invalid URL."""

    def owns(self, location: Location) -> bool:
        """Return whether a location came from this source."""

    def check_installed(self, root: L) -> None:
        """Raise DataError if a package needed to open `root` is missing; no network access."""

    def list_folders(self, top: L) -> list[str]:
        """Return the names of the folders in `top`; raise OSError."""

    def walk(self, top: L, follow_links: bool = False) -> Iterator[tuple[L, list[str], list[str]]]:
        """Yield folder, folder names, file names from `top` down, as `os.walk`.

        Removing names from the list of folders skips them. With `follow_links`, an unreadable
        folder raises DataError instead of being skipped, and cycles are left out.
        """

    def open(self, file: L, sha256: str = "") -> Path | bytes:
        """Return what Pillow opens: a local path, or the content, which must match `sha256`.

        Raises DataError if the file can't be fetched or has changed.
        """

    def read(self, file: L, max_bytes: int, retry: bool = True) -> bytes:
        """Return the content of a regular file of at most `max_bytes`.

        Raises OSError or FetchError; without `retry` after the first failed attempt.
        """

    def fingerprint(self, file: L) -> str:
        """Return a text that changes with the content and is cheaper than reading it, or ""."""

    def is_missing_here(self, file: L) -> bool:
        """Return whether this machine lacks a file that another machine of the run has found."""

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield `work(item)` in order, concurrently where each access waits for a server."""
