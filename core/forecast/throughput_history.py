"""Get the throughput of an earlier run with the same model, to forecast training time."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from core.config.phases import FULL, HEAD
from core.config.schema import Config
from core.run.folder import RunFolder
from core.run.run_list import RunList
from core.run.snapshot import Snapshot
from core.run.state import RunState
from core.run.state_parts import EpochPoint
from core.run.summary import RunSummary

_MAX_RUNS = 5
"""Maximum number of matching runs to read, newest first."""


@dataclass(frozen=True, slots=True)
class ThroughputHistory:
    """Seconds per epoch and image, over training and validation images, including validation."""

    run: str
    """Display name of the earlier run."""
    device: str
    head_first: float
    """First epoch of phase `head`, which reads the images."""
    head_next: float
    """Later epochs of phase `head`, which may use cached features."""
    full: float
    """Epochs of phase `full`."""


def find_throughput(config: Config, runs: RunList) -> ThroughputHistory | None:
    """Return the throughput of the newest run with the same model, image size and device type that
    has trained all phases of `config`; None if there is none."""
    for summary in _similar(config, runs.refresh())[:_MAX_RUNS]:
        throughput = _measured(_state(Path(summary.path)), summary.name, config)
        if throughput is not None:
            return throughput
    return None


def _similar(config: Config, summaries: Iterable[RunSummary]) -> list[RunSummary]:
    required = {
        "model.name": config.model.name,
        "data.image_size": str(config.data.image_size),
        "phases.head.views": str(config.phases.head.views),
    }
    return [
        summary
        for summary in summaries
        if summary.epochs
        and all(summary.config.get(key) == value for key, value in required.items())
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
    images = max(1, state.data.train + state.data.val)
    head = _seconds(state, HEAD, images)
    full = _seconds(state, FULL, images)
    if (config.phases.head.epochs and not head) or (config.phases.full.epochs and not full):
        return None
    return ThroughputHistory(
        name,
        state.model.device_name or device,
        head_first=head[0] if head else 0.0,
        head_next=median(head[1:] or head or [0.0]),
        full=median(full or [0.0]),
    )


def _seconds(state: RunState, phase: str, images: int) -> Sequence[float]:
    progress = state.phases.get(phase)
    points: list[EpochPoint] = progress.epochs if progress else []
    return [point.result.seconds / images for point in points]
