"""What all curves of a run say at the cursor, in words."""

import math

from core.analysis import curves
from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from core.run.state_parts import EpochPoint, PhaseState
from tui.charts.plot import BEST_SIGN
from tui.charts.run_charts import figure_text, mark_text
from tui.charts.view import View, seen


def readout(state: RunState, view: View, columns: int) -> list[str]:
    """Return where the cursor stands, the figures there, and the marks within a column of it; a
    chart has so many `columns`."""
    x = view.cursor
    if x is None:
        return []
    lines = [f"{where(state, x)} │ {figures(state, x)}"]
    start, end = seen(state, view)
    told = marks_near(state, x, (end - start) / max(1, columns))
    return [*lines, " · ".join(told)] if told else lines


def where(state: RunState, x: float) -> str:
    """Return a place of the run by phase, epoch, step and time."""
    phase = _phase_at(state, x)
    parts = []
    if phase is not None:
        into = max(0.0, x - phase.start_x)
        epoch = max(1, math.ceil(into - 1e-9))
        share = into - (epoch - 1)
        done = "" if share > 0.995 else f", {100 * share:.0f}% of it"
        parts.append(f"{printable(phase.name)} epoch {epoch}{done}")
    parts.append(f"step {fmt.count(round(state.timeline.step_at(x)))}")
    parts.append(fmt.duration(state.timeline.seconds_at(x)))
    return " · ".join(parts)


def figures(state: RunState, x: float) -> str:
    """Return all figures at a place: the training's there, validation's after the last epoch."""
    epoch = epoch_at(state, x)
    parts = []
    for metric in curves.METRICS:
        train = _value_at(state, metric.key, x)
        said = [] if train is None else [figure_text(metric, train)]
        if metric.val and epoch:
            said.append(f"val {figure_text(metric, metric.val(epoch.result))}")
        if said:
            name = _SHORT.get(metric.key, "")
            parts.append(" ".join([name, *said]) if name else " ".join(said))
    return " · ".join(parts)


_SHORT = {"loss": "loss", "top1": "top-1", "lr": "lr", "grad_norm": "grad"}


def epoch_at(state: RunState, x: float) -> EpochPoint | None:
    """Return the last epoch that had ended at a place."""
    done = [point for point in state.epochs if point.x <= x + 1e-9]
    return done[-1] if done else None


def marks_near(state: RunState, x: float, reach: float) -> list[str]:
    """Return what the marks at a place tell, within so many epochs."""
    told = [mark_text(mark) for mark in state.markers if abs(mark.x - x) <= reach]
    if state.best and abs(state.best.x - x) <= reach:
        told.insert(0, f"{BEST_SIGN} best val {fmt.percent(state.best.result.val_top1)}")
    return told


def _phase_at(state: RunState, x: float) -> PhaseState | None:
    begun = [phase for phase in state.phases.values() if phase.started]
    at = [phase for phase in begun if phase.start_x < x or phase.start_x == 0]
    return at[-1] if at else None


def _value_at(state: RunState, key: str, x: float) -> float | None:
    buckets = state.curves[key].buckets
    after = next((b for b in buckets if b.x >= x - 1e-9), buckets[-1] if buckets else None)
    if after is None:
        return None
    return math.nan if math.isnan(after.last) and after.nonfinite else after.last
