"""Throughput meter: when progress is due, and the rates since the last report."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.events.pacing import PROGRESS_SECONDS, event_interval


@dataclass
class ThroughputMeter:
    """Accumulates times and losses of a pass's steps between two Progress events."""

    clock: Callable[[], float] = time.monotonic
    steps: int = 0
    images: int = 0
    waited: float = 0.0
    """Seconds of data loading time."""
    losses: list[float] = field(default_factory=list)
    grad_norm: float = math.nan
    total_images: int = 0
    total_waited: float = 0.0
    total_seconds: float = 0.0
    _since: float = 0.0
    _wait_began: float = 0.0

    def __post_init__(self) -> None:
        self._since = self._wait_began = self.clock()

    def data_arrived(self) -> None:
        """Count the time since the last step as data loading time."""
        self.waited += self.clock() - self._wait_began

    def step_done(self, images: int) -> None:
        """Count a step over `images` images."""
        self.steps += 1
        self.images += images

    def add_loss(self, loss: float, grad_norm: float) -> None:
        """Add the loss and gradient norm of a training step."""
        self.losses.append(loss)
        self.grad_norm = grad_norm

    def next_step(self) -> None:
        """Start to wait for the next batch; a pause before this call is not counted."""
        self._wait_began = self.clock()

    def skip(self, seconds: float) -> None:
        """Exclude a pause."""
        self._since += seconds

    def due(self, run_seconds: float) -> bool:
        """Return whether progress is due in a run that has trained for `run_seconds`."""
        gap = event_interval(PROGRESS_SECONDS, run_seconds)
        return self.clock() - self._since >= gap

    def take(self) -> "Rates":
        """Return the rates since the last call, and reset them."""
        now = self.clock()
        seconds = max(1e-9, now - self._since)
        rates = Rates(
            recent_loss=sum(self.losses) / len(self.losses) if self.losses else math.nan,
            peak_loss=_peak(self.losses),
            images_per_second=self.images / seconds,
            step_seconds=seconds / max(1, self.steps),
            data_wait=min(1.0, self.waited / seconds),
            grad_norm=self.grad_norm,
        )
        self.total_images += self.images
        self.total_waited += self.waited
        self.total_seconds += seconds
        self.steps, self.images, self.waited, self.losses = 0, 0, 0.0, []
        self._since = now
        return rates

    @property
    def mean_images_per_second(self) -> float:
        """Mean throughput of the pass; NaN before the first `take`."""
        return self.total_images / self.total_seconds if self.total_seconds else math.nan

    @property
    def mean_data_wait(self) -> float:
        """Data loading time as a fraction of the pass; NaN before the first `take`."""
        return self.total_waited / self.total_seconds if self.total_seconds else math.nan


@dataclass(frozen=True, slots=True)
class Rates:
    """Values of the steps between two Progress events, with the event's field names."""

    recent_loss: float
    peak_loss: float
    images_per_second: float
    step_seconds: float
    data_wait: float
    grad_norm: float


def _peak(losses: list[float]) -> float:
    if not losses or any(not math.isfinite(loss) for loss in losses):
        return math.nan
    return max(losses)
