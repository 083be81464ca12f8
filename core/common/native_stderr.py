"""Standard error of native libraries: libtiff, for example, writes messages without a file name to
descriptor 2."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_STDERR = 2


def redirect_descriptors(path: Path, descriptors: Iterable[int]) -> None:
    """Append everything that is written to descriptors to a file from now on.

    It is lost where the file can't be opened, as while the folder of a run is away.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    for number in descriptors:
        os.dup2(file, number)
    os.close(file)


def redirect_native_stderr(path: Path) -> None:
    """Append everything that is written to descriptor 2 to a file from now on."""
    redirect_descriptors(path, [_STDERR])


@contextmanager
def native_stderr_to(path: Path) -> Iterator[None]:
    """Append the output of native libraries and child processes on descriptor 2 to a file.

    `sys.stderr` keeps its destination. `redirect_native_stderr` changes the file meanwhile.
    """
    stream = sys.stderr
    with suppress(AttributeError, OSError, ValueError):  # closed, or replaced by a test
        stream.flush()
    try:
        saved = os.dup(_STDERR)
    except OSError:
        yield
        return
    try:
        if _is_native(stream):
            sys.stderr = _copy(stream, saved)
        redirect_native_stderr(path)
        yield
    finally:
        copy, sys.stderr = sys.stderr, stream
        os.dup2(saved, _STDERR)
        os.close(saved)
        if copy is not stream:
            with suppress(OSError, ValueError):  # the reader of the output has exited
                copy.close()


def _is_native(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() == _STDERR
    except (AttributeError, OSError, ValueError):
        return False


def _copy(stream: TextIO, descriptor: int) -> TextIO:
    return open(  # noqa: PTH123 - of a descriptor; closed by the caller
        os.dup(descriptor),
        "w",
        buffering=1,
        encoding=stream.encoding,
        errors=stream.errors,
    )
