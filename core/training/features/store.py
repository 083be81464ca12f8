"""Feature cache on disk: one row per image, each with a checksum."""

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.distributed.process_group import ProcessGroup

Rows = npt.NDArray[np.float32]

_EXCHANGE_BYTES = 64 << 20
"""Largest message between ranks."""


class FeatureStore:
    """Features (count, width), written row by row, in any order and by any process.

    A row that doesn't match its checksum, after a crash or because of a damaged disk, counts as
    missing. Several processes may write the same rows, because they write equal values.
    """

    def __init__(self, folder: Path | None, count: int, width: int) -> None:
        """Open or create the files. Without a folder, or if it can't be written, the rows are kept
        in memory only."""
        self.count, self.width = count, width
        self.on_disk = False
        self.rows, self._sums = self._arrays(folder)
        self.known = np.zeros(count, dtype=bool)
        """Which rows are present and intact."""
        self.reload()

    @property
    def bytes(self) -> int:
        """Size of all rows."""
        return self.count * self.width * 4

    def reload(self) -> None:
        """Find the rows that other processes have written in the meantime."""
        for index in np.flatnonzero(self._sums * ~self.known):
            self.known[index] = self._sums[index] == _checksum(self.rows[index])

    def write(self, indices: Sequence[int], rows: Rows) -> None:
        """Store rows (N, width), except those with a value that is not finite."""
        for index, row in zip(indices, rows, strict=True):
            if np.isfinite(row).all():
                self.rows[index] = row
                self._sums[index] = _checksum(self.rows[index])
                self.known[index] = True

    def _arrays(self, folder: Path | None) -> tuple[Rows, npt.NDArray[np.uint32]]:
        shapes = (self.count, self.width), (self.count,)
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                _reserve(folder / "rows.f32", self.bytes)
                _reserve(folder / "sums.u32", 4 * self.count)
                rows = np.memmap(folder / "rows.f32", np.float32, "r+", shape=shapes[0])
                sums = np.memmap(folder / "sums.u32", np.uint32, "r+", shape=shapes[1])
                self.on_disk = True
                return rows, sums
        return np.zeros(shapes[0], np.float32), np.zeros(shapes[1], np.uint32)


def exchange_features(store: FeatureStore, group: ProcessGroup) -> None:
    """Give the store of every rank all rows that any rank has.

    Ranks on one machine share the files, and find each other's rows there.
    """
    store.reload()
    known = np.stack(group.gather(store.known))
    wanted = np.asarray(known.any(axis=0) & ~known.all(axis=0))
    step = max(1, _EXCHANGE_BYTES // (4 * store.width))
    for sender in range(group.size):
        indices = np.flatnonzero(wanted & known[sender])
        wanted[indices] = False
        for begin in range(0, len(indices), step):
            some = indices[begin : begin + step]
            rows = group.gather(store.rows[some] if sender == group.rank else None)[sender]
            if rows is not None:
                missing = ~store.known[some]
                store.write(some[missing].tolist(), rows[missing])


def feature_cache_name(**depends_on: object) -> str:
    """Return a folder name that changes with anything that the features depend on."""
    text = json.dumps(depends_on, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _checksum(row: Rows) -> int:
    return zlib.crc32(row.data) or 1  # 0 means that a row was never written


def _reserve(path: Path, size: int) -> None:
    # Allocate the blocks now: writing through the map on a full disk would kill the process.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # Never truncate: another rank may have just opened the file.
        if os.fstat(file).st_size < size:
            os.posix_fallocate(file, 0, size)
    finally:
        os.close(file)
