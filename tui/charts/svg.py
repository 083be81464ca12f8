"""Line charts as SVG documents, for papers and web pages: black text on white."""

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
# Each line has its own dash pattern in addition to its color.
_DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 2", "12 4 2 4 2 4", "1 4", "14 5")


@dataclass(frozen=True, slots=True)
class SvgCurve:
    """A curve of the chart."""

    name: str
    letter: str
    """A letter at its end, so that lines can be identified without color."""
    color: str
    points: Sequence[Point]
    boundary_x: float | None = None
    """x of a thin vertical line where phase full starts."""
    band: Sequence[tuple[float, float, float]] = ()
    """x, lowest and highest value of a light area around the curve."""


@dataclass(frozen=True, slots=True)
class SvgChart:
    """Content of the chart; non-finite points interrupt a curve."""

    title: str
    x_label: str
    curves: Sequence[SvgCurve]
    log: bool = False
    y_unit: float = 1.0
    """Size of the unit of the y labels: 0.01 for percent."""


@dataclass(frozen=True, slots=True)
class _Axes:
    x: tuple[float, float]
    y: tuple[float, float]
    log: bool

    def position(self, point: Point) -> Point | None:
        """Return the position of a point in the document; None if it can't be drawn."""
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
    height = HEIGHT + _LEGEND_ROW * len(chart.curves)
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
    for curve in chart.curves:
        _band(svg, curve, axes)
    for number, curve in enumerate(chart.curves):
        _curve(svg, curve, axes, _DASHES[number % len(_DASHES)])
    _legend(svg, chart.curves)
    ET.indent(svg)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(svg, encoding="unicode")}\n'


def _axes(chart: SvgChart) -> _Axes:
    points = [
        point
        for curve in chart.curves
        for point in (*curve.points, *_edges(curve))
        if math.isfinite(point[0]) and math.isfinite(point[1])
    ]
    log = chart.log and any(y > 0 for _, y in points)
    ys = [math.log10(y) if log else y for _, y in points if y > 0 or not log]
    return _Axes(_range([x for x, _ in points], 0.0), _range(ys, 0.05), log)


def _edges(curve: SvgCurve) -> list[Point]:
    return [(x, y) for x, *ends in curve.band for y in ends]


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    # The difference of the largest floats overflows.
    clipped = [max(-1e100, min(1e100, value)) for value in values]
    low, high = min(clipped, default=0.0), max(clipped, default=1.0)
    if low == high:
        half = abs(low) * 0.05 or 0.5
        return low - half, high + half
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
        position = math.log10(value) if axes.log else value
        y = bottom - (position - axes.y[0]) / (axes.y[1] - axes.y[0]) * (bottom - _TOP)
        _rule(svg, (_LEFT, y), (right, y))
        text = f"{label:.3g}" if axes.log else axis_label(label, labels)
        _text(svg, (_LEFT - 8, y + 4), text, anchor="end")


def _log_values(low: float, high: float) -> list[float]:
    """Return powers of ten between two exponents, with 2 and 5 times each if there are few."""
    exponents = range(math.floor(low), math.ceil(high) + 1)
    step = max(1, math.ceil(len(exponents) / 8))
    factors = (1, 2, 5) if len(exponents) <= 4 else (1,)
    values = [factor * 10.0**exponent for exponent in exponents[::step] for factor in factors]
    return [value for value in values if value > 0 and low <= math.log10(value) <= high]


def _curve(svg: ET.Element, curve: SvgCurve, axes: _Axes, dashes: str) -> None:
    marker = curve.boundary_x
    if marker is not None and axes.x[0] < marker < axes.x[1]:
        x = _LEFT + (marker - axes.x[0]) / (axes.x[1] - axes.x[0]) * (WIDTH - _LEFT - _RIGHT)
        _rule(svg, (x, _TOP), (x, HEIGHT - _BOTTOM), curve.color, "2 4")
    last: Point | None = None
    for part in _parts([axes.position(point) for point in curve.points]):
        last = part[-1]
        style = {"fill": "none", "stroke": curve.color, "stroke-width": "2"}
        if dashes:
            style["stroke-dasharray"] = dashes
        if len(part) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in part)
            ET.SubElement(svg, "polyline", {"points": path, **style})
        else:
            x, y = part[0]
            ET.SubElement(svg, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3", fill=curve.color)
    if last:
        style_of_letter = f"font-weight:bold;fill:{curve.color}"
        _text(svg, (last[0] + 3, last[1] - 5), curve.letter, style_of_letter)


def _band(svg: ET.Element, curve: SvgCurve, axes: _Axes) -> None:
    low = _parts([axes.position((x, low)) for x, low, _ in curve.band])
    high = _parts([axes.position((x, high)) for x, _, high in curve.band])
    for lower, upper in zip(low, high, strict=False):
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *reversed(lower)))
        ET.SubElement(svg, "polygon", {"points": outline, "fill": curve.color, "opacity": "0.15"})


def _parts(points: Sequence[Point | None]) -> list[list[Point]]:
    """Split a curve where it is interrupted."""
    parts: list[list[Point]] = [[]]
    for point in points:
        if point is not None:
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _legend(svg: ET.Element, curves: Sequence[SvgCurve]) -> None:
    for number, curve in enumerate(curves):
        y = HEIGHT + 4 + _LEGEND_ROW * number
        style = {"stroke": curve.color, "stroke-width": "2"}
        if dashes := _DASHES[number % len(_DASHES)]:
            style["stroke-dasharray"] = dashes
        _stroke(svg, (_LEFT, y - 4), (_LEFT + 34, y - 4), style)
        name = curve.name if len(curve.name) <= 100 else f"{curve.name[:99]}…"
        _text(svg, (_LEFT + 44, y), f"{curve.letter}  {name}")


def _rule(
    svg: ET.Element, start: Point, end: Point, color: str = "#dddddd", dashes: str = ""
) -> None:
    style = {"stroke": color, "stroke-width": "1"}
    if dashes:
        style["stroke-dasharray"] = dashes
    _stroke(svg, start, end, style)


def _stroke(svg: ET.Element, start: Point, end: Point, style: dict[str, str]) -> None:
    ends = zip(("x1", "y1", "x2", "y2"), (*start, *end), strict=True)
    ET.SubElement(svg, "line", {**{key: f"{value:.1f}" for key, value in ends}, **style})


def _text(
    svg: ET.Element, position: Point, text: str, style: str = "", anchor: str = "start"
) -> None:
    element = ET.SubElement(
        svg,
        "text",
        {
            "x": f"{position[0]:.1f}",
            "y": f"{position[1]:.1f}",
            "text-anchor": anchor,
            "style": f"{_FONT};{style}" if style else _FONT,
        },
    )
    element.text = printable(text)
