"""The run's charts: from its state to what is drawn and what the titles say."""

import math
from itertools import pairwise

from core import format as fmt
from core.run_state import RunState
from core.series import Series
from core.text import printable
from tui.widgets.plot import (
    BEST_SIGN,
    COMMAND_SIGN,
    NAN_SIGN,
    VAL_SIGN,
    WARNING_SIGN,
    Boundary,
    ChartSpec,
    Point,
    Tick,
)


def loss_chart(state: RunState) -> ChartSpec:
    """Return the chart of train and val loss."""
    best = state.best
    return _chart(
        state,
        train=_extremes(state.step_loss),
        val=[(float(p.x), p.result.val_loss) for p in state.epochs],
        best=(float(best.x), best.result.val_loss) if best else None,
        nan_x=[b.x for b in state.step_loss if b.nonfinite],
        log=True,
    )


def accuracy_chart(state: RunState) -> ChartSpec:
    """Return the chart of train and val top-1.

    Epochs that ended count with their whole pass; the running mean of an epoch's first steps
    would draw a saw tooth, so it is shown for the running epoch only.
    """
    best = state.best
    done = [(float(p.x), p.result.train_top1) for p in state.epochs]
    running = [(b.x, b.last) for b in state.step_top1 if b.x > len(state.epochs)]
    return _chart(
        state,
        train=[*done, *(running[-1:] if done else running)],
        val=[(float(p.x), p.result.val_top1) for p in state.epochs],
        best=(float(best.x), best.result.val_top1) if best else None,
        nan_x=[],
        log=False,
    )


def _chart(
    state: RunState,
    train: list[Point],
    val: list[Point],
    best: Point | None,
    nan_x: list[float],
    log: bool,
) -> ChartSpec:
    return ChartSpec(
        train=train,
        val=val,
        best=best,
        nan_x=nan_x,
        boundaries=boundaries(state),
        commands=[mark.x for mark in state.marks if mark.kind == "command"],
        warnings=[mark.x for mark in state.marks if mark.kind == "warning"],
        x_end=float(max(1, len(state.epochs) + 1 if state.progress else len(state.epochs))),
        ticks=epoch_ticks(state),
        names_below=not log,
        y_limits=None if log else (0.0, 1.0),
        y_unit=1.0 if log else 0.01,
        log=log,
        empty="the first figures come with the first steps",
    )


def boundaries(state: RunState) -> list[Boundary]:
    """Return where phases begin after the first one."""
    begun = [phase for phase in state.phases.values() if phase.started]
    return [
        Boundary(after.start_x, printable(before.name), printable(after.name))
        for before, after in pairwise(begun)
    ]


def _extremes(series: Series) -> list[Point]:
    points: list[Point] = []
    for bucket in series:
        # Both ends of a bucket, the last one last: the line goes on from where it was.
        low, high = (bucket.low, bucket.high)
        points += [(bucket.x, low)] if low == high else [(bucket.x, high), (bucket.x, low)]
    return [point for point in points if not math.isnan(point[1])]


def epoch_ticks(state: RunState) -> list[Tick]:
    """Return a tick for every epoch, counted anew in each phase."""
    ticks = [Tick(float(point.x), str(point.result.epoch)) for point in state.epochs]
    phase = state.current
    if state.progress and phase:
        ticks.append(Tick(float(len(state.epochs) + 1), str(len(phase.epochs) + 1)))
    return _even(ticks)


def _even(ticks: list[Tick], most: int = 12) -> list[Tick]:
    """Keep firsts and round numbers where there are too many epochs to name them all."""
    if len(ticks) <= most:
        return ticks
    step = next(s for s in (2, 5, 10, 20, 50, 100, 1000, 10**9) if len(ticks) / s <= most)
    return [tick for tick in ticks if tick.label == "1" or int(tick.label) % step == 0]


def loss_title(state: RunState, log: bool) -> str:
    """Return the loss chart's title with the figures of the last epoch."""
    figures = ""
    if state.epochs:
        last = state.epochs[-1].result
        figures = f" · train {fmt.loss(last.train_loss)} · val {fmt.loss(last.val_loss)}"
    return f"loss{' (log)' if log else ''}{figures}"


def accuracy_title(state: RunState) -> str:
    """Return the accuracy chart's title with the figures of the last epoch."""
    figures = ""
    if state.epochs:
        last = state.epochs[-1].result
        figures = f" · train {fmt.percent(last.train_top1)} · val {fmt.percent(last.val_top1)}"
    return f"accuracy top-1 in %{figures}"


def legend(state: RunState) -> str:
    """Return what the signs of the charts mean; rare signs only where they occur."""
    parts = ["⠒⠒ train", f"{VAL_SIGN} val"]
    if state.best:
        parts.append(f"{BEST_SIGN} best")
    commands = [mark for mark in state.marks if mark.kind == "command"]
    if commands:
        parts.append(f"{COMMAND_SIGN} {printable(commands[-1].text)}")
    if any(mark.kind == "warning" for mark in state.marks):
        parts.append(f"{WARNING_SIGN} warning")
    if any(b.nonfinite for b in state.step_loss) or any(
        not math.isfinite(point.result.val_loss) for point in state.epochs
    ):
        parts.append(f"{NAN_SIGN} not a number")
    return "  ".join(parts)


def best_note(state: RunState) -> str:
    """Return the best epoch so far, for the accuracy chart's lower edge."""
    if state.best is None:
        return legend(state)
    best = state.best.result
    where = f"{printable(best.phase)}, epoch {best.epoch}"
    return f"{BEST_SIGN} best val {fmt.percent(best.val_top1)} ({where})"
