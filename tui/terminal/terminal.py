"""Keep the terminal for the app: output of native code and workers never reaches the screen."""

import io
import os
import select
import signal
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.common.native_stderr import redirect_descriptors
from tui.terminal.sgr_optimizer import optimize_sgr

_OUTPUTS = (1, 2)
_WRITE_TIMEOUT = 0.5
_DEFAULT_SIZE = (80, 24)


# Leave every mode that Textual enters: alternate screen, hidden cursor, mouse, focus, paste, kitty
# keyboard, size reports, no line wrap.
_PLAIN_SCREEN = (
    b"\x1b[0m\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l"
)
_PLAIN_SCREEN += b"\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[?2048l\x1b[?7h"


class _Screen(io.TextIOWrapper):
    """The terminal stream for Textual, with fewer bytes. If writing fails the terminal has hung up,
    even without SIGHUP; the writing thread must survive it."""

    def write(self, text: str) -> int:
        try:
            super().write(optimize_sgr(text))
        except OSError:
            os.kill(os.getpid(), signal.SIGHUP)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            os.kill(os.getpid(), signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class ExclusiveTerminal:
    """The app's copies of the terminal streams."""

    stray: Path
    """File for stray output without a run; deleted at the end if it is empty."""
    restore: Callable[[], None]
    """Restore the terminal immediately, for a process that exits without closing the app."""


@contextmanager
def exclusive_terminal() -> Iterator[ExclusiveTerminal]:
    """Give the app copies of the terminal, and redirect descriptors 1 and 2 to a file meanwhile.

    Textual draws on `sys.__stderr__` and reads the size from `sys.__stdout__`; C libraries, loader
    workers and the CUDA runtime write to the descriptors.
    """
    _agree_on_size()
    sys.stdout.flush()
    sys.stderr.flush()
    terminals = [os.dup(number) for number in _OUTPUTS]
    streams = sys.__stdout__, sys.__stderr__
    private = [_Screen(os.fdopen(os.dup(n), "wb"), "utf-8", "replace") for n in _OUTPUTS]
    sys.__stdout__, sys.__stderr__ = private  # type: ignore[misc]
    handle, name = tempfile.mkstemp(prefix="convnext-tui-", suffix=".log")
    os.close(handle)
    stray = Path(name)
    redirect_output(stray)
    try:
        yield ExclusiveTerminal(stray, partial(_restore, terminals[-1], _attributes()))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip(_OUTPUTS, terminals, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
        for stream in private:
            _close(stream.fileno())
        if stray.stat().st_size == 0:
            stray.unlink()


def _agree_on_size() -> None:
    """Let Rich and Textual find the same size.

    Both prefer COLUMNS and LINES to the size of the terminal, so that it would never change. Where
    a terminal has no size, as a serial line, each has another default: Textual would lay out the
    app for one and then the other, without an end.
    """
    size = os.terminal_size((0, 0))
    with suppress(OSError):
        size = os.get_terminal_size(0)
    for name, cells, default in zip(("COLUMNS", "LINES"), size, _DEFAULT_SIZE, strict=True):
        if cells:
            os.environ.pop(name, None)
        elif not os.environ.get(name, "").isdecimal() or not int(os.environ[name]):
            os.environ[name] = str(default)


def _attributes() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def show_cursor() -> None:
    """Show the cursor that progress bars hide, for a process that exits without closing them."""
    if os.isatty(1):
        _write_at_once(1, b"\x1b[?25h")


def _restore(terminal: int, attributes: list[Any] | None) -> None:
    _write_at_once(terminal, _PLAIN_SCREEN)
    if attributes is not None:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, attributes)


def _write_at_once(terminal: int, data: bytes) -> None:
    # A slow terminal may still have a screenful to draw; a stopped one (ctrl+s) must not keep the
    # process alive.
    if select.select([], [terminal], [], _WRITE_TIMEOUT)[1]:
        with suppress(OSError):
            os.write(terminal, data)


def redirect_output(path: Path) -> None:
    """Append everything that is written to descriptors 1 and 2 to a file."""
    redirect_descriptors(path, _OUTPUTS)


def detach_terminal() -> None:
    """Let the app's writes to a lost terminal succeed: it waits for them when it exits.

    A terminal that still exists, as after `kill -HUP`, gets a plain screen.
    """
    devnull = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and stream.fileno() not in _OUTPUTS:
            if stream is sys.__stderr__:  # Textual's
                _write_at_once(stream.fileno(), _PLAIN_SCREEN)
            os.dup2(devnull, stream.fileno())
    os.close(devnull)


def _close(number: int) -> None:
    # Not through the stream: it would flush its buffer to a terminal that may be lost.
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, number)
    os.close(devnull)
