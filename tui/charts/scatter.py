"""Scatter charts: their content without a size, and a drawing as text on a canvas of braille dots.

From the top: the title of the y axis and the number of points left out; the plot; the x axis with a
mark at each tick; its labels; its title.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from core.common.format import counted
from tui.charts.canvas import DOTS_ACROSS, DOTS_DOWN, Canvas
from tui.charts.draw import Drawing, message
from tui.charts.y_axis import Values, YAxis, fit_axis
from tui.preferences.palettes import DARK, Color

_SMALLEST = (16, 5)
_HEIGHT_WITH_TITLES = 8
_TICK = "┬"

Emphasis = Literal["", "best", "selected"]
_SHAPES: dict[Emphasis, tuple[str, ...]] = {
    "": ("##", "##"),
    "selected": (" ## ", "####", "####", " ## "),
    "best": (" ## ", "####", "####", " ## "),
}
"""Dots of a point; its position is at the center."""
_PLACES = ((1, 0), (-1, 0), (0, -1), (0, 1), (2, 0), (-2, 0))
"""Where the label of a point may be: columns and rows from the point, the best place first."""


@dataclass(frozen=True, slots=True)
class ScatterPoint:
    """A point; one whose position is not finite is left out, and counted."""

    x: float
    y: float
    label: str = ""
    """Text next to the point, where there is room; a canvas has no wide characters."""
    color: Color = DARK.train
    emphasis: Emphasis = ""
    """`best` or `selected` points are larger, and above others."""


@dataclass(frozen=True, slots=True)
class ScatterAxis:
    """An axis of a scatter chart."""

    title: str = ""
    scale: str = "linear"
    """`linear`, `log`, or `auto` for logarithmic over a wide range of positive values.

    A logarithmic axis leaves out values that are not positive."""
    unit: float = 1.0
    """Unit of the labels: 0.01 for percent."""


@dataclass(frozen=True, slots=True)
class ScatterSpec:
    """Content of a scatter chart."""

    points: Sequence[ScatterPoint] = ()
    x: ScatterAxis = ScatterAxis()
    y: ScatterAxis = ScatterAxis()
    noun: str = "point"
    """A point as it is counted where some are left out."""
    empty: str = "no data yet"
    """Text of a chart without points."""


@dataclass(frozen=True, slots=True)
class ScatterAxes:
    """Both axes as drawn."""

    x: YAxis
    """As a vertical axis from the right end to the left one, its rows the columns of the plot."""
    y: YAxis
    points: Sequence[ScatterPoint]
    """The points that are shown."""
    left_out: int
    left: int
    """Cells before the first column of the plot."""

    def position(self, point: ScatterPoint) -> tuple[float, float]:
        """Return the distance of a point from the upper left corner of the plot, in dots."""
        across = self.x.rows - self.x.position(point.x)
        return across * DOTS_ACROSS, self.y.position(point.y) * DOTS_DOWN


def fit_axes(spec: ScatterSpec, width: int, height: int) -> ScatterAxes:
    """Return the axes that show all points with a position in a chart of this size."""
    finite = [p for p in spec.points if math.isfinite(p.x) and math.isfinite(p.y)]
    rows = max(1, height - _surrounding_rows(height))
    shown, y = _fit([(p.y, p) for p in finite], spec.y, rows)
    left = max((cell_len(label) for _, label in y.ticks), default=0) + 1
    columns = max(1, width - left)
    shown, x = _fit([(p.x, p) for p in shown], spec.x, columns)
    return ScatterAxes(x, y, shown, len(spec.points) - len(shown), left)


def _surrounding_rows(height: int) -> int:
    return 4 if height >= _HEIGHT_WITH_TITLES else 2


def _fit(
    values: Sequence[tuple[float, ScatterPoint]], axis: ScatterAxis, cells: int
) -> tuple[list[ScatterPoint], YAxis]:
    points = [(0.0, value) for value, _ in values]
    fitted = fit_axis([Values(points)], [], cells, axis.scale, axis.unit, full=True)
    return [point for value, point in values if value > 0 or not fitted.log], fitted


def left_out_text(axes: ScatterAxes, noun: str) -> str:
    """Return how many points have no position on the axes; empty for none."""
    return f"{counted(axes.left_out, noun)} without a value" if axes.left_out else ""


def draw_scatter(spec: ScatterSpec, width: int, height: int, glyphs: str = "braille") -> Drawing:
    """Return the chart as exactly `height` lines of at most `width` cells."""
    if width <= 0 or height <= 0:
        return Drawing(Text())
    if width < _SMALLEST[0] or height < _SMALLEST[1]:
        return Drawing(message("", width, height))
    axes = fit_axes(spec, width, height)
    if not axes.points:
        return Drawing(message(spec.empty, width, height))
    plot = Canvas(axes.x.rows, axes.y.rows)
    _draw_points(plot, axes)
    labels = dict(axes.y.ticks)
    lines = [
        Text(f"{labels.get(row, ''):>{axes.left - 1}}{'┤' if row in labels else '│'}").append_text(
            content
        )
        for row, content in enumerate(plot.rows(glyphs))
    ]
    ticks = _x_ticks(axes)
    line = "".join(_TICK if n in dict(ticks) else "─" for n in range(axes.x.rows))
    lines += [Text(f"{' ' * (axes.left - 1)}└{line}"), _tick_labels(axes, ticks)]
    if _surrounding_rows(height) > 2:
        note = left_out_text(axes, spec.noun)
        lines.insert(0, Text(_at_both_ends(spec.y.title, note, width)))
        lines.append(Text(_fitted(spec.x.title, axes.x.rows).rjust(width)))
    return Drawing(Text("\n", no_wrap=True).join(lines), axes.left, axes.x.rows)


def _draw_points(plot: Canvas, axes: ScatterAxes) -> None:
    """Draw all points. In a shared cell all dots are kept, in the color of the upper point."""
    ordered = sorted(axes.points, key=lambda point: bool(point.emphasis))
    dots: dict[tuple[int, int], Color] = {}
    colors: dict[tuple[int, int], Color] = {}
    for point in ordered:
        for x, y in _dots_of(point, axes):
            cell = x // DOTS_ACROSS, y // DOTS_DOWN
            dots[x, y] = colors[cell] = point.color
    for x, y in dots:
        plot.dot(x, y, colors[x // DOTS_ACROSS, y // DOTS_DOWN])
    for point in reversed(ordered):
        _draw_label(plot, point, axes)


def _dots_of(point: ScatterPoint, axes: ScatterAxes) -> Iterator[tuple[int, int]]:
    """Yield the dots of a point that are on the canvas, in columns and rows of dots."""
    shape = _SHAPES[point.emphasis]
    x, y = axes.position(point)
    left, top = round(x) - len(shape[0]) // 2, round(y) - len(shape) // 2
    for row, line in enumerate(shape):
        for column, mark in enumerate(line):
            at = left + column, top + row
            across, down = axes.x.rows * DOTS_ACROSS, axes.y.rows * DOTS_DOWN
            if mark == "#" and 0 <= at[0] < across and 0 <= at[1] < down:
                yield at


def _draw_label(plot: Canvas, point: ScatterPoint, axes: ScatterAxes) -> None:
    size = len(point.label)
    if not size or size != cell_len(point.label):
        return
    x, y = axes.position(point)
    column, row = int(x // DOTS_ACROSS), int(y // DOTS_DOWN)
    for across, down in _PLACES:
        first = column + across - (size - 1 if across < 0 else 0)
        on_plot = 0 <= first <= plot.width - size and 0 <= row + down < plot.height
        if on_plot and plot.is_free(first, row + down, size):
            plot.text(first, row + down, point.label, point.color)
            return


def _x_ticks(axes: ScatterAxes) -> list[tuple[int, str]]:
    """Return column and label of the ticks, evenly thinned so that labels do not touch."""
    ticks = sorted((axes.x.rows - 1 - row, label) for row, label in axes.x.ticks)
    for stride in range(1, len(ticks)):
        starts = [(_label_start(axes, *tick), tick[1]) for tick in ticks[::stride]]
        if all(a + len(label) < b for (a, label), (b, _) in pairwise(starts)):
            return ticks[::stride]
    return ticks[:1]


def _label_start(axes: ScatterAxes, column: int, label: str) -> int:
    """Return the first cell of a label that is centered below its tick, but within the line."""
    first = axes.left + column - (len(label) - 1) // 2
    return min(max(0, first), axes.left + axes.x.rows - len(label))


def _tick_labels(axes: ScatterAxes, ticks: Sequence[tuple[int, str]]) -> Text:
    line = [" "] * (axes.left + axes.x.rows)
    for column, label in ticks:
        first = _label_start(axes, column, label)
        line[first : first + len(label)] = label
    return Text("".join(line).rstrip(), no_wrap=True)


def _at_both_ends(left: str, right: str, width: int) -> str:
    right = _fitted(right, width)
    left = _fitted(left, width - cell_len(right) - 1)
    return left + " " * (width - cell_len(left) - cell_len(right)) + right


def _fitted(text: str, width: int) -> str:
    """Return a text of at most `width` cells."""
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1)}…" if width > 0 else ""
