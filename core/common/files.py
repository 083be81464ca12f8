"""Writing files so that a crash leaves the old one or the new one, never half of each."""

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
    """Let `write` fill a temporary file, then put it in the place of `path`; returns its size.

    `before_replace` is called when the new content is on the disk and the old one still stands.
    Data and folder are on the disk when this returns. Raises OSError, leaving `path` as it was
    and no temporary file behind.
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
    """Replace a text file as a whole; file names that are not UTF-8 keep their bytes."""
    data = text.encode("utf-8", "surrogateescape")
    write_atomically(path, lambda file: file.write(data))


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the file system knows how."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote to `folder`.

    Nobody else may be writing there.
    """
    for path in folder.glob(".*.[0-9]*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def link_or_copy(source: Path, target: Path) -> None:
    """Put the file `source` also in the place of `target`, atomically; raises OSError.

    A second name for the same bytes where the file system has hard links: both files are only
    ever replaced, never written to.
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


def read_regular_file(path: Path, largest: int) -> bytes:
    """Return what a file of a sensible size holds; raises OSError, for a folder or a pipe too."""
    # Without waiting for the other end of a pipe.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > largest:
            raise OSError(f"{path} is no file of a sensible size")
        return os.read(file, status.st_size)
    finally:
        os.close(file)
