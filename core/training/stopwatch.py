"""Time that leaves pauses out."""

import time
from collections.abc import Callable


class Stopwatch:
    """Counts seconds from its making, except while paused; immune to changes of the clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._paused_at: float | None = None
        self.total_paused = 0.0
        """Seconds of all pauses that are over."""

    @property
    def seconds(self) -> float:
        """Seconds so far, without pauses."""
        now = self._clock() if self._paused_at is None else self._paused_at
        return now - self._started

    def add(self, seconds: float) -> None:
        """Count what an earlier process has counted."""
        self._started -= seconds

    def pause(self) -> None:
        """Stop counting."""
        if self._paused_at is None:
            self._paused_at = self._clock()

    def resume(self) -> float:
        """Count on; returns how long the pause was."""
        if self._paused_at is None:
            return 0.0
        pause = self._clock() - self._paused_at
        self._started += pause
        self.total_paused += pause
        self._paused_at = None
        return pause
