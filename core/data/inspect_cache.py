"""What was found out about files' contents, kept between runs and shared by all of them.

By content: a picture that was renamed or copied is known, one that was changed is not.
"""

import hashlib
import sqlite3
import threading
from contextlib import suppress
from types import TracebackType

from PIL import __version__ as pillow

from core.common.user_dirs import cache_dir
from core.data.inspect import ImageInfo, inspect_image
from core.data.storage import Location, stamp_of

_FORM = 1
"""Goes up when `inspect_image` says something else of the same bytes."""
_TOGETHER = 512
_WAIT_SECONDS = 2.0
_COLUMNS = "sha256, bytes, format, width, height, mode, shape, tone, reason"


class ImageInfoCache:
    """Looks at contents, each only once; a store that is away, locked or damaged is none.

    Any thread may ask; to be used in a `with` statement.
    """

    def __init__(self, keep: bool = True) -> None:
        """Without `keep` nothing is kept, nor looked up."""
        self._keep = keep
        self._lock = threading.Lock()
        self._waiting: list[ImageInfo] = []
        self._seen: list[tuple[str, str, str]] = []
        self._base: sqlite3.Connection | None = None

    def __enter__(self) -> "ImageInfoCache":
        if not self._keep:
            return self
        folder = cache_dir() / "scans"
        # Another Pillow may read what this one can't, or say something else of it.
        name = f"looks-{_FORM}-pillow-{pillow}.sqlite"
        with suppress(OSError, sqlite3.Error):
            folder.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(
                folder / name, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None
            )
            base.execute(
                "CREATE TABLE IF NOT EXISTS looks (sha256 BLOB PRIMARY KEY, bytes INTEGER, "
                "format TEXT, width INTEGER, height INTEGER, mode TEXT, shape BLOB, tone BLOB, "
                "reason TEXT) WITHOUT ROWID"
            )
            base.execute(
                "CREATE TABLE IF NOT EXISTS seen (place TEXT PRIMARY KEY, stamp TEXT, sha256 TEXT) "
                "WITHOUT ROWID"
            )
            self._base = base
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._write()
            if self._base is not None:
                self._base.close()
            self._base = None

    def inspect_file(self, file: Location) -> ImageInfo:
        """Return what a file is, which isn't fetched if it is as it was the last time; raises
        OSError and DataError."""
        stamp = stamp_of(file)
        if not stamp:
            return self.look(file.read_bytes())
        # A name from outside may hold what is no text.
        place = str(file).encode("unicode_escape", "surrogatepass").decode()
        known = self._seen_before(place, stamp)
        if known is not None:
            return known
        found = self.look(file.read_bytes())
        with self._lock:
            self._seen.append((place, stamp, found.sha256))
            if len(self._seen) >= _TOGETHER:
                self._write()
        return found

    def look(self, data: bytes) -> ImageInfo:
        """Return what a file's content is."""
        digest = hashlib.sha256(data).hexdigest()
        known = self.known(digest)
        if known is not None:
            return known
        found = inspect_image(data, digest)
        # A lack of memory belongs to this machine and moment, not to the file.
        if "memory" not in found.reason:
            with self._lock:
                self._waiting.append(found)
                if len(self._waiting) >= _TOGETHER:
                    self._write()
        return found

    def known(self, sha256: str) -> ImageInfo | None:
        """Return what is kept of a content, or None."""
        with self._lock:
            if self._base is None:
                return None
            try:
                row = self._base.execute(
                    f"SELECT {_COLUMNS} FROM looks WHERE sha256 = ?", (bytes.fromhex(sha256),)
                ).fetchone()
                return _look(row) if row else None
            except (sqlite3.Error, ValueError, TypeError):
                self._base = None
                return None

    def _seen_before(self, place: str, stamp: str) -> ImageInfo | None:
        query = "SELECT sha256 FROM seen WHERE place = ? AND stamp = ?"
        with self._lock:
            if self._base is None:
                return None
            try:
                row = self._base.execute(query, (place, stamp)).fetchone()
            except sqlite3.Error:
                self._base = None
                return None
        return self.known(row[0]) if row else None

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        seen, self._seen = self._seen, []
        if self._base is None or not (waiting or seen):
            return
        rows = [_row(look) for look in waiting]
        marks = ", ".join("?" * len(_COLUMNS.split(", ")))
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany(f"INSERT OR REPLACE INTO looks VALUES ({marks})", rows)
            self._base.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", seen)
            self._base.execute("COMMIT")
        except sqlite3.Error:  # full, locked or gone: nobody waits for a cache
            with suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")


def _row(look: ImageInfo) -> tuple[object, ...]:
    return (
        bytes.fromhex(look.sha256),
        look.bytes,
        look.format,
        look.width,
        look.height,
        look.mode,
        look.shape.to_bytes(8, "big"),  # SQLite's whole numbers are signed
        look.tone,
        look.reason,
    )


def _look(row: tuple[bytes, int, str, int, int, str, bytes, bytes, str]) -> ImageInfo:
    sha256, size, form, width, height, mode, shape, tone, reason = row
    return ImageInfo(
        sha256.hex(), size, form, width, height, mode, int.from_bytes(shape, "big"), tone, reason
    )
