"""Draw a chart as text with plotext: a pure function of its spec and size.

plotext keeps its figure in module globals: call `draw` only in the thread that draws the screen.
Training curves are braille dots, validation has its own symbol: color is never the only cue.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotext
from rich.text import Text

from tui.charts.scale import Scale, is_log
from tui.preferences.palettes import DARK, Color

Point = tuple[float, float]

VAL_SYMBOL, VAL_DOT, BEST_SYMBOL, NAN_SYMBOL = "●", "·", "★", "×"
COMMAND_SYMBOL, WARNING_SYMBOL, PHASE_SYMBOL = "▼", "!", "┊"
RESUME_SYMBOL, LR_SYMBOL, LEVEL_SYMBOL, CURSOR_SYMBOL = "↺", "↓", "╌", "┃"
_SMALLEST = (12, 3)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labeled position on the x axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class PhaseBoundary:
    """The start of a phase, with the names of the phases on either side."""

    x: float
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve; several points may share an x, so that both extremes of a bucket are drawn."""

    points: Sequence[Point]
    color: Color = DARK.train
    style: Literal["line", "cloud", "dots"] = "line"
    """A braille line, single braille dots, or a symbol at each point with dots between them."""
    symbol: str = ""
    """Drawn at each point of `dots`, at the last one of a `line`."""


@dataclass(frozen=True, slots=True)
class PlotSymbol:
    """A symbol at a point; without `y` it is drawn on the x axis, or at the top."""

    x: float
    symbol: str
    color: Color
    y: float | None = None
    top: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line from `start` to `end`."""

    y: float
    start: float
    end: float
    color: Color = DARK.marker


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """Content of a chart. Non-finite values are drawn as symbols, wherever they occur."""

    curves: Sequence[Curve] = ()
    symbols: Sequence[PlotSymbol] = ()
    levels: Sequence[Level] = ()
    boundaries: Sequence[PhaseBoundary] = ()
    start: float = 0.0
    end: float = 1.0
    """The visible range of the x axis, from `start`."""
    cursor: float | None = None
    ticks: Sequence[Tick] = ()
    names_below: bool = False
    """Whether phase names are drawn low in the chart, for curves that end high."""
    y_limits: tuple[float, float] | None = None
    """Widest range; the axis covers the part of it that is used."""
    y_unit: float = 1.0
    """Unit of the labels of the y axis: 0.01 for percent."""
    scale: str = "linear"
    """`linear`, `log`, or `auto` for logarithmic over a wide range."""
    bad: Color = DARK.bad
    """Color of non-finite values."""
    empty: str = "no data yet"
    """Text of a chart without data."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as text, with the position of its x axis."""

    text: Text
    left: int = 0
    """Cells before the first column of the x axis."""
    columns: int = 0


def draw(spec: ChartSpec, width: int, height: int) -> Drawing:
    """Return the chart as exactly `height` lines of at most `width` cells."""
    if width <= 0 or height <= 0:
        return Drawing(Text())
    drawable = _drawable_part(spec)
    levels = [_bounded(level.y) for level in spec.levels if math.isfinite(level.y)]
    values = [*drawable.values, *levels]
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        return Drawing(_message("", width, height))
    if not values and not drawable.nan_x:
        return Drawing(_message(spec.empty, width, height))
    scale = Scale.fit(values or [0.0, 1.0], spec.scale, spec.y_unit, spec.y_limits)
    positions, labels = one_per_row(*scale.ticks(6 if height >= 14 else 4), max(1, height - 2))
    left = max(len(label) for label in labels) + 1
    chart = _Chart(spec, drawable, scale, width, height, max(1, width - left))
    return Drawing(_exactly(chart.build(positions, labels), width, height), left, chart.columns)


def one_per_row(
    positions: list[float], labels: list[str], rows: int
) -> tuple[list[float], list[str]]:
    """Return the ticks of the y axis with at most one per row: of two, plotext would draw any."""
    by_row = {
        round(position * (rows - 1)): (position, label)
        for position, label in zip(reversed(positions), reversed(labels), strict=True)
    }
    kept = [by_row[row] for row in sorted(by_row)]
    return [position for position, _ in kept], [label for _, label in kept]


def drawn_log(spec: ChartSpec) -> bool:
    """Return whether `draw` uses a logarithmic axis, for the title."""
    return is_log(_drawable_part(spec).values, spec.scale)


def thin(points: Sequence[Point], columns: int, start: float, end: float) -> list[Point]:
    """Return at most two points per column, the lowest and the highest, in their order."""
    if columns <= 0 or len(points) <= 2:
        return list(points)
    slots: dict[int, list[tuple[int, Point]]] = {}
    for index, (x, y) in enumerate(points):
        fraction = (x - start) / (end - start) if end > start else 0.0
        column = min(columns - 1, max(0, int(fraction * columns)))
        slots.setdefault(column, []).append((index, (x, y)))
    kept: list[tuple[int, Point]] = []
    for slot in slots.values():
        low, high = min(slot, key=_value), max(slot, key=_value)
        kept.extend({low[0]: low, high[0]: high}.values())
    return [point for _, point in sorted(kept)]


def _value(item: tuple[int, Point]) -> float:
    return item[1][1]


@dataclass(frozen=True, slots=True)
class _Drawable:
    """The visible and finite part of a spec."""

    curves: list[tuple[Curve, list[Point]]]
    nan_x: list[float]
    start: float
    end: float

    @property
    def values(self) -> list[float]:
        return [y for _, points in self.curves for _, y in points]

    def shows(self, x: float) -> bool:
        return math.isfinite(x) and self.start <= x <= self.end

    def fraction(self, x: float) -> float:
        return (x - self.start) / (self.end - self.start)


def _drawable_part(spec: ChartSpec) -> _Drawable:
    """Return the visible part of a spec, with non-finite values taken out of its curves."""
    start = spec.start if abs(spec.start) < 1e15 else 0.0
    end = spec.end if math.isfinite(spec.end) and spec.end > start else start + 1.0
    bad: set[float] = set()
    curves: list[tuple[Curve, list[Point]]] = []
    for curve in spec.curves:
        points = [(x, y) for x, y in curve.points if math.isfinite(x)]
        bad |= {x for x, y in points if not math.isfinite(y) and start <= x <= end}
        finite = [(x, _bounded(y)) for x, y in points if math.isfinite(y)]
        clip = _clipped if curve.style == "line" else _inside
        curves.append((curve, clip(finite, start, end)))
    return _Drawable(curves, sorted(bad), start, end)


def _bounded(y: float) -> float:
    """Return a value that can be drawn: differences of the largest floats overflow."""
    return max(-1e100, min(1e100, y))


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
    return x, a[1] + fraction * (b[1] - a[1])


@dataclass(frozen=True, slots=True)
class _Chart:
    """One drawing. plotext gets all positions as fractions of the axes, as its own arithmetic fails
    on extreme values."""

    spec: ChartSpec
    drawable: _Drawable
    scale: Scale
    width: int
    height: int
    columns: int

    def build(self, positions: list[float], labels: list[str]) -> str:
        figure: Any = plotext
        figure.clear_figure()
        figure.theme("clear")
        figure.limit_size(False, False)  # the size is given; plotext would query a terminal
        figure.plot_size(self.width, self.height)
        figure.xlim(0, 1)
        figure.ylim(0, 1)
        figure.xaxes(True, False)
        figure.yaxes(True, False)
        figure.yticks(positions, labels)
        ticks = list(self._ticks())
        figure.xticks([self.drawable.fraction(t.x) for t in ticks], [tick.label for tick in ticks])
        self._levels(figure)
        self._boundaries(figure)
        for curve, points in self.drawable.curves:
            self._curve(figure, curve, points)
        self._symbols(figure)
        self._cursor(figure)
        return str(figure.build())

    def _curve(self, figure: Any, curve: Curve, points: list[Point]) -> None:
        thinned = thin(points, self.columns, self.drawable.start, self.drawable.end)
        if not thinned:
            return
        xs, ys = self._fractions(thinned)
        marker = VAL_DOT if curve.style == "dots" else "braille"
        add = figure.plot if len(thinned) > 1 and curve.style != "cloud" else figure.scatter
        add(xs, ys, marker=marker, color=curve.color)
        marked = points if curve.style == "dots" else points[-1:]
        if curve.symbol and marked:
            figure.scatter(*self._fractions(marked), marker=curve.symbol, color=curve.color)

    def _fractions(self, points: Sequence[Point]) -> tuple[list[float], list[float]]:
        xs = [self.drawable.fraction(x) for x, _ in points]
        return xs, [self.scale.fraction(y) for _, y in points]

    def _levels(self, figure: Any) -> None:
        for level in self.spec.levels:
            start, end = max(level.start, self.drawable.start), min(level.end, self.drawable.end)
            if math.isfinite(level.y) and start <= end:
                first, last = self.drawable.fraction(start), self.drawable.fraction(end)
                number = max(1, round((last - first) * 2 * self.columns))
                xs = [first + (last - first) * i / number for i in range(number + 1)]
                ys = [self.scale.fraction(level.y)] * len(xs)
                figure.scatter(xs, ys, marker=LEVEL_SYMBOL, color=level.color)

    def _boundaries(self, figure: Any) -> None:
        names_y = 2 / self.height if self.spec.names_below else 1.0
        for boundary in self.spec.boundaries:
            if self.drawable.shows(boundary.x) and boundary.x not in (
                self.drawable.start,
                self.drawable.end,
            ):
                x = self.drawable.fraction(boundary.x)
                self._column(figure, x, PHASE_SYMBOL)
                figure.text(f"{boundary.before} ", x, names_y, alignment="right")
                figure.text(f" {boundary.after}", x, names_y, alignment="left")

    def _column(self, figure: Any, x: float, symbol: str) -> None:
        ys = [i / (2 * self.height) for i in range(2 * self.height + 1)]
        figure.scatter([x] * len(ys), ys, marker=symbol)

    def _symbols(self, figure: Any) -> None:
        bad = [PlotSymbol(x, NAN_SYMBOL, self.spec.bad, top=True) for x in self.drawable.nan_x]
        groups: dict[tuple[str, Color], list[Point]] = {}
        for each in [*self.spec.symbols, *bad]:
            if self.drawable.shows(each.x) and (each.y is None or math.isfinite(each.y)):
                y = float(each.top) if each.y is None else self.scale.fraction(each.y)
                point = (self.drawable.fraction(each.x), y)
                groups.setdefault((each.symbol, each.color), []).append(point)
        for (marker, color), points in groups.items():
            xs, ys = [x for x, _ in points], [y for _, y in points]
            figure.scatter(xs, ys, marker=marker, color=color)

    def _cursor(self, figure: Any) -> None:
        if self.spec.cursor is not None and self.drawable.shows(self.spec.cursor):
            self._column(figure, self.drawable.fraction(self.spec.cursor), CURSOR_SYMBOL)

    def _ticks(self) -> Iterator[Tick]:
        """Yield the ticks whose labels do not touch their neighbor."""
        free = -1.0
        for tick in sorted(self.spec.ticks, key=lambda tick: tick.x):
            if not self.drawable.shows(tick.x):
                continue
            column = self.drawable.fraction(tick.x) * self.columns
            if column - len(tick.label) / 2 > free:
                yield tick
                free = column + len(tick.label) / 2 + 1


def _message(text: str, width: int, height: int) -> Text:
    lines = [""] * height
    if text and len(text) <= width:
        lines[height // 2] = text.center(width).rstrip()
    return Text("\n".join(lines), no_wrap=True)


def _exactly(drawn: str, width: int, height: int) -> Text:
    text = Text.from_ansi(drawn, no_wrap=True)
    lines = list(text.split("\n"))[:height]
    for line in lines:
        line.truncate(width)
    lines += [Text() for _ in range(height - len(lines))]
    return Text("\n").join(lines)
