"""Content of a chart: curves, phases, markers and axes, without a size."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tui.charts.scale import is_log
from tui.preferences.palettes import DARK, Color

_FAR = 1e6
Point = tuple[float, float]

VAL_SYMBOL, BEST_SYMBOL, NAN_SYMBOL = "▪", "★", "×"
COMMAND_SYMBOL, WARNING_SYMBOL, PHASE_SYMBOL = "▼", "!", "┊"
RESUME_SYMBOL, LR_SYMBOL, LEVEL_SYMBOL, CURSOR_SYMBOL = "↺", "↓", "╌", "│"


@dataclass(frozen=True, slots=True)
class Tick:
    """A labeled position on the x axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """A phase: its name is above the plot, from `start` to the next band."""

    start: float
    name: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve; several points may share an x, so that both extremes of a bucket are drawn."""

    points: Sequence[Point]
    color: Color = DARK.train
    style: Literal["line", "cloud", "marked"] = "line"
    """A line, single dots, or a line with a square at each point."""
    leading: bool = False
    """Whether the range of the y axis follows this curve where it has enough points."""
    is_background: bool = False
    """Whether the range of the y axis disregards this curve."""
    labeled: bool = True
    """Whether the value of its last point is at the right edge."""
    last: float | None = None
    """The last value, where the last point is an extreme of several."""
    name: str = ""
    """Name before the value at the right edge."""


@dataclass(frozen=True, slots=True)
class CurveBand:
    """The area from the lowest to the highest of several curves, drawn below all curves."""

    points: Sequence[tuple[float, float, float]]
    """x, lowest and highest value; non-finite values interrupt it."""
    color: Color = DARK.train


@dataclass(frozen=True, slots=True)
class PlotSymbol:
    """A symbol on the x axis, or with `y` on a curve."""

    x: float
    symbol: str
    color: Color
    y: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line from `start` to `end`."""

    y: float
    start: float
    end: float
    color: Color = DARK.marker
    text: str = ""
    """Its label at the right edge, where a row close to the line is free."""


@dataclass(frozen=True, slots=True)
class LegendItem:
    """An item of a legend."""

    text: str
    series: str = ""
    """Name of the series that a click on the item shows or hides; empty for none."""
    hidden: bool = False
    """Whether that series is hidden."""


def plain_number(value: float) -> str:
    """Return a value with three significant digits."""
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """Content of a chart. Non-finite values interrupt a curve and are marked on the x axis."""

    curves: Sequence[Curve] = ()
    symbols: Sequence[PlotSymbol] = ()
    """Where several fall into a column of the x axis, the first one is drawn."""
    levels: Sequence[Level] = ()
    bands: Sequence[Band] = ()
    curve_bands: Sequence[CurveBand] = ()
    start: float = 0.0
    end: float = 1.0
    """The visible range of the x axis, from `start`."""
    cursor: float | None = None
    ticks: Sequence[Tick] = ()
    y_unit: float = 1.0
    """Unit of the labels of the y axis: 0.01 for percent."""
    y_max: float = math.inf
    """The largest possible value; the y axis has no labels above."""
    scale: str = "linear"
    """`linear`, `log`, or `auto` for logarithmic over a wide range."""
    full: bool = False
    """Whether the y axis shows all values; otherwise early values and spikes may be clipped."""
    text: Callable[[float], str] = plain_number
    """How a value is written at the edges."""
    nan_x: Sequence[float] = ()
    """Where values are not finite, besides those in `curves`."""
    bad: Color = DARK.bad
    """Color of non-finite values."""
    names_from: int = 0
    """Width of the narrowest chart (cells) that has names of curves at its right edge."""
    empty: str = "no data yet"
    """Text of a chart without data."""


@dataclass(frozen=True, slots=True)
class Visible:
    """The visible part of a spec."""

    curves: list[tuple[Curve, list[list[Point]]]]
    """Each curve in parts without non-finite values."""
    nan_x: list[float]
    start: float
    end: float
    bands: list[tuple[CurveBand, list[tuple[list[Point], list[Point]]]]] = field(
        default_factory=list
    )
    """Each band as pairs of its lower and upper edge."""

    @property
    def values(self) -> list[float]:
        """All visible values."""
        return [y for _, parts in self.curves for part in parts for _, y in part] + [
            y for _, parts in self.bands for edges in parts for edge in edges for _, y in edge
        ]

    def shows(self, x: float) -> bool:
        """Return whether a position is visible."""
        return math.isfinite(x) and self.start <= x <= self.end

    def fraction(self, x: float) -> float:
        """Return the position from 0 at the start to 1 at the end; far outside, a limit."""
        if not math.isfinite(x):
            return math.copysign(_FAR, x)
        return min(_FAR, max(-_FAR, (x - self.start) / (self.end - self.start)))


def visible_part(spec: ChartSpec) -> Visible:
    """Return the visible part of a spec: lines are cut where they cross its ends."""
    start = spec.start if abs(spec.start) < 1e15 else 0.0
    end = spec.end if math.isfinite(spec.end) and start < spec.end < 1e15 else start + 1.0
    bad = {x for x in spec.nan_x if start <= x <= end}
    curves = []
    for curve in spec.curves:
        parts: list[list[Point]] = [[]]
        for x, y in curve.points:
            if not math.isfinite(x):
                continue
            if math.isfinite(y):
                parts[-1].append((x, y))
            else:
                bad |= {x} if start <= x <= end else set()
                parts.append([])
        cut = _inside if curve.style == "cloud" else _clipped
        shown = [visible for part in parts if (visible := cut(part, start, end))]
        curves.append((curve, shown))
    bands = [(band, _visible_edges(band, start, end)) for band in spec.curve_bands]
    return Visible(curves, sorted(bad), start, end, bands)


def _visible_edges(
    band: CurveBand, start: float, end: float
) -> list[tuple[list[Point], list[Point]]]:
    parts: list[tuple[list[Point], list[Point]]] = [([], [])]
    for x, low, high in band.points:
        if all(map(math.isfinite, (x, low, high))):
            parts[-1][0].append((x, low))
            parts[-1][1].append((x, high))
        else:
            parts.append(([], []))
    shown = [(_clipped(low, start, end), _clipped(high, start, end)) for low, high in parts if low]
    return [(low, high) for low, high in shown if low]


def spaced_ticks(ticks: Sequence[Tick], visible: Visible, columns: int) -> Iterator[Tick]:
    """Yield the visible ticks whose labels do not touch their neighbor."""
    free = -1.0
    for tick in sorted(ticks, key=lambda tick: tick.x):
        if not visible.shows(tick.x) or len(tick.label) > columns:
            continue
        column = visible.fraction(tick.x) * columns
        if column - len(tick.label) / 2 > free:
            yield tick
            free = column + len(tick.label) / 2 + 1


def drawn_log(spec: ChartSpec) -> bool:
    """Return whether the y axis is logarithmic, for the title."""
    return is_log(visible_part(spec).values, spec.scale)


def _inside(points: Sequence[Point], start: float, end: float) -> list[Point]:
    return [point for point in points if start <= point[0] <= end]


def _clipped(points: Sequence[Point], start: float, end: float) -> list[Point]:
    """Return the part of a line from `start` to `end`, cut where it crosses them."""
    inside = _inside(points, start, end)
    if len(inside) == len(points):
        return inside
    before = max((p for p in points if p[0] < start), default=None, key=lambda p: p[0])
    after = min((p for p in points if p[0] > end), default=None, key=lambda p: p[0])
    first = inside[0] if inside else after
    last = inside[-1] if inside else before
    head = [_crossing(before, first, start)] if before and first else []
    tail = [_crossing(last, after, end)] if last and after else []
    return [*head, *inside, *tail]


def _crossing(a: Point, b: Point, x: float) -> Point:
    span = b[0] - a[0]
    fraction = (x - a[0]) / span if span > 0 else 0.0
    # In this form two values of opposite sign don't overflow.
    return x, a[1] * (1 - fraction) + b[1] * fraction
