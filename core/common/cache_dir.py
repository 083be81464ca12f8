"""The cache folder: what may be deleted at any time and costs only time to make again."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "CONVNEXT_TUI_CACHE"
"""Environment variable that names another cache folder."""
_KINDS = ("features", "pictures")
_IN_USE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the cache."""

    path: Path
    bytes: int
    used: float
    """Unix time of its last use."""


def cache_dir() -> Path:
    """Return the user's cache folder for this program, or the one that CACHE_VARIABLE names."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("convnext-tui", appauthor=False))


def place_for(kind: str, name: str, needed: int, max_gb: float) -> Path | None:
    """Return the folder for an entry (`features` or `pictures`) of `needed` bytes, made or not
    yet; None where there is no room for it below `max_gb` (10^9 bytes) or on the disk.

    An entry is deleted when others need its room, but not within an hour of its last use.
    """
    path = cache_dir() / kind / name
    if path.exists():
        with contextlib.suppress(OSError):
            os.utime(path)
        return path
    fits = needed <= _free(cache_dir()) // 2 and _make_room(needed, int(max_gb * 1e9))
    return path if fits else None


def entries() -> list[Entry]:
    """Return everything in the cache, the least recently used first."""
    folders = (cache_dir(), *(cache_dir() / kind for kind in _KINDS))
    found = [_entry(path) for folder in folders for path in _inside(folder)]
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.used)


def clear() -> int:
    """Delete everything in the cache; returns how many bytes that freed. A run that uses it goes
    on with what it has open."""
    freed = 0
    for entry in entries():
        shutil.rmtree(entry.path, ignore_errors=True)
        freed += 0 if entry.path.exists() else entry.bytes
    return freed


def _make_room(needed: int, limit: int) -> bool:
    kept = [entry for entry in entries() if entry.path.parent.name in _KINDS]
    total = sum(entry.bytes for entry in kept)
    for entry in kept:
        if total + needed <= limit or time.time() - entry.used < _IN_USE_SECONDS:
            break
        shutil.rmtree(entry.path, ignore_errors=True)
        total -= entry.bytes
    return total + needed <= limit


def _free(folder: Path) -> int:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _inside(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as inside:
        for item in inside:
            if item.is_dir(follow_symlinks=False) and item.name not in _KINDS:
                yield Path(item.path)


def _entry(path: Path) -> Entry | None:
    try:
        size = sum(file.stat().st_blocks * 512 for file in path.rglob("*"))
        return Entry(path, size, path.stat().st_mtime)
    except OSError:  # it is being deleted
        return None
