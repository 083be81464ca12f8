"""Recursive listing of a remote folder; entries outside it and endless links are left out."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from core.common.errors import DataError
from core.common.location import is_http, join_path, unquote_name
from core.common.text import quoted
from core.data.filesystems import LISTING_WAITS, OpenFileSystem, retry

THREADS = 32
"""Concurrent requests: nearly all of the time is spent waiting for the server."""
_MAX_DEPTH = 32
"""Levels of subfolders that are listed: links may form a cycle."""
_TIME_KEYS = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created")
_VERSION_KEYS = (
    *("ETag", "etag", "md5Hash", "crc32c", "generation", "CRC", "Content-MD5", "Digest"),
    *(*_TIME_KEYS, "date_time"),
)

FileInfo = Mapping[str, Any]
"""Metadata of a file as fsspec reports it."""


@dataclass(slots=True)
class FolderListing:
    """Content of one folder by name."""

    folders: list[str] = field(default_factory=list)
    files: dict[str, FileInfo] = field(default_factory=dict)


def list_tree(url: str, system: OpenFileSystem) -> dict[str, FolderListing]:
    """Return all folders at and below a URL by their paths ("" for the URL itself).

    Raises DataError for a name that can't be used, NotADirectoryError, and the errors of the file
    system.
    """
    tree: dict[str, FolderListing] = {}
    level = [("", system.path_of(url))]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(_MAX_DEPTH):
            listed = list(pool.map(lambda one: _list_folder(url, system, one[1]), level))
            next_level = []
            for (inside, _path), children in zip(level, listed, strict=True):
                tree[inside] = FolderListing()
                for name, info in children:
                    if info["type"] == "file":
                        tree[inside].files[name] = info
                    else:
                        tree[inside].folders.append(name)
                        next_level.append((join_path(inside, name), info["name"]))
            level = next_level
    return tree


def version_of(info: FileInfo) -> str:
    """Return a text that changes with the content, or "" if the file system reports none."""
    known = [f"{key}={info[key]}" for key in _VERSION_KEYS if info.get(key)]
    return "|".join([f"size={info.get('size')}", *known]) if known else ""


def modified_ns(info: FileInfo) -> int:
    """Return the time of the last change in ns as `os.stat` does, 0 if unknown."""
    with suppress(ValueError, TypeError, OverflowError):
        if parts := info.get("date_time"):  # of a zip archive, which has no time zone
            return int(datetime(*parts[:6]).replace(tzinfo=UTC).timestamp()) * 10**9
        for value in (info[key] for key in _TIME_KEYS if info.get(key)):
            if isinstance(value, int | float):
                return int(value * 10**9)
            return int(_parse_time(value).timestamp() * 10**6) * 1000
    return 0


def _parse_time(value: datetime | str) -> datetime:
    if isinstance(value, datetime):
        return value
    return parsedate_to_datetime(value) if "," in value else datetime.fromisoformat(value)


def _list_folder(url: str, system: OpenFileSystem, path: str) -> list[tuple[str, FileInfo]]:
    """Return name and metadata of each file and folder directly in a folder."""

    def attempt() -> list[FileInfo]:
        with system.lock:
            return list(system.fs.ls(path, detail=True))

    found = retry(attempt, LISTING_WAITS)
    if [(info["name"], info["type"]) for info in found] == [(path, "file")]:
        raise NotADirectoryError(20, "not a folder", url)
    return list(_children(url, system, path, found))


def _children(
    url: str, system: OpenFileSystem, path: str, found: list[FileInfo]
) -> Iterator[tuple[str, FileInfo]]:
    start = path if not path or path.endswith("/") else f"{path}/"
    for info in sorted(found, key=lambda one: str(one["name"])):
        whole: str = info["name"]
        name = whole.removeprefix(start).strip("/")
        if is_http(url):
            name = "" if "?" in name or "#" in name else unquote_name(url, name)
        # Entries outside the folder: a server's link to its parent, an archive's `../../x`.
        if not whole.startswith(start) or "/" in name or name in ("", ".", ".."):
            continue
        _check_name(name)
        if info["type"] == "link":
            info = {**system.fs.info(info["name"]), "name": info["name"]}
            if info["type"] != "file":
                continue
        if info["type"] in ("file", "directory"):
            yield name, info


def _check_name(name: str) -> None:
    try:
        name.encode("utf-8", "surrogateescape")
        usable = "::" not in name and "\0" not in name
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise DataError(f"the name {quoted(name)} can't be part of a URL; rename it")
