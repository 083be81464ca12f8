"""Mean of several curves, and the band from the lowest to the highest, on one x axis."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]


class SpreadPoint(NamedTuple):
    """The values of several curves at one x; NaN where no curve has one."""

    x: float
    mean: float
    low: float
    high: float
    n: int
    """Number of curves with a value."""


def curve_spread(curves: Sequence[Sequence[Point]]) -> list[SpreadPoint]:
    """Return mean, lowest and highest value at every x of any curve, in ascending order.

    Between its points a curve is interpolated linearly. Before its first point, after its last one,
    and next to a non-finite one it has no value: mean and band are those of the other curves. Of
    several points at the same x, all count for the band and their mean for the mean.
    """
    import numpy as np

    xs = np.array(sorted({x for curve in curves for x, _ in curve if math.isfinite(x)}))
    if not len(xs):
        return []
    low, high = np.full(len(xs), np.inf), np.full(len(xs), -np.inf)
    total, count = np.zeros(len(xs)), np.zeros(len(xs), int)
    for curve in curves:
        for part in _parts(curve):
            at, lowest, middle, highest = (np.array(values) for values in zip(*part, strict=True))
            inside = (xs >= at[0]) & (xs <= at[-1])
            where = xs[inside]
            low[inside] = np.minimum(low[inside], np.interp(where, at, lowest))
            high[inside] = np.maximum(high[inside], np.interp(where, at, highest))
            total[inside] += np.interp(where, at, middle)
            count[inside] += 1
    mean = total / np.maximum(count, 1)
    for values in (mean, low, high):
        values[count == 0] = np.nan
    columns = (values.tolist() for values in (xs, mean, low, high, count))
    return [SpreadPoint(*row) for row in zip(*columns, strict=True)]


def _parts(curve: Sequence[Point]) -> list[list[tuple[float, float, float, float]]]:
    """Return the parts of a curve between non-finite values: x, lowest, mean, highest value."""
    by_x: dict[float, list[float]] = {}
    for x, y in curve:
        if math.isfinite(x):
            by_x.setdefault(x, []).append(y)
    parts: list[list[tuple[float, float, float, float]]] = [[]]
    for x in sorted(by_x):
        finite = [y for y in by_x[x] if math.isfinite(y)]
        if len(finite) == len(by_x[x]):
            parts[-1].append((x, min(finite), math.fsum(finite) / len(finite), max(finite)))
        else:
            parts.append([])
    return [part for part in parts if part]
