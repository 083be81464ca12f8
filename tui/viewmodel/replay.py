"""Replay of a past run: its records arrive in their original order and timing, only faster."""

import math
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from core.events.commands import Send
from core.events.journal import JournalReader
from core.events.record import Record
from core.events.types import Resumed, RunResumed
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.run.state import RunState
from tui.viewmodel.replay_timeline import MAX_PAUSE, ReplayTime, Timeline
from tui.viewmodel.run_source import RunModel

SPEEDS = (1.0, 10.0, 60.0, 600.0, 3600.0, math.inf)
"""Playback speeds; the last one is as fast as the journal can be read."""
FIRST_SPEED = 60.0
_RECORDS_PER_READ = 2000
_BYTES_PER_READ = 1 << 20
_RECORDS_PER_SEEK = 20_000
_ROUNDING = 1e-6
_GRACE = 1.0
"""Seconds after the end of an epoch within which `previous` goes to the one before it."""


class ReplaySource:
    """Play back a journal by a given clock; read-only."""

    skipped_lines = 0
    read_only_reason = "this is a replay: it takes no commands"

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.folder = RunFolder(path)
        self.paused = False
        self._clock = clock
        self._timeline = Timeline(self.folder.journal)
        self._speed = FIRST_SPEED
        self._advanced_at = clock()
        self._rewind()

    def _rewind(self) -> None:
        self._reader = JournalReader(self.folder.journal)
        self._next: deque[Record] = deque()
        self._time = ReplayTime()
        self._target: float | None = None
        """Playing time to go to."""
        self._played: float | None = None
        """Recorded time up to which the run was played; None before its first record."""

    @property
    def speed(self) -> float:
        """Return the playback speed."""
        return self._speed

    @property
    def at_end(self) -> bool:
        """Return whether the whole journal was played."""
        return self._reader.at_end and not self._next

    @property
    def position(self) -> float | None:
        """Return the recorded time (Unix s) that is shown."""
        return self._played

    @property
    def total(self) -> float:
        """Return how long the run plays at its original speed (s)."""
        return max(self._timeline.total, self._time.seconds)

    @property
    def played_seconds(self) -> float:
        """Return how much of it was played (s)."""
        if self._target is not None:
            return self._target
        if self._played is None or self._time.last is None:
            return 0.0
        return min(self.total, self._time.seconds + max(0.0, self._played - self._time.last))

    def seek_stop(self, forward: bool) -> bool:
        """Go to the next or the previous end of an epoch; see `seek`."""
        here = self.played_seconds
        if forward:
            return self.seek(self._timeline.next_stop(here))
        moving = not self.paused and self._speed != math.inf and self._target is None
        return self.seek(self._timeline.previous_stop(here - (_GRACE * self._speed * moving)))

    def seek(self, seconds: float) -> bool:
        """Go to a playing time: `read` then yields all records up to it.

        Return whether the replay went back: then it yields all records from the first one on.
        """
        target = max(0.0, min(self.total, seconds))
        back = target < self._time.seconds
        if back:
            self._rewind()
        self._target = target
        return back

    def start(self) -> RunState:
        """Return an empty state: a replay starts at the beginning."""
        return RunState()

    def save(self, state: RunState) -> None:
        """Do nothing: there is nothing to save."""

    @property
    def live(self) -> bool:
        """Return whether more records will come."""
        return not self.at_end or is_locked(self.folder)

    @property
    def send(self) -> Send | None:
        """Return None: a replay takes no commands."""
        return None

    def change_speed(self, steps: int) -> None:
        """Change the speed by a number of steps."""
        self._advance()
        index = SPEEDS.index(self._speed) + steps
        self._speed = SPEEDS[max(0, min(len(SPEEDS) - 1, index))]

    def pause(self) -> None:
        """Pause or resume the replay."""
        self._advance()
        self.paused = not self.paused

    def read(self) -> Iterator[Record]:
        """Yield the records that are due; raises OSError if they cannot be read."""
        self._timeline.read(_BYTES_PER_READ)
        self._advance()
        if self._target is not None:
            yield from self._up_to(self._target)
        elif not self.paused:
            yield from self._while_due()

    def _up_to(self, target: float) -> Iterator[Record]:
        """Yield the records up to a playing time; those of a long journal in several calls."""
        for _ in range(_RECORDS_PER_SEEK):
            record = self._peek()
            if record is None or self._time.after(record) > target + _ROUNDING:
                if self._time.last is not None:
                    self._played = self._time.last + max(0.0, target - self._time.seconds)
                self._target = None
                return
            yield self._take(record)

    def _while_due(self) -> Iterator[Record]:
        for _ in range(_RECORDS_PER_READ):
            record = self._peek()
            if record is None or not self._due(record):
                return
            yield self._take(record)

    def _peek(self) -> Record | None:
        while not self._next:
            self._next.extend(self._reader.read(_BYTES_PER_READ))
            if self._reader.at_end:
                break
        return self._next[0] if self._next else None

    def _take(self, record: Record) -> Record:
        self._next.popleft()
        self._time.advance(record)
        self._played = max(self._played or record.time, record.time)
        return record

    def _due(self, record: Record) -> bool:
        if self._played is None or self._speed == math.inf:
            return True
        resumed = isinstance(record.event, Resumed | RunResumed)
        if resumed and record.time - self._played > MAX_PAUSE:
            self._played = record.time - MAX_PAUSE
        return record.time <= self._played

    def _advance(self) -> None:
        """Advance the recorded time by the time elapsed on the clock."""
        now = self._clock()
        elapsed = max(0.0, now - self._advanced_at)
        self._advanced_at = now
        if self._played is None or self.paused or self._speed == math.inf or self.at_end:
            return
        self._played += elapsed * self._speed


class ReplayModel(RunModel):
    """A run at the time that the replay shows."""

    source: ReplaySource

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(ReplaySource(path, clock), path)

    def seek(self, seconds: float) -> None:
        """Go to a playing time (s)."""
        self._go(self.source.seek(seconds))

    def seek_stop(self, forward: bool) -> None:
        """Go to the next or the previous end of an epoch."""
        self._go(self.source.seek_stop(forward))

    def _go(self, back: bool) -> None:
        if back:
            self.state = self.source.start()
        self.pump()

    @property
    def seconds_since_update(self) -> float:
        """Return 0: a replay waits for no engine."""
        return 0.0

    def run_time(self, now: float) -> float:
        """Return `now`: it is the time that the replay shows."""
        return now

    @property
    def training(self) -> bool:
        """Return False: no engine is running."""
        return False

    @property
    def status_text(self) -> str:
        """Return the playback status for the first line."""
        if self.source.at_end:
            return "replay, at the end"
        speed = self.source.speed
        factor = "as fast as possible" if speed == math.inf else f"x{speed:.0f}"
        return f"replay {factor}{', paused' if self.source.paused else ''}"
