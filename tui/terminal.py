"""The terminal as the app's own: what native code and workers print never reaches the screen."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OUTPUTS = (1, 2)


@contextmanager
def own_terminal() -> Iterator[Path]:
    """Give the app copies of the terminal, and let descriptors 1 and 2 lead to a file meanwhile.

    Yields that file; it is gone afterwards if nothing was written to it.

    Textual draws on `sys.__stderr__` and asks `sys.__stdout__` for the size; libraries in C,
    loader workers and the CUDA runtime write to the bare numbers.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in _OUTPUTS]
    streams = sys.__stdout__, sys.__stderr__
    private = [os.fdopen(os.dup(number), "w", encoding="utf-8") for number in _OUTPUTS]
    sys.__stdout__, sys.__stderr__ = private  # type: ignore[misc]
    handle, name = tempfile.mkstemp(prefix="convnext-tui-", suffix=".log")
    os.close(handle)
    stray = Path(name)
    divert(stray)
    try:
        yield stray
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip(_OUTPUTS, kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
        for stream in private:
            _close(stream.fileno())
        if stray.stat().st_size == 0:
            stray.unlink()


def divert(path: Path) -> None:
    """Let everything that is written to descriptors 1 and 2 be appended to a file."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for number in _OUTPUTS:
        os.dup2(file, number)
    os.close(file)


def let_go() -> None:
    """Let the app's writes to a terminal that is gone succeed: it waits for them when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and stream.fileno() not in _OUTPUTS:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _close(number: int) -> None:
    # Not through the stream: it would write what it still holds to a terminal that may be gone.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
