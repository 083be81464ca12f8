"""fsspec file systems: one instance per process, retries, and short error messages."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar
from zipfile import ZipFile

from core.common.errors import DataError
from core.common.location import filesystem_key, first_link, join_path, protocols
from core.common.text import printable, shortened

WAITS = (1.0, 4.0, 15.0, 40.0)
"""Seconds between attempts to fetch a file: a connection lost for a minute doesn't end a run."""
LISTING_WAITS = (0.5, 2.0)
"""Seconds between attempts to list a folder, for which a user may be waiting."""
_PERMANENT = (
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
    DataError,
)
"""Errors that another attempt doesn't change."""
_WINDOWS = 0
"""`create_system` of an archive that was written on Windows."""

_MAX_REASON = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenFileSystem:
    """A connected file system."""

    fs: Any
    lock: AbstractContextManager[object]
    """Held during each access to an archive, which only one thread may read at a time."""
    dot: bool = False
    """Whether all paths begin with `./`, as `tar cf photos.tar -C photos .` writes them."""

    def path_of(self, url: str) -> str:
        """Return the path of a URL inside the file system."""
        path = str(self.fs._strip_protocol(first_link(url)))
        return join_path(".", path) if self.dot else path


_connected: dict[tuple[int, str], OpenFileSystem] = {}
_connecting = threading.Lock()


def connect(url: str, refresh: bool = False) -> OpenFileSystem:
    """Return this process' file system for a URL, reconnected with `refresh`.

    Raises DataError and the errors of the file system.
    """
    # fsspec's own instances don't survive a fork.
    key = os.getpid(), filesystem_key(url)
    with _connecting:
        if refresh or key not in _connected:
            _connected[key] = _connect(url)
        return _connected[key]


def check_packages(url: str) -> None:
    """Raise DataError if no installed package opens this kind of URL."""
    from fsspec import get_filesystem_class

    for protocol in protocols(url):
        try:
            get_filesystem_class(protocol)
        except ValueError:
            raise DataError(
                f"{printable(url)}: fsspec knows no protocol {printable(protocol)}://"
            ) from None
        except ImportError as error:
            raise DataError(f"{printable(url)}: a package is missing: {reason(error)}") from None


def retry(attempt: Callable[[], T], waits: Sequence[float]) -> T:
    """Return the result of the first attempt that succeeds, sleeping `waits` between attempts.

    Raises the error of the last attempt, and permanent errors such as a missing file at once.
    """
    for wait in waits:
        try:
            return attempt()
        except _PERMANENT:
            raise
        except Exception as error:  # each file system has its own errors for a lost connection
            if _is_unauthorized(error):
                raise
            time.sleep(wait)
    return attempt()


def reason(error: Exception) -> str:
    """Return why an access failed, in one line."""
    if isinstance(error, PermissionError) or _is_unauthorized(error):
        return "permission denied; set credentials in the environment or fsspec's configuration"
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    # aiohttp adds its options: `Cannot connect to host … ssl:default [Connect call failed …]`.
    text = printable(" ".join(str(error).partition(" ssl:default")[0].split()))
    return shortened(text.rstrip(". "), _MAX_REASON) or type(error).__name__


def _is_unauthorized(error: Exception) -> bool:
    """Return whether a web server answered 401 or 403; aiohttp has no class for these."""
    return getattr(error, "status", None) in (401, 403)


def _use_forward_slashes(archive: ZipFile) -> None:
    """Separate folders as the format asks for: older tools of Windows write backslashes."""
    for info in archive.infolist():
        if info.create_system == _WINDOWS and "\\" in info.filename:
            # `zipfile` does the same on Windows.
            info.filename = info.filename.replace("\\", "/")
            archive.NameToInfo[info.filename] = info


def _connect(url: str) -> OpenFileSystem:
    check_packages(url)
    from fsspec.archive import AbstractArchiveFileSystem
    from fsspec.core import url_to_fs

    # No cached instance: it may hold an old listing, or an archive that was replaced since.
    fs, _ = url_to_fs(url, skip_instance_cache=True)
    known = fs, getattr(fs, "fs", None)
    archive = next((one for one in known if isinstance(one, AbstractArchiveFileSystem)), None)
    if archive is None:
        return OpenFileSystem(fs, nullcontext())
    if isinstance(content := getattr(archive, "zip", None), ZipFile):
        _use_forward_slashes(content)
    top = {info["name"] for info in fs.ls("", detail=True)}
    return OpenFileSystem(fs, threading.Lock(), dot=top == {"."})
