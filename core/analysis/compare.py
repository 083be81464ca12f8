"""Comparison of runs: config differences and results.

All functions are pure, and a `ComparedRun` is not changed by later events: a view may show it while
the run continues.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

from core.common import format as fmt
from core.common.nested import flatten_recorded
from core.config.phases import FULL
from core.run.downsampling import Bucket
from core.run.state import RunState
from core.run.state_parts import EpochPoint

FEWEST, MOST = 2, 8
LETTERS = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class RunLabel:
    """How a comparison identifies a run."""

    id: str
    name: str
    letter: str
    """Symbol in tables and charts."""
    color: int
    """Index into the palette: the same in every comparison, unless another run has taken it."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """The part of a run that a comparison needs, at one moment."""

    label: RunLabel
    status: str
    config: dict[str, str]
    epochs: tuple[EpochPoint, ...]
    best: EpochPoint | None
    series: dict[str, tuple[Bucket, ...]]
    """Series within epochs, by the key of their figure."""
    phase_steps: dict[str, int]
    """Training steps per epoch, by phase."""
    unfreeze: float | None
    """Epochs before phase full; None if it has not started."""
    seconds: float | None
    """Time from the start to the last event, pauses included."""
    commands: tuple[str, ...]
    """Manual changes while it ran, as text."""
    images: tuple[int, int] | None = None
    """Images in train and val; None before they are read."""

    @property
    def id(self) -> str:
        """Return the run's id."""
        return self.label.id

    @property
    def name(self) -> str:
        """Return the run's display name."""
        return self.label.name

    @property
    def letter(self) -> str:
        """Return the run's letter."""
        return self.label.letter


def assign_colors(ids: Sequence[str], size: int = MOST) -> list[int]:
    """Return an index into a palette for each run: by its id, the next free one if it is taken.

    The order of the runs does not matter.
    """
    assigned: dict[str, int] = {}
    for id in sorted(set(ids)):
        index = crc32(id.encode("utf-8", "surrogateescape")) % size
        taken = set(assigned.values())
        if len(taken) < size:
            while index in taken:
                index = (index + 1) % size
        assigned[id] = index
    return [assigned[id] for id in ids]


def compared_run(state: RunState, label: RunLabel, status: str) -> ComparedRun:
    """Return the part of a run's state that a comparison needs."""
    full = state.phases.get(FULL)
    return ComparedRun(
        label=label,
        status=status,
        config=flatten_recorded(state.config),
        epochs=tuple(state.epochs),
        best=state.best,
        series={key: tuple(series) for key, series in state.series.items()},
        phase_steps={n: p.started.steps for n, p in state.phases.items() if p.started},
        unfreeze=full.start_x if full and full.started else None,
        seconds=state.elapsed(state.last_time) if state.last_time is not None else None,
        commands=tuple(marker.text for marker in state.markers if marker.kind == "command"),
        images=(state.data.train, state.data.val) if state.data else None,
    )


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A row of the table: one result or config key of every run."""

    key: str
    label: str
    values: tuple[float | None, ...]
    texts: tuple[str, ...]
    winners: tuple[bool, ...]
    """Whether a run has the best value by the goal; all False if all values are equal."""
    goal: str = ""
    """`highest` or `lowest`; empty if neither is better."""
    unit: str = ""
    unit_size: float = 1.0
    """Size of the unit: 0.01 for percent."""


@dataclass(frozen=True, slots=True)
class _Result:
    key: str
    label: str
    goal: str
    value: Callable[[ComparedRun], float | None]
    text: Callable[[float | None], str]

    @property
    def unit(self) -> tuple[str, float]:
        """The unit of the values on an axis, and its size."""
        return _UNITS.get(self.text, ("", 1.0))


def _integer(value: float | None) -> str:
    return fmt.NONE if value is None else fmt.count(int(value))


def _at_best(field: str) -> Callable[[ComparedRun], float | None]:
    return lambda run: getattr(run.best.result, field) if run.best else None


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


def _epochs_to_best(run: ComparedRun) -> float | None:
    return float(run.best.number) if run.best else None


def _speed(run: ComparedRun) -> float | None:
    return run.epochs[-1].result.images_per_second if run.epochs else None


_UNITS: dict[Callable[[float | None], str], tuple[str, float]] = {
    fmt.percent: ("%", 0.01),
    fmt.duration: ("min", 60.0),
    fmt.speed: ("img/s", 1.0),
}
_RESULTS = (
    _Result("best_val_top1", "best val top-1", "highest", _at_best("val_top1"), fmt.percent),
    _Result("best_val_top5", "val top-5 at best epoch", "highest", _at_best("val_top5"),
            fmt.percent),
    _Result("best_val_loss", "val loss at best epoch", "lowest", _at_best("val_loss"), fmt.loss),
    _Result("lowest_val_loss", "lowest val loss", "lowest", _lowest_loss, fmt.loss),
    _Result("train_val_gap", "train − val gap at best epoch", "", _gap, fmt.percent),
    _Result("epochs", "epochs", "", lambda run: float(len(run.epochs)), _integer),
    _Result("epochs_to_best", "epochs to best", "lowest", _epochs_to_best, _integer),
    _Result("seconds_to_best", "time to best", "lowest", _seconds_to_best, fmt.duration),
    _Result("training_seconds", "time of all epochs", "lowest", _training_seconds, fmt.duration),
    _Result("images_per_second", "throughput, last epoch", "highest", _speed, fmt.speed),
    _Result("commands", "manual changes", "", lambda run: float(len(run.commands)), _integer),
)  # fmt: skip


def results(runs: Sequence[ComparedRun]) -> list[ComparisonRow]:
    """Return the results of the runs, with the best of each result marked."""
    rows = []
    for result in _RESULTS:
        values = tuple(result.value(run) for run in runs)
        texts = tuple(result.text(value) for value in values)
        winners = _winners(values, result.goal)
        row = ComparisonRow(
            result.key, result.label, values, texts, winners, result.goal, *result.unit
        )
        rows.append(row)
    return rows


def _winners(values: Sequence[float | None], goal: str) -> tuple[bool, ...]:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not goal or len(known) < 2 or min(known) == max(known):
        return (False,) * len(values)
    best = max(known) if goal == "highest" else min(known)
    return tuple(value == best for value in values)


def config_differences(runs: Sequence[ComparedRun]) -> list[ComparisonRow]:
    """Return the config keys in which the runs differ, except their names."""
    keys = list(dict.fromkeys(key for run in runs for key in run.config))
    rows = []
    for key in keys:
        texts = tuple(run.config.get(key, fmt.NONE) for run in runs)
        if key != "name" and len(set(texts)) > 1:
            nothing = (None,) * len(runs)
            rows.append(ComparisonRow(key, key, nothing, texts, (False,) * len(runs)))
    return rows
