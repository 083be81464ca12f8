"""Sentences about a learning rate range test."""

from typing import TYPE_CHECKING

from core.analysis.lr_range import rounded
from core.common import format as fmt
from core.common.text import printable

if TYPE_CHECKING:
    from core.session.lr_find import LrRangeTest

_ENDS = {
    "steps": "",
    "diverged": "; ended early: the loss diverged",
    "nonfinite": "; ended early: the loss was no longer finite",
}
_SIMILAR = 2.0


def headline(test: "LrRangeTest") -> str:
    """Return what was tested."""
    rates = test.curve.rates
    steps = fmt.counted(len(rates), "step")
    low, high = fmt.rate(rates[0]), rounded(rates[-1])
    return f"training loss of phase {test.phase}, {steps}, learning rate {low} to {high}"


def verdict(test: "LrRangeTest") -> list[str]:
    """Return how the test started and ended, the suggestion compared with the configured rate,
    and how to use it."""
    lines = [f"started from {printable(test.start)}{_ENDS[test.curve.end]}"]
    rate, reason = test.suggestion.rate, test.suggestion.reason
    if rate is None:
        lines.append(f"no suggestion: {reason}")
    else:
        lines.append(
            f"suggested learning rate: {rounded(rate)}, {_comparison(rate, test.configured)}"
        )
        lines.append(f"to use it: {test.option}")
    return [*lines, *([f"note: {test.note}"] if test.note else [])]


def _comparison(rate: float, configured: float) -> str:
    ratio = rate / configured
    known = f"the configured {fmt.rate(configured)}"
    if 1 / _SIMILAR <= ratio <= _SIMILAR:
        return f"close to {known}, which can stay"
    if ratio > 1:
        return f"{ratio:.2g}x {known}"
    return f"1/{1 / ratio:.2g} of {known}"
