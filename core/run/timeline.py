"""Map the x axis of a run (epochs) to steps and to time."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

_PAUSE = 1e-8
"""Width of a pause in epochs: less than a step, and wide enough for positions within it."""
_NEAR = 1e-6


class Moment(NamedTuple):
    """A moment of a run: epochs over all phases, global step, seconds since the start."""

    x: float
    step: float
    seconds: float


@dataclass
class Timeline:
    """Moments in order; beyond `limit` every second one is dropped, but never the newest."""

    limit: int = 2048
    stride: int = 1
    """Number of recorded moments per kept moment."""
    count: int = 0
    moments: list[Moment] = field(default_factory=list)

    def record(self, x: float, step: int, seconds: float) -> None:
        """Record the current moment; at the same x the last one wins."""
        if self.moments and x <= self.moments[-1].x:
            self.cut(x)
            if self.moments and self.moments[-1].x == x:
                self.moments.pop()
        elif self.moments and self.count % self.stride and not self._is_pause_end:
            self.moments.pop()
        self._append(Moment(x, float(step), seconds))

    def record_pause(self, x: float, step: int, seconds: float) -> None:
        """Record the current moment, up to which time may have passed without progress.

        It is put directly after the previous moment, so that each x has one time, and each time an
        x.
        """
        last = self.latest_at(x)
        self.cut(last)
        if self.moments and self.moments[-1].x == last:
            x = last + _PAUSE
        self._append(Moment(x, float(step), seconds))

    def latest_at(self, x: float) -> float:
        """Return the x of the newest moment if only a pause separates it from `x`; else `x`."""
        last = self.moments[-1].x if self.moments else x
        return last if 0 < last - x < _NEAR else x

    def pause_end(self, x: float) -> float:
        """Return the end of a pause at `x`; without a pause, `x`."""
        index = bisect_left(self.moments, x + _NEAR, key=lambda moment: moment.x) - 1
        last = self.moments[index].x if index >= 0 else x
        return last if last > x else x

    @property
    def _is_pause_end(self) -> bool:
        moments = self.moments
        return len(moments) > 1 and moments[-1].x - moments[-2].x < _NEAR

    def _append(self, moment: Moment) -> None:
        self.moments.append(moment)
        self.count += 1
        if len(self.moments) > self.limit:
            self.moments = [*self.moments[:-1:2], self.moments[-1]]
            self.stride *= 2

    def cut(self, x: float) -> None:
        """Remove all moments after `x`."""
        self.moments = [moment for moment in self.moments if moment.x <= x]

    def step_at(self, x: float) -> float:
        """Return the global step at `x`, interpolated linearly."""
        return self._at(x, lambda moment: moment.step)

    def seconds_at(self, x: float) -> float:
        """Return the seconds since the start of the run at `x`, interpolated linearly."""
        return self._at(x, lambda moment: moment.seconds)

    def _at(self, x: float, coordinate: Callable[[Moment], float]) -> float:
        index = bisect_left(self.moments, x, key=lambda moment: moment.x)
        if index == len(self.moments):
            return coordinate(self.moments[-1]) if self.moments else 0.0
        after = self.moments[index]
        before = self.moments[index - 1] if index else Moment(0.0, 0.0, 0.0)
        span = after.x - before.x
        fraction = (x - before.x) / span if span > 0 else 1.0
        return coordinate(before) + fraction * (coordinate(after) - coordinate(before))

    def x_at_step(self, step: float) -> float:
        """Return the x of a global step."""
        return self._x_at(step, lambda moment: moment.step)

    def x_at_seconds(self, seconds: float) -> float:
        """Return the x at a number of seconds since the start."""
        return self._x_at(seconds, lambda moment: moment.seconds)

    def _x_at(self, value: float, coordinate: Callable[[Moment], float]) -> float:
        index = bisect_left(self.moments, value, key=coordinate)
        if index == len(self.moments):
            return self.moments[-1].x if self.moments else 0.0
        after = self.moments[index]
        before = self.moments[index - 1] if index else Moment(0.0, 0.0, 0.0)
        span = coordinate(after) - coordinate(before)
        fraction = (value - coordinate(before)) / span if span > 0 else 1.0
        return before.x + fraction * (after.x - before.x)
