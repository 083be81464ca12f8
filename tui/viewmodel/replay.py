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
from tui.viewmodel.run_source import RunModel

SPEEDS = (1.0, 10.0, 60.0, 600.0, 3600.0, math.inf)
"""Playback speeds; the last one is as fast as the journal can be read."""
FIRST_SPEED = 60.0
_RECORDS_PER_READ = 2000
_BYTES_PER_READ = 1 << 20
_MAX_PAUSE = 10.0
"""Seconds of recorded time to which a pause, or the time between stop and resume, is shortened."""


class ReplaySource:
    """Play back a journal by a given clock; read-only."""

    skipped_lines = 0
    read_only_reason = "this is a replay: it takes no commands"

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self.folder = RunFolder(path)
        self.paused = False
        self._clock = clock
        self._reader = JournalReader(self.folder.journal)
        self._next: deque[Record] = deque()
        self._speed = FIRST_SPEED
        self._advanced_at = clock()
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
        self._advance()
        if self.paused:
            return
        for _ in range(_RECORDS_PER_READ):
            if not self._next:
                self._next.extend(self._reader.read(_BYTES_PER_READ))
            if not self._next or not self._due(self._next[0]):
                return
            record = self._next.popleft()
            self._played = max(self._played or record.time, record.time)
            yield record

    def _due(self, record: Record) -> bool:
        if self._played is None or self._speed == math.inf:
            return True
        resumed = isinstance(record.event, Resumed | RunResumed)
        if resumed and record.time - self._played > _MAX_PAUSE:
            self._played = record.time - _MAX_PAUSE
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
