"""Rows of numbers on the disk that are whole or not there: one row a picture."""

import contextlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]


class FeatureStore:
    """Features (count, width), filled row by row, in any order and by any process.

    Each row has a checksum: one that a crash has torn, or that rotted on the disk, counts as not
    there. Several processes may write the same rows, as they write the same numbers.
    """

    def __init__(self, folder: Path | None, count: int, width: int) -> None:
        """Open or make it; None, or a folder that can't be written, keeps it in memory alone."""
        self.count, self.width = count, width
        self.on_disk = False
        self.rows, self._sums = self._arrays(folder)
        self.known = np.zeros(count, dtype=bool)
        """Which rows are there and whole."""
        self.reload()

    @property
    def bytes(self) -> int:
        """What all rows take."""
        return self.count * self.width * 4

    def reload(self) -> None:
        """Find what other processes have written meanwhile."""
        for place in np.flatnonzero(self._sums * ~self.known):
            self.known[place] = self._sums[place] == _checksum(self.rows[place])

    def write(self, places: Sequence[int], rows: Rows) -> None:
        """Keep these rows; those with a number that is not finite are left out."""
        for place, row in zip(places, rows, strict=True):
            if np.isfinite(row).all():
                self.rows[place] = row
                self._sums[place] = _checksum(self.rows[place])
                self.known[place] = True

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


def _checksum(row: Rows) -> int:
    return zlib.crc32(row.data) or 1  # 0 stands for a row that was never written


def _reserve(path: Path, size: int) -> None:
    # Without its room on the disk, writing through the map would kill the process.
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        # Never made smaller: another rank may have opened it a moment ago.
        if os.fstat(file).st_size < size:
            os.posix_fallocate(file, 0, size)
    finally:
        os.close(file)
