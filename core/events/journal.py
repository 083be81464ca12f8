"""The journal: `events.jsonl`, one event per line, append-only."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.common.codec import DecodeError
from core.events.record import Record

_CHUNK = 1 << 20
_MAX_LINE_BYTES = 8 << 20


class JournalWriter:
    """Append records to a journal; each line reaches the kernel before `append` returns.

    Lines that the disk refuses are kept and written first the next time: none is lost or torn.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o666)
        # Terminate a line that a crash cut short, so that it does not corrupt the next one.
        size = os.fstat(self._file).st_size
        torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._unwritten = b"\n" if torn else b""

    def append(self, record: Record) -> None:
        """Write one line; raises OSError and keeps the line if the disk refuses it."""
        self._unwritten += record.to_json().encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what the disk refused before; raises OSError if it still does."""
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]

    def close(self) -> None:
        """Sync the journal to the disk and close it."""
        try:
            self.flush()
            os.fsync(self._file)
        finally:
            os.close(self._file)


@dataclass
class Skipped:
    """Unreadable lines of a journal: their number and the first reasons."""

    count: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        """Count a line; keep the first five reasons."""
        self.count += 1
        if len(self.reasons) < 5:
            self.reasons.append(reason)


@dataclass(frozen=True, slots=True)
class JournalOffset:
    """Position up to which a journal was read."""

    offset: int = 0
    """Bytes up to the end of the last complete line."""
    line: int = 0
    """Lines up to that position."""
    skipped: Skipped = field(default_factory=Skipped)


class JournalReader:
    """Follow a journal that may still grow, from its start or from an offset.

    A last line without a line break is left for the next read: in a live run it will be completed,
    after a crash it stays incomplete. Invalid lines are skipped and counted in `skipped`.
    """

    def __init__(self, path: Path, start: JournalOffset | None = None) -> None:
        """`start` is where another reader of the same journal stopped."""
        start = start or JournalOffset()
        self.path = path
        self.skipped = _copied(start.skipped)
        self.at_end = False
        """Whether the last read reached the end of the file."""
        self._offset = start.offset
        self._tail = b""
        self._line = start.line

    @property
    def offset(self) -> JournalOffset:
        """Return the position up to which the journal was read."""
        return JournalOffset(self._offset - len(self._tail), self._line, _copied(self.skipped))

    def read(self, limit: int | None = None) -> Iterator[Record]:
        """Yield the new records since the last call.

        `limit` bounds the bytes read in this call, so that a view stays responsive while it catches
        up with a long journal. A missing journal is empty; other OSErrors are raised.
        """
        self.at_end = False
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            self.at_end = True
            return
        with file:
            file.seek(self._offset)
            remaining = limit
            while remaining is None or remaining > 0:
                chunk = file.read(_CHUNK if remaining is None else min(_CHUNK, remaining))
                if not chunk:
                    self.at_end = True
                    return
                self._offset += len(chunk)
                remaining = None if remaining is None else remaining - len(chunk)
                yield from self._records(chunk)

    def _records(self, chunk: bytes) -> Iterator[Record]:
        *lines, self._tail = (self._tail + chunk).split(b"\n")
        if len(self._tail) > _MAX_LINE_BYTES:
            self.skipped.add(f"line {self._line + 1}: longer than {_MAX_LINE_BYTES} bytes")
            self._tail = b""
        for line in lines:
            self._line += 1
            if not line.strip():
                continue
            try:
                yield Record.from_json(line)
            except DecodeError as error:
                self.skipped.add(f"line {self._line}: {error}")


def _copied(skipped: Skipped) -> Skipped:
    return Skipped(skipped.count, list(skipped.reasons))


def replay(path: Path) -> tuple[list[Record], Skipped]:
    """Return all records of a journal and the skipped lines; a torn last line is in neither."""
    reader = JournalReader(path)
    return list(reader.read()), reader.skipped
