"""Curves of groups of runs: their mean with the band from the lowest to the highest run."""

import math
from collections.abc import Sequence
from dataclasses import replace

from core.analysis.compare import ComparedRun
from core.analysis.compare_curves import curve_points
from core.analysis.curve_spread import SpreadPoint, curve_spread
from core.common.format import NONE, counted
from core.common.text import printable
from core.study.run_groups import RunGroup
from tui.charts.compare import CompareView, empty_chart, letters, title, visible_range
from tui.charts.scale import is_log
from tui.charts.spec import ChartSpec, Curve, CurveBand, PlotSymbol, Point
from tui.charts.svg import SvgChart, SvgCurve
from tui.preferences.palettes import LIGHT, Color, Palette


def mean_and_band(curves: Sequence[Sequence[Point]], color: Color) -> tuple[Curve, CurveBand]:
    """Return the mean of curves on one x axis, and the band from the lowest to the highest."""
    spread = curve_spread(curves)
    mean = Curve([(point.x, point.mean) for point in spread], color, leading=True)
    return mean, CurveBand([(point.x, point.low, point.high) for point in spread], color)


def group_spread(group: RunGroup, view: CompareView) -> list[SpreadPoint]:
    """Return mean and band of a group's runs for the curve and x axis of a view."""
    return curve_spread([curve_points(run, view.curve, view.alignment) for run in group.runs])


def group_chart(groups: Sequence[RunGroup], view: CompareView, palette: Palette) -> ChartSpec:
    """Return the chart of groups of runs: means and bands, or the curve of each run."""
    start, end = visible_range([run for group in groups for run in group.runs], view)
    curves: list[Curve] = []
    bands: list[CurveBand] = []
    symbols: list[PlotSymbol] = []
    for number, group in enumerate(groups):
        color = palette.runs[group.color % len(palette.runs)]
        points = [curve_points(run, view.curve, view.alignment) for run in group.runs]
        mean, band = mean_and_band(points, color)
        if view.single:
            curves += [Curve(each, color, labeled=False) for each in points]
        else:
            curves.append(mean)
            bands.append(band)
        visible = [p for p in mean.points if start <= p[0] <= end and math.isfinite(p[1])]
        symbols += letters(group.letter, color, visible, (number + 1) / (len(groups) + 1))
    spec = empty_chart(view, start, end, palette)
    return replace(spec, curves=curves, curve_bands=bands, symbols=symbols)


def runs_chart(
    runs: Sequence[ComparedRun], labels: Sequence[str], view: CompareView, palette: Palette,
    selected: str,
) -> ChartSpec:  # fmt: skip
    """Return the chart of the runs of one study: mean and band, or a curve each. The selected run
    (by id) has its own curve in both, and its label at the edge."""
    start, end = visible_range(runs, view)
    points = [curve_points(run, view.curve, view.alignment) for run in runs]
    curves, bands = [], []
    if view.single:
        for number, each in enumerate(points):
            if runs[number].id != selected:
                color = palette.runs[number % len(palette.runs)]
                curves.append(Curve(each, color, labeled=False, leading=True))
    else:
        mean, band = mean_and_band(points, palette.train)
        curves.append(replace(mean, name="mean" if len(runs) > 1 else ""))
        bands.append(band)
    for number, run in enumerate(runs):
        if run.id == selected and (len(runs) > 1 or view.single):
            curves.append(Curve(points[number], palette.val, "marked", name=labels[number]))
    spec = replace(empty_chart(view, start, end, palette), names_from=60)
    return replace(spec, curves=curves, curve_bands=bands)


def group_readout(groups: Sequence[RunGroup], view: CompareView) -> str:
    """Return mean, lowest and highest value of each group at the cursor; empty without one."""
    if view.cursor is None:
        return ""
    shown = [f"{group.letter} {_spread_text(group.runs, view)}" for group in groups]
    return f"{view.alignment.label} {view.cursor:.4g}:  " + "   ".join(shown)


def study_readout(runs: Sequence[ComparedRun], view: CompareView) -> str:
    """Return mean, lowest and highest value of runs at the cursor; empty without one."""
    if view.cursor is None:
        return ""
    return f"{view.alignment.label} {view.cursor:.4g}:  {_spread_text(runs, view)}"


def _spread_text(runs: Sequence[ComparedRun], view: CompareView) -> str:
    spread = curve_spread([curve_points(run, view.curve, view.alignment) for run in runs])
    before = [point for point in spread if point.x <= (view.cursor or 0.0) + 1e-9]
    if not before or not math.isfinite(before[-1].mean):
        return NONE
    text, point = view.curve.figure.text, before[-1]
    return f"{text(point.mean)} ({text(point.low)} to {text(point.high)}, n = {point.n})"


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
