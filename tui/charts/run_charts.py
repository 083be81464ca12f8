"""The run's charts: from its state and the person's view to what is drawn, and the titles."""

import math
from collections.abc import Sequence
from itertools import pairwise

from core.analysis import curves
from core.analysis.curves import Metric
from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from core.run.state_parts import Marker
from tui.charts.plot import (
    BEST_SIGN,
    COMMAND_SIGN,
    LEVEL_SIGN,
    LOWER_SIGN,
    NAN_SIGN,
    RESUME_SIGN,
    VAL_SIGN,
    WARNING_SIGN,
    Boundary,
    ChartSpec,
    Level,
    Line,
    Sign,
    Tick,
)
from tui.charts.scale import axis_label, round_seconds, round_values
from tui.charts.view import Place, View, run_end, seen, to_axis
from tui.preferences.palettes import DARK, Palette

MARK_SIGNS = {
    "command": COMMAND_SIGN,
    "warning": WARNING_SIGN,
    "resume": RESUME_SIGN,
    "lr": LOWER_SIGN,
}
_MOST_TICKS = 12


def chart(state: RunState, metric: Metric, view: View, palette: Palette = DARK) -> ChartSpec:
    """Return the chart of one metric as the person looks at it."""
    place = to_axis(state, view)
    start, end = seen(state, view)
    return ChartSpec(
        lines=_lines(state, metric, view, palette, place),
        signs=_signs(state, metric, palette, place),
        levels=_levels(state, metric, palette, place),
        boundaries=[
            Boundary(place(b.x), b.before, b.after) if view.axis != "epoch" else b
            for b in boundaries(state)
        ],
        start=place(start),
        end=place(end),
        cursor=None if view.cursor is None else place(view.cursor),
        ticks=ticks(state, view),
        names_below=metric.goal == "max",
        y_limits=metric.limits,
        y_unit=metric.in_unit,
        scale=metric.scale if view.scale == "auto" or metric.limits else view.scale,
        bad=palette.bad,
        empty=_empty(state),
    )


def _empty(state: RunState) -> str:
    """Return what to say where a figure has no curve."""
    if any(state.curves.values()):
        return "not measured in this run"
    return "no step was taken" if state.over else "the first figures come with the first steps"


def _lines(
    state: RunState, metric: Metric, view: View, palette: Palette, place: Place
) -> list[Line]:
    def placed(points: Sequence[curves.Point]) -> list[curves.Point]:
        return [(place(x), y) for x, y in points]

    raw = placed(curves.train_points(state, metric))
    val = placed(curves.val_points(state, metric))
    lines = [Line(raw, palette.train)]
    if view.smoothing and metric.key != "lr":
        lines = [Line(raw, palette.faint, "cloud")]
        lines.append(Line(curves.smoothed(raw, view.smoothing), palette.train))
    return [*lines, Line(val, palette.val, "dots", VAL_SIGN)] if val else lines


def _signs(state: RunState, metric: Metric, palette: Palette, place: Place) -> list[Sign]:
    signs = [
        Sign(place(x), NAN_SIGN, palette.bad, top=True)
        for x in curves.nonfinite_places(state, metric)
    ]
    for mark in state.markers:
        if mark.kind in MARK_SIGNS and (mark.kind != "lr" or metric.key == "lr"):
            colour = palette.bad if mark.kind == "warning" else palette.mark
            signs.append(Sign(place(mark.x), MARK_SIGNS[mark.kind], colour))
    if state.best and metric.val:
        value = metric.val(state.best.result)
        if math.isfinite(value):
            signs.append(Sign(place(float(state.best.x)), BEST_SIGN, palette.best, value))
    return signs


def _levels(state: RunState, metric: Metric, palette: Palette, place: Place) -> list[Level]:
    """Return what the loss must fall below for early stopping to count it."""
    phase = state.current
    if metric.key != "loss" or phase is None or phase.status != "running" or not phase.epochs:
        return []
    if phase.stopping is None or not math.isfinite(phase.stopping.threshold):
        return []
    since = phase.start_x + max(1, len(phase.epochs) - phase.stopping.bad_epochs)
    level = Level(phase.stopping.threshold, place(since), place(run_end(state)), palette.mark)
    return [level]


def boundaries(state: RunState) -> list[Boundary]:
    """Return where phases begin after the first one."""
    begun = [phase for phase in state.phases.values() if phase.started]
    return [
        Boundary(after.start_x, printable(before.name), printable(after.name))
        for before, after in pairwise(begun)
    ]


def ticks(state: RunState, view: View) -> list[Tick]:
    """Return the labels of the x axis for what is seen."""
    place = to_axis(state, view)
    start, end = map(place, seen(state, view))
    if view.axis == "time":
        values = round_seconds(start, end, 8)
        return [Tick(x, fmt.duration(x)) for x in values]
    if view.axis == "step":
        values = [x for x in round_values(start, end, 8) if x == int(x)]
        return [Tick(x, fmt.count(int(x))) for x in values]
    inside = [tick for tick in epoch_ticks(state) if start <= tick.x <= end]
    if len(inside) > 1:
        return _even(inside)
    values = round_values(start, end, 8)
    return [Tick(x, axis_label(x, values)) for x in values]


def epoch_ticks(state: RunState) -> list[Tick]:
    """Return a tick for every epoch, counted anew in each phase."""
    ticks = [Tick(float(point.x), str(point.result.epoch)) for point in state.epochs]
    phase = state.current
    if state.progress and phase:
        ticks.append(Tick(float(len(state.epochs) + 1), str(len(phase.epochs) + 1)))
    return ticks


def _even(ticks: list[Tick]) -> list[Tick]:
    """Keep firsts and round numbers where there are too many epochs to name them all."""
    if len(ticks) <= _MOST_TICKS:
        return ticks
    steps = (2, 5, 10, 20, 50, 100, 1000, 10**9)
    step = next(s for s in steps if len(ticks) / s <= _MOST_TICKS)
    return [tick for tick in ticks if tick.label == "1" or int(tick.label) % step == 0]


def title(state: RunState, metric: Metric, view: View, log: bool) -> str:
    """Return a chart's title: what it shows in which unit, and the figures of the last epoch."""
    told = metric.train is not None and metric.val is not None and bool(state.epochs)
    about = [f"in {metric.unit}"] if metric.unit and not told else []
    about += ["log"] if log else []
    if view.smoothing and metric.key != "lr":
        about.append(f"smoothed {view.smoothing:g}")
    name = metric.title + (f" ({', '.join(about)})" if about else "")
    if metric.train is None or metric.val is None or not state.epochs:
        return name + latest(state, metric)
    last = state.epochs[-1].result
    shown = [figure_text(metric, figure(last)) for figure in (metric.train, metric.val)]
    return f"{name} · train {shown[0]} · val {shown[1]}"


def latest(state: RunState, metric: Metric) -> str:
    """Return the newest figure of a metric that no epoch sums up."""
    points = curves.train_points(state, metric)
    return f" · {figure_text(metric, points[-1][1])}" if points else ""


def figure_text(metric: Metric, value: float) -> str:
    """Return a figure of a metric with its unit."""
    if metric.key == "top1":
        return fmt.percent(value)
    if metric.key == "memory":
        return fmt.size(value)
    if metric.key == "lr":
        return fmt.rate(value)
    if metric.key == "images_per_second":
        return fmt.speed(value)
    return fmt.loss(value)


def legend(state: RunState, metric: Metric) -> str:
    """Return what the signs of a chart mean; rare signs only where they occur."""
    parts = ["⠒⠒ train", f"{VAL_SIGN} val"] if metric.val else []
    if state.best and metric.val:
        parts.append(f"{BEST_SIGN} best")
    level = _levels(state, metric, DARK, float)
    if level:
        parts.append(f"{LEVEL_SIGN} to beat: {fmt.loss(level[0].y)}")
    kinds = {mark.kind: mark for mark in state.markers}
    if "command" in kinds:
        parts.append(f"{COMMAND_SIGN} {printable(kinds['command'].text)}")
    if metric.key == "lr" and "lr" in kinds:
        parts.append(f"{LOWER_SIGN} {printable(kinds['lr'].text)}")
    if "warning" in kinds:
        parts.append(f"{WARNING_SIGN} warning")
    if "resume" in kinds:
        parts.append(f"{RESUME_SIGN} resumed")
    if _has_nonfinite(state, metric):
        parts.append(f"{NAN_SIGN} not a number")
    return "  ".join(parts)


def _has_nonfinite(state: RunState, metric: Metric) -> bool:
    values = [y for _, y in curves.val_points(state, metric)]
    return bool(curves.nonfinite_places(state, metric)) or not all(map(math.isfinite, values))


def best_note(state: RunState) -> str:
    """Return the best epoch so far, for the accuracy chart's lower edge."""
    if state.best is None:
        return ""
    best = state.best.result
    where = f"{printable(best.phase)}, epoch {best.epoch}"
    return f"{BEST_SIGN} best val {fmt.percent(best.val_top1)} ({where})"


def mark_text(mark: Marker) -> str:
    """Return what a mark tells under the cursor."""
    sign = MARK_SIGNS.get(mark.kind, "┊")
    return f"{sign} {printable(mark.text)}, {fmt.clock_time(mark.time)}"
