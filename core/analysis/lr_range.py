"""Learning rate range test (Smith, 2017): smooth its loss, end it, and suggest a learning rate.

The rules are those that fastai and Lightning document: an exponentially rising learning rate, a
smoothed loss that ends the test at four times its minimum, and as suggestions the rate of the
steepest descent and a tenth of the rate at the minimum.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from core.common import format as fmt
from core.common.errors import UserError


class RangeTestFailed(UserError):
    """A range test that failed while it trained; one sentence with the reason."""


DIVERGED = 4.0
"""The loss diverges at this multiple of its minimum, above its value at the start."""
MIN_STEPS = 20
_WINDOW = 1 / 20
"""Time constant of the smoothing, as a fraction of the steps: short, as smoothing delays."""
_MIN_DESCENT, _MIN_DESCENT_ERRORS = 0.02, 5.0
"""A descent is at least this fraction of the loss, and this many standard errors."""
_MEDIAN_TO_DEVIATION = 1.4826
"""Of a normal distribution: standard deviation over median absolute value."""
_TINY = 1e-12


def rising_rates(low: float, high: float, steps: int) -> list[float]:
    """Return `steps` learning rates from `low` to `high`, each the same multiple of the last."""
    last = steps - 1
    return [low ** (1 - step / last) * high ** (step / last) for step in range(steps)]


def rounded(rate: float) -> str:
    """Return a learning rate with two significant digits: the test is no more precise."""
    return f"{rate:.2g}"


class RangeCurve:
    """The losses of a range test so far, with their exponential moving average.

    The average has the bias correction of Adam (Kingma and Ba, 2015).
    """

    def __init__(self, rates: Sequence[float]) -> None:
        """`rates` are those of all planned steps."""
        self.planned = list(rates)
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.end = "steps"
        """`steps` after all of them, else `diverged` or `nonfinite`."""
        self.window = max(2, round(_WINDOW * len(rates)))
        """Time constant of the average, in steps."""
        self._beta = 1 - 1 / self.window
        self._sum = 0.0

    @property
    def rates(self) -> list[float]:
        """The learning rates of the finished steps."""
        return self.planned[: len(self.losses)]

    def add(self, loss: float) -> bool:
        """Add the loss of the next step; returns whether the test continues."""
        if not math.isfinite(loss):
            self.end = "nonfinite"
            return False
        self.losses.append(loss)
        self._sum = self._beta * self._sum + (1 - self._beta) * loss
        self.smoothed.append(self._sum / (1 - self._beta ** len(self.losses)))
        if len(self.losses) > self.window and self.smoothed[-1] > self._limit:
            self.end = "diverged"
            return False
        return len(self.losses) < len(self.planned)

    @property
    def _limit(self) -> float:
        return max(DIVERGED * min(self.smoothed), self.smoothed[self.window - 1])

    @property
    def error(self) -> float:
        """Standard error of the average, from the differences of successive losses: their median
        is that of the noise, also where the loss rises at the end."""
        changes = [abs(after - before) for before, after in pairwise(self.losses)]
        deviation = median(changes) * _MEDIAN_TO_DEVIATION / math.sqrt(2)
        return deviation / math.sqrt(2 * self.window - 1)

    @property
    def minimum(self) -> int:
        """Step of the lowest average."""
        return min(range(len(self.smoothed)), key=self.smoothed.__getitem__)

    @property
    def steepest(self) -> int:
        """Step of the steepest descent over the logarithm of the rate, before the minimum."""
        # The average lags by about its time constant: a slope between two of its values belongs to
        # the rates around the earlier one.
        most = max(1, self.minimum - self.window)
        return min(range(most), key=self._slope)

    def _slope(self, step: int) -> float:
        last = min(step + 2 * self.window, len(self.smoothed) - 1)
        return (self.smoothed[last] - self.smoothed[step]) / max(1, last - step)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The learning rate that a range test suggests, or why it suggests none."""

    rate: float | None
    steepest: float | None = None
    """The rate of the steepest descent."""
    tenth: float | None = None
    """A tenth of the rate at the minimum."""
    reason: str = ""
    """Why no rate is suggested: a sentence."""


def suggest(curve: RangeCurve) -> Suggestion:
    """Return the suggestion of a range test that has ended."""
    low, high = (fmt.rate(rate) for rate in (curve.planned[0], curve.planned[-1]))
    if len(curve.losses) < 2 * curve.window:
        steps = fmt.counted(len(curve.losses), "step")
        return Suggestion(
            None, reason=f"the loss diverges after {steps}: choose a lower --min-lr than {low}"
        )
    lowest = curve.smoothed[curve.minimum]
    start = fmean(curve.losses[: max(curve.window, curve.minimum // 3)])
    descent = start - lowest if curve.minimum >= curve.window else 0.0
    if descent < max(_MIN_DESCENT * abs(start), _MIN_DESCENT_ERRORS * curve.error, _TINY):
        return Suggestion(
            None,
            reason=f"the loss does not fall clearly at any learning rate from {low} to {high}; "
            "more --steps show smaller effects",
        )
    steepest, tenth = curve.rates[curve.steepest], curve.rates[curve.minimum] / 10
    if tenth < curve.planned[0]:
        at = rounded(curve.rates[curve.minimum])
        return Suggestion(
            None,
            steepest,
            reason=f"the loss is lowest at {at}, close to the lowest learning rate of the test: "
            "choose a lower --min-lr",
        )
    if curve.end == "steps" and curve.smoothed[-1] < lowest + 0.1 * descent:
        return Suggestion(
            None,
            steepest,
            reason=f"the loss still falls at {high}, the highest learning rate of the test: choose "
            "a higher --max-lr",
        )
    return Suggestion(tenth, steepest, tenth)
