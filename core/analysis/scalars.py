"""Scalars of a run: named series over the global step, as experiment trackers store them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from core.events import types as ev
from core.events.record import Record
from core.run.figures import FIGURES


class Scalar(NamedTuple):
    """A value at a global step."""

    step: int
    time: float
    """Unix seconds."""
    value: float


ScalarSeries = dict[str, list[Scalar]]


def scalars(records: Iterable[Record]) -> ScalarSeries:
    """Return the scalars of a run by tag, in the order of their steps, one per step.

    Values after the checkpoint that a run was resumed from are left out: training was rolled back.
    """
    by_tag: dict[str, dict[int, Scalar]] = {}
    step = 0
    for record in records:
        event = record.event
        if isinstance(event, ev.RunResumed):
            by_tag = {tag: _until(series, event.global_step) for tag, series in by_tag.items()}
        step = getattr(event, "global_step", step)
        for tag, value in _values(event):
            by_tag.setdefault(tag, {})[step] = Scalar(step, record.time, value)
    return {tag: sorted(series.values()) for tag, series in by_tag.items() if series}


def _until(series: dict[int, Scalar], last: int) -> dict[int, Scalar]:
    return {step: scalar for step, scalar in series.items() if step <= last}


def _values(event: ev.Event) -> Iterator[tuple[str, float]]:
    for figure in FIGURES.values():
        if figure.tag:
            first: Sequence[float] = ()
            if isinstance(event, ev.Progress) and event.stage == "train" and figure.step:
                first = figure.step(event)
            elif isinstance(event, ev.DeviceSample) and figure.device:
                first = figure.device(event)
            yield from ((figure.tag, value) for value in first[:1])
        if isinstance(event, ev.EpochEnded):
            for epoch in (figure.train, figure.val):
                if epoch and epoch.tag:
                    yield epoch.tag, epoch.read(event)
