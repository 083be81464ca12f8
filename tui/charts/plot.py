"""Drawing a chart as text: a pure function of its spec and size, made with plotext.

plotext keeps its figure in the module; only the thread that draws the screen may call it here.
Lines are braille dots, validation has a sign of its own: colour is never the only carrier.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotext
from rich.text import Text

from tui.charts.scale import Scale, is_log
from tui.preferences.palettes import DARK, Colour

Point = tuple[float, float]

VAL_SIGN, VAL_DOT, BEST_SIGN, NAN_SIGN = "●", "·", "★", "×"
COMMAND_SIGN, WARNING_SIGN, PHASE_SIGN = "▼", "!", "┊"
RESUME_SIGN, LOWER_SIGN, LEVEL_SIGN, CURSOR_SIGN = "↺", "↓", "╌", "┃"
_SMALLEST = (12, 3)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on the x axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Boundary:
    """Where a phase begins, and the names on either side."""

    x: float
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve; several points may share an x, so that the extremes of a bucket stay."""

    points: Sequence[Point]
    colour: Colour = DARK.train
    style: Literal["line", "cloud", "dots"] = "line"
    """A braille line, single braille dots, or a sign at each point with dots between them."""
    sign: str = ""
    """At each point of `dots`, at the last one of a `line`."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign at a place; without a value it stands on the x axis, or at the top."""

    x: float
    sign: str
    colour: Colour
    y: float | None = None
    top: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line from one place to another."""

    y: float
    start: float
    end: float
    colour: Colour = DARK.mark


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What a chart shows. Values that are not finite become marks, wherever they stand."""

    lines: Sequence[Line] = ()
    signs: Sequence[Sign] = ()
    levels: Sequence[Level] = ()
    boundaries: Sequence[Boundary] = ()
    start: float = 0.0
    end: float = 1.0
    """The part of the x axis that is seen."""
    cursor: float | None = None
    ticks: Sequence[Tick] = ()
    names_below: bool = False
    """Phase names stand low in the chart: where the curves end high."""
    y_limits: tuple[float, float] | None = None
    """Widest range; the chart shows what of it is used."""
    y_unit: float = 1.0
    """What the labels of the y axis count in: 0.01 for percent."""
    scale: str = "linear"
    """`linear`, `log`, or `auto` for logarithmic over a wide range."""
    bad: Colour = DARK.bad
    """Of what is not finite."""
    empty: str = "no data yet"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as text, and where on it the x axis lies."""

    text: Text
    left: int = 0
    """Cells before the first column."""
    columns: int = 0


def draw(spec: ChartSpec, width: int, height: int) -> Drawing:
    """Return the chart as exactly `height` lines of at most `width` cells."""
    if width <= 0 or height <= 0:
        return Drawing(Text())
    clean = _cleaned(spec)
    values = [*clean.values, *(level.y for level in spec.levels if math.isfinite(level.y))]
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        return Drawing(_message("", width, height))
    if not values and not clean.nan_x:
        return Drawing(_message(spec.empty, width, height))
    scale = Scale.fit(values or [0.0, 1.0], spec.scale, spec.y_unit, spec.y_limits)
    places, labels = _one_a_row(*scale.ticks(6 if height >= 14 else 4), max(1, height - 2))
    left = max(len(label) for label in labels) + 1
    chart = _Chart(spec, clean, scale, width, height, max(1, width - left))
    return Drawing(_exactly(chart.build(places, labels), width, height), left, chart.columns)


def _one_a_row(places: list[float], labels: list[str], rows: int) -> tuple[list[float], list[str]]:
    """Return the ticks of the y axis with one a row at most: of two plotext would draw any."""
    by_row = {round(place * (rows - 1)): (place, label) for place, label in zip(
        reversed(places), reversed(labels), strict=True)}  # fmt: skip
    kept = [by_row[row] for row in sorted(by_row)]
    return [place for place, _ in kept], [label for _, label in kept]


def drawn_log(spec: ChartSpec) -> bool:
    """Whether `draw` uses a logarithmic axis, so that a title can say so."""
    return is_log(_cleaned(spec).values, spec.scale)


def thin(points: Sequence[Point], columns: int, start: float, end: float) -> list[Point]:
    """Return at most two points a column, the lowest and the highest, in their order."""
    if columns <= 0 or len(points) <= 2:
        return list(points)
    slots: dict[int, list[tuple[int, Point]]] = {}
    for index, (x, y) in enumerate(points):
        share = (x - start) / (end - start) if end > start else 0.0
        slots.setdefault(min(columns - 1, max(0, int(share * columns))), []).append((index, (x, y)))
    kept: list[tuple[int, Point]] = []
    for slot in slots.values():
        low, high = min(slot, key=_value), max(slot, key=_value)
        kept.extend({low[0]: low, high[0]: high}.values())
    return [point for _, point in sorted(kept)]


def _value(item: tuple[int, Point]) -> float:
    return item[1][1]


@dataclass(frozen=True, slots=True)
class _Clean:
    """What of a spec can be drawn, and is seen."""

    lines: list[tuple[Line, list[Point]]]
    nan_x: list[float]
    start: float
    end: float

    @property
    def values(self) -> list[float]:
        return [y for _, points in self.lines for _, y in points]

    def sees(self, x: float) -> bool:
        return math.isfinite(x) and self.start <= x <= self.end

    def share(self, x: float) -> float:
        return (x - self.start) / (self.end - self.start)


def _cleaned(spec: ChartSpec) -> _Clean:
    """The one place where values that are not finite are taken out and become marks."""
    start = spec.start if abs(spec.start) < 1e15 else 0.0
    end = spec.end if math.isfinite(spec.end) and spec.end > start else start + 1.0
    bad: set[float] = set()
    lines: list[tuple[Line, list[Point]]] = []
    for line in spec.lines:
        placed = [(x, y) for x, y in line.points if math.isfinite(x)]
        bad |= {x for x, y in placed if not math.isfinite(y) and start <= x <= end}
        # The largest floats have no difference that is a float.
        finite = [(x, max(-1e100, min(1e100, y))) for x, y in placed if math.isfinite(y)]
        seen = _clipped(finite, start, end) if line.style == "line" else _inside(finite, start, end)
        lines.append((line, seen))
    return _Clean(lines, sorted(bad), start, end)


def _inside(points: Sequence[Point], start: float, end: float) -> list[Point]:
    return [point for point in points if start <= point[0] <= end]


def _clipped(points: Sequence[Point], start: float, end: float) -> list[Point]:
    """Return a line's part between two places, cut where it crosses them."""
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
    share = (x - a[0]) / span if span > 0 else 0.0
    return x, a[1] + share * (b[1] - a[1])


@dataclass(frozen=True, slots=True)
class _Chart:
    """One drawing. plotext gets all places as shares of the axes: its own arithmetic fails on
    extreme values."""

    spec: ChartSpec
    clean: _Clean
    scale: Scale
    width: int
    height: int
    columns: int

    def build(self, places: list[float], labels: list[str]) -> str:
        figure: Any = plotext
        figure.clear_figure()
        figure.theme("clear")
        figure.limit_size(False, False)  # the widget knows its room; plotext would ask a terminal
        figure.plot_size(self.width, self.height)
        figure.xlim(0, 1)
        figure.ylim(0, 1)
        figure.xaxes(True, False)
        figure.yaxes(True, False)
        figure.yticks(places, labels)
        ticks = list(self._ticks())
        figure.xticks([self.clean.share(t.x) for t in ticks], [tick.label for tick in ticks])
        self._levels(figure)
        self._boundaries(figure)
        for line, points in self.clean.lines:
            self._line(figure, line, points)
        self._signs(figure)
        self._cursor(figure)
        return str(figure.build())

    def _line(self, figure: Any, line: Line, points: list[Point]) -> None:
        thinned = thin(points, self.columns, self.clean.start, self.clean.end)
        if not thinned:
            return
        xs, ys = self._shares(thinned)
        marker = VAL_DOT if line.style == "dots" else "braille"
        add = figure.plot if len(thinned) > 1 and line.style != "cloud" else figure.scatter
        add(xs, ys, marker=marker, color=line.colour)
        signed = points if line.style == "dots" else points[-1:]
        if line.sign and signed:
            figure.scatter(*self._shares(signed), marker=line.sign, color=line.colour)

    def _shares(self, points: Sequence[Point]) -> tuple[list[float], list[float]]:
        return [self.clean.share(x) for x, _ in points], [self.scale.place(y) for _, y in points]

    def _levels(self, figure: Any) -> None:
        for level in self.spec.levels:
            start, end = max(level.start, self.clean.start), min(level.end, self.clean.end)
            if math.isfinite(level.y) and start <= end:
                first, last = self.clean.share(start), self.clean.share(end)
                number = max(1, round((last - first) * 2 * self.columns))
                xs = [first + (last - first) * i / number for i in range(number + 1)]
                ys = [self.scale.place(level.y)] * len(xs)
                figure.scatter(xs, ys, marker=LEVEL_SIGN, color=level.colour)

    def _boundaries(self, figure: Any) -> None:
        names_y = 2 / self.height if self.spec.names_below else 1.0
        for boundary in self.spec.boundaries:
            if self.clean.sees(boundary.x) and boundary.x not in (self.clean.start, self.clean.end):
                x = self.clean.share(boundary.x)
                self._column(figure, x, PHASE_SIGN)
                figure.text(f"{boundary.before} ", x, names_y, alignment="right")
                figure.text(f" {boundary.after}", x, names_y, alignment="left")

    def _column(self, figure: Any, share: float, sign: str) -> None:
        ys = [i / (2 * self.height) for i in range(2 * self.height + 1)]
        figure.scatter([share] * len(ys), ys, marker=sign)

    def _signs(self, figure: Any) -> None:
        bad = [Sign(x, NAN_SIGN, self.spec.bad, top=True) for x in self.clean.nan_x]
        groups: dict[tuple[str, Colour], list[Point]] = {}
        for sign in [*self.spec.signs, *bad]:
            if self.clean.sees(sign.x) and (sign.y is None or math.isfinite(sign.y)):
                y = float(sign.top) if sign.y is None else self.scale.place(sign.y)
                place = (self.clean.share(sign.x), y)
                groups.setdefault((sign.sign, sign.colour), []).append(place)
        for (marker, colour), places in groups.items():
            figure.scatter([x for x, _ in places], [y for _, y in places], marker=marker,
                           color=colour)  # fmt: skip

    def _cursor(self, figure: Any) -> None:
        if self.spec.cursor is not None and self.clean.sees(self.spec.cursor):
            self._column(figure, self.clean.share(self.spec.cursor), CURSOR_SIGN)

    def _ticks(self) -> Iterator[Tick]:
        """Leave out labels that would touch their neighbour."""
        free = -1.0
        for tick in sorted(self.spec.ticks, key=lambda tick: tick.x):
            if not self.clean.sees(tick.x):
                continue
            column = self.clean.share(tick.x) * self.columns
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
