"""A place in the middle of a write or a pass where a run stands still until it is let go."""

import random
import socket
from pathlib import Path
from types import TracebackType

from tests.stress.common import hooks

PLACES = (
    ("write", "last.pt"),
    ("fsync", "last.pt"),
    ("rename", "last-previous.pt.sha256"),
    ("rename", "last-previous.pt"),
    ("fsync", "last.pt.sha256"),
    ("rename", "last.pt.sha256"),
    ("rename", "last.pt"),
)
"""The stations of a checkpoint on its way to the disk; a temporary file lies there at each. It is
written in part; it is written and not synced; the one before gets its checksum, then its new name;
the checksum is written; it takes its place; the checkpoint is about to take its own."""


class Gate:
    """A process with `environment` stops there, the `number`th time that it comes by.

    A gate is a station of a write (`write`, `fsync` or `rename` of a file), or a pass that has
    begun (`train` or `val` of a phase).
    """

    def __init__(self, folder: Path, place: str, of: str, number: int = 1) -> None:
        """The socket that both sides meet at is made in `folder`."""
        address = folder / "gate"
        address.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(address))
        self._listener.listen(1)
        self._line: socket.socket | None = None
        self.name = f"{place} of {of}"
        self.environment = hooks(STRESS_GATE=f"{place}|{of}|{number}|{address}")
        """What a process needs in its environment to stop there."""

    @staticmethod
    def in_saving(folder: Path, choose: random.Random, first: int = 1) -> "Gate":
        """Return a gate at a random station of one of four saves from the `first` on."""
        return Gate(folder, *choose.choice(PLACES), choose.randint(first, first + 3))

    def fileno(self) -> int:
        """Readable when the process has come to the gate."""
        return self._listener.fileno()

    def take_in(self) -> None:
        """Hold the process that has come."""
        self._line, _ = self._listener.accept()

    def let_go(self) -> None:
        """Let the process go on."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def __enter__(self) -> "Gate":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go()
        self._listener.close()
