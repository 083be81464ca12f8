"""Scale of the y axis, and round values for both axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LOG_RATIO = 50.0
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_HOURS = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 1000)


@dataclass(frozen=True, slots=True)
class Scale:
    """The y axis: its limits as drawn, exponents if it is logarithmic."""

    low: float
    high: float
    log: bool
    unit: float

    @staticmethod
    def fit(values: Sequence[float], scale: str, unit: float) -> "Scale":
        """Return the scale that shows all these values; `scale` is `linear`, `log`, or `auto` for
        logarithmic over a wide range."""
        log = is_log(values, scale)
        drawn = [math.log10(v) for v in values if v > 0] if log else values
        low, high = min(drawn), max(drawn)
        margin = 0.05 * (high - low) or abs(high) * 0.05 or 0.01
        floor = 0.0 if low >= 0 and not log else -math.inf
        low, high = max(floor, low - margin), high + margin
        return Scale(low, high, log, unit)

    def fraction(self, value: float) -> float:
        """Return the position of a value on the axis, 0 to 1."""
        y = math.log10(max(value, 1e-300)) if self.log else value
        return min(1.0, max(0.0, (y - self.low) / (self.high - self.low)))

    def ticks(self, number: int) -> tuple[list[float], list[str]]:
        """Return the positions of round values and their labels, with as many digits as needed."""
        values = _decades(self.low, self.high) if self.log else []
        if len(values) > 1:
            return [self.fraction(v) for v in values], [f"{v / self.unit:g}" for v in values]
        low, high = (10**y if self.log else y for y in (self.low, self.high))
        values = round_values(low, high, number)
        shown = [v / self.unit for v in values]
        return [self.fraction(v) for v in values], [axis_label(v, shown) for v in shown]


def is_log(values: Sequence[float], scale: str) -> bool:
    """Return whether values are drawn on a logarithmic axis."""
    if scale == "log":
        return any(value > 0 for value in values)
    if scale == "linear" or not values:
        return False
    return min(values) > 1e-300 and max(values) / min(values) > _LOG_RATIO


def axis_label(value: float, neighbors: Sequence[float]) -> str:
    """Return a value with as many digits as distinguish it from its neighbors on the axis."""
    step = abs(neighbors[-1] - neighbors[0]) / max(1, len(neighbors) - 1)
    digits = -math.floor(math.log10(step) + 1e-9) if 0 < step < math.inf else 0
    if not -5 < digits < 6 or abs(value) >= 1e6:
        return f"{value:.2g}"
    return f"{value + 0.0:.{max(0, digits)}f}"


def _decades(low: float, high: float) -> list[float]:
    """Return powers of ten between two exponents, thinned to a handful."""
    exponents = range(max(-300, math.ceil(low)), math.floor(high) + 1)
    step = max(1, math.ceil(len(exponents) / 6))
    return [10.0**exponent for exponent in exponents[::step]]


def round_values(low: float, high: float, number: int) -> list[float]:
    """Return about `number` round values from low to high; the ends if fewer than two are round."""
    span = high - low
    if not 0 < span < math.inf:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / number))
    step = next((m * power for m in (1, 2, 5, 10) if span / (m * power) <= number), span)
    inside = _multiples(step, low, high, number)
    return inside if len(inside) > 1 else [low, high]


def round_seconds(low: float, high: float, number: int) -> list[float]:
    """Return about `number` times (s) from low to high that are round on a clock."""
    steps = [*_SECONDS, *(3600 * hours for hours in _HOURS)]
    step = next((s for s in steps if (high - low) / s <= number), high - low)
    return _multiples(float(step), low, high, number) if 0 < step < math.inf else [low]


def _multiples(step: float, low: float, high: float, number: int) -> list[float]:
    first = math.ceil(low / step) if step else 0
    values = [(first + i) * step for i in range(number + 1)]
    return [value for value in values if low <= value <= high]
