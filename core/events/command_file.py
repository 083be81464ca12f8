"""`commands.jsonl`: how another process asks a running engine for something.

Files are the only channel: it works over a shared folder, and their permissions decide who may.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from core.common import codec
from core.common.codec import DecodeError
from core.events.commands import COMMAND_TYPES, Command

_POLL_SECONDS = 0.2
_LONGEST_LINE = 64 << 10


def append_command(path: Path, command: Command) -> None:
    """Write one command for the engine of this run; raises OSError when that isn't allowed."""
    line = codec.encode(command, {}).encode() + b"\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.write(file, line)
    finally:
        os.close(file)


class Inbox:
    """Reads the commands that come from now on and hands them over, in a thread of its own.

    What was written while no engine ran is not carried out.
    """

    def __init__(
        self, path: Path, take: Callable[[Command], None], complain: Callable[[str], None]
    ) -> None:
        """`take` gets each command, `complain` the reason why a line is none."""
        self._path = path
        self._take = take
        self._complain = complain
        self._offset = _size(path)
        self._tail = b""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="inbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look once more and end the thread."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(_POLL_SECONDS):
            self._look()
        self._look()

    def _look(self) -> None:
        if _size(self._path) <= self._offset:
            return
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read()
        except OSError:
            return  # a shared folder that is away for a moment; the next look reads it all
        self._offset += len(chunk)
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        if len(self._tail) > _LONGEST_LINE:
            self._tail = b""
        for line in lines:
            self._hand_over(line)

    def _hand_over(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            command, _ = codec.decode(line, COMMAND_TYPES)
        except DecodeError as error:
            self._complain(f"a line in {self._path.name} is no command: {error}")
            return
        self._take(command)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
