"""Draw a chart with plotext, to be printed: a pure function of its spec and size.

plotext keeps its figure in module globals: call `draw_printed` in one thread only. Charts of the
app are drawn by `tui.charts.draw`, which is precise to a dot, redraws rows, and has a cursor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotext
from rich.text import Text

from tui.charts.scale import Scale
from tui.charts.spec import (
    LEVEL_SYMBOL,
    NAN_SYMBOL,
    PHASE_SYMBOL,
    VAL_SYMBOL,
    ChartSpec,
    Curve,
    PlotSymbol,
    Point,
    Visible,
    spaced_ticks,
    visible_part,
)
from tui.preferences.palettes import Color

_MOST = 1e100


def draw_printed(spec: ChartSpec, width: int, height: int) -> Text:
    """Return the chart as exactly `height` lines of at most `width` cells."""
    visible = visible_part(spec)
    if not visible.values and not visible.nan_x:
        return Text(spec.empty.center(width).rstrip())
    values = [*visible.values, *(level.y for level in spec.levels if math.isfinite(level.y))]
    # Differences and powers of the largest floats overflow.
    bounded = [min(_MOST, max(-_MOST, value)) for value in values]
    scale = Scale.fit(bounded or [0.0, 1.0], spec.scale, spec.y_unit)
    positions, labels = one_per_row(*scale.ticks(6 if height >= 14 else 4), max(1, height - 2))
    columns = max(1, width - max(len(label) for label in labels) - 1)
    chart = _Chart(spec, visible, scale, width, height, columns)
    return _exactly(chart.build(positions, labels), width, height)


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
class _Chart:
    """One drawing. plotext gets all positions as fractions of the axes, as its own arithmetic fails
    on extreme values."""

    spec: ChartSpec
    visible: Visible
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
        ticks = list(spaced_ticks(self.spec.ticks, self.visible, self.columns))
        figure.xticks([self.visible.fraction(t.x) for t in ticks], [tick.label for tick in ticks])
        self._levels(figure)
        self._bands(figure)
        for curve, parts in self.visible.curves:
            for points in parts:
                self._curve(figure, curve, points)
        self._symbols(figure)
        return str(figure.build())

    def _curve(self, figure: Any, curve: Curve, points: Sequence[Point]) -> None:
        thinned = thin(points, self.columns, self.visible.start, self.visible.end)
        if not thinned:
            return
        xs, ys = self._fractions(thinned)
        add = figure.plot if len(thinned) > 1 and curve.style != "cloud" else figure.scatter
        add(xs, ys, marker="braille", color=curve.color)
        if curve.style == "marked":
            figure.scatter(xs[-1:], ys[-1:], marker=VAL_SYMBOL, color=curve.color)

    def _fractions(self, points: Sequence[Point]) -> tuple[list[float], list[float]]:
        xs = [self.visible.fraction(x) for x, _ in points]
        return xs, [self.scale.fraction(y) for _, y in points]

    def _levels(self, figure: Any) -> None:
        for level in self.spec.levels:
            start, end = max(level.start, self.visible.start), min(level.end, self.visible.end)
            if math.isfinite(level.y) and start <= end:
                first, last = self.visible.fraction(start), self.visible.fraction(end)
                number = max(1, round((last - first) * 2 * self.columns))
                xs = [first + (last - first) * i / number for i in range(number + 1)]
                ys = [self.scale.fraction(level.y)] * len(xs)
                figure.scatter(xs, ys, marker=LEVEL_SYMBOL, color=level.color)

    def _bands(self, figure: Any) -> None:
        for band in self.spec.bands:
            if self.visible.start <= band.start < self.visible.end:
                x = self.visible.fraction(band.start)
                if x > 0:
                    self._column(figure, x, PHASE_SYMBOL)
                figure.text(f" {band.name}", x, 1.0, alignment="left")

    def _column(self, figure: Any, x: float, symbol: str) -> None:
        ys = [i / (2 * self.height) for i in range(2 * self.height + 1)]
        figure.scatter([x] * len(ys), ys, marker=symbol)

    def _symbols(self, figure: Any) -> None:
        bad = [PlotSymbol(x, NAN_SYMBOL, self.spec.bad) for x in self.visible.nan_x]
        groups: dict[tuple[str, Color], list[Point]] = {}
        for each in [*self.spec.symbols, *bad]:
            if self.visible.shows(each.x) and (each.y is None or math.isfinite(each.y)):
                y = 0.0 if each.y is None else self.scale.fraction(each.y)
                point = (self.visible.fraction(each.x), y)
                groups.setdefault((each.symbol, each.color), []).append(point)
        for (marker, color), points in groups.items():
            xs, ys = [x for x, _ in points], [y for _, y in points]
            figure.scatter(xs, ys, marker=marker, color=color)


def _exactly(drawn: str, width: int, height: int) -> Text:
    text = Text.from_ansi(drawn, no_wrap=True)
    lines = list(text.split("\n"))[:height]
    for line in lines:
        line.truncate(width)
    lines += [Text() for _ in range(height - len(lines))]
    return Text("\n").join(lines)
