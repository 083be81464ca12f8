"""How fast a past run of the same network was: what a new one may be expected to take."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from core.config.schema import Config
from core.run.folder import RunFolder
from core.run.run_list import RunList
from core.run.snapshot import Snapshot
from core.run.state import RunState
from core.run.state_parts import EpochPoint
from core.run.summary import RunSummary

_LOOKED_AT = 5
"""Runs that fit are read, newest first, until one tells enough."""


@dataclass(frozen=True, slots=True)
class ThroughputHistory:
    """Seconds an epoch, validation included, for each picture of both sides."""

    run: str
    """Name of the run."""
    device: str
    head_first: float
    """The first epoch of phase `head`, which sees the pictures."""
    head_next: float
    """The others, which may have features to go by."""
    full: float


def find_throughput(config: Config, runs: RunList) -> ThroughputHistory | None:
    """Return how fast the newest run was that had the same network, picture size and kind of
    device, and knows the phases that are wanted; None where there is none."""
    for row in _alike(config, runs.refresh())[:_LOOKED_AT]:
        pace = _measured(_state(Path(row.path)), row.name, config)
        if pace is not None:
            return pace
    return None


def _alike(config: Config, rows: Iterable[RunSummary]) -> list[RunSummary]:
    wanted = {
        "model.name": config.model.name,
        "data.image_size": str(config.data.image_size),
        "phases.head.views": str(config.phases.head.views),
    }
    return [
        row
        for row in rows
        if row.epochs and all(row.config.get(key) == value for key, value in wanted.items())
    ]


def _state(path: Path) -> RunState:
    folder = RunFolder(path)
    reader, state = Snapshot(folder.journal, folder.snapshot).open()
    with contextlib.suppress(OSError):
        for record in reader.read():
            state.apply(record)
    return state


def _measured(state: RunState, name: str, config: Config) -> ThroughputHistory | None:
    if state.data is None or state.model is None:
        return None
    device = state.model.device
    if config.device != "auto" and device.partition(":")[0] != config.device:
        return None
    pictures = max(1, state.data.train + state.data.val)
    head = _seconds(state, "head", pictures)
    full = _seconds(state, "full", pictures)
    if (config.phases.head.epochs and not head) or (config.phases.full.epochs and not full):
        return None
    return ThroughputHistory(
        name,
        state.model.device_name or device,
        head_first=head[0] if head else 0.0,
        head_next=median(head[1:] or head or [0.0]),
        full=median(full or [0.0]),
    )


def _seconds(state: RunState, phase: str, pictures: int) -> Sequence[float]:
    known = state.phases.get(phase)
    points: list[EpochPoint] = known.epochs if known else []
    return [point.result.seconds / pictures for point in points]
