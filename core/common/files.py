"""Atomic file writes: after a crash a file has its old or its new content, complete."""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(
    path: Path,
    write: Callable[[BinaryIO], object],
    before_replace: Callable[[], object] = lambda: None,
) -> int:
    """Let `write` fill a temporary file, then rename it to `path`; return its size in bytes.

    `before_replace` is called once the new content is on disk, before the rename. File and folder
    are synced when this returns. Raises OSError, with `path` unchanged and no temporary file left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        before_replace()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return size


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a text file atomically; file names in it that are not UTF-8 keep their bytes."""
    data = text.encode("utf-8", "surrogateescape")
    write_atomically(path, lambda file: file.write(data))


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power loss, if the file system supports it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def remove_temporary_files(folder: Path) -> None:
    """Remove temporary files of processes that were killed while writing to `folder`.

    No other process may be writing there.
    """
    for path in folder.glob(".*.[0-9]*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def link_or_copy(source: Path, target: Path) -> None:
    """Replace `target` atomically with the content of `source`; raise OSError.

    A hard link if the file system supports it: both files are only ever replaced, never modified.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        try:
            temporary.hardlink_to(source)
        except OSError:
            with temporary.open("wb") as file, source.open("rb") as original:
                shutil.copyfileobj(original, file)
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def read_head(path: Path, count: int) -> bytes:
    """Return the first bytes of a file; raise OSError, also for a folder or a pipe."""
    # Non-blocking: opening a pipe would wait for its other end.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.read(file, count)
    finally:
        os.close(file)


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file; raise OSError, also for a folder, a pipe or a larger file."""
    # Non-blocking: opening a pipe would wait for its other end.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
            raise OSError(f"{path} is not a regular file of at most {max_bytes:,} bytes")
        return os.read(file, status.st_size)
    finally:
        os.close(file)


def missing_folders(path: Path) -> list[Path]:
    """Return the folder and those above it that do not exist, the deepest first."""
    # Not Path.exists: it raises without permission.
    return [each for each in (path, *path.parents) if not os.path.exists(each)]  # noqa: PTH110


def remove_empty_folders(folders: list[Path]) -> None:
    """Remove those of the folders that are empty, in order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
