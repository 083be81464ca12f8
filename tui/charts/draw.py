"""Draw a chart as text on a canvas of braille dots: a pure function of its spec and size.

From the top: names of phases and values above the range; the plot; the x axis with markers; its
labels. Text never covers a curve.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tui.charts.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas
from tui.charts.spec import (
    CURSOR_SYMBOL,
    LEVEL_SYMBOL,
    NAN_SYMBOL,
    PHASE_SYMBOL,
    ChartSpec,
    Curve,
    Level,
    Point,
    Visible,
    spaced_ticks,
    visible_part,
)
from tui.charts.y_axis import Values, YAxis, fit_axis, separate_rows
from tui.preferences.palettes import Color, rgb

_SMALLEST = (12, 3)
_HEIGHT_WITH_BANDS = 6
_WIDTH_WITH_VALUES = 36
_ABOVE, _BELOW = "↑", "↓"
_MAX_CLIPPED = 12
_CURVES_FIRST = 2
"""Curves whose largest clipped value comes before the names of the phases."""
_NEAR = 16
"""Cells around a clipped value among which its text finds a place."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart as text, with the position of its x axis."""

    text: Text
    left: int = 0
    """Cells before the first column of the x axis."""
    columns: int = 0


@dataclass(frozen=True, slots=True)
class _EdgeValue:
    """A value at the right edge, in the color of its curve."""

    row: int
    text: str
    color: Color


def draw(spec: ChartSpec, width: int, height: int, glyphs: str = "braille") -> Drawing:
    """Return the chart as exactly `height` lines of at most `width` cells."""
    if width <= 0 or height <= 0:
        return Drawing(Text())
    visible = visible_part(spec)
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        return Drawing(message("", width, height))
    if not visible.values and not visible.nan_x:
        return Drawing(message(spec.empty, width, height))
    return _Chart(spec, visible, width, height, glyphs).drawing()


class _Chart:
    """One drawing."""

    def __init__(
        self, spec: ChartSpec, visible: Visible, width: int, height: int, glyphs: str
    ) -> None:
        self._spec, self._visible, self._glyphs = spec, visible, glyphs
        self._bands = 1 if height >= _HEIGHT_WITH_BANDS else 0
        self._rows = height - 2 - self._bands
        self._axis = fit_axis(
            [
                Values(
                    [point for part in parts for point in part],
                    curve.leading,
                    curve.is_background,
                )
                for curve, parts in visible.curves
            ]
            + [
                Values([point for edges in parts for point in edges[side]])
                for _, parts in visible.bands
                for side in (0, 1)
            ],
            [level.y for level in spec.levels if math.isfinite(level.y)],
            self._rows,
            spec.scale,
            spec.y_unit,
            spec.full,
        )
        labels = {row: text for row, text in self._axis.ticks if self._is_possible(row)}
        self._left = max(map(cell_len, labels.values()), default=0) + 1
        self._has_names = width >= spec.names_from
        self._edge = self._edge_values() if width >= _WIDTH_WITH_VALUES else []
        right = max((cell_len(value.text) + 1 for value in self._edge), default=0)
        self._columns = max(1, width - self._left - right)
        self._labels = labels
        self._plot = Canvas(self._columns, self._rows)
        self._top = Canvas(self._columns, 1)
        self._bottom = Canvas(self._columns, 1)

    def drawing(self) -> Drawing:
        """Return the chart."""
        for band, edges in self._visible.bands:
            for low, high in edges:
                self._plot.band(self._on_canvas(low), self._on_canvas(high), band.color)
        for curve, parts in self._visible.curves:
            self._draw_curve(curve, parts)
        self._draw_symbols()
        self._draw_cursor()
        self._draw_bands()
        self._draw_labels_above()
        self._draw_levels()
        self._bottom.text(0, 0, "─" * self._columns)
        pad = " " * (self._left - 1)
        lines = [Text(f"{pad} ").append_text(self._top.rows()[0])] if self._bands else []
        edge = {value.row: value for value in self._edge}
        for row, content in enumerate(self._plot.rows(self._glyphs)):
            label = self._labels.get(row, "")
            line = Text(f"{label:>{self._left - 1}}{'┤' if label else '│'}", no_wrap=True)
            line.append_text(content)
            if value := edge.get(row):
                line.append(f" {value.text}", Style(color=rgb(value.color)))
            lines.append(line)
        lines.append(Text(f"{pad}└").append_text(self._bottom.rows()[0]))
        lines.append(self._tick_labels())
        return Drawing(Text("\n", no_wrap=True).join(lines), self._left, self._columns)

    def _column(self, x: float) -> int:
        return math.floor(self._across(x)) // DOTS_ACROSS

    def _across(self, x: float) -> float:
        """Return a position in dots: the ends of the axis are at the centers of the outer dots."""
        return self._visible.fraction(x) * (self._columns * DOTS_ACROSS - 1) + 0.5

    def _on_canvas(self, points: Sequence[Point]) -> Iterator[Point]:
        for x, y in points:
            yield self._across(x), self._axis.position(y) * DOTS_DOWN

    def _draw_curve(self, curve: Curve, parts: Sequence[Sequence[Point]]) -> None:
        for part in parts:
            points = list(self._on_canvas(part))
            if curve.style == "cloud":
                self._plot.points(points, curve.color)
                continue
            self._plot.line(points, curve.color)
            if curve.style == "marked":
                given = set(curve.points)
                own = [point for point, of in zip(points, part, strict=True) if of in given]
                self._plot.markers(own, curve.color)

    def _draw_symbols(self) -> None:
        for each in self._spec.symbols:
            if not self._visible.shows(each.x):
                continue
            column = self._column(each.x)
            if each.y is None:
                # Of two in a column the second one moves by a column: better than to hide it.
                free = (n for n in (column, column + 1, column - 1) if self._is_free(n))
                self._bottom.text(next(free, column), 0, each.symbol, each.color)
            elif math.isfinite(each.y):
                row = math.floor(self._axis.position(each.y))
                self._plot.overwrite(column, row, each.symbol, each.color)
        for x in self._visible.nan_x:
            self._bottom.text(self._column(x), 0, NAN_SYMBOL, self._spec.bad)

    def _is_free(self, column: int) -> bool:
        return 0 <= column < self._columns and self._bottom.is_free(column, 0, 1)

    def _draw_cursor(self) -> None:
        cursor = self._spec.cursor
        if cursor is not None and self._visible.shows(cursor):
            column = self._column(cursor)
            for row in range(self._rows):
                self._plot.text(column, row, CURSOR_SYMBOL)

    def _draw_bands(self) -> None:
        for first, _, _ in self._band_columns():
            if first > 0:
                self._top.text(first, 0, PHASE_SYMBOL)
                for row in range(self._rows):
                    self._plot.text(first, row, PHASE_SYMBOL)

    def _band_columns(self) -> Iterator[tuple[int, int, str]]:
        """Yield first and last column and the name of each visible band."""
        bands = self._spec.bands
        for number, band in enumerate(bands):
            end = bands[number + 1].start if number + 1 < len(bands) else self._visible.end
            first = 0 if band.start <= self._visible.start else self._column(band.start)
            last = self._columns if end >= self._visible.end else self._column(end)
            if last >= 0 and first < self._columns and band.start <= self._visible.end:
                yield max(0, first), last, band.name

    def _draw_band_names(self) -> None:
        """Write the names where values above the range have left room, close to the middle."""
        for first, last, name in self._band_columns():
            room = last - first - 2
            shown = name if cell_len(name) <= room else name[: max(0, room)]
            size = cell_len(shown)
            middle = first + 1 + (room - size) / 2
            places = sorted(range(first + 1, last - size), key=lambda n: abs(n - middle))
            column = next((n for n in places if self._has_gap(self._top, n, size)), None)
            if shown and column is not None:
                self._top.text(column, 0, shown)

    def _draw_levels(self) -> None:
        for level in self._spec.levels:
            row = math.floor(self._axis.position(level.y)) if math.isfinite(level.y) else -1
            start = max(level.start, self._visible.start)
            end = min(level.end, self._visible.end)
            if 0 <= row < self._rows and start <= end:
                first, last = self._column(start), self._column(end)
                self._plot.text(first, row, LEVEL_SYMBOL * (last - first + 1), level.color)

    def _draw_labels_above(self) -> None:
        """Name what is above or below the plot, and the phases: the largest value of each of two
        curves comes first, the names of the phases where they have left room, then other values."""
        found = [
            (point, number)
            for number, (_, parts) in enumerate(self._visible.curves)
            for part in parts
            for point in _extremes_outside(part, self._axis)
        ]
        found.sort(key=lambda each: -abs(self._axis.position(each[0][1]) - self._rows / 2))
        largest: dict[int, Point] = {}
        for point, number in found:
            largest.setdefault(number, point)
        first = [(point, number) for number, point in largest.items()][:_CURVES_FIRST]
        others = [each for each in found if each not in first]
        # From the left, so that none takes the place of the next.
        for point, number in sorted(first):
            self._draw_clipped(*point, self._visible.curves[number][0].color)
        self._draw_band_names()
        for point, number in others[: _MAX_CLIPPED - len(first)]:
            self._draw_clipped(*point, self._visible.curves[number][0].color)

    def _draw_clipped(self, x: float, y: float, color: Color) -> None:
        """Name a value above or below the plot, or mark it with an arrow where there is no room."""
        above = self._axis.position(y) < 0
        row, symbol = (self._top, _ABOVE) if above else (self._bottom, _BELOW)
        for text in (f"{symbol}{self._spec.text(y)}", symbol):
            size = cell_len(text)
            near = sorted(range(self._columns - size + 1), key=lambda n: abs(n - self._column(x)))
            column = next((n for n in near[:_NEAR] if self._has_gap(row, n, size)), None)
            if column is not None:
                row.text(column, 0, text, color)
                return

    def _has_gap(self, row: Canvas, column: int, size: int) -> bool:
        """Return whether a text would touch no other one of the row."""
        first, last = max(0, column - 1), min(self._columns, column + size + 1)
        return row.is_free(first, 0, last - first)

    def _is_possible(self, row: int) -> bool:
        """Return whether a row is not above the largest possible value."""
        return self._axis.value(row) <= self._spec.y_max * (1 + 1e-9)

    def _edge_values(self) -> list[_EdgeValue]:
        """Return the last values of the labeled curves, one per row, in the order of the values."""
        labeled = []
        for curve, parts in reversed(self._visible.curves):
            if not parts or not curve.labeled:
                continue
            x, value = parts[-1][-1]
            if curve.last is not None and x >= curve.points[-1][0]:
                value = curve.last
            labeled.append((value, curve))
        del labeled[self._rows :]
        labeled.sort(key=lambda each: self._axis.position(each[0]))
        rows = separate_rows([self._axis.position(value) for value, _ in labeled], self._rows)
        found = []
        for row, (value, curve) in zip(rows, labeled, strict=True):
            name = curve.name if self._has_names else ""
            text = f"{name} {self._spec.text(value)}".strip()
            found.append(_EdgeValue(row, text, curve.color))
        taken = set(rows)
        for level in self._spec.levels:
            row_of_level = self._row_of_label(level, taken)
            if row_of_level is not None:
                taken.add(row_of_level)
                found.append(_EdgeValue(row_of_level, level.text, level.color))
        return found

    def _row_of_label(self, level: Level, taken: set[int]) -> int | None:
        """Return the row of a level's label, at most one from its line, or None."""
        ends_in_view = self._visible.start <= level.end <= self._visible.end
        if not level.text or not math.isfinite(level.y) or not ends_in_view:
            return None
        wanted = math.floor(self._axis.position(level.y))
        near = (row for row in (wanted, wanted + 1, wanted - 1) if row not in taken)
        return next((row for row in near if 0 <= row < self._rows), None)

    def _tick_labels(self) -> Text:
        line = [" "] * (self._left + self._columns)
        for tick in spaced_ticks(self._spec.ticks, self._visible, self._columns):
            first = self._left + self._column(tick.x) - (len(tick.label) - 1) // 2
            first = min(max(0, first), len(line) - len(tick.label))
            line[first : first + len(tick.label)] = tick.label
        return Text("".join(line).rstrip(), no_wrap=True)


def _extremes_outside(points: Sequence[Point], axis: YAxis) -> Iterator[Point]:
    """Yield of each run of points outside the plot the one that is farthest."""
    farthest: Point | None = None
    side = 0
    for point in points:
        position = axis.position(point[1])
        now = -1 if position < 0 else 1 if position > axis.rows else 0
        if now != side and farthest is not None:
            yield farthest
            farthest = None
        side = now
        if now and (farthest is None or now * position > now * axis.position(farthest[1])):
            farthest = point
    if farthest is not None:
        yield farthest


def message(text: str, width: int, height: int) -> Text:
    """Return a text in the middle of an otherwise empty chart."""
    lines = [""] * height
    if text and len(text) <= width:
        lines[height // 2] = text.center(width).rstrip()
    return Text("\n".join(lines), no_wrap=True)
