"""All that lies below a URL, by one look: nothing that leads out of it, nor round in circles."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from core.common.errors import DataError
from core.common.location import is_http, join_path, unquote_name
from core.common.text import printable
from core.data.filesystems import SOON, Store, patiently

THREADS = 32
"""What is asked for at once: nearly all of the time goes by in waiting for a server."""
_DEEPEST = 32
"""Folders within folders that are looked into: links may lead round in circles."""
_TIMES = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created")
_VERSION = (
    *("ETag", "etag", "md5Hash", "crc32c", "generation", "CRC", "Content-MD5", "Digest"),
    *(*_TIMES, "date_time"),
)

Info = Mapping[str, Any]
"""What a file system says of a file."""


@dataclass(slots=True)
class Folder:
    """What is in a folder, by name."""

    folders: list[str] = field(default_factory=list)
    files: dict[str, Info] = field(default_factory=dict)


def listing(url: str, store: Store) -> dict[str, Folder]:
    """Return the folders at and below a URL by their paths, which is "" for the first one.

    Raises DataError for a name that can't be used, NotADirectoryError and what the file system
    raises.
    """
    tree: dict[str, Folder] = {}
    level = [("", store.path_of(url))]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(_DEEPEST):
            listed = list(pool.map(lambda one: _listed(url, store, one[1]), level))
            following = []
            for (inside, _path), children in zip(level, listed, strict=True):
                tree[inside] = Folder()
                for name, info in children:
                    if info["type"] == "file":
                        tree[inside].files[name] = info
                    else:
                        tree[inside].folders.append(name)
                        following.append((join_path(inside, name), info["name"]))
            level = following
    return tree


def version_of(info: Info) -> str:
    """Return what changes when the file does, or nothing where the file system doesn't tell."""
    known = [f"{key}={info[key]}" for key in _VERSION if info.get(key)]
    return "|".join([f"size={info.get('size')}", *known]) if known else ""


def modified_ns(info: Info) -> int:
    """Return when the file was changed, as `os.stat` has it; 0 where nobody tells."""
    with suppress(ValueError, TypeError, OverflowError):
        if parts := info.get("date_time"):  # of a zip archive, which knows no time zone
            return int(datetime(*parts[:6]).replace(tzinfo=UTC).timestamp()) * 10**9
        for value in (info[key] for key in _TIMES if info.get(key)):
            if isinstance(value, int | float):
                return int(value * 10**9)
            return int(_moment(value).timestamp() * 10**6) * 1000
    return 0


def _moment(value: datetime | str) -> datetime:
    if isinstance(value, datetime):
        return value
    return parsedate_to_datetime(value) if "," in value else datetime.fromisoformat(value)


def _listed(url: str, store: Store, path: str) -> list[tuple[str, Info]]:
    """Return name and information of each file and folder right in a folder."""

    def attempt() -> list[Info]:
        with store.turn:
            return list(store.fs.ls(path, detail=True))

    found = patiently(attempt, SOON)
    if [(info["name"], info["type"]) for info in found] == [(path, "file")]:
        raise NotADirectoryError(20, "not a folder", url)
    return list(_children(url, store, path, found))


def _children(url: str, store: Store, path: str, found: list[Info]) -> Iterator[tuple[str, Info]]:
    start = path if not path or path.endswith("/") else f"{path}/"
    for info in sorted(found, key=lambda one: str(one["name"])):
        whole: str = info["name"]
        name = whole.removeprefix(start).strip("/")
        if is_http(url):
            name = "" if "?" in name or "#" in name else unquote_name(url, name)
        # What lies elsewhere: a server's link up, an archive's `../../x`.
        if not whole.startswith(start) or "/" in name or name in ("", ".", ".."):
            continue
        _check_name(name)
        if info["type"] == "link":
            info = {**store.fs.info(info["name"]), "name": info["name"]}
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
        raise DataError(f"the name {printable(name)!r} can't be part of a URL: rename it")
