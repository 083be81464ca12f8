"""Values of all figures of a run at the cursor, as text."""

import math
from collections.abc import Sequence

from rich.cells import cell_len

from core.analysis.curves import Point, buckets, train_points, val_points
from core.common import format as fmt
from core.common.text import printable
from core.run.figures import Figure, charted_figures
from core.run.state import RunState
from core.run.state_parts import EpochPoint, PhaseState
from tui.charts.run_charts import marker_text
from tui.charts.spec import BEST_SYMBOL
from tui.charts.view import ChartView, visible_range
from tui.charts.viewport import Window

_SEPARATOR = " · "


def readout(state: RunState, view: ChartView, columns: int) -> list[str]:
    """Return position and values at the cursor, and the markers within one of `columns` columns."""
    x = view.cursor
    if x is None:
        return []
    lines = [f"{position_text(state, x)} │ {values_text(state, x)}"]
    start, end = visible_range(state, view)
    markers = nearby_markers(state, x, (end - start) / max(1, columns))
    return [*lines, _SEPARATOR.join(markers)] if markers else lines


def range_lines(state: RunState, figures: Sequence[Figure], view: ChartView) -> list[str]:
    """Return mean, extremes and slope of the visible part of each figure, while it is zoomed."""
    if view.window is None:
        return []
    parts = []
    for figure in figures:
        curves = (("train", train_points(state, figure)), ("val", val_points(state, figure)))
        texts = [
            f"{name} {text}" if figure.val else text
            for name, points in curves
            if (text := _range_text(points, view.window, figure))
        ]
        if texts:
            parts.append(f"{figure.title}: {' · '.join(texts)}")
    return [f"visible: {part}" for part in parts]


def broken_at_separators(lines: Sequence[str], width: int) -> list[str]:
    """Return lines of at most `width` cells, broken between their parts; a longer part is alone."""
    broken: list[str] = []
    for line in lines:
        parts = line.split(_SEPARATOR)
        current = parts[0]
        for part in parts[1:]:
            longer = f"{current}{_SEPARATOR}{part}"
            if cell_len(longer) <= width:
                current = longer
            else:
                broken.append(current)
                current = part
        broken.append(current)
    return broken


def _range_text(points: Sequence[Point], window: Window, figure: Figure) -> str:
    inside = [(x, y) for x, y in points if window[0] <= x <= window[1] and math.isfinite(y)]
    if not inside:
        return ""
    values = [y for _, y in inside]
    mean = math.fsum(values) / len(values)
    text = f"mean {figure.text(mean)}, {figure.text(min(values))} to {figure.text(max(values))}"
    center = math.fsum(x for x, _ in inside) / len(inside)
    spread = math.fsum((x - center) ** 2 for x, _ in inside)
    if spread > 0 and math.isfinite(spread):
        slope = math.fsum((x - center) * (y - mean) for x, y in inside) / spread
        sign = "−" if slope < 0 else "+"
        text += f", {sign}{figure.text(abs(slope))} per epoch"
    return text


def position_text(state: RunState, x: float) -> str:
    """Return a position in the run: phase, epoch, step and time."""
    phase = _phase_at(state, x)
    parts = []
    if phase is not None:
        into = max(0.0, x - phase.start_x)
        epoch = max(1, math.ceil(into - 1e-9))
        fraction = into - (epoch - 1)
        done = "" if fraction > 0.995 else f", {100 * fraction:.0f}% done"
        parts.append(f"{printable(phase.name)} epoch {epoch}{done}")
    parts.append(f"step {fmt.count(round(state.timeline.step_at(x)))}")
    parts.append(fmt.duration(state.timeline.seconds_at(x)))
    return _SEPARATOR.join(parts)


def values_text(state: RunState, x: float) -> str:
    """Return all figures at `x`: of training at that step, of validation after the last epoch."""
    epoch = epoch_at(state, x)
    parts = []
    for figure in charted_figures():
        train = _value_at(state, figure, x)
        values = [] if train is None else [figure.text(train)]
        if figure.val and epoch:
            values.append(f"val {figure.text(figure.val.read(epoch.result))}")
        if values:
            name = figure.readout_name
            parts.append(" ".join([name, *values] if name else values))
    return _SEPARATOR.join(parts)


def epoch_at(state: RunState, x: float) -> EpochPoint | None:
    """Return the last epoch completed by `x`."""
    done = [point for point in state.epochs if point.x <= x + 1e-9]
    return done[-1] if done else None


def nearby_markers(state: RunState, x: float, reach: float) -> list[str]:
    """Return the descriptions of the markers within `reach` epochs of `x`."""
    texts = [marker_text(marker) for marker in state.markers if abs(marker.x - x) <= reach]
    if state.best and abs(state.best.x - x) <= reach:
        texts.insert(0, f"{BEST_SYMBOL} best val {fmt.percent(state.best.result.val_top1)}")
    return texts


def _phase_at(state: RunState, x: float) -> PhaseState | None:
    started = [phase for phase in state.phases.values() if phase.started]
    before = [phase for phase in started if phase.start_x < x or phase.start_x == 0]
    return before[-1] if before else None


def _value_at(state: RunState, figure: Figure, x: float) -> float | None:
    series = buckets(state, figure)
    at = next((b for b in series if b.x >= x - 1e-9), series[-1] if series else None)
    if at is None:
        return None
    return math.nan if math.isnan(at.last) and at.nonfinite else at.last
