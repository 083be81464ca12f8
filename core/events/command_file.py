"""`commands.jsonl`: commands from other processes to a running engine.

Files are the only channel: they work over a shared file system, and their permissions are the
access control.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from core.common import codec
from core.common.codec import DecodeError
from core.events.commands import COMMAND_TYPES, Command

_POLL_SECONDS = 0.2
_MAX_LINE_BYTES = 64 << 10


def append_command(path: Path, command: Command) -> None:
    """Append one command for the engine of this run; raises OSError without write permission."""
    line = codec.encode(command, {}).encode() + b"\n"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.write(file, line)
    finally:
        os.close(file)


class CommandFileWatcher:
    """Read new commands from the file in a thread and deliver them.

    Commands written while no engine was running are ignored.
    """

    def __init__(
        self,
        path: Path,
        on_command: Callable[[Command], None],
        on_invalid: Callable[[str], None],
    ) -> None:
        """Call `on_command` with each command, `on_invalid` with the problem of a line."""
        self._path = path
        self._on_command = on_command
        self._on_invalid = on_invalid
        self._offset = _size(path)
        self._tail = b""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="command-file", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read once more and end the thread."""
        self._closing.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(_POLL_SECONDS):
            self._read_new()
        self._read_new()

    def _read_new(self) -> None:
        if _size(self._path) <= self._offset:
            return
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read()
        except OSError:
            return  # a shared folder that is unavailable for a moment; the next read catches up
        self._offset += len(chunk)
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        if len(self._tail) > _MAX_LINE_BYTES:
            self._tail = b""
        for line in lines:
            self._deliver(line)

    def _deliver(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            command, _ = codec.decode(line, COMMAND_TYPES)
        except DecodeError as error:
            self._on_invalid(f"a line in {self._path.name} is not a valid command: {error}")
            return
        self._on_command(command)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
