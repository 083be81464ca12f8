"""A past run played again: its records come when they came then, only faster."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from core.events.commands import Send
from core.events.journal import JournalReader
from core.events.types import Record, Resumed, RunResumed
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.run.state import RunState
from tui.viewmodel.run_source import RunModel

SPEEDS = (1.0, 10.0, 60.0, 600.0, 3600.0, math.inf)
"""How much faster than it was; the last one is as fast as the journal can be read."""
FIRST_SPEED = 60.0
_RECORDS_A_READ = 2000
_BYTES_A_READ = 1 << 20
_LONGEST_REST = 10.0
"""Seconds of then that a pause, or the time between a stop and going on, is played as."""


class ReplaySource:
    """Plays a journal by the clock it is given; it can only be watched."""

    skipped_lines = 0
    read_only_reason = "this is a replay; nothing is at work here"

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.folder = RunFolder(path)
        self.paused = False
        self._clock = clock
        self._reader = JournalReader(self.folder.journal)
        self._next: deque[Record] = deque()
        self._speed = FIRST_SPEED
        self._looked_at = clock()
        self._played: float | None = None
        """Up to which time of then the run was played; None before its first record."""

    @property
    def speed(self) -> float:
        """How much faster than it was."""
        return self._speed

    @property
    def at_end(self) -> bool:
        """Whether all that the journal has was played."""
        return self._reader.at_end and not self._next

    @property
    def position(self) -> float | None:
        """The time of then (Unix s) that is being shown."""
        return self._played

    def start(self) -> RunState:
        """From the beginning."""
        return RunState()

    def keep(self, state: RunState) -> None:
        """There is nothing to note: it begins anew each time."""

    @property
    def live(self) -> bool:
        """Whether more is to come."""
        return not self.at_end or is_locked(self.folder)

    @property
    def send(self) -> Send | None:
        """Nobody is there to be asked."""
        return None

    def change_speed(self, steps: int) -> None:
        """Play faster or slower by so many of the known speeds."""
        self._advance()
        place = SPEEDS.index(self._speed) + steps
        self._speed = SPEEDS[max(0, min(len(SPEEDS) - 1, place))]

    def pause(self) -> None:
        """Hold the picture, or go on."""
        self._advance()
        self.paused = not self.paused

    def read(self) -> Iterator[Record]:
        """Yield the records whose time has come; raises OSError when they can't be read."""
        self._advance()
        if self.paused:
            return
        for _ in range(_RECORDS_A_READ):
            if not self._next:
                self._next.extend(self._reader.read(_BYTES_A_READ))
            if not self._next or not self._due(self._next[0]):
                return
            record = self._next.popleft()
            self._played = max(self._played or record.time, record.time)
            yield record

    def _due(self, record: Record) -> bool:
        if self._played is None or self._speed == math.inf:
            return True
        rested = isinstance(record.event, Resumed | RunResumed)
        if rested and record.time - self._played > _LONGEST_REST:
            self._played = record.time - _LONGEST_REST
        return record.time <= self._played

    def _advance(self) -> None:
        """Let the time of then go on by what has passed on the clock."""
        now = self._clock()
        passed = max(0.0, now - self._looked_at)
        self._looked_at = now
        if self._played is None or self.paused or self._speed == math.inf or self.at_end:
            return
        self._played += passed * self._speed


class ReplayModel(RunModel):
    """A run as it was when the replay's time was now."""

    source: ReplaySource

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(ReplaySource(path, clock), path)

    @property
    def silence(self) -> float:
        """A replay keeps nobody waiting for an engine."""
        return 0.0

    @property
    def training(self) -> bool:
        """Nothing is at work."""
        return False

    @property
    def words(self) -> str:
        """How it is played, for the first line."""
        if self.source.at_end:
            return "replay, at its end"
        speed = self.source.speed
        shown = "as fast as possible" if speed == math.inf else f"x{speed:.0f}"
        return f"replay {shown}{', held' if self.source.paused else ''}"
