"""When to tell of progress, and the figures of the time since the last telling."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from core.events.pacing import PROGRESS_SECONDS, gap_in_a_long_run


@dataclass
class ThroughputMeter:
    """Collects what the steps of one pass cost, between two Progress events."""

    clock: Callable[[], float] = time.monotonic
    steps: int = 0
    images: int = 0
    waited: float = 0.0
    """Seconds spent waiting for data."""
    losses: list[float] = field(default_factory=list)
    grad_norm: float = math.nan
    total_images: int = 0
    total_waited: float = 0.0
    total_seconds: float = 0.0
    _since: float = 0.0
    _step_began: float = 0.0

    def __post_init__(self) -> None:
        self._since = self._step_began = self.clock()

    def data_arrived(self) -> None:
        """A batch is here; the time since the last step was spent waiting for it."""
        self.waited += self.clock() - self._step_began

    def step_done(self, images: int) -> None:
        """A step over `images` pictures is done."""
        self.steps += 1
        self.images += images

    def saw(self, loss: float, grad_norm: float) -> None:
        """The figures of a training step are known."""
        self.losses.append(loss)
        self.grad_norm = grad_norm

    def next_step(self) -> None:
        """The wait for the next batch begins; a pause before this is nobody's time."""
        self._step_began = self.clock()

    def skip(self, seconds: float) -> None:
        """Leave out a pause."""
        self._since += seconds

    def due(self, run_seconds: float) -> bool:
        """Whether it is time to tell again, in a run that has trained this long."""
        gap = gap_in_a_long_run(PROGRESS_SECONDS, run_seconds)
        return self.clock() - self._since >= gap

    def take(self) -> "Rates":
        """Return the figures since the last call and begin anew."""
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
        """Pictures a second over the whole pass; NaN before the first `take`."""
        return self.total_images / self.total_seconds if self.total_seconds else math.nan

    @property
    def mean_data_wait(self) -> float:
        """Share of the whole pass that was spent waiting for data; NaN before the first `take`."""
        return self.total_waited / self.total_seconds if self.total_seconds else math.nan


@dataclass(frozen=True, slots=True)
class Rates:
    """Figures of the steps between two Progress events, named as there."""

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
