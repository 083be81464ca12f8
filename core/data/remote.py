"""Image source for everything fsspec opens: servers, buckets, archives; read-only.

A folder is listed once, with everything in it, when it is first accessed; each file is fetched as
a whole. fsspec is imported on first access.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from core.common import location as urls
from core.common.errors import DataError
from core.common.text import printable
from core.data import filesystems
from core.data.listing import THREADS, FileInfo, FolderListing, list_tree, modified_ns, version_of
from core.data.source import FetchError, Location, R, T


@dataclass(frozen=True, slots=True)
class RemoteStatus:
    """Metadata of a remote file or folder by the names of `os.stat_result`."""

    st_mode: int
    st_size: int = 0
    st_mtime_ns: int = 0
    """0 if the server doesn't report it."""


class RemotePath(os.PathLike[str]):
    """A file or folder: the URL of a root and the path below it.

    A missing one raises FileNotFoundError, an unreachable one DataError.
    """

    __slots__ = ("_inside", "_root")

    def __init__(self, root: "str | _Root", inside: str = "") -> None:
        self._root = _Root(root) if isinstance(root, str) else root
        self._inside = inside

    def __reduce__(self) -> tuple[type["RemotePath"], tuple[str, str]]:
        # A connection belongs to its process; another process opens its own.
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
        """Last component of the path, or the name of the root."""
        return PurePosixPath(self._inside).name or urls.url_name(self._root.url)

    def absolute(self) -> "RemotePath":
        """Return itself: a URL doesn't depend on the working directory."""
        return self

    def relative_to(self, top: "RemotePath") -> PurePosixPath:
        """Return the path below a folder of the same root."""
        return PurePosixPath(self._inside).relative_to(top._inside)

    def check_packages(self) -> None:
        """Raise DataError if no installed package opens this kind of URL."""
        filesystems.check_packages(self._root.url)

    def stat(self) -> RemoteStatus:
        """Return the metadata from the listing."""
        if self._inside in self._root.tree:
            return RemoteStatus(stat.S_IFDIR)
        info = self._root.info(self._inside)
        return RemoteStatus(stat.S_IFREG, int(info.get("size") or 0), modified_ns(info))

    def fingerprint(self) -> str:
        """Return a text that changes with the content, or "" if the server reports none."""
        return version_of(self._root.info(self._inside))

    def is_dir(self) -> bool:
        """Return whether it is an existing folder."""
        try:
            return self._inside in self._root.tree
        except FileNotFoundError:
            return False

    def iterdir(self) -> Iterator["RemotePath"]:
        """Return the files and folders in a folder."""
        inside = self._root.folder(self._inside)
        return (self / name for name in (*inside.folders, *inside.files))

    def walk(self) -> Iterator[tuple["RemotePath", list[str], list[str]]]:
        """Yield each folder from here down with its folder and file names, as `os.walk`."""
        inside = self._root.folder(self._inside)
        folders = list(inside.folders)
        yield self, folders, list(inside.files)
        for name in folders:
            yield from (self / name).walk()

    def read_bytes(self) -> bytes:
        """Return the content. Raises FetchError."""
        return self.fetch()

    def fetch(self, sha256: str = "", retry: bool = True) -> bytes:
        """Return the content, which must match `sha256` if given.

        Raises FetchError after retries for a minute, or at once without `retry`.
        """
        waits = filesystems.WAITS if retry else ()
        return self._root.fetch(self._inside, sha256, waits)


class RemoteSource:
    """Everything that is given as a URL."""

    is_remote = True

    @property
    def threads(self) -> int:
        """More threads than cores: each of them mostly waits for the server."""
        return THREADS

    def accepts(self, text: str) -> bool:
        """Return whether the text is a URL."""
        return urls.is_url(text)

    def location(self, text: str) -> RemotePath:
        """Return the location; raise DataError for a URL with a password or a query."""
        return RemotePath(urls.absolute_url(text))

    def owns(self, location: Location) -> bool:
        """Return whether the location came from a URL."""
        return isinstance(location, RemotePath)

    def check_installed(self, root: RemotePath) -> None:
        """Raise DataError if no installed package opens this kind of URL."""
        root.check_packages()

    def list_folders(self, top: RemotePath) -> list[str]:
        """Return the names of the folders in `top`."""
        return [folder.name for folder in top.iterdir() if folder.is_dir()]

    def walk(
        self, top: RemotePath, follow_links: bool = False
    ) -> Iterator[tuple[RemotePath, list[str], list[str]]]:
        """Yield folders as `os.walk` does; the listing holds no links."""
        yield from top.walk()

    def open(self, file: RemotePath, sha256: str = "") -> bytes:
        """Return the content, which must match `sha256` if given."""
        return file.fetch(sha256)

    def read(self, file: RemotePath, max_bytes: int, retry: bool = True) -> bytes:
        """Return the content; files are always fetched as a whole."""
        return file.fetch(retry=retry)

    def fingerprint(self, file: RemotePath) -> str:
        """Return a text that changes with the content, or "" if the server reports none."""
        return file.fingerprint()

    def is_missing_here(self, file: RemotePath) -> bool:
        """Return False: all machines see the same server."""
        return False

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield the results in order, computed concurrently: each access is a round trip."""
        with ThreadPoolExecutor(self.threads) as pool:
            try:
                yield from pool.map(work, items)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


class _Root:
    """File system and listing shared by all paths below one URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def tree(self) -> dict[str, FolderListing]:
        """All folders below the URL by their paths."""
        shown = printable(self.url)
        try:
            return list_tree(self.url, filesystems.connect(self.url, refresh=True))
        except DataError:
            raise
        except FileNotFoundError:
            raise FileNotFoundError(2, "no such folder", self.url) from None
        except NotADirectoryError:
            raise DataError(f"{shown} is a file; give the folder that contains it") from None
        except Exception as error:  # each file system has its own error types
            raise DataError(f"{shown} can't be listed: {filesystems.reason(error)}") from None

    def folder(self, inside: str) -> FolderListing:
        if inside not in self.tree:
            raise FileNotFoundError(2, "no such folder", urls.join_url(self.url, inside))
        return self.tree[inside]

    def info(self, inside: str) -> FileInfo:
        """Return the metadata of a file."""
        folder, _, name = inside.rpartition("/")
        files = self.folder(folder).files
        if name not in files:
            raise FileNotFoundError(2, "no such file", urls.join_url(self.url, inside))
        if not version_of(files[name]):
            # A web server's listing has names only. A request for metadata is cheaper than a fetch.
            files[name] = self._with_metadata(files[name])
        return files[name]

    def _with_metadata(self, known: FileInfo) -> FileInfo:
        try:
            info = filesystems.connect(self.url).fs.info(known["name"])
            return {**info, "name": known["name"]}
        except Exception:  # the fetch that follows reports the reason
            return known

    def fetch(self, inside: str, sha256: str, waits: Sequence[float]) -> bytes:
        shown = printable(urls.join_url(self.url, inside))
        if ".." in inside.split("/"):
            raise FetchError(f"{shown} is outside its folder and is not read")

        def attempt() -> bytes:
            system = filesystems.connect(self.url)
            path = urls.join_path(system.path_of(self.url), urls.quote_path(self.url, inside))
            with system.lock:
                data: bytes = system.fs.cat_file(path)
            expected = self._size(inside)
            if expected not in (None, len(data)):
                raise EOFError(f"only {len(data):,} of {expected:,} bytes received")
            return data

        try:
            data = filesystems.retry(attempt, waits)
        except Exception as error:
            failure = FetchError(f"{shown} can't be fetched: {filesystems.reason(error)}")
            failure.is_missing = isinstance(error, FileNotFoundError)
            raise failure from None
        if sha256 and hashlib.sha256(data).hexdigest() != sha256:
            raise FetchError(f"{shown} has changed since the run scanned it")
        return data

    def _size(self, inside: str) -> int | None:
        """Return the size of a file if the listing is loaded and has it."""
        folder, _, name = inside.rpartition("/")
        tree: dict[str, FolderListing] = vars(self).get("tree", {})
        known = tree[folder].files.get(name) if folder in tree else None
        return known.get("size") if known else None
