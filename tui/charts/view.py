"""How the charts of a run are viewed: axis, scale, smoothing, window and cursor.

Window and cursor are kept in epochs, whatever the x axis shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from core.run.state import RunState
from core.run.state_parts import Marker
from tui.charts.viewport import Viewport, Window

AXES = ("epoch", "step", "time")
SERIES = ("both", "val", "train")


@dataclass(frozen=True, slots=True)
class ChartView:
    """A view of the charts of a run."""

    axis: str = "epoch"
    scale: str = "auto"
    smoothing: float = 0.0
    """Weight of the past in the moving average, 0 to 1; 0 = none."""
    full: bool = False
    """Whether the y axis shows all values; otherwise early values and spikes may be clipped."""
    series: str = "both"
    """`both`, `train` or `val`: which curves are drawn, where a figure has both."""
    window: Window | None = None
    """The visible range (epochs); None shows the whole run, also while it grows."""
    cursor: float | None = None

    def next_series(self) -> "ChartView":
        """Return the view with the next choice of curves."""
        following = SERIES[(SERIES.index(self.series) + 1) % len(SERIES)]
        return replace(self, series=following)

    def toggle_series(self, name: str) -> "ChartView":
        """Return the view with the curves `train` or `val` hidden, or shown if it hides them; one
        of the two is always drawn."""
        other = "val" if name == "train" else "train"
        return replace(self, series=other if self.series == "both" else "both")


AxisMap = Callable[[float], float]


def to_axis(state: RunState, view: ChartView) -> AxisMap:
    """Return the function from epochs to the unit of the x axis: epochs, steps or seconds."""
    maps: dict[str, AxisMap] = {"step": state.timeline.step_at, "time": state.timeline.seconds_at}
    return maps.get(view.axis, float)


def _from_axis(state: RunState, view: ChartView) -> AxisMap:
    maps: dict[str, AxisMap] = {
        "step": state.timeline.x_at_step,
        "time": state.timeline.x_at_seconds,
    }
    return maps.get(view.axis, float)


def marker_position(state: RunState, view: ChartView, marker: Marker) -> float:
    """Return the position of a marker in the unit of the x axis."""
    if view.axis == "time" and marker.seconds is not None:
        return marker.seconds
    return to_axis(state, view)(marker.x)


def run_end(state: RunState) -> float:
    """Return the end of the x axis (epochs) when the whole run is shown."""
    latest = state.timeline.latest_at(state.x)
    return max(1.0, state.epoch_start + 1 if state.progress else latest)


def visible_range(state: RunState, view: ChartView) -> Window:
    """Return the visible range (epochs)."""
    return view.window or (0.0, run_end(state))


def viewport(state: RunState, view: ChartView) -> Viewport:
    """Return window and cursor in the unit of the x axis."""
    axis = to_axis(state, view)
    return Viewport(
        low=0.0,
        high=axis(run_end(state)),
        window=None if view.window is None else (axis(view.window[0]), axis(view.window[1])),
        cursor=None if view.cursor is None else axis(view.cursor),
        latest=axis(state.x),
    )


def adjusted(state: RunState, view: ChartView, change: Callable[[Viewport], Viewport]) -> ChartView:
    """Return the view after a change of window or cursor in the unit of the x axis."""
    before = viewport(state, view)
    after = change(before)
    epochs = _from_axis(state, view)
    # Converted only if changed: steps and seconds are interpolated, each way rounds.
    if after.window != before.window:
        window = after.window and (epochs(after.window[0]), epochs(after.window[1]))
        view = replace(view, window=window)
    if after.cursor != before.cursor:
        cursor = None if after.cursor is None else epochs(after.cursor)
        view = replace(view, cursor=cursor)
    return view


def to_marker(state: RunState, view: ChartView, forward: bool) -> ChartView:
    """Return the view with its cursor on the next or previous marker, if there is one."""
    xs = sorted({marker.x for marker in state.markers} | ({state.best.x} if state.best else set()))
    here = view.cursor if view.cursor is not None else (-1.0 if forward else float("inf"))
    if forward:
        target = next((x for x in xs if x > here + 1e-9), None)
    else:
        target = next((x for x in reversed(xs) if x < here - 1e-9), None)
    if target is None:
        return view
    position = to_axis(state, view)(float(target))
    moved = adjusted(state, view, lambda viewport: viewport.cursor_to(position))
    return replace(moved, cursor=float(target))
