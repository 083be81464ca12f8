"""Where an engine begins: nowhere, or at a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.events.types import EpochEnded


@dataclass(frozen=True, slots=True)
class StartPoint:
    """A checkpoint to go on from, with the epochs that stand; empty for a new run."""

    content: Mapping[str, Any] | None = None
    checkpoint: str = ""
    """The file's name."""
    epochs: list[EpochEnded] = field(default_factory=list)
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Keys that were set anew."""


FROM_SCRATCH = StartPoint()
