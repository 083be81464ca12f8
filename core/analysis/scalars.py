"""The figures of a run as named series over its global step, the way trackers keep them."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from core.events import types as ev


class Scalar(NamedTuple):
    """One figure at one step."""

    step: int
    time: float
    """Unix seconds."""
    value: float


Series = dict[str, list[Scalar]]
_Figures = Iterator[tuple[str, float | None]]


def scalars(records: Iterable[ev.Record]) -> Series:
    """Return the series of a run by name, each in the order of its steps, one value a step.

    What came after the checkpoint that a run was resumed from is left out, as it was undone.
    """
    kept: dict[str, dict[int, Scalar]] = {}
    step = 0
    for record in records:
        event = record.event
        if isinstance(event, ev.RunResumed):
            kept = {name: _until(series, event.global_step) for name, series in kept.items()}
        step = getattr(event, "global_step", step)
        for name, value in _figures(event):
            if value is not None:
                kept.setdefault(name, {})[step] = Scalar(step, record.time, value)
    return {name: sorted(series.values()) for name, series in kept.items() if series}


def _until(series: dict[int, Scalar], step: int) -> dict[int, Scalar]:
    return {at: scalar for at, scalar in series.items() if at <= step}


def _figures(event: ev.Event) -> _Figures:
    if isinstance(event, ev.Progress) and event.stage == "train":
        yield from _of_steps(event)
    elif isinstance(event, ev.EpochEnded):
        yield from _of_epoch(event)
    elif isinstance(event, ev.DeviceSample):
        yield "memory/run_bytes", _first(event.reserved, event.allocated, event.process_rss)
        yield "memory/host_bytes", _first(event.host_used)


def _of_steps(event: ev.Progress) -> _Figures:
    yield "train/loss", event.recent_loss
    yield "train/lr", event.lr
    # Not a number may mean that it isn't known, which is no news.
    if not math.isnan(event.grad_norm) or not math.isfinite(event.recent_loss):
        yield "train/grad_norm", event.grad_norm
    if math.isfinite(event.images_per_second):
        yield "speed/images_per_second", event.images_per_second
    if math.isfinite(event.data_wait):
        yield "speed/data_wait", event.data_wait


def _of_epoch(event: ev.EpochEnded) -> _Figures:
    yield "train/epoch_loss", event.train_loss
    yield "train/epoch_top1", event.train_top1
    yield "val/loss", event.val_loss
    yield "val/top1", event.val_top1
    yield "val/top5", event.val_top5


def _first(*sizes: int | None) -> float | None:
    return next((float(size) for size in sizes if size is not None), None)
