"""Runs side by side: how they were configured, what came out, and their curves on one x axis.

All of it is a pure function of `ComparedRun`s, which later events don't change: a view may show
one while the run itself goes on.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from zlib import crc32

from core.analysis.curves import Figure
from core.common import format as fmt
from core.common.nested import flatten_recorded
from core.run.downsampling import Bucket
from core.run.state import RunState
from core.run.state_parts import EpochPoint

FEWEST, MOST = 2, 8
LETTERS = "ABCDEFGH"
Points = list[tuple[float, float]]
_FULL = "full"


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run as it is at one moment, as far as a comparison needs it."""

    id: str
    name: str
    letter: str
    """Its sign in tables and charts."""
    colour: int
    """Its place in the palette: the same in every comparison, where no other run has taken it."""
    status: str
    config: dict[str, str]
    epochs: tuple[EpochPoint, ...]
    best: EpochPoint | None
    within: dict[str, tuple[Bucket, ...]]
    """What is told within epochs, by its key in `RunState.curves`."""
    phase_steps: dict[str, int]
    """Training steps an epoch, by phase."""
    unfreeze: float | None
    """Epochs before phase full; None where it has not begun."""
    seconds: float | None
    """From the start to the last event, pauses included."""
    commands: tuple[str, ...]
    """What was changed by hand while it ran, in words."""


def colours(ids: Sequence[str], size: int = MOST) -> list[int]:
    """Return a place in a palette for each run: by its id, the next free one where that is taken.

    The order in which the runs are named changes nothing.
    """
    places: dict[str, int] = {}
    for id in sorted(set(ids)):
        place = crc32(id.encode("utf-8", "surrogateescape")) % size
        taken = set(places.values())
        if len(taken) < size:
            while place in taken:
                place = (place + 1) % size
        places[id] = place
    return [places[id] for id in ids]


def compared(
    state: RunState, id: str, name: str, status: str, letter: str, colour: int
) -> ComparedRun:
    """Return what a comparison needs of a run's state, as it is now."""
    full = state.phases.get(_FULL)
    return ComparedRun(
        id=id,
        name=name,
        letter=letter,
        colour=colour,
        status=status,
        config=flatten_recorded(state.config),
        epochs=tuple(state.epochs),
        best=state.best,
        within={key: tuple(series) for key, series in state.curves.items()},
        phase_steps={n: p.started.steps for n, p in state.phases.items() if p.started},
        unfreeze=full.start_x if full and full.started else None,
        seconds=state.elapsed(state.last_time) if state.last_time is not None else None,
        commands=tuple(mark.text for mark in state.markers if mark.kind == "command"),
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: the same figure of every run."""

    key: str
    label: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]
    winners: tuple[bool, ...]
    """Whose figure is the best by the metric's goal; nobody's where all are the same."""
    goal: str = ""
    """`highest` or `lowest`; empty where neither is better."""


@dataclass(frozen=True, slots=True)
class _Result:
    key: str
    label: str
    goal: str
    value: Callable[[ComparedRun], float | None]
    text: Callable[[float | None], str]


def _whole(value: float | None) -> str:
    return fmt.NONE if value is None else fmt.count(int(value))


def _of_best(name: str) -> Callable[[ComparedRun], float | None]:
    return lambda run: getattr(run.best.result, name) if run.best else None


def _lowest_loss(run: ComparedRun) -> float | None:
    finite = [p.result.val_loss for p in run.epochs if math.isfinite(p.result.val_loss)]
    return min(finite, default=None)


def _gap(run: ComparedRun) -> float | None:
    return run.best.result.train_top1 - run.best.result.val_top1 if run.best else None


def _training_seconds(run: ComparedRun) -> float | None:
    return sum(point.result.seconds for point in run.epochs) if run.epochs else None


def _seconds_to_best(run: ComparedRun) -> float | None:
    if run.best is None:
        return None
    return sum(point.result.seconds for point in run.epochs if point.x <= run.best.x)


def _speed(run: ComparedRun) -> float | None:
    return run.epochs[-1].result.images_per_second if run.epochs else None


_RESULTS = (
    _Result("best_val_top1", "best val top-1", "highest", _of_best("val_top1"), fmt.percent),
    _Result("best_val_top5", "its val top-5", "highest", _of_best("val_top5"), fmt.percent),
    _Result("best_val_loss", "its val loss", "lowest", _of_best("val_loss"), fmt.loss),
    _Result("lowest_val_loss", "lowest val loss", "lowest", _lowest_loss, fmt.loss),
    _Result("train_val_gap", "train − val top-1 there", "", _gap, fmt.percent),
    _Result("epochs", "epochs", "", lambda run: float(len(run.epochs)), _whole),
    _Result(
        "epochs_to_best", "epochs to the best", "lowest",
        lambda run: float(run.best.x) if run.best else None, _whole,
    ),
    _Result("seconds_to_best", "time to the best", "lowest", _seconds_to_best, fmt.duration),
    _Result("training_seconds", "time of all epochs", "lowest", _training_seconds, fmt.duration),
    _Result("images_per_second", "speed, last epoch", "highest", _speed, fmt.speed),
    _Result("commands", "changes by hand", "", lambda run: float(len(run.commands)), _whole),
)  # fmt: skip


def results(runs: Sequence[ComparedRun]) -> list[Row]:
    """Return what came out of each run, the winner of each figure marked."""
    rows = []
    for result in _RESULTS:
        values = tuple(result.value(run) for run in runs)
        texts = tuple(result.text(value) for value in values)
        winners = _winners(values, result.goal)
        rows.append(Row(result.key, result.label, values, texts, winners, result.goal))
    return rows


def _winners(values: Sequence[float | None], goal: str) -> tuple[bool, ...]:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not goal or len(known) < 2 or min(known) == max(known):
        return (False,) * len(values)
    best = max(known) if goal == "highest" else min(known)
    return tuple(value == best for value in values)


def differences(runs: Sequence[ComparedRun]) -> list[Row]:
    """Return the configuration keys in which the runs differ; their names are no difference."""
    keys = list(dict.fromkeys(key for run in runs for key in run.config))
    rows = []
    for key in keys:
        texts = tuple(run.config.get(key, fmt.NONE) for run in runs)
        if key != "name" and len(set(texts)) > 1:
            nothing = (None,) * len(runs)
            rows.append(Row(key, key, nothing, texts, (False,) * len(runs)))
    return rows


@dataclass(frozen=True, slots=True)
class CurveKind:
    """A figure that has a curve: a point an epoch, or as it was told within epochs."""

    key: str
    label: str
    figure: Figure | None = None
    within: str = ""
    """Its key in `RunState.curves`, for one that is told within epochs."""
    unit: str = ""
    in_unit: float = 1.0
    """What one of the unit is: 0.01 for percent."""
    limits: tuple[float, float] | None = None
    scale: str = "linear"
    """The usual scale of its axis, as `core.analysis.curves.Metric` has it."""


def _share(key: str, label: str) -> CurveKind:
    return CurveKind(key, label, attrgetter(key), unit="%", in_unit=0.01, limits=(0.0, 1.0))


CURVES = (
    _share("val_top1", "val top-1"),
    CurveKind("val_loss", "val loss", attrgetter("val_loss"), scale="auto"),
    _share("train_top1", "train top-1"),
    CurveKind("train_loss", "train loss", within="loss", scale="auto"),
    CurveKind("lr", "learning rate", within="lr", scale="auto"),
    CurveKind("grad_norm", "gradient norm", within="grad_norm", scale="auto"),
    CurveKind("images_per_second", "speed", within="images_per_second", unit="img/s"),
    CurveKind("memory", "memory", within="memory", unit="GB", in_unit=1e9),
)


@dataclass(frozen=True, slots=True)
class Alignment:
    """What the x axis of a comparison counts."""

    key: str
    label: str


ALIGNMENTS = (
    Alignment("epoch", "epochs"),
    Alignment("step", "steps"),
    Alignment("time", "minutes of training"),
    Alignment("unfreeze", "epochs from the unfreeze on"),
)


def curve(run: ComparedRun, kind: CurveKind, alignment: Alignment) -> Points:
    """Return a run's points (x, y); values that are not finite are among them."""
    place = _placer(run, alignment)
    figure = kind.figure
    if figure:
        return [(place(float(point.x)), figure(point.result)) for point in run.epochs]
    points: Points = []
    for bucket in run.within.get(kind.within, ()):
        x = place(bucket.x)
        # Both ends of what a bucket joins: spikes stay.
        ends = [bucket.low] if bucket.low == bucket.high else [bucket.high, bucket.low]
        points += [(x, end) for end in ends]
        if bucket.nonfinite and math.isfinite(bucket.low):
            points.append((x, math.nan))
    return points


def best_point(
    run: ComparedRun, kind: CurveKind, alignment: Alignment
) -> tuple[float, float] | None:
    """Return where a run's best epoch stands on its curve; None where it has no such place."""
    if run.best is None or kind.figure is None:
        return None
    return _placer(run, alignment)(float(run.best.x)), kind.figure(run.best.result)


def unfreeze_x(run: ComparedRun, alignment: Alignment) -> float | None:
    """Return where on the x axis phase full begins; None where it has not."""
    return None if run.unfreeze is None else _placer(run, alignment)(run.unfreeze)


def _placer(run: ComparedRun, alignment: Alignment) -> Callable[[float], float]:
    """Return what turns a run's own x, epochs over both phases, into that of the alignment."""
    if alignment.key == "epoch":
        return lambda x: x
    if alignment.key == "unfreeze":
        begin = float(len(run.epochs)) if run.unfreeze is None else run.unfreeze
        return lambda x: x - begin
    knots = [(0.0, 0.0)]
    if alignment.key == "step":
        knots += [(float(point.x), float(point.result.global_step)) for point in run.epochs]
        slope = float(list(run.phase_steps.values())[-1]) if run.phase_steps else 0.0
    else:
        for point in run.epochs:
            knots.append((float(point.x), knots[-1][1] + point.result.seconds / 60))
        slope = run.epochs[-1].result.seconds / 60 if run.epochs else 0.0
    return lambda x: _between(knots, x, slope)


def _between(knots: list[tuple[float, float]], x: float, slope: float) -> float:
    """Return y at x on the line through the knots; behind the last one it goes on by `slope`."""
    right = max(1, bisect_right(knots, (x, math.inf)))
    left_x, left_y = knots[right - 1]
    if right == len(knots):
        return left_y + (x - left_x) * slope
    right_x, right_y = knots[right]
    return left_y + (x - left_x) / (right_x - left_x) * (right_y - left_y)
