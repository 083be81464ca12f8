"""Block a run in the middle of a write or a pass until it is released."""

import random
import socket
from pathlib import Path
from types import TracebackType

from tests.stress.common import hooks

STAGES = (
    ("write", "last.pt"),
    ("fsync", "last.pt"),
    ("rename", "last-previous.pt.sha256"),
    ("rename", "last-previous.pt"),
    ("fsync", "last.pt.sha256"),
    ("rename", "last.pt.sha256"),
    ("rename", "last.pt"),
)
"""The stages of a checkpoint write; at each a temporary file exists. The file is partly written;
written and not synced; the previous file gets its checksum, then its new name; the checksum is
written, then renamed; the checkpoint is about to be renamed."""


class Gate:
    """Blocks a process with `environment`, the `number`th time that it reaches the gate.

    A gate is a stage of a write (`write`, `fsync` or `rename` of a file), or a started pass
    (`train` or `val` of a phase).
    """

    def __init__(self, folder: Path, place: str, of: str, number: int = 1) -> None:
        """The socket that connects both processes is created in `folder`."""
        address = folder / "gate"
        address.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(address))
        self._listener.listen(1)
        self._line: socket.socket | None = None
        self.name = f"{place} of {of}"
        self.environment = hooks(STRESS_GATE=f"{place}|{of}|{number}|{address}")
        """Environment variables of the process to block."""

    @staticmethod
    def in_saving(folder: Path, choose: random.Random, first: int = 1) -> "Gate":
        """Return a gate at a random stage of one of four saves from the `first` on."""
        return Gate(folder, *choose.choice(STAGES), choose.randint(first, first + 3))

    def fileno(self) -> int:
        """Return a descriptor that is readable once the process has reached the gate."""
        return self._listener.fileno()

    def hold(self) -> None:
        """Keep blocking the process."""
        self._line, _ = self._listener.accept()

    def release(self) -> None:
        """Release the process."""
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
        self.release()
        self._listener.close()
