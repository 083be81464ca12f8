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
FEATURES = "features"
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


def features_dir() -> Path:
    """Return where features of frozen backbones are kept: a folder each."""
    return cache_dir() / FEATURES


def entries() -> list[Entry]:
    """Return everything in the cache, the least recently used first."""
    found = [_entry(path) for folder in (features_dir(), cache_dir()) for path in _inside(folder)]
    return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.used)


def clear() -> int:
    """Delete everything in the cache; returns how many bytes that freed. A run that uses it goes
    on with what it has open."""
    freed = 0
    for entry in entries():
        shutil.rmtree(entry.path, ignore_errors=True)
        freed += 0 if entry.path.exists() else entry.bytes
    return freed


def make_room(needed: int, limit: int) -> bool:
    """Delete features, the least recently used first, until `needed` bytes fit below `limit`.

    Those used within the last hour stay. Returns whether there is room.
    """
    kept = [entry for entry in entries() if entry.path.parent == features_dir()]
    total = sum(entry.bytes for entry in kept)
    for entry in kept:
        if total + needed <= limit or time.time() - entry.used < _IN_USE_SECONDS:
            break
        shutil.rmtree(entry.path, ignore_errors=True)
        total -= entry.bytes
    return total + needed <= limit


def touch(path: Path) -> None:
    """Note that an entry is in use."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _inside(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as inside:
        for item in inside:
            if item.is_dir(follow_symlinks=False) and item.name != FEATURES:
                yield Path(item.path)


def _entry(path: Path) -> Entry | None:
    try:
        size = sum(file.stat().st_blocks * 512 for file in path.rglob("*"))
        return Entry(path, size, path.stat().st_mtime)
    except OSError:  # it is being deleted
        return None
