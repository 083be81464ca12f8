"""Curves of compared runs on one x axis."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from core.analysis.compare import ComparedRun
from core.run.figures import EpochValue, Figure, charted_figures

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class ComparisonCurve:
    """A curve that runs are compared by: a point per epoch, or a series within epochs."""

    key: str
    """Key of `compare --figure`."""
    label: str
    figure: Figure
    epoch: EpochValue | None = None
    """The value of each epoch; None for the figure's series."""


def comparison_curves() -> tuple[ComparisonCurve, ...]:
    """Return all curves: of validation first, and accuracies first in each part."""
    # The comparison opens on the first one, val top-1. Sorting is stable.
    figures = sorted(charted_figures(), key=lambda figure: not (figure.limits and figure.goal))
    val = [ComparisonCurve(f.val.column, f.val.label, f, f.val) for f in figures if f.val]
    return (*val, *(curve for figure in figures for curve in _train_curve(figure)))


def _train_curve(figure: Figure) -> Iterator[ComparisonCurve]:
    train = figure.train
    if train:
        epoch = train if figure.running_mean or not figure.buckets else None
        yield ComparisonCurve(train.column, train.label, figure, epoch)
    elif figure.buckets:
        yield ComparisonCurve(figure.key, figure.title, figure)


@dataclass(frozen=True, slots=True)
class Alignment:
    """The unit and origin of the x axis of a comparison."""

    key: str
    label: str


ALIGNMENTS = (
    Alignment("epoch", "epochs"),
    Alignment("step", "steps"),
    Alignment("time", "minutes of training"),
    Alignment("unfreeze", "epochs since unfreeze"),
)


def curve_points(run: ComparedRun, curve: ComparisonCurve, alignment: Alignment) -> Points:
    """Return a run's points (x, y), including non-finite values."""
    to_axis = _axis_map(run, alignment)
    epoch = curve.epoch
    if epoch:
        return [(to_axis(point.x), epoch.read(point.result)) for point in run.epochs]
    points: Points = []
    for bucket in run.series.get(curve.figure.key, ()):
        x = to_axis(bucket.x)
        # Both ends of a bucket, so that spikes stay visible.
        ends = [bucket.low] if bucket.low == bucket.high else [bucket.high, bucket.low]
        points += [(x, end) for end in ends]
        if bucket.nonfinite and math.isfinite(bucket.low):
            points.append((x, math.nan))
    return points


def best_point(
    run: ComparedRun, curve: ComparisonCurve, alignment: Alignment
) -> tuple[float, float] | None:
    """Return the best epoch of a run on its curve; None without one, or on a series."""
    if run.best is None or curve.epoch is None:
        return None
    return _axis_map(run, alignment)(run.best.x), curve.epoch.read(run.best.result)


def unfreeze_x(run: ComparedRun, alignment: Alignment) -> float | None:
    """Return the x where phase full starts; None if it has not started."""
    return None if run.unfreeze is None else _axis_map(run, alignment)(run.unfreeze)


def _axis_map(run: ComparedRun, alignment: Alignment) -> Callable[[float], float]:
    """Return the function from a run's own x (epochs over both phases) to that of the alignment."""
    if alignment.key == "epoch":
        return lambda x: x
    if alignment.key == "unfreeze":
        last = run.epochs[-1].x if run.epochs else 0.0
        start = last if run.unfreeze is None else run.unfreeze
        return lambda x: x - start
    knots = [(0.0, 0.0)]
    if alignment.key == "step":
        knots += [(point.x, float(point.result.global_step)) for point in run.epochs]
        slope = float(list(run.phase_steps.values())[-1]) if run.phase_steps else 0.0
    else:
        for point in run.epochs:
            knots.append((point.x, knots[-1][1] + point.result.seconds / 60))
        slope = run.epochs[-1].result.seconds / 60 if run.epochs else 0.0
    return lambda x: _interpolate(knots, x, slope)


def _interpolate(knots: list[tuple[float, float]], x: float, slope: float) -> float:
    """Return y at x on the line through the knots, extended after the last one by `slope`."""
    right = max(1, bisect_right(knots, (x, math.inf)))
    left_x, left_y = knots[right - 1]
    if right == len(knots):
        return left_y + (x - left_x) * slope
    right_x, right_y = knots[right]
    return left_y + (x - left_x) / (right_x - left_x) * (right_y - left_y)
