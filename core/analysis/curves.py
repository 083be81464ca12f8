"""Curves of a run's figures, from the run state."""

from collections.abc import Iterable, Iterator, Sequence

from core.run.downsampling import Bucket
from core.run.figures import Figure
from core.run.state import RunState

Point = tuple[float, float]


def train_points(state: RunState, figure: Figure) -> list[Point]:
    """Return the points within epochs; x in epochs over all phases, both ends of a bucket.

    The first steps of a running mean would draw a saw tooth: each completed epoch is one point, and
    only the running epoch is drawn from the series.
    """
    series = buckets(state, figure)
    if figure.running_mean and figure.train:
        done = [(p.x, figure.train.read(p.result)) for p in state.epochs]
        running = [(b.x, b.last) for b in series if b.x > state.epoch_start]
        return [*done, *(running[-1:] if done else running)]
    points = list(_both_ends(series))
    return list(_steps(points)) if figure.stepped else points


def buckets(state: RunState, figure: Figure) -> Sequence[Bucket]:
    """Return the buckets of a figure's series, none for a figure without one."""
    series = state.series.get(figure.key)
    return series.buckets if series else ()


def _both_ends(series: Iterable[Bucket]) -> Iterator[Point]:
    for bucket in series:
        # The low end last, where the line to the next bucket begins.
        if bucket.high != bucket.low:
            yield bucket.x, bucket.high
        yield bucket.x, bucket.low


def _steps(points: Sequence[Point]) -> Iterator[Point]:
    """Keep a value until the next one."""
    before: float | None = None
    for x, y in points:
        if before is not None and before != y:
            yield x, before
        yield x, y
        before = y


def val_points(state: RunState, figure: Figure) -> list[Point]:
    """Return a point per epoch; none for a figure without validation values."""
    val = figure.val
    return [(p.x, val.read(p.result)) for p in state.epochs] if val else []


def nonfinite_xs(state: RunState, figure: Figure) -> list[float]:
    """Return the x of all buckets with a non-finite value."""
    return [bucket.x for bucket in buckets(state, figure) if bucket.nonfinite]


def smoothed(points: Sequence[Point], weight: float) -> list[Point]:
    """Return the exponential moving average of the finite points.

    It is bias-corrected (Kingma and Ba 2015, section 3); `weight` (0 to 1) is that of the past.
    """
    averaged: list[Point] = []
    mean, total = 0.0, 0.0
    for x, y in points:
        if y - y == 0:
            mean = weight * mean + (1 - weight) * y
            total = weight * total + (1 - weight)
            averaged.append((x, mean / total))
    return averaged
