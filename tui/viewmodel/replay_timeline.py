"""Time line of a replay: how long a journal plays, and where its epochs are."""

from bisect import bisect_left, bisect_right
from pathlib import Path

from core.events.journal import JournalReader
from core.events.record import Record
from core.events.types import EpochEnded, PhaseStarted, Resumed, RunResumed

MAX_PAUSE = 10.0
"""Seconds of recorded time to which a pause, or the time between stop and resume, is shortened."""


class ReplayTime:
    """Playing time of the records of a run (s), from its first one; long pauses are shortened."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """Playing time of the last record."""
        self.last: float | None = None
        """Recorded time (Unix s) of the last record."""

    def after(self, record: Record) -> float:
        """Return the playing time of the record that follows the last one."""
        gap = 0.0 if self.last is None else max(0.0, record.time - self.last)
        if isinstance(record.event, Resumed | RunResumed):
            gap = min(gap, MAX_PAUSE)
        return self.seconds + gap

    def advance(self, record: Record) -> None:
        """Pass the record."""
        self.seconds = self.after(record)
        self.last = max(self.last or record.time, record.time)


class Timeline:
    """Playing times of the ends of epochs, read piece by piece from a journal that may grow."""

    def __init__(self, path: Path) -> None:
        self._reader = JournalReader(path)
        self._time = ReplayTime()
        self._stops = [0.0]

    @property
    def total(self) -> float:
        """Return the playing time of what has been read (s)."""
        return self._time.seconds

    def read(self, limit: int) -> None:
        """Read at most `limit` bytes more; raises OSError if they cannot be read."""
        for record in self._reader.read(limit):
            self._time.advance(record)
            if isinstance(record.event, EpochEnded | PhaseStarted):
                self._stops.append(self._time.seconds)

    def next_stop(self, after: float) -> float:
        """Return the end of the epoch after a playing time, or the total."""
        index = bisect_right(self._stops, after)
        return self._stops[index] if index < len(self._stops) else self.total

    def previous_stop(self, before: float) -> float:
        """Return the end of the epoch before a playing time, or 0."""
        return self._stops[max(0, bisect_left(self._stops, before) - 1)]
