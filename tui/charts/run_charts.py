"""Charts of a run: chart specs, titles and legends from the run state and the view."""

import math
from collections.abc import Sequence
from dataclasses import replace

from core.analysis import curves
from core.common import format as fmt
from core.common.text import printable
from core.run.figures import FIGURES, Figure, charted_figures
from core.run.state import RunState
from core.run.state_parts import Marker
from tui.charts.scale import axis_label, round_seconds, round_values
from tui.charts.spec import (
    BEST_SYMBOL,
    COMMAND_SYMBOL,
    LEVEL_SYMBOL,
    LR_SYMBOL,
    NAN_SYMBOL,
    PHASE_SYMBOL,
    RESUME_SYMBOL,
    VAL_SYMBOL,
    WARNING_SYMBOL,
    Band,
    ChartSpec,
    Curve,
    LegendItem,
    Level,
    PlotSymbol,
    Tick,
)
from tui.charts.view import (
    AxisMap,
    ChartView,
    marker_position,
    run_end,
    to_axis,
    visible_range,
)
from tui.preferences.palettes import DARK, Palette

MARKER_SYMBOLS = {
    "command": COMMAND_SYMBOL,
    "warning": WARNING_SYMBOL,
    "resume": RESUME_SYMBOL,
    "lr": LR_SYMBOL,
}
_MAX_TICKS = 12
_WIDTH_WITH_NAMES = 60
_LEGEND_CELLS = 70
"""Length of the texts of several markers in a legend."""


def chart(state: RunState, figure: Figure, view: ChartView, palette: Palette = DARK) -> ChartSpec:
    """Return the chart of a figure."""
    axis = to_axis(state, view)
    start, end = visible_range(state, view)
    return ChartSpec(
        curves=_curves(state, figure, view, palette),
        symbols=_symbols(state, figure, palette, view),
        levels=_levels(state, figure, palette, axis),
        bands=bands(state, view),
        start=axis(start),
        end=axis(end),
        cursor=None if view.cursor is None else axis(view.cursor),
        ticks=ticks(state, view),
        y_unit=figure.unit_size,
        y_max=figure.y_max,
        scale=figure.scale if view.scale == "auto" or figure.limits else view.scale,
        full=view.full,
        nan_x=[axis(x) for x in curves.nonfinite_xs(state, figure)],
        text=figure.text,
        bad=palette.bad,
        names_from=_WIDTH_WITH_NAMES,
        empty=_empty(state),
    )


def pair_figures(state: RunState) -> tuple[Figure, ...]:
    """Return the figures of the two charts that a run opens with: the loss, and top-1 accuracy or
    the other metric that the current phase monitors."""
    loss, top1 = charted_figures()[:2]
    monitored = _monitored(state)
    return loss, monitored[-1] if monitored else top1


def _monitored(state: RunState) -> list[Figure]:
    """Return the figures that a phase monitors and that otherwise have no chart."""
    monitors = [phase.stopping.monitor for phase in state.phases.values() if phase.stopping]
    return [FIGURES[key] for key in monitors if key in FIGURES and not FIGURES[key].chart]


def measured_figures(state: RunState) -> tuple[Figure, ...]:
    """Return the figures with a chart that have values, and the monitored one; all figures with a
    chart before the first values."""
    figures = (*charted_figures(), *dict.fromkeys(_monitored(state)))
    measured = (
        figure
        for figure in figures
        if curves.train_points(state, figure) or curves.val_points(state, figure)
    )
    return tuple(measured) or figures


def _empty(state: RunState) -> str:
    """Return the text of a chart without a curve."""
    if any(state.series.values()):
        return "not measured in this run"
    return "no training step" if state.over else "the first values follow the first steps"


def _curves(state: RunState, figure: Figure, view: ChartView, palette: Palette) -> list[Curve]:
    axis = to_axis(state, view)

    def on_axis(points: Sequence[curves.Point]) -> list[curves.Point]:
        return [(axis(x), y) for x, y in points]

    raw = on_axis(curves.train_points(state, figure))
    val = on_axis(curves.val_points(state, figure))
    series = curves.buckets(state, figure)
    last = series[-1].last if series and not figure.running_mean else None
    drawn = [Curve(raw, palette.train, last=last)]
    phase = state.current
    if figure.by_phase and phase is not None:
        drawn = _by_phase(raw, axis(phase.start_x), palette, last)
    if view.smoothing and figure.smoothable:
        drawn = [Curve(raw, palette.faint, "cloud", labeled=False)]
        drawn.append(Curve(curves.smoothed(raw, view.smoothing), palette.train))
    if not val:
        return drawn
    drawn = [replace(curve, name="train") if curve.labeled else curve for curve in drawn]
    both = raw and view.series == "both"
    shown = drawn if both or view.series == "train" else []
    if view.series != "train" or not raw:
        shown.append(Curve(val, palette.val, "marked", leading=True, name="val"))
    return shown


def _by_phase(
    points: Sequence[curves.Point], start: float, palette: Palette, last: float | None
) -> list[Curve]:
    """Return a curve as that of the last phase, from `start`, and that of earlier ones."""
    before = [point for point in points if point[0] <= start]
    now = [point for point in points if point[0] > start]
    earlier = Curve(before, palette.train, is_background=True, labeled=False)
    return [*([earlier] if before else ()), Curve(now, palette.train, last=last)]


def _symbols(
    state: RunState, figure: Figure, palette: Palette, view: ChartView
) -> list[PlotSymbol]:
    axis = to_axis(state, view)
    symbols: list[PlotSymbol] = []
    if state.best and figure.val and math.isfinite(figure.val.read(state.best.result)):
        symbols.append(PlotSymbol(axis(state.best.x), BEST_SYMBOL, palette.best))
    for marker in state.markers:
        if marker.kind in MARKER_SYMBOLS and (marker.kind != "lr" or figure.key == "lr"):
            color = palette.bad if marker.kind == "warning" else palette.marker
            position = marker_position(state, view, marker)
            symbols.append(PlotSymbol(position, MARKER_SYMBOLS[marker.kind], color))
    return symbols


def _levels(state: RunState, figure: Figure, palette: Palette, axis: AxisMap) -> list[Level]:
    """Return the threshold of early stopping, on the chart of the metric that it monitors."""
    phase = state.current
    if phase is None or phase.status != "running" or not phase.epochs:
        return []
    if phase.stopping is None or not math.isfinite(phase.stopping.threshold):
        return []
    if figure.val is None or figure.val.column != phase.stopping.monitor:
        return []
    since = phase.start_x + max(1, len(phase.epochs) - phase.stopping.bad_epochs)
    threshold = phase.stopping.threshold
    text = f"{LEVEL_SYMBOL}{phase.stopping.metric.text(threshold)}"
    return [Level(threshold, axis(since), axis(run_end(state)), palette.marker, text)]


def bands(state: RunState, view: ChartView) -> list[Band]:
    """Return the phases that have started, in the unit of the x axis."""
    axis = to_axis(state, view)
    return [
        # A phase may be ended during a pause.
        Band(axis(state.timeline.pause_end(phase.start_x)), printable(phase.name))
        for phase in state.phases.values()
        if phase.started
    ]


def ticks(state: RunState, view: ChartView) -> list[Tick]:
    """Return the labels of the x axis for the visible range."""
    start, end = map(to_axis(state, view), visible_range(state, view))
    if view.axis == "time":
        values = round_seconds(start, end, 8)
        return [Tick(x, fmt.duration(x)) for x in values]
    if view.axis == "step":
        values = [x for x in round_values(start, end, 8) if x == int(x)]
        return [Tick(x, fmt.count(int(x))) for x in values]
    inside = [tick for tick in epoch_ticks(state) if start <= tick.x <= end]
    if len(inside) > 1:
        return thinned_ticks(inside)
    values = round_values(start, end, 8)
    return [Tick(x, axis_label(x, values)) for x in values]


def epoch_ticks(state: RunState) -> list[Tick]:
    """Return a tick for every epoch, counted from 1 in each phase."""
    ticks = [Tick(point.x, str(point.result.epoch)) for point in state.epochs]
    phase = state.current
    if state.progress and phase:
        ticks.append(Tick(state.epoch_start + 1, str(len(phase.epochs) + 1)))
    return ticks


def thinned_ticks(ticks: list[Tick]) -> list[Tick]:
    """Return first epochs and round numbers if there are too many epochs to label all."""
    if len(ticks) <= _MAX_TICKS:
        return ticks
    steps = (2, 5, 10, 20, 50, 100, 1000, 10**9)
    step = next(s for s in steps if len(ticks) / s <= _MAX_TICKS)
    return [tick for tick in ticks if tick.label == "1" or int(tick.label) % step == 0]


def title(state: RunState, figure: Figure, view: ChartView, log: bool) -> str:
    """Return the title of a chart: figure, notes, and the values of the last epoch."""
    return titles(state, figure, view, log)[0]


def titles(state: RunState, figure: Figure, view: ChartView, log: bool) -> list[str]:
    """Return the title of a chart and shorter ones, for charts that it does not fit."""
    last = state.epochs[-1].result if state.epochs else None
    notes = ["log"] if log else []
    if view.series != "both" and figure.val:
        notes.append(f"{view.series} only")
    if view.smoothing and figure.smoothable:
        notes.append(f"smoothed {view.smoothing:g}")
    name = figure.title + (f" ({', '.join(notes)})" if notes else "")
    if figure.train is None or figure.val is None or last is None:
        return [name + latest(state, figure), name]
    train, val = (figure.text(value.read(last)) for value in (figure.train, figure.val))
    return [
        f"{name} · epoch {last.epoch}: train {train}, val {val}",
        f"{name} · epoch {last.epoch}: val {val}",
        f"{name} · val {val}",
        name,
    ]


def latest(state: RunState, figure: Figure) -> str:
    """Return the latest value of a figure without train and val values, for its title; nothing
    once the run has ended, when the panels show the last epoch."""
    if state.over:
        return ""
    points = curves.train_points(state, figure)
    return f" · {figure.text(points[-1][1])}" if points else ""


def legend(state: RunState, figure: Figure, series: str = "both") -> list[LegendItem]:
    """Return the legend of a chart, the least important items last; rare symbols only if they
    occur. `series` is which of train and val is drawn."""
    items = [LegendItem(text) for text in _rare_items(state, figure)]
    if not figure.val:
        return items
    names = {"train": "⠒⠒ train", "val": f"{VAL_SYMBOL}⠒ val"}
    known = [
        LegendItem(text, series=name, hidden=series not in ("both", name))
        for name, text in names.items()
    ]
    return [*known, *items]


def legend_text(state: RunState, figure: Figure) -> str:
    """Return the whole legend of a chart as text."""
    return "  ".join(item.text for item in legend(state, figure))


def _rare_items(state: RunState, figure: Figure) -> list[str]:
    parts = []
    if state.best and figure.val:
        parts.append(f"{BEST_SYMBOL} best")
    level = _levels(state, figure, DARK, float)
    if level:
        parts.append(f"{LEVEL_SYMBOL} must beat {fmt.loss(level[0].y)}")
    kinds = {marker.kind for marker in state.markers}
    if "warning" in kinds:
        parts.append(f"{WARNING_SYMBOL} warning")
    if "resume" in kinds:
        parts.append(f"{RESUME_SYMBOL} resumed")
    if _has_nonfinite(state, figure):
        parts.append(f"{NAN_SYMBOL} non-finite")
    if figure.key == "lr" and "lr" in kinds:
        parts.append(_named(state, "lr"))
    if "command" in kinds:
        parts.append(_named(state, "command"))
    return parts


def _named(state: RunState, kind: str) -> str:
    """Return the symbol and the texts of the markers of a kind, the latest first, as a narrow chart
    cuts the end; of many the latest ones."""
    texts = [printable(marker.text) for marker in reversed(state.markers) if marker.kind == kind]
    shown = texts[:1]
    for text in texts[1:]:
        if len(", ".join([*shown, text])) > _LEGEND_CELLS:
            shown.append(f"{len(texts) - len(shown)} earlier")
            break
        shown.append(text)
    return f"{MARKER_SYMBOLS[kind]} {', '.join(shown)}"


def _has_nonfinite(state: RunState, figure: Figure) -> bool:
    values = [y for _, y in curves.val_points(state, figure)]
    return bool(curves.nonfinite_xs(state, figure)) or not all(map(math.isfinite, values))


def best_note(state: RunState) -> str:
    """Return the best epoch so far, for the lower border of the accuracy chart."""
    if state.best is None:
        return ""
    best = state.best.result
    where = f"{printable(best.phase)}, epoch {best.epoch}"
    return f"{BEST_SYMBOL} best val {fmt.percent(best.val_top1)} ({where})"


def marker_text(marker: Marker) -> str:
    """Return the description of a marker under the cursor."""
    symbol = MARKER_SYMBOLS.get(marker.kind, PHASE_SYMBOL)
    return f"{symbol} {printable(marker.text)}, {fmt.clock_time(marker.time)}"
