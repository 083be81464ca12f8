"""A terminal to measure programs on, which reads all output and records its times."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_CONTROLS = re.compile(
    rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # titles and colors
    rb"|\x1b[\[<>=?][0-9;:<>=?$ ]*[@-~]"  # cursor, colors, modes
    rb"|\x1b[()][A-Z0-9]|\x1b."
)


class Size(NamedTuple):
    """A terminal's size in cells."""

    columns: int
    rows: int

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows}"


class Chunk(NamedTuple):
    """Output that was read at once."""

    time: float
    """Unix seconds."""
    data: bytes


class OnScreen:
    """A program on a terminal that a thread reads, so that writes never block."""

    def __init__(
        self,
        program: Sequence[str],
        size: Size,
        environment: Mapping[str, str],
        cwd: Path,
        errors: Path | None = None,
    ) -> None:
        """`began` is the moment before the program is executed. Textual draws on stderr."""
        self._parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))
        self.chunks: list[Chunk] = []
        self._came = threading.Condition()
        self._over = False
        self.began = time.time()
        # In its own session, so that it can be ended with all of its child processes.
        self.process = subprocess.Popen(
            program,
            env={**environment},
            cwd=cwd,
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
        )
        os.close(child)
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._parent, keys)

    def wait_for(self, text: str, since: int = 0, timeout: float = 60.0) -> float:
        """Return when `text` was on the screen, in chunks from number `since` on.

        Raises TimeoutError when it doesn't come.
        """
        end = time.monotonic() + timeout
        with self._came:
            while True:
                if visible(self.chunks[since:]).find(text) >= 0:
                    return self._when(text, since)
                if self._over or not self._came.wait(end - time.monotonic()):
                    raise TimeoutError(f"no {text!r} on the screen: {self.text()[-500:]}")

    def bytes_between(self, begin: float, end: float) -> int:
        """Return how many bytes came between two moments (Unix seconds)."""
        return sum(len(c.data) for c in self.chunks if begin <= c.time < end)

    def text(self, last: int = 5) -> str:
        """Return the text of the last chunks."""
        return visible(self.chunks[-last:])

    def end(self, patience: float = 60.0) -> None:
        """Stop the program."""
        end_process(self.process, patience)
        self._thread.join(5)
        os.close(self._parent)

    def _when(self, text: str, since: int) -> float:
        for number in range(since, len(self.chunks)):
            if text in visible(self.chunks[since : number + 1]):
                return self.chunks[number].time
        raise AssertionError("it was there")

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._parent, 1 << 16)
            except OSError:  # the program is gone, and with it its side of the terminal
                data = b""
            with self._came:
                if data:
                    self.chunks.append(Chunk(time.time(), data))
                self._over = not data
                self._came.notify_all()
            if not data:
                return


def visible(chunks: Sequence[Chunk]) -> str:
    """Return the drawn text without its control sequences."""
    return _CONTROLS.sub(b"", b"".join(c.data for c in chunks)).decode(errors="replace")


def end_process(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """Ask a session leader to stop, kill it after `patience` seconds, and then kill its remaining
    processes."""
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
