"""The journal: `events.jsonl`, one event a line, append only."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.common.codec import DecodeError
from core.events.types import Record

_CHUNK = 1 << 20
_LONGEST_LINE = 8 << 20


class JournalWriter:
    """Appends records to a journal; each line reaches the kernel before `append` returns.

    What the disk refuses is kept and goes first the next time: no line is lost or torn for good.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o666)
        # A line that a crash has cut short is closed, so that it spoils no line after it.
        size = os.fstat(self._file).st_size
        torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        self._unwritten = b"\n" if torn else b""

    def append(self, record: Record) -> None:
        """Write one line; raises OSError when the disk refuses it, and keeps it."""
        self._unwritten += record.to_json().encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Write what the disk refused before; raises OSError when it still does."""
        while self._unwritten:
            self._unwritten = self._unwritten[os.write(self._file, self._unwritten) :]

    def close(self) -> None:
        """Make sure that the journal is on the disk, and let go of it."""
        try:
            self.flush()
            os.fsync(self._file)
        finally:
            os.close(self._file)


@dataclass
class Skipped:
    """Lines of a journal that could not be read: how many, and the first reasons."""

    count: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        """Count a line; the first five reasons are kept."""
        self.count += 1
        if len(self.reasons) < 5:
            self.reasons.append(reason)


@dataclass(frozen=True, slots=True)
class JournalOffset:
    """How far a journal was read."""

    offset: int = 0
    """Bytes up to the end of the last line that was read."""
    line: int = 0
    """Lines up to there."""
    skipped: Skipped = field(default_factory=Skipped)


class JournalReader:
    """Follows a journal that may still grow, from its beginning or from a place in it.

    A last line without its line break is left for the next read: after a crash it stays there
    for good, while a run goes on it is completed. Lines that are not events are skipped and
    counted in `skipped`.
    """

    def __init__(self, path: Path, start: JournalOffset | None = None) -> None:
        """`start` is where another reader of the same journal stopped."""
        start = start or JournalOffset()
        self.path = path
        self.skipped = _copied(start.skipped)
        self.at_end = False
        """Whether the last read left nothing for another one."""
        self._offset = start.offset
        self._tail = b""
        self._line = start.line

    @property
    def offset(self) -> JournalOffset:
        """How far the journal was read."""
        return JournalOffset(self._offset - len(self._tail), self._line, _copied(self.skipped))

    def read(self, limit: int | None = None) -> Iterator[Record]:
        """Yield the records that are new since the last call.

        `limit` bounds the bytes read from the disk in this call, so that a view stays alive
        while it catches up with a long journal. A journal that does not exist yet is empty;
        other OSErrors are the caller's.
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
        if len(self._tail) > _LONGEST_LINE:
            self.skipped.add(f"line {self._line + 1}: longer than {_LONGEST_LINE} bytes")
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
    """Return all records of a journal and what had to be skipped; a torn last line is neither."""
    reader = JournalReader(path)
    return list(reader.read()), reader.skipped
