"""A chart of several lines as SVG: for papers and pages, so with black text on white."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from core.common.text import printable
from tui.charts.scale import axis_label, round_values

Point = tuple[float, float]

WIDTH, HEIGHT = 960, 540
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 24, 44, 56
_LEGEND_ROW = 18
_FONT = "font-family:Helvetica,Arial,sans-serif;font-size:13px"
# Each line has a pattern of its own beside its colour.
_DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 2", "12 4 2 4 2 4", "1 4", "14 5")


@dataclass(frozen=True, slots=True)
class SvgLine:
    """A line of the chart."""

    name: str
    sign: str
    """A letter at its end, so that colour is not all that tells it."""
    colour: str
    points: Sequence[Point]
    mark_x: float | None = None
    """Where something began: a thin vertical line."""


@dataclass(frozen=True, slots=True)
class SvgChart:
    """What the chart shows; points that are not finite break a line."""

    title: str
    x_label: str
    lines: Sequence[SvgLine]
    log: bool = False
    y_unit: float = 1.0
    """What the labels of the y axis count in: 0.01 for percent."""


@dataclass(frozen=True, slots=True)
class _Axes:
    x: tuple[float, float]
    y: tuple[float, float]
    log: bool

    def place(self, point: Point) -> Point | None:
        """Return where a point stands in the picture; None where it can't be drawn."""
        x, y = point
        if not (math.isfinite(x) and math.isfinite(y)) or (self.log and y <= 0):
            return None
        y = math.log10(y) if self.log else y
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return (
            _LEFT + across * (WIDTH - _LEFT - _RIGHT),
            HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM),
        )


def draw_svg(chart: SvgChart) -> str:
    """Return the chart as an SVG document."""
    height = HEIGHT + _LEGEND_ROW * len(chart.lines)
    svg = ET.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=str(WIDTH),
        height=str(height),
    )
    ET.SubElement(svg, "title").text = printable(chart.title)
    ET.SubElement(svg, "rect", width="100%", height="100%", fill="white")
    axes = _axes(chart)
    _text(svg, (_LEFT, 24), chart.title, "font-weight:bold;font-size:15px")
    _text(svg, ((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 12), chart.x_label, anchor="middle")
    _grid(svg, chart, axes)
    for number, line in enumerate(chart.lines):
        _line(svg, line, axes, _DASHES[number % len(_DASHES)])
    _legend(svg, chart.lines)
    ET.indent(svg)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(svg, encoding="unicode")}\n'


def _axes(chart: SvgChart) -> _Axes:
    points = [
        point
        for line in chart.lines
        for point in line.points
        if math.isfinite(point[0]) and math.isfinite(point[1])
    ]
    log = chart.log and any(y > 0 for _, y in points)
    ys = [math.log10(y) if log else y for _, y in points if y > 0 or not log]
    return _Axes(_range([x for x, _ in points], 0.0), _range(ys, 0.05), log)


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    # The largest floats have no difference that is a float.
    kept = [max(-1e100, min(1e100, value)) for value in values]
    low, high = min(kept, default=0.0), max(kept, default=1.0)
    if low == high:
        room = abs(low) * 0.05 or 0.5
        return low - room, high + room
    return low - margin * (high - low), high + margin * (high - low)


def _grid(svg: ET.Element, chart: SvgChart, axes: _Axes) -> None:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    values = round_values(*axes.x, 8)
    for value in values:
        x = _LEFT + (value - axes.x[0]) / (axes.x[1] - axes.x[0]) * (right - _LEFT)
        _rule(svg, (x, _TOP), (x, bottom))
        _text(svg, (x, bottom + 20), axis_label(value, values), anchor="middle")
    shown = _log_values(*axes.y) if axes.log else round_values(*axes.y, 6)
    labels = [value / chart.y_unit for value in shown]
    for value, label in zip(shown, labels, strict=True):
        place = math.log10(value) if axes.log else value
        y = bottom - (place - axes.y[0]) / (axes.y[1] - axes.y[0]) * (bottom - _TOP)
        _rule(svg, (_LEFT, y), (right, y))
        text = f"{label:.3g}" if axes.log else axis_label(label, labels)
        _text(svg, (_LEFT - 8, y + 4), text, anchor="end")


def _log_values(low: float, high: float) -> list[float]:
    """Return powers of ten between two exponents, with 2 and 5 times each where there is room."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    step = max(1, math.ceil(len(exponents) / 8))
    factors = (1, 2, 5) if len(exponents) <= 4 else (1,)
    values = [factor * 10.0**exponent for exponent in exponents[::step] for factor in factors]
    return [value for value in values if value > 0 and low <= math.log10(value) <= high]


def _line(svg: ET.Element, line: SvgLine, axes: _Axes, dashes: str) -> None:
    if line.mark_x is not None and axes.x[0] < line.mark_x < axes.x[1]:
        x = _LEFT + (line.mark_x - axes.x[0]) / (axes.x[1] - axes.x[0]) * (WIDTH - _LEFT - _RIGHT)
        _rule(svg, (x, _TOP), (x, HEIGHT - _BOTTOM), line.colour, "2 4")
    last: Point | None = None
    for part in _parts([axes.place(point) for point in line.points]):
        last = part[-1]
        style = {"fill": "none", "stroke": line.colour, "stroke-width": "2"}
        if dashes:
            style["stroke-dasharray"] = dashes
        if len(part) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in part)
            ET.SubElement(svg, "polyline", {"points": path, **style})
        else:
            x, y = part[0]
            ET.SubElement(svg, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3", fill=line.colour)
    if last:
        _text(svg, (last[0] + 3, last[1] - 5), line.sign, f"font-weight:bold;fill:{line.colour}")


def _parts(places: Sequence[Point | None]) -> list[list[Point]]:
    """Split a line where it has no place."""
    parts: list[list[Point]] = [[]]
    for place in places:
        if place is not None:
            parts[-1].append(place)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _legend(svg: ET.Element, lines: Sequence[SvgLine]) -> None:
    for number, line in enumerate(lines):
        y = HEIGHT + 4 + _LEGEND_ROW * number
        style = {"stroke": line.colour, "stroke-width": "2"}
        if dashes := _DASHES[number % len(_DASHES)]:
            style["stroke-dasharray"] = dashes
        _stroke(svg, (_LEFT, y - 4), (_LEFT + 34, y - 4), style)
        name = line.name if len(line.name) <= 100 else f"{line.name[:99]}…"
        _text(svg, (_LEFT + 44, y), f"{line.sign}  {name}")


def _rule(
    svg: ET.Element, start: Point, end: Point, colour: str = "#dddddd", dashes: str = ""
) -> None:
    style = {"stroke": colour, "stroke-width": "1"}
    if dashes:
        style["stroke-dasharray"] = dashes
    _stroke(svg, start, end, style)


def _stroke(svg: ET.Element, start: Point, end: Point, style: dict[str, str]) -> None:
    places = zip(("x1", "y1", "x2", "y2"), (*start, *end), strict=True)
    ET.SubElement(svg, "line", {**{key: f"{value:.1f}" for key, value in places}, **style})


def _text(svg: ET.Element, place: Point, text: str, style: str = "", anchor: str = "start") -> None:
    element = ET.SubElement(
        svg,
        "text",
        {
            "x": f"{place[0]:.1f}",
            "y": f"{place[1]:.1f}",
            "text-anchor": anchor,
            "style": f"{_FONT};{style}" if style else _FONT,
        },
    )
    element.text = printable(text)
