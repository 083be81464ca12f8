"""Curves of groups of runs: their mean with the band from the lowest to the highest run."""

import math
from collections.abc import Sequence

from core.analysis.compare_curves import curve_points
from core.analysis.curve_spread import SpreadPoint, curve_spread
from core.common.format import counted
from core.common.text import printable
from core.study.run_groups import RunGroup
from tui.charts.compare import CompareView, title
from tui.charts.scale import is_log
from tui.charts.spec import Curve, CurveBand, Point
from tui.charts.svg import SvgChart, SvgCurve
from tui.preferences.palettes import LIGHT, Color


def mean_and_band(curves: Sequence[Sequence[Point]], color: Color) -> tuple[Curve, CurveBand]:
    """Return the mean of curves on one x axis, and the band from the lowest to the highest."""
    spread = curve_spread(curves)
    mean = Curve([(point.x, point.mean) for point in spread], color, leading=True)
    return mean, CurveBand([(point.x, point.low, point.high) for point in spread], color)


def group_spread(group: RunGroup, view: CompareView) -> list[SpreadPoint]:
    """Return mean and band of a group's runs for the curve and x axis of a view."""
    return curve_spread([curve_points(run, view.curve, view.alignment) for run in group.runs])


def group_svg(groups: Sequence[RunGroup], view: CompareView) -> SvgChart:
    """Return the chart of the groups for export."""
    curves = []
    for group in groups:
        spread = group_spread(group, view)
        red, green, blue = LIGHT.runs[group.color % len(LIGHT.runs)]
        curves.append(
            SvgCurve(
                name=f"{printable(group.name)}: mean and range of {_runs(group)}",
                letter=group.letter,
                color=f"#{red:02x}{green:02x}{blue:02x}",
                points=[(point.x, point.mean) for point in spread],
                band=[(point.x, point.low, point.high) for point in spread],
            )
        )
    values = [y for curve in curves for _, *ends in curve.band for y in ends if math.isfinite(y)]
    scale = view.curve.figure.scale if view.scale == "auto" else view.scale
    log = is_log(values, scale)
    figure = view.curve.figure
    return SvgChart(title(view, log), view.alignment.label, curves, log, figure.unit_size)


def _runs(group: RunGroup) -> str:
    return counted(len(group.runs), "run")
