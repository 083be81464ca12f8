"""Entries of the cache folder: list them, delete them, evict old ones to fit a new one."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.common.user_dirs import cache_dir

_KINDS = ("features", "pictures")
"""Folders of entries that count toward `cache.max_gb`."""
_IN_USE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A folder in the cache that is deleted as a whole."""

    path: Path
    bytes: int
    """Space on disk."""
    used: float
    """Unix time of the last use."""


def allocate_entry(kind: str, name: str, needed: int, max_gb: float) -> Path | None:
    """Return the folder of an entry (`kind` is `features` or `pictures`), which may not exist yet.

    Least recently used entries are evicted so that `needed` bytes fit below `max_gb` (10^9 bytes),
    but none that was used within the last hour. Returns None if the entry doesn't fit that limit
    or would take more than half of the free disk space.
    """
    path = cache_dir() / kind / name
    if path.exists():
        with contextlib.suppress(OSError):
            os.utime(path)
        return path
    fits = needed <= _free_bytes(cache_dir()) // 2 and _evict(needed, int(max_gb * 1e9))
    return path if fits else None


def entries() -> list[CacheEntry]:
    """Return all entries of the cache, least recently used first."""
    folders = (cache_dir(), *(cache_dir() / kind for kind in _KINDS))
    found = [_entry(path) for folder in folders for path in _entry_folders(folder)]
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.used)


def clear() -> int:
    """Delete all entries and return the number of bytes freed.

    Runs that use an entry continue with the files they have open.
    """
    freed = 0
    for entry in entries():
        shutil.rmtree(entry.path, ignore_errors=True)
        freed += 0 if entry.path.exists() else entry.bytes
    return freed


def _evict(needed: int, limit: int) -> bool:
    """Delete old entries until `needed` bytes fit below `limit`; return whether they do."""
    evictable = [entry for entry in entries() if entry.path.parent.name in _KINDS]
    total = sum(entry.bytes for entry in evictable)
    for entry in evictable:
        if total + needed <= limit or time.time() - entry.used < _IN_USE_SECONDS:
            break
        shutil.rmtree(entry.path, ignore_errors=True)
        total -= entry.bytes
    return total + needed <= limit


def _free_bytes(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def _entry_folders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as children:
        for child in children:
            if child.is_dir(follow_symlinks=False) and child.name not in _KINDS:
                yield Path(child.path)


def _entry(path: Path) -> CacheEntry | None:
    try:
        size = sum(file.stat().st_blocks * 512 for file in path.rglob("*"))
        return CacheEntry(path, size, path.stat().st_mtime)
    except OSError:  # another process is deleting it
        return None
