"""The y axis of a live chart: the range that matters, and even, round ticks at row centers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tui.charts.scale import is_log, round_values

Point = tuple[float, float]
Range = tuple[float, float]

_ROUND = (1.0, 2.0, 2.5, 5.0)
_EARLY = 0.12
"""Part of a curve, from its start, that may be clipped."""
_WORTH = 1.4
"""How many times the range that matters may grow before something is clipped instead."""
_FEW_VALUES = 5
"""Fewer values have no spikes, and don't lead."""
_FEW_POINTS = 8
"""Of fewer points none is early: most of such a line is between them."""
_MOST = 1e100
_FAR = 1e9


@dataclass(frozen=True, slots=True)
class YAxis:
    """Values at the lower and upper edge of the plot, exponents of 10 if it is logarithmic."""

    low: float
    high: float
    rows: int
    log: bool
    ticks: tuple[tuple[int, str], ...]
    """Labels by row, from the top."""

    def position(self, value: float) -> float:
        """Return the distance of a value from the upper edge, in rows; may be far outside."""
        if self.log:
            y = math.log10(value) if value > 0 else -math.inf
        else:
            y = min(_MOST, max(-_MOST, value))
        return min(_FAR, max(-_FAR, (self.high - y) / (self.high - self.low) * self.rows))

    def value(self, row: int) -> float:
        """Return the value at the center of a row, from the top."""
        y = self.high - (row + 0.5) * (self.high - self.low) / self.rows
        return _power(y) if self.log else y


@dataclass(frozen=True, slots=True)
class Values:
    """Visible points of a curve. The range follows `leading` curves (validation) where there are
    some."""

    points: Sequence[Point]
    leading: bool = False
    is_background: bool = False
    """Whether the range disregards them, unless that is all there is."""


def fit_axis(
    curves: Sequence[Values],
    levels: Sequence[float],
    rows: int,
    scale: str = "linear",
    unit: float = 1.0,
    full: bool = False,
) -> YAxis:
    """Return the axis for finite points; `full` shows all of them, otherwise early values and
    single spikes may be outside."""
    if not full:
        curves = [v for v in curves if not v.is_background and v.points] or curves
    everything = [y for values in curves for _, y in values.points]
    log = is_log(everything, scale)
    drawn = [_transformed(values, log) for values in curves]
    extent = _join([_extent([y for _, y in values.points]) for values in drawn])
    if extent is None:
        extent = (0.0, 1.0)
    elif not full:
        extent = _robust(drawn, extent)
    more = [_scaled(level, log) for level in levels if level > 0 or not log]
    near = [y for y in more if extent[0] - _span(extent) <= y <= extent[1] + _span(extent)]
    low, high = _not_empty((min([extent[0], *near]), max([extent[1], *near])))
    return _log_axis(low, high, rows, unit) if log else _linear_axis(low, high, rows, unit)


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else min(_MOST, max(-_MOST, value))


def _transformed(values: Values, log: bool) -> Values:
    points = [(x, _scaled(y, log)) for x, y in values.points if y > 0 or not log]
    return Values(points, values.leading)


def _extent(values: Sequence[float]) -> Range | None:
    return (min(values), max(values)) if values else None


def _join(ranges: Sequence[Range | None]) -> Range | None:
    known = [each for each in ranges if each is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def _span(extent: Range) -> float:
    return extent[1] - extent[0]


def _robust(curves: Sequence[Values], extent: Range) -> Range:
    """Return the range that matters: late values of the leading curves, most of the others, and
    all that costs little."""
    leading = [v for v in curves if v.leading and len(v.points) >= _FEW_VALUES]
    others = [v for v in curves if v not in leading]
    core = _join([_without_spikes(_late(v.points)) for v in leading or others])
    if core is None:
        return extent
    if leading:
        core = _join([core, *(_middle(_late(v.points)) for v in others)]) or core
    # Each end on its own: a high start is clipped even where the low end is kept.
    for wider in (*(_without_spikes(_late(v.points)) for v in others), extent):
        if wider is not None:
            core = _grown(core, wider)
    return core


def _grown(core: Range, wider: Range) -> Range:
    size = _span(core) or abs(core[1]) * 1e-3
    both = min(core[0], wider[0]), max(core[1], wider[1])
    if _span(both) <= _WORTH * size:
        return both
    low = wider[0] if core[0] - wider[0] <= (_WORTH - 1) / 2 * size else core[0]
    high = wider[1] if wider[1] - core[1] <= (_WORTH - 1) / 2 * size else core[1]
    return min(core[0], low), max(core[1], high)


def _late(points: Sequence[Point]) -> list[float]:
    xs = [x for x, _ in points]
    if len(xs) < _FEW_POINTS:
        return [y for _, y in points]
    start = min(xs) + _EARLY * (max(xs) - min(xs))
    return [y for x, y in points if x >= start]


def _without_spikes(values: Sequence[float]) -> Range | None:
    """Return the range without a twentieth of the values at an end that double it."""
    ordered = sorted(values)
    if len(ordered) < _FEW_VALUES:
        return _extent(ordered)
    cut = max(1, len(ordered) // 20)
    low, high = ordered[cut], ordered[-1 - cut]
    size = high - low
    return (
        low if low - ordered[0] > size else ordered[0],
        high if ordered[-1] - high > size else ordered[-1],
    )


def _middle(values: Sequence[float]) -> Range | None:
    ordered = sorted(values)
    cut = len(ordered) // 5
    return _extent(ordered[cut : len(ordered) - cut])


def _not_empty(extent: Range) -> Range:
    low, high = extent
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return extent
    half = 0.05 * abs(high) or 0.01
    return low - half, high + half


def _linear_axis(low: float, high: float, rows: int, unit: float) -> YAxis:
    """Return the smallest range with round ticks every few rows, each at the center of its row."""
    # At most seven ticks, and at least three where that leaves a choice of ranges.
    rows_per_tick = range(max(1, math.ceil(rows / 7)), max(2, (rows + 1) // 3) + 1)
    power = math.floor(math.log10((high - low) / rows))
    steps = sorted(
        (factor * 10.0**exponent / count, count)
        for exponent in range(power - 1, power + 4)
        for factor in _ROUND
        for count in rows_per_tick
    )
    for step, count in steps:  # noqa: B007 (the last ones are used)
        first = math.floor(low / step + 0.5)
        bottom = (first - 0.5) * step
        if bottom + rows * step >= high:
            break
    ticks = [n for n in range(rows) if (first + n) % count == 0]
    labels = _labels([(first + n) * step / unit for n in ticks], step * count / unit)
    at = tuple((rows - 1 - n, label) for n, label in zip(ticks, labels, strict=True))
    return YAxis(bottom, bottom + rows * step, rows, False, at)


def _labels(values: Sequence[float], step: float) -> list[str]:
    """Return multiples of a step with all of its digits."""
    digits = max(0, next((n for n in range(9) if _is_whole(step * 10**n)), 9))
    if digits > 7 or any(abs(value) >= 1e6 for value in values):
        return [f"{value:.3g}" for value in values]
    return [f"{value + 0.0:.{digits}f}" for value in values]


def _is_whole(value: float) -> bool:
    return value > 0.5 and abs(value - round(value)) < 1e-6 * value


def _log_axis(low: float, high: float, rows: int, unit: float) -> YAxis:
    """Return a range of exponents with decades at row centers, or round values in less than two."""
    per_decade = math.floor((rows - 1) / (high - low)) if high - low >= 1 else 0
    if per_decade >= 1:
        step = 1 / per_decade
        first = math.floor(low / step + 0.5)
        bottom = (first - 0.5) * step
        top = bottom + rows * step
        ticks = [
            (rows - 1 - n, f"{_power(max(-308, (first + n) // per_decade)) / unit:g}")
            for n in range(rows)
            if (first + n) % per_decade == 0
        ]
        return YAxis(bottom, top, rows, True, tuple(_sparse(ticks, rows)))
    margin = 0.5 * (high - low) / max(1, rows - 1)
    bottom, top = low - margin, high + margin
    size = (top - bottom) / rows
    if high - low >= 1:  # more decades than rows
        step_of_ticks = math.ceil((high - low) * 6 / rows)
        values = [_power(n) for n in range(math.ceil(low), math.floor(high) + 1, step_of_ticks)]
    else:
        values = round_values(_power(low), _power(high), max(2, rows // 2))
    labels = [f"{value / unit:.3g}" for value in values]
    found: dict[int, str] = {}
    for value, label in zip(values, labels, strict=True):
        if value > 0:
            found.setdefault(math.floor((top - math.log10(value)) / size), label)
    return YAxis(bottom, top, rows, True, tuple(sorted(found.items())))


def _power(exponent: float) -> float:
    """Return a power of ten, the largest float where it overflows."""
    return 10.0**exponent if exponent < 308 else 1e308


def _sparse(ticks: list[tuple[int, str]], rows: int) -> list[tuple[int, str]]:
    """Return at most about seven ticks, evenly."""
    return ticks[:: max(1, math.ceil(len(ticks) / 7))]


def separate_rows(positions: Sequence[float], rows: int) -> list[int]:
    """Return a row of its own, at or close to its position, for each of at most `rows` ascending
    positions (in rows from the top, may be outside), in their order."""
    found: list[int] = []
    for number, position in enumerate(positions):
        first = found[-1] + 1 if found else 0
        last = rows - (len(positions) - number)
        found.append(min(max(first, math.floor(min(rows, max(0, position)))), last))
    return found
