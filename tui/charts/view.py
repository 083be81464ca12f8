"""How a person looks at the charts of a run: axis, window, cursor. Pure, so that keys, mouse and
tests share it. Window and cursor are kept in epochs, whatever the axis shows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from core.run.state import RunState

AXES = ("epoch", "step", "time")
_CLOSEST = 1 / 4000
"""Share of the run that can be seen at least."""


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at the charts."""

    axis: str = "epoch"
    scale: str = "auto"
    smoothing: float = 0.0
    """Weight of the past in the moving average that is drawn, 0 to 1; 0 = none."""
    window: tuple[float, float] | None = None
    """What of the run is seen; None = all of it, whatever comes."""
    cursor: float | None = None


Place = Callable[[float], float]


def to_axis(state: RunState, view: View) -> Place:
    """Return what turns epochs into what the x axis counts in: epochs, steps or seconds."""
    ways: dict[str, Place] = {"step": state.timeline.step_at, "time": state.timeline.seconds_at}
    return ways.get(view.axis, float)


def _from_axis(state: RunState, view: View) -> Place:
    ways: dict[str, Place] = {"step": state.timeline.x_at_step, "time": state.timeline.x_at_seconds}
    return ways.get(view.axis, float)


def run_end(state: RunState) -> float:
    """Return where the x axis ends (epochs) when all of a run is seen."""
    done = len(state.epochs)
    return float(max(1, done + 1 if state.progress else done))


def seen(state: RunState, view: View) -> tuple[float, float]:
    """Return the part of the run (epochs) that is seen."""
    return view.window or (0.0, run_end(state))


def zoomed(state: RunState, view: View, factor: float, around: float | None = None) -> View:
    """Return the view with a window of `factor` times its size; what is `around` (epochs), or the
    cursor, or else the middle, stays where it is."""
    place, back = to_axis(state, view), _from_axis(state, view)
    start, end = map(place, seen(state, view))
    centre = around if around is not None else view.cursor
    middle = (start + end) / 2 if centre is None else min(end, max(start, place(centre)))
    whole = place(run_end(state))
    size = max(whole * _CLOSEST, (end - start) * factor)
    if size >= whole:
        return replace(view, window=None)
    first = middle - (middle - start) / (end - start) * size if end > start else middle
    first = min(max(0.0, first), whole - size)
    return replace(view, window=(back(first), back(first + size)))


def panned(state: RunState, view: View, share: float) -> View:
    """Return the view with its window moved by a share of its size, within the run."""
    if view.window is None:
        return view
    place, back = to_axis(state, view), _from_axis(state, view)
    start, end = map(place, view.window)
    shift = share * (end - start)
    shift = min(max(shift, -start), max(0.0, place(run_end(state)) - end))
    return replace(view, window=(back(start + shift), back(end + shift)))


def pointed(state: RunState, view: View, share: float) -> View:
    """Return the view with its cursor at a share (0 to 1) of what is seen."""
    place, back = to_axis(state, view), _from_axis(state, view)
    start, end = map(place, seen(state, view))
    return replace(view, cursor=back(start + min(1.0, max(0.0, share)) * (end - start)))


def moved(state: RunState, view: View, columns: int, by: int) -> View:
    """Return the view with its cursor moved `by` columns of a chart that has so many; it comes in
    at the end, and the window follows it."""
    place, back = to_axis(state, view), _from_axis(state, view)
    start, end = map(place, seen(state, view))
    column = (end - start) / max(1, columns - 1)
    if view.cursor is None:
        now = place(state.x)
        return replace(view, cursor=back(min(end, max(start, now)) if by < 0 else start))
    target = place(view.cursor) + by * column
    target = min(max(0.0, target), place(run_end(state)))
    return into_view(state, replace(view, cursor=back(target)))


def to_mark(state: RunState, view: View, forward: bool) -> View:
    """Return the view with its cursor on the next or the previous mark, if there is one."""
    places = sorted({mark.x for mark in state.markers} | ({state.best.x} if state.best else set()))
    here = view.cursor if view.cursor is not None else (-1.0 if forward else float("inf"))
    if forward:
        target = next((x for x in places if x > here + 1e-9), None)
    else:
        target = next((x for x in reversed(places) if x < here - 1e-9), None)
    if target is None:
        return view
    return into_view(state, replace(view, cursor=float(target)))


def into_view(state: RunState, view: View) -> View:
    """Return the view with its window moved as far as the cursor is in it."""
    if view.window is None or view.cursor is None:
        return view
    place, back = to_axis(state, view), _from_axis(state, view)
    start, end = map(place, view.window)
    cursor = place(view.cursor)
    shift = min(0.0, cursor - start) or max(0.0, cursor - end)
    return replace(view, window=(back(start + shift), back(end + shift)))
