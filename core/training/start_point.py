"""Start point of a training process: from scratch or from a checkpoint. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.events.types import EpochEnded


@dataclass(frozen=True, slots=True)
class StartPoint:
    """A checkpoint to resume from, with the epochs before it; empty for a new run."""

    content: Mapping[str, Any] | None = None
    checkpoint: str = ""
    """Name of the file."""
    epochs: list[EpochEnded] = field(default_factory=list)
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Config keys that were changed on resume."""


FROM_SCRATCH = StartPoint()
