"""The figures of a run as curves: what there is to draw, from a run's state alone."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from core.events.types import EpochEnded
from core.run.downsampling import Bucket
from core.run.state import RunState

Point = tuple[float, float]
Figure = Callable[[EpochEnded], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that a run tells of; `key` names its curve in `RunState.curves`."""

    key: str
    title: str
    unit: str = ""
    in_unit: float = 1.0
    """What one of the unit is: 0.01 for percent."""
    goal: str = ""
    """`min` or `max`; empty for what is neither good nor bad."""
    train: Figure | None = None
    """What an epoch's training pass came to, where that is told apart."""
    val: Figure | None = None
    """What its validation pass came to, where there is such a thing."""
    limits: tuple[float, float] | None = None
    scale: str = "linear"
    """The usual scale of its axis: `linear`, or `auto` for logarithmic over a wide range."""


METRICS = (
    Metric(
        "loss",
        "loss",
        goal="min",
        train=attrgetter("train_loss"),
        val=attrgetter("val_loss"),
        scale="auto",
    ),
    Metric(
        "top1",
        "accuracy top-1",
        unit="%",
        in_unit=0.01,
        goal="max",
        train=attrgetter("train_top1"),
        val=attrgetter("val_top1"),
        limits=(0.0, 1.0),
    ),
    Metric("lr", "learning rate", scale="auto"),
    Metric("grad_norm", "gradient norm", scale="auto"),
    Metric("images_per_second", "speed", unit="img/s", goal="max"),
    Metric("memory", "memory", unit="GB", in_unit=1e9),
)


def metric(key: str) -> Metric:
    """Return a metric by its key; raises KeyError for another one."""
    return {metric.key: metric for metric in METRICS}[key]


def train_points(state: RunState, metric: Metric) -> list[Point]:
    """Return what is told within epochs, in epochs over all phases; both ends of a bucket.

    Top-1 is the running mean of an epoch, whose first steps would draw a saw tooth: epochs that
    ended count with their whole pass, only the running one is shown as it comes.
    """
    series = state.curves[metric.key]
    if metric.key == "top1":
        done = [(float(p.x), p.result.train_top1) for p in state.epochs]
        running = [(b.x, b.last) for b in series if b.x > len(state.epochs)]
        return [*done, *(running[-1:] if done else running)]
    points = list(_both_ends(series))
    return list(_steps(points)) if metric.key == "lr" else points


def _both_ends(series: Iterable[Bucket]) -> Iterator[Point]:
    for bucket in series:
        # The last one last: the line goes on from where it was.
        if bucket.high != bucket.low:
            yield bucket.x, bucket.high
        yield bucket.x, bucket.low


def _steps(points: Sequence[Point]) -> Iterator[Point]:
    """Stay at a value until the next one is there."""
    before: float | None = None
    for x, y in points:
        if before is not None and before != y:
            yield x, before
        yield x, y
        before = y


def val_points(state: RunState, metric: Metric) -> list[Point]:
    """Return a point an epoch; none for what validation doesn't tell."""
    figure = metric.val
    return [(float(p.x), figure(p.result)) for p in state.epochs] if figure else []


def nonfinite_places(state: RunState, metric: Metric) -> list[float]:
    """Return where within epochs a value was not finite."""
    return [bucket.x for bucket in state.curves[metric.key] if bucket.nonfinite]


def smoothed(points: Sequence[Point], weight: float) -> list[Point]:
    """Return the exponential moving average of finite points, without the pull to zero at its
    beginning (Kingma and Ba 2015, section 3); `weight` (0 to 1) is how much the past counts."""
    kept: list[Point] = []
    mean, total = 0.0, 0.0
    for x, y in points:
        if y - y == 0:
            mean = weight * mean + (1 - weight) * y
            total = weight * total + (1 - weight)
            kept.append((x, mean / total))
    return kept
