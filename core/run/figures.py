"""The table of all figures of a run: how each is measured, drawn and exported.

A new figure takes one entry. Run charts, comparison, readout, TensorBoard scalars, exported curves,
the setting `chart` and the options `show --metric` and `compare --figure` are derived from it.
This module is imported before the first frame, so it imports no events.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from core.common import format as fmt

if TYPE_CHECKING:
    from core.events.types import DeviceSample, EpochEnded, Progress

_SPIKE = 2.0
"""The loss of a single step is a spike if it exceeds the recent mean by this factor."""


@dataclass(frozen=True, slots=True)
class EpochValue:
    """A value of each completed epoch."""

    column: str
    """Name in exported curves and of `compare --figure`."""
    label: str
    read: Callable[["EpochEnded"], float]
    tag: str = ""
    """TensorBoard tag; without one it is not exported there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of a run.

    Its series within epochs comes from `step` (training progress) or `device` (device samples):
    the values that one event appends, the first of which is exported to TensorBoard.
    """

    key: str
    """Key in `RunState.series`, in settings and of `show --metric`."""
    title: str
    text: Callable[[float], str]
    """Format a value with its unit."""
    short: str | None = None
    """Name in the readout, by default the title; empty if the unit identifies the figure."""
    unit: str = ""
    unit_size: float = 1.0
    """Size of the unit: 0.01 for percent, 1e9 for GB."""
    goal: str = ""
    """`min` or `max`; empty if neither is better."""
    limits: tuple[float, float] | None = None
    """Widest range of the y axis."""
    scale: str = "linear"
    """Default y axis: `linear`, or `auto` for logarithmic over a wide range."""
    chart: bool = True
    """Whether it has a chart; otherwise it is only recorded and exported."""
    stepped: bool = False
    """Whether the curve keeps a value until the next one; such a curve is never smoothed."""
    by_phase: bool = False
    """Whether values of another phase are of another size: the y axis follows the last phase."""
    running_mean: bool = False
    """Whether the series is a running mean that restarts in each epoch, so that a completed epoch
    is drawn by its `train` value alone."""
    buckets: int = 512
    """Maximum number of buckets of the series; 0 records none."""
    step: "Callable[[Progress], Sequence[float]] | None" = None
    device: "Callable[[DeviceSample], Sequence[float]] | None" = None
    tag: str = ""
    """TensorBoard tag of the series; without one it is not exported there."""
    train: EpochValue | None = None
    val: EpochValue | None = None

    @property
    def readout_name(self) -> str:
        """Name before the value in the readout."""
        return self.title if self.short is None else self.short

    @property
    def y_max(self) -> float:
        """The largest possible value, such as 1 for an accuracy."""
        return self.limits[1] if self.limits else math.inf

    @property
    def smoothable(self) -> bool:
        """Whether a moving average of the curve makes sense."""
        return not self.stepped


def _epoch(field: str, label: str, tag: str = "") -> EpochValue:
    return EpochValue(field, label, attrgetter(field), tag)


def _loss(e: "Progress") -> Sequence[float]:
    if e.peak_loss <= _SPIKE * e.recent_loss:
        return (e.recent_loss,)
    # The mean again after the spike, so that it is drawn alone, not as a slope to the next point.
    return (e.recent_loss, e.peak_loss, e.recent_loss)


def _grad_norm(e: "Progress") -> Sequence[float]:
    # NaN with a finite loss means that the norm was not computed.
    computed = not math.isnan(e.grad_norm) or not math.isfinite(e.recent_loss)
    return (e.grad_norm,) if computed else ()


def _finite(value: float) -> Sequence[float]:
    return (value,) if math.isfinite(value) else ()


def _first_known(*values: float | None) -> Sequence[float]:
    return next(((float(value),) for value in values if value is not None), ())


_TABLE = (
    Figure(
        key="loss",
        title="loss",
        text=fmt.loss,
        goal="min",
        scale="auto",
        buckets=2048,
        step=_loss,
        tag="train/loss",
        train=_epoch("train_loss", "train loss", "train/epoch_loss"),
        val=_epoch("val_loss", "val loss", "val/loss"),
    ),
    Figure(
        key="top1",
        title="top-1 accuracy",
        short="top-1",
        text=fmt.percent,
        unit="%",
        unit_size=0.01,
        goal="max",
        limits=(0.0, 1.0),
        running_mean=True,
        buckets=2048,
        step=lambda e: (e.top1,),
        train=_epoch("train_top1", "train top-1", "train/epoch_top1"),
        val=_epoch("val_top1", "val top-1", "val/top1"),
    ),
    Figure(
        key="top5",
        title="top-5 accuracy",
        text=fmt.percent,
        limits=(0.0, 1.0),
        goal="max",
        chart=False,
        buckets=0,
        val=_epoch("val_top5", "val top-5", "val/top5"),
    ),
    Figure(
        key="lr",
        title="learning rate",
        short="lr",
        text=fmt.rate,
        scale="auto",
        stepped=True,
        step=lambda e: (e.lr,),
        tag="train/lr",
        train=_epoch("lr", "learning rate"),
    ),
    Figure(
        key="grad_norm",
        title="gradient norm",
        short="grad",
        text=fmt.loss,
        scale="auto",
        step=_grad_norm,
        tag="train/grad_norm",
    ),
    Figure(
        key="images_per_second",
        title="throughput",
        short="",
        text=fmt.speed,
        unit="img/s",
        by_phase=True,
        goal="max",
        step=lambda e: _finite(e.images_per_second),
        tag="speed/images_per_second",
        train=_epoch("images_per_second", "throughput"),
    ),
    Figure(
        key="data_wait",
        title="data loading time",
        short="waits",
        text=fmt.percent,
        unit="%",
        unit_size=0.01,
        limits=(0.0, 1.0),
        step=lambda e: _finite(e.data_wait),
        tag="speed/data_wait",
    ),
    Figure(  # of this run on its device, or of its processes on the host
        key="memory",
        title="memory",
        short="",
        text=fmt.gigabytes,
        unit="GB",
        unit_size=1e9,
        device=lambda e: _first_known(e.reserved, e.allocated, e.process_rss),
        tag="memory/run_bytes",
    ),
    Figure(  # of the device, or of the host's cores
        key="utilization",
        title="utilization",
        short="busy",
        text=fmt.percent,
        unit="%",
        unit_size=0.01,
        limits=(0.0, 1.0),
        device=lambda e: _first_known(e.utilization, e.host_cpu),
        tag="device/utilization",
    ),
    Figure(
        key="power",
        title="power",
        short="",
        text=fmt.watts,
        unit="W",
        device=lambda e: _first_known(e.power),
        tag="device/power_watts",
    ),
    Figure(
        key="host_memory",
        title="host memory",
        text=fmt.size,
        chart=False,
        buckets=0,
        device=lambda e: _first_known(e.host_used),
        tag="memory/host_bytes",
    ),
    *(
        Figure(
            key=key,
            title=title,
            text=fmt.percent,
            unit="%",
            unit_size=0.01,
            goal="max",
            limits=(0.0, 1.0),
            chart=False,
            buckets=0,
            val=_epoch(key, title, f"val/{key}"),
        )
        for key, title in (("macro_f1", "macro F1"), ("balanced_accuracy", "balanced accuracy"))
    ),
)
FIGURES = {figure.key: figure for figure in _TABLE}
"""All figures by key, in the order in which they are shown."""


def charted_figures() -> tuple[Figure, ...]:
    """Return the figures that have a chart."""
    return tuple(figure for figure in FIGURES.values() if figure.chart)


def epoch_values_with_goal() -> list[tuple[Figure, EpochValue]]:
    """Return the values of an epoch that are better higher or lower, with their figures."""
    return [
        (figure, value)
        for figure in FIGURES.values()
        if figure.goal
        for value in (figure.train, figure.val)
        if value is not None
    ]


def best_values(epochs: Iterable["EpochEnded"]) -> dict[str, float]:
    """Return the best value over these epochs of each figure that has a goal, by column."""
    found: dict[str, float] = {}
    results = list(epochs)
    for figure, value in epoch_values_with_goal():
        known = [number for each in results if math.isfinite(number := value.read(each))]
        if known:
            found[value.column] = (max if figure.goal == "max" else min)(known)
    return found
