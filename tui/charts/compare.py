"""Chart of a comparison: chart spec, title, legend and readout from runs and a view."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.analysis.compare import ComparedRun
from core.analysis.compare_curves import (
    ALIGNMENTS,
    Alignment,
    ComparisonCurve,
    best_point,
    comparison_curves,
    curve_points,
    unfreeze_x,
)
from core.common import format as fmt
from core.common.errors import SetupError
from core.common.text import printable, quoted
from core.config.phases import FULL, HEAD
from tui.charts.scale import axis_label, is_log, round_values
from tui.charts.spec import BEST_SYMBOL, Band, ChartSpec, Curve, LegendItem, PlotSymbol, Tick
from tui.charts.svg import SvgChart, SvgCurve
from tui.charts.viewport import Viewport, Window
from tui.preferences.palettes import LIGHT, Color, Palette

UNFREEZE_SYMBOL = "▴"
SCALES = ("auto", "log", "linear")


@dataclass(frozen=True, slots=True)
class CompareView:
    """A view of a comparison; window and cursor in the unit of the x axis."""

    curve_index: int = 0
    alignment_index: int = 0
    scale: str = "auto"
    full: bool = False
    """Whether the y axis shows all values."""
    window: Window | None = None
    """The visible range; None shows everything, also while the runs continue."""
    cursor: float | None = None
    single: bool = False
    """Whether groups of runs are drawn as the curves of their runs, not as mean and band."""

    @property
    def curve(self) -> ComparisonCurve:
        """Return the curve that is drawn."""
        return comparison_curves()[self.curve_index]

    @property
    def alignment(self) -> Alignment:
        """Return the unit and origin of the x axis."""
        return ALIGNMENTS[self.alignment_index]

    def next_curve(self) -> "CompareView":
        """Return the view of the next curve, with the same visible range."""
        return replace(self, curve_index=(self.curve_index + 1) % len(comparison_curves()))

    def next_alignment(self) -> "CompareView":
        """Return the view over the next x axis, of everything."""
        following = (self.alignment_index + 1) % len(ALIGNMENTS)
        return replace(self, alignment_index=following, window=None, cursor=None)

    def next_scale(self) -> "CompareView":
        """Return the view with the next scale of the y axis."""
        return replace(self, scale=SCALES[(SCALES.index(self.scale) + 1) % len(SCALES)])


def compare_view(figure: str, axis: str) -> CompareView:
    """Return the view of a figure over an axis, by their keys; raises SetupError."""
    figures = [curve.key for curve in comparison_curves()]
    if figure not in figures:
        known = ", ".join(figures)
        raise SetupError(f"unknown figure {quoted(figure)}; expected one of: {known}")
    axes = [alignment.key for alignment in ALIGNMENTS]
    return CompareView(curve_index=figures.index(figure), alignment_index=axes.index(axis))


Runs = Sequence[ComparedRun]


def _extent(runs: Runs, view: CompareView) -> Window:
    """Return the whole x axis."""
    points = [p for run in runs for p in curve_points(run, view.curve, view.alignment)]
    xs = [x for x, _ in points if math.isfinite(x)]
    low, high = min(xs, default=0.0), max(xs, default=1.0)
    return low, high if high > low else low + 1.0


def visible_range(runs: Runs, view: CompareView) -> Window:
    """Return the visible range of the x axis."""
    return view.window or _extent(runs, view)


def adjusted(runs: Runs, view: CompareView, change: Callable[[Viewport], Viewport]) -> CompareView:
    """Return the view after a change of window or cursor."""
    low, high = _extent(runs, view)
    after = change(Viewport(low, high, view.window, view.cursor))
    return replace(view, window=after.window, cursor=after.cursor)


def chart(runs: Runs, view: CompareView, palette: Palette) -> ChartSpec:
    """Return the chart of the runs' curves."""
    start, end = visible_range(runs, view)
    curves, symbols = [], []
    for number, run in enumerate(runs):
        color = run_color(run, palette)
        points = curve_points(run, view.curve, view.alignment)
        curves.append(Curve(points, color))
        best = best_point(run, view.curve, view.alignment)
        if best:
            symbols.append(PlotSymbol(best[0], BEST_SYMBOL, color))
        unfreeze = unfreeze_x(run, view.alignment)
        if unfreeze is not None and view.alignment.key != "unfreeze":
            symbols.append(PlotSymbol(unfreeze, UNFREEZE_SYMBOL, color))
        visible = [p for p in points if start <= p[0] <= end and math.isfinite(p[1])]
        symbols += letters(run.letter, color, visible, (number + 1) / (len(runs) + 1))
    return replace(empty_chart(view, start, end, palette), curves=curves, symbols=symbols)


def empty_chart(view: CompareView, start: float, end: float, palette: Palette) -> ChartSpec:
    """Return the chart of a view without curves."""
    values = round_values(start, end, 8)
    figure = view.curve.figure
    bands = [Band(start, HEAD), Band(0.0, FULL)] if view.alignment.key == "unfreeze" else []
    return ChartSpec(
        bands=bands,
        start=start,
        end=end,
        cursor=view.cursor,
        ticks=[Tick(x, axis_label(x, values)) for x in values],
        y_unit=figure.unit_size,
        y_max=figure.y_max,
        scale=_scale(view),
        full=view.full,
        text=figure.text,
        bad=palette.bad,
        empty="the first points follow the first epoch",
    )


def letters(
    letter: str, color: Color, points: Sequence[tuple[float, float]], fraction: float
) -> list[PlotSymbol]:
    """Return a letter at the start of its curve and at a fraction of it, which differs from
    run to run, as curves may coincide."""
    if not points:
        return []
    labeled = {points[int(fraction * (len(points) - 1))], points[0]}
    return [PlotSymbol(x, letter, color, y) for x, y in sorted(labeled)]


def _scale(view: CompareView) -> str:
    return view.curve.figure.scale if view.scale == "auto" else view.scale


def run_color(run: ComparedRun, palette: Palette) -> Color:
    """Return a run's color."""
    return palette.runs[run.label.color % len(palette.runs)]


def title(view: CompareView, log: bool, with_unit: bool = False) -> str:
    """Return the chart's title: curve and x axis, with the unit where no value on the chart has
    it."""
    unit = view.curve.figure.unit if with_unit else ""
    notes = [f"in {unit}"] if unit else []
    notes += ["log"] if log else []
    label = view.curve.label
    name = f"{label} ({', '.join(notes)})" if notes else label
    return f"{name} over {view.alignment.label}"


def legend(runs: Runs, view: CompareView) -> list[LegendItem]:
    """Return the legend of the chart; rare symbols only if they occur."""
    parts = []
    if view.curve.epoch and any(run.best for run in runs):
        parts.append(f"{BEST_SYMBOL} best epoch")
    if view.alignment.key != "unfreeze" and any(run.unfreeze is not None for run in runs):
        parts.append(f"{UNFREEZE_SYMBOL} unfreeze")
    return list(map(LegendItem, parts))


def readout(runs: Runs, view: CompareView) -> str:
    """Return each run's value at the cursor; empty without one."""
    if view.cursor is None:
        return ""
    shown = [f"{run.letter} {_value_text(run, view)}" for run in runs]
    return f"{view.alignment.label} {view.cursor:.4g}:  " + "   ".join(shown)


def _value_text(run: ComparedRun, view: CompareView) -> str:
    """Return the last value up to the cursor."""
    points = curve_points(run, view.curve, view.alignment)
    following = bisect_right([x for x, _ in points], (view.cursor or 0.0) + 1e-9)
    return view.curve.figure.text(points[following - 1][1]) if following else fmt.NONE


def svg(runs: Runs, view: CompareView) -> SvgChart:
    """Return the visible part of the chart for export."""
    start, end = visible_range(runs, view)
    curves = []
    names = Counter(run.name for run in runs)
    for run in runs:
        points = curve_points(run, view.curve, view.alignment)
        red, green, blue = run_color(run, LIGHT)
        curves.append(
            SvgCurve(
                name=printable(run.name if names[run.name] == 1 else f"{run.name} ({run.id})"),
                letter=run.letter,
                color=f"#{red:02x}{green:02x}{blue:02x}",
                points=[point for point in points if start <= point[0] <= end],
                boundary_x=unfreeze_x(run, view.alignment),
            )
        )
    values = [y for curve in curves for _, y in curve.points if math.isfinite(y)]
    log = is_log(values, _scale(view))
    unit_size = view.curve.figure.unit_size
    return SvgChart(title(view, log, with_unit=True), view.alignment.label, curves, log, unit_size)
