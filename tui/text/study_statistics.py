"""Statistics of studies as text: mean ± std, intervals, and sentences about differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.analysis.compare import ComparisonRow
from core.common import format as fmt
from core.common.text import printable
from core.study.statistics import Difference, Sample, Summary, Verdict

_MOST_DECIMALS = 6
_LARGE = 1e6
"""From here on, numbers are written in scientific notation."""
_LISTED = 4
"""Number of members that are named; more are counted."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How values of a result and their differences are written."""

    size: float = 1.0
    """Size of the unit: 0.01 for percent."""
    sign: str = ""
    """After a value."""
    noun: str = ""
    """After a difference."""
    decimals: tuple[int, int] = (0, 4)
    """Fewest and most decimals; more only where a spread would otherwise be written as 0."""
    is_time: bool = False
    """Whether values are seconds."""

    def number(self, value: float, decimals: int) -> str:
        """Return a value without its sign."""
        if self.is_time:
            return f"{'-' if value <= -1 else ''}{fmt.duration(abs(value))}"
        value /= self.size
        if abs(value) >= _LARGE or (value and decimals > _MOST_DECIMALS):
            return f"{value:.2e}"
        text = f"{value:,.{decimals}f}"
        return text.removeprefix("-") if not float(text.replace(",", "")) else text


PERCENT = Unit(0.01, "%", " points", (1, 2))
PLAIN = Unit()
SPEED = Unit(1.0, " img/s", " img/s", (0, 2))
TIME = Unit(is_time=True)
_UNITS = {"%": PERCENT, "img/s": SPEED, "min": TIME}


def unit_of(row: ComparisonRow) -> Unit:
    """Return how the values of a result are written."""
    return _UNITS.get(row.unit, PLAIN)


def mean_std(summary: Summary, unit: Unit) -> str:
    """Return `99.68 ± 0.05%`: two significant digits of the standard deviation, within the limits
    of the unit. Without a standard deviation, only the value."""
    if summary.mean is None:
        return fmt.NONE
    std = summary.std
    decimals = _decimals(std, unit, 2) if std else _decimals_alone(summary.mean, unit)
    mean = unit.number(summary.mean, decimals)
    return (
        f"{mean}{unit.sign}" if std is None else f"{mean} ± {unit.number(std, decimals)}{unit.sign}"
    )


def mean_interval(summary: Summary, unit: Unit) -> str:
    """Return the interval of a mean: `99.62 to 99.74%`; – without one."""
    if summary.low is None or summary.high is None:
        return fmt.NONE
    decimals = _decimals((summary.high - summary.low) / 2, unit, 2)
    return (
        f"{unit.number(summary.low, decimals)} to {unit.number(summary.high, decimals)}{unit.sign}"
    )


def verdict(difference: Difference, goal: str, unit: Unit) -> str:
    """Return whether the results show a difference, as a sentence without its period.

    `goal` is `highest` or `lowest`; empty if neither is better.
    """
    a, b = printable(difference.a.name), printable(difference.b.name)
    if difference.verdict is Verdict.NO_RESULT:
        empty = [n for n, s in ((a, difference.a), (b, difference.b)) if not s.values]
        return f"{' and '.join(empty)} {'has' if len(empty) == 1 else 'have'} no result"
    if difference.verdict is Verdict.DIFFERENT:
        return _shown(difference, goal, unit)
    measured = f"{a} − {b} is {_amount(difference, unit)}"
    if difference.verdict is Verdict.NOT_SHOWN:
        interval = _interval(difference, unit)
        return (
            f"no difference between {a} and {b} that {_members(difference)} can show: {measured},"
            f" interval {interval}"
        )
    if difference.verdict is Verdict.EQUAL:
        return f"{a} and {b} have equal results in {_members(difference)}"
    if difference.verdict is Verdict.NO_VARIATION:
        return f"no interval, as the results of {_members(difference)} do not vary: {measured}"
    if max(difference.n) == 1:
        return f"one run each: no interval; {measured}"
    single = difference.a if difference.n[0] == 1 else difference.b
    return f"one run of {printable(single.name)}: no interval; {measured}"


def _shown(difference: Difference, goal: str, unit: Unit) -> str:
    value = difference.value or 0.0
    first_is_better = (value > 0) == (goal != "lowest")
    a, b = (difference.a, difference.b) if first_is_better else (difference.b, difference.a)
    relation = "better" if goal else "higher"
    sides = f"{printable(a.name)} is {relation} than {printable(b.name)}"
    interval = _interval(difference, unit, positive=True, with_noun=False)
    return (
        f"{sides} by {_amount(difference, unit, positive=True)}, interval {interval},"
        f" {_members(difference)}"
    )


def short_verdict(difference: Difference, goal: str, unit: Unit) -> str:
    """Return the difference with its interval and what it shows, for a table."""
    if difference.verdict is Verdict.NO_RESULT:
        return fmt.NONE
    amount = _amount(difference, unit)
    if difference.low is None:
        return f"{amount} (no interval)" if difference.value else f"{amount} (equal)"
    text = f"{amount} ({_interval(difference, unit, with_noun=False)})"
    better = difference.better(goal)
    if difference.verdict is Verdict.NOT_SHOWN:
        return f"{text}, no difference shown"
    return f"{text}, {printable(better.name)} better" if better else f"{text}, different"


def missing_text(sample: Sample) -> str:
    """Return which members have no result; empty if all have one."""
    missing = sample.missing
    if not missing:
        return ""
    more = [fmt.counted(len(missing) - _LISTED, "more", "more")] if len(missing) > _LISTED else []
    names = ", ".join([*map(printable, missing[:_LISTED]), *more])
    total = fmt.counted(len(sample.results), sample.noun)
    return f"{printable(sample.name)}: {len(missing):,} of {total} without a result: {names}"


def method_text(differences: Sequence[Difference]) -> str:
    """Return how the intervals were computed; empty without an interval."""
    known = [difference for difference in differences if difference.low is not None]
    if not known:
        return ""
    parts = ["95% intervals by Student's t"]
    if all(difference.paired for difference in known):
        parts.append(f"paired by {_noun(known[0])}")
    elif not any(difference.paired for difference in known):
        parts.append("not paired (Welch)")
    if any(difference.is_corrected for difference in known):
        parts.append("corrected for shared training images (Nadeau and Bengio)")
    comparisons = max(difference.comparisons for difference in known)
    if comparisons > 1:
        parts.append(f"widened by Holm's correction for {comparisons} comparisons")
    return ", ".join(parts)


def _noun(difference: Difference) -> str:
    a, b = difference.a.noun, difference.b.noun
    return a if a == b else "run"


def _members(difference: Difference) -> str:
    """Return the numbers of members that were used: `5 seeds`, `5 and 3 seeds`."""
    (a, b), noun = difference.n, _noun(difference)
    if difference.paired:
        planned = max(len(difference.a.results), len(difference.b.results))
        return fmt.counted(a, noun) if a == planned else f"{a} of {fmt.counted(planned, noun)}"
    if a == b:
        return f"{fmt.counted(a, noun)} each"
    return f"{a:,} and {fmt.counted(b, noun, f'{noun}s')}" if b > 1 else f"{a:,} and 1 {noun}"


def _decimals(spread: float, unit: Unit, significant: int) -> int:
    """Return the decimals that show so many digits of a spread, within the limits of the unit."""
    spread = abs(spread) / unit.size
    if not (spread and math.isfinite(spread)):
        return unit.decimals[1]
    first = -math.floor(math.log10(spread))
    fewest, most = unit.decimals
    # A spread that would be written as 0 has at least one digit.
    return min(max(first + significant - 1, fewest), max(most, first))


def _decimals_alone(value: float, unit: Unit) -> int:
    """Return the decimals of a value without a spread: none for an integer, within the limits."""
    fewest, most = unit.decimals
    return 0 if fewest == 0 and value == round(value) else most


def _decimals_of_difference(difference: Difference, unit: Unit) -> int:
    """Return decimals that show one digit of half the interval, two if the first one is 1; and more
    until a bound of a shown difference is not written as 0."""
    value, low, high = difference.value, difference.low, difference.high
    if low is None or high is None:
        return _decimals_alone(value or 0.0, unit)
    half = (high - low) / 2
    scaled = half / unit.size
    leading = scaled / 10 ** math.floor(math.log10(scaled)) if scaled > 0 else 9.0
    decimals = _decimals(half, unit, 2 if leading < 2 else 1)
    if difference.verdict is Verdict.DIFFERENT and value:
        nearest = min(abs(low), abs(high)) / unit.size
        while round(nearest, decimals) == 0 and decimals < _MOST_DECIMALS:
            decimals += 1
    return decimals


def _amount(difference: Difference, unit: Unit, positive: bool = False) -> str:
    value = difference.value or 0.0
    decimals = _decimals_of_difference(difference, unit)
    return f"{unit.number(abs(value) if positive else value, decimals)}{unit.noun}"


def _interval(
    difference: Difference, unit: Unit, positive: bool = False, with_noun: bool = True
) -> str:
    """Return the interval; `positive` is that of the difference's size."""
    low, high = difference.low or 0.0, difference.high or 0.0
    if positive and (difference.value or 0.0) < 0:
        low, high = -high, -low
    decimals = _decimals_of_difference(difference, unit)
    noun = unit.noun if with_noun else ""
    return f"{unit.number(low, decimals)} to {unit.number(high, decimals)}{noun}"
