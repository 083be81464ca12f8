"""Folders that fsspec opens: on a server, in a bucket, in an archive; only ever read.

What is known of a folder is one listing of all that is in it, made when it is first asked for;
each file is fetched as a whole. fsspec is imported when the first of them is looked at.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from core.common import location as urls
from core.common.errors import DataError
from core.common.text import printable
from core.data import filesystems as stores
from core.data.listing import Folder, Info, listing, modified_ns, version_of


class FetchError(DataError):
    """A file that can't be had now: not one that is damaged."""

    is_missing = False
    """Whether the server knows no such file."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a file or folder without reading it, by the names that `os.stat` has."""

    st_mode: int
    st_size: int = 0
    st_mtime_ns: int = 0
    """0 where it isn't known."""


class RemotePath(os.PathLike[str]):
    """A file or folder: the URL of a root, and the path below it.

    What isn't there is a FileNotFoundError, what can't be reached or fetched a DataError.
    """

    __slots__ = ("_inside", "_root")

    def __init__(self, root: "str | _Root", inside: str = "") -> None:
        self._root = _Root(root) if isinstance(root, str) else root
        self._inside = inside

    def __reduce__(self) -> tuple[type["RemotePath"], tuple[str, str]]:
        # A connection belongs to its process: another one makes its own.
        return RemotePath, (self._root.url, self._inside)

    def __str__(self) -> str:
        return urls.join_url(self._root.url, self._inside)

    __fspath__ = __str__

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: "RemotePath") -> bool:
        return self._inside.split("/") < other._inside.split("/")

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(self._root, urls.join_path(self._inside, name))

    @property
    def name(self) -> str:
        """The last part of its path, or what its root is called."""
        return PurePosixPath(self._inside).name or urls.url_name(self._root.url)

    def absolute(self) -> "RemotePath":
        """Return itself: a URL means the same from any folder."""
        return self

    def relative_to(self, top: "RemotePath") -> PurePosixPath:
        """Return its path below a folder of the same root."""
        return PurePosixPath(self._inside).relative_to(top._inside)

    def check_packages(self) -> None:
        """Raise DataError where nothing that is installed here opens such a URL."""
        stores.check_packages(self._root.url)

    def stat(self) -> Status:
        """Return what is known of it."""
        if self._inside in self._root.tree:
            return Status(stat.S_IFDIR)
        info = self._root.info(self._inside)
        return Status(stat.S_IFREG, int(info.get("size") or 0), modified_ns(info))

    def stamp(self) -> str:
        """Return what changes when the file does, or nothing where nobody tells."""
        return version_of(self._root.info(self._inside))

    def is_dir(self) -> bool:
        """Whether it is a folder that is there."""
        try:
            return self._inside in self._root.tree
        except FileNotFoundError:
            return False

    def iterdir(self) -> Iterator["RemotePath"]:
        """Return what is in a folder."""
        inside = self._root.folder(self._inside)
        return (self / name for name in (*inside.folders, *inside.files))

    def walk(self) -> Iterator[tuple["RemotePath", list[str], list[str]]]:
        """Yield each folder from here down with the names of its folders and files; those that are
        taken out of the list are left out, as with `os.walk`."""
        inside = self._root.folder(self._inside)
        folders = list(inside.folders)
        yield self, folders, list(inside.files)
        for name in folders:
            yield from (self / name).walk()

    def read_bytes(self) -> bytes:
        """Return what the file holds. Raises FetchError."""
        return self.fetch()

    def fetch(self, sha256: str = "") -> bytes:
        """Return what the file holds, which has this hash if one is given. Tries for a minute,
        then raises FetchError."""
        return self._root.fetch(self._inside, sha256, stores.WAITS)

    def glance(self) -> bytes:
        """Return what the file holds, for somebody who is waiting to see it. Raises FetchError."""
        return self._root.fetch(self._inside, "", ())


class _Root:
    """What all paths that come from one have in common: the file system and the listing."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def tree(self) -> dict[str, Folder]:
        """Everything below, by the folders' paths."""
        shown = printable(self.url)
        try:
            return listing(self.url, stores.store_for(self.url, anew=True))
        except DataError:
            raise
        except FileNotFoundError:
            raise FileNotFoundError(2, "no such folder", self.url) from None
        except NotADirectoryError:
            raise DataError(f"{shown} is a file; give the folder that holds it") from None
        except Exception as error:  # each file system has errors of its own
            raise DataError(f"{shown} can't be looked at: {stores.in_words(error)}") from None

    def folder(self, inside: str) -> Folder:
        if inside not in self.tree:
            raise FileNotFoundError(2, "no such folder", urls.join_url(self.url, inside))
        return self.tree[inside]

    def info(self, inside: str) -> Info:
        """Return what is known of a file."""
        folder, _, name = inside.rpartition("/")
        files = self.folder(folder).files
        if name not in files:
            raise FileNotFoundError(2, "no such file", urls.join_url(self.url, inside))
        if not version_of(files[name]):
            # A web server's pages tell names alone. To ask costs less than to fetch.
            files[name] = self._more_of(files[name])
        return files[name]

    def _more_of(self, known: Info) -> Info:
        try:
            return {**stores.store_for(self.url).fs.info(known["name"]), "name": known["name"]}
        except Exception:  # then the file is fetched, and that says what is wrong
            return known

    def fetch(self, inside: str, sha256: str, waits: Sequence[float]) -> bytes:
        shown = printable(urls.join_url(self.url, inside))
        if ".." in inside.split("/"):
            raise FetchError(f"{shown} leads out of its folder: it is not read")

        def attempt() -> bytes:
            store = stores.store_for(self.url)
            path = urls.join_path(store.path_of(self.url), urls.quote_path(self.url, inside))
            with store.turn:
                data: bytes = store.fs.cat_file(path)
            expected = self._size(inside)
            if expected not in (None, len(data)):
                raise EOFError(f"{len(data):,} of {expected:,} bytes came")
            return data

        try:
            data = stores.patiently(attempt, waits)
        except Exception as error:
            failure = FetchError(f"{shown} can't be fetched: {stores.in_words(error)}")
            failure.is_missing = isinstance(error, FileNotFoundError)
            raise failure from None
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            raise FetchError(f"{shown} has changed since the run looked at it")
        return data

    def _size(self, inside: str) -> int | None:
        """Return a file's size where the listing is at hand and tells it."""
        folder, _, name = inside.rpartition("/")
        tree: dict[str, Folder] = vars(self).get("tree", {})
        known = tree[folder].files.get(name) if folder in tree else None
        return known.get("size") if known else None
