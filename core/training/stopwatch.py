"""Stopwatch that excludes pauses."""

import time
from collections.abc import Callable


class Stopwatch:
    """Measures seconds since its creation, except while paused, with a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._paused_at: float | None = None
        self.total_paused = 0.0
        """Seconds of all finished pauses."""

    @property
    def seconds(self) -> float:
        """Seconds so far, without pauses."""
        now = self._clock() if self._paused_at is None else self._paused_at
        return now - self._started

    def add(self, seconds: float) -> None:
        """Add the seconds of an earlier process."""
        self._started -= seconds

    def pause(self) -> None:
        """Pause the measurement."""
        if self._paused_at is None:
            self._paused_at = self._clock()

    def resume(self) -> float:
        """Resume the measurement; returns the seconds of the pause."""
        if self._paused_at is None:
            return 0.0
        pause = self._clock() - self._paused_at
        self._started += pause
        self.total_paused += pause
        self._paused_at = None
        return pause
