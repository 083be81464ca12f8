"""Cache of image properties by content, shared by all runs.

A renamed or copied file is found in it, a changed one is not.
"""

import hashlib
import json
import sqlite3
import threading
from contextlib import suppress
from dataclasses import asdict
from types import TracebackType

from core.common.user_dirs import cache_dir
from core.data.decode import DECODERS
from core.data.inspect import ImageInfo, inspect_image
from core.data.source import Location
from core.data.sources import source_of
from core.data.value_range import ValueStats

_VERSION = 3
"""Incremented when `inspect_image` returns something else for the same bytes."""
_BATCH = 512
_WAIT_SECONDS = 2.0
_COLUMNS = "sha256, bytes, format, width, height, mode, phash, color_grid, reason, value_stats"


class ImageInfoCache:
    """Inspects each content once. A missing, locked or damaged database only costs time.

    Thread-safe; use it in a `with` statement.
    """

    def __init__(self, enabled: bool = True) -> None:
        """Unless `enabled`, nothing is read from or written to disk."""
        self._enabled = enabled
        self._lock = threading.Lock()
        self._new_infos: list[ImageInfo] = []
        self._new_files: list[tuple[str, str, str]] = []
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> "ImageInfoCache":
        if not self._enabled:
            return self
        folder = cache_dir() / "scans"
        # Other versions of the decoders may read other files, or report other properties.
        name = f"image-info-{_VERSION}-{DECODERS}.sqlite"
        with suppress(OSError, sqlite3.Error):
            folder.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(
                folder / name, timeout=_WAIT_SECONDS, check_same_thread=False, isolation_level=None
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS images (sha256 BLOB PRIMARY KEY, bytes INTEGER, "
                "format TEXT, width INTEGER, height INTEGER, mode TEXT, phash BLOB, "
                "color_grid BLOB, reason TEXT, value_stats TEXT) WITHOUT ROWID"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS files (location TEXT PRIMARY KEY, fingerprint TEXT, "
                "sha256 TEXT) WITHOUT ROWID"
            )
            self._database = database
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._write()
            if self._database is not None:
                self._database.close()
            self._database = None

    def inspect_file(self, file: Location) -> ImageInfo:
        """Return the properties of a file, which isn't fetched if its fingerprint is cached.

        Raises OSError and DataError.
        """
        fingerprint = source_of(file).fingerprint(file)
        if not fingerprint:
            return self.inspect(file.read_bytes())
        # A file name may contain bytes that are not text.
        location = str(file).encode("unicode_escape", "surrogatepass").decode()
        known = self._find_file(location, fingerprint)
        if known is not None:
            return known
        info = self.inspect(file.read_bytes())
        with self._lock:
            self._new_files.append((location, fingerprint, info.sha256))
            if len(self._new_files) >= _BATCH:
                self._write()
        return info

    def inspect(self, data: bytes) -> ImageInfo:
        """Return the properties of a file's content."""
        digest = hashlib.sha256(data).hexdigest()
        known = self.find(digest)
        if known is not None:
            return known
        info = inspect_image(data, digest)
        # A lack of memory is a property of this machine now, not of the file.
        if "memory" not in info.reason:
            with self._lock:
                self._new_infos.append(info)
                if len(self._new_infos) >= _BATCH:
                    self._write()
        return info

    def find(self, sha256: str) -> ImageInfo | None:
        """Return the cached properties of a content, or None."""
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute(
                    f"SELECT {_COLUMNS} FROM images WHERE sha256 = ?", (bytes.fromhex(sha256),)
                ).fetchone()
                return _info(row) if row else None
            except (sqlite3.Error, ValueError, TypeError):
                self._database = None
                return None

    def _find_file(self, location: str, fingerprint: str) -> ImageInfo | None:
        query = "SELECT sha256 FROM files WHERE location = ? AND fingerprint = ?"
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute(query, (location, fingerprint)).fetchone()
            except sqlite3.Error:
                self._database = None
                return None
        return self.find(row[0]) if row else None

    def _write(self) -> None:
        infos, self._new_infos = self._new_infos, []
        files, self._new_files = self._new_files, []
        if self._database is None or not (infos or files):
            return
        rows = [_row(info) for info in infos]
        values = ", ".join("?" * len(_COLUMNS.split(", ")))
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(f"INSERT OR REPLACE INTO images VALUES ({values})", rows)
            self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", files)
            self._database.execute("COMMIT")
        except sqlite3.Error:  # full, locked or deleted: a cache must never stop a scan
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")


def _row(info: ImageInfo) -> tuple[object, ...]:
    return (
        bytes.fromhex(info.sha256),
        info.bytes,
        info.format,
        info.width,
        info.height,
        info.mode,
        info.phash.to_bytes(8, "big"),  # SQLite's integers are signed
        info.color_grid,
        info.reason,
        json.dumps(asdict(info.values)) if info.values else "",
    )


def _info(row: tuple[bytes, int, str, int, int, str, bytes, bytes, str, str]) -> ImageInfo:
    sha256, size, form, width, height, mode, phash, color_grid, reason, values = row
    return ImageInfo(
        sha256=sha256.hex(),
        bytes=size,
        format=form,
        width=width,
        height=height,
        mode=mode,
        phash=int.from_bytes(phash, "big"),
        color_grid=color_grid,
        reason=reason,
        values=_value_stats(values) if values else None,
    )


def _value_stats(text: str) -> ValueStats:
    stats = json.loads(text)
    declared = stats.pop("declared")
    return ValueStats(**stats, declared=tuple(declared) if declared else None)
