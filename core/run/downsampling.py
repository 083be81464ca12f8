"""Downsampled series of bounded size that keeps every spike."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Bucket:
    """Neighboring points of a series: their extremes, and whether one was non-finite."""

    x: float
    low: float
    high: float
    last: float
    nonfinite: bool = False

    def joined(self, later: "Bucket") -> "Bucket":
        """Return the union of this bucket and the next one."""
        return Bucket(
            x=later.x,
            low=_extreme(min, self.low, later.low),
            high=_extreme(max, self.high, later.high),
            last=later.last,
            nonfinite=self.nonfinite or later.nonfinite,
        )


def _extreme(choose: Callable[[float, float], float], a: float, b: float) -> float:
    return b if math.isnan(a) else a if math.isnan(b) else choose(a, b)


@dataclass
class Series:
    """Points (x, y) in order of arrival; beyond `limit` buckets, neighbors are merged in pairs.

    The same points always give the same buckets, so a replayed run draws what a live one drew.
    """

    limit: int = 2048
    width: int = 1
    """Points per full bucket."""
    buckets: list[Bucket] = field(default_factory=list)
    count: int = 0

    def add(self, x: float, y: float) -> None:
        """Append a point; a non-finite y is kept as a flag."""
        finite = math.isfinite(y)
        value = y if finite else math.nan
        point = Bucket(x, value, value, value, not finite)
        if self.count % self.width and self.buckets:
            self.buckets[-1] = self.buckets[-1].joined(point)
        else:
            self.buckets.append(point)
        self.count += 1
        if len(self.buckets) > self.limit:
            self._halve()

    def cut(self, x: float) -> None:
        """Remove all points after `x`."""
        self.buckets = [bucket for bucket in self.buckets if bucket.x <= x]
        self.count = len(self.buckets) * self.width

    def _halve(self) -> None:
        pairs = zip(self.buckets[::2], self.buckets[1::2], strict=False)
        halved = [a.joined(b) for a, b in pairs]
        if len(self.buckets) % 2:
            halved.append(self.buckets[-1])
        self.buckets = halved
        self.width *= 2

    def __len__(self) -> int:
        return len(self.buckets)

    def __iter__(self) -> Iterator[Bucket]:
        return iter(self.buckets)
