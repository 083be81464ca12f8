"""fsspec's file systems: made once a process, asked with patience, their errors in our words."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from core.common.errors import DataError
from core.common.location import filesystem_key, first_link, join_path, protocols
from core.common.text import printable

WAITS = (1.0, 4.0, 15.0, 40.0)
"""Seconds between the attempts to fetch a file: a connection that is lost for a minute ends no
run."""
SOON = (0.5, 2.0)
"""The same for a listing, for which a person may be waiting."""
_FINAL = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError, DataError)
"""What another attempt doesn't change."""
_LONGEST = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Store:
    """A file system, open."""

    fs: Any
    turn: AbstractContextManager[object]
    """Held while it is asked, where only one thread may at a time."""
    dot: bool = False
    """Whether all paths begin with `./`, as `tar cf photos.tar -C photos .` makes them."""

    def path_of(self, url: str) -> str:
        """Return the path by which the file system knows a URL."""
        path = str(self.fs._strip_protocol(first_link(url)))
        return join_path(".", path) if self.dot else path


_stores: dict[tuple[int, str], Store] = {}
_door = threading.Lock()


def store_for(url: str, anew: bool = False) -> Store:
    """Return the file system of a URL, as this process has it or, `anew`, as it is now; raises
    DataError and what the file system raises."""
    # fsspec's own instances survive no fork.
    key = os.getpid(), filesystem_key(url)
    with _door:
        if anew or key not in _stores:
            _stores[key] = _connected(url)
        return _stores[key]


def check_packages(url: str) -> None:
    """Raise DataError where nothing that is installed here opens such a URL."""
    from fsspec import get_filesystem_class

    for protocol in protocols(url):
        try:
            get_filesystem_class(protocol)
        except ValueError:
            raise DataError(
                f"{printable(url)}: {printable(protocol)}:// is no kind of URL that fsspec knows"
            ) from None
        except ImportError as error:
            raise DataError(f"{printable(url)}: a package is missing: {in_words(error)}") from None


def patiently(attempt: Callable[[], T], waits: Sequence[float]) -> T:
    """Return what an attempt returns, the first one or, after waiting, a later one; raises what
    the last one raised, an answer that won't change at once."""
    for wait in waits:
        try:
            return attempt()
        except _FINAL:
            raise
        except Exception as error:  # each file system has errors of its own for a lost connection
            if _refused(error):
                raise
            time.sleep(wait)
    return attempt()


def in_words(error: Exception) -> str:
    """Return what went wrong, in a line."""
    if isinstance(error, PermissionError) or _refused(error):
        return "no permission; credentials are given by the environment or fsspec's configuration"
    if isinstance(error, FileNotFoundError):
        return "it isn't there"
    text = printable(" ".join(str(error).split()))[:_LONGEST]
    return text or type(error).__name__


def _refused(error: Exception) -> bool:
    """Whether a web server wants to know who asks; aiohttp has no class for that."""
    return getattr(error, "status", None) in (401, 403)


def _connected(url: str) -> Store:
    check_packages(url)
    from fsspec.archive import AbstractArchiveFileSystem
    from fsspec.core import url_to_fs

    # A new one: another may have kept a listing, or an archive open that was replaced since.
    fs, _ = url_to_fs(url, skip_instance_cache=True)
    if not any(isinstance(one, AbstractArchiveFileSystem) for one in (fs, getattr(fs, "fs", None))):
        return Store(fs, nullcontext())
    top = {info["name"] for info in fs.ls("", detail=True)}
    return Store(fs, threading.Lock(), dot=top == {"."})
