"""Statistics over the runs of a study: mean, spread, intervals, and whether two groups differ.

All intervals are two-sided 95% intervals of Student's t distribution. Two groups are compared by
the differences of their pairs if all seeds or folds that were planned in one are in the other (a
paired t-test), otherwise by their means (Welch's t-test). Which test it is does not depend on the
results.

Members that share training data are not independent: with k folds, two members share most of their
training images. Their standard error is corrected as in the corrected resampled t-test of Nadeau
and Bengio (2003), Inference for the Generalization Error, Machine Learning 52, 239-281: the
variance of a mean of n members is `s² (1/n + n_val/n_train)` instead of `s²/n`. For k folds the
ratio is `1/(k - 1)`. For means that are not paired, the two corrected variances are added and the
degrees of freedom are Welch's; the paper treats pairs only.

The groups that are compared with the best one were not chosen in advance: which one is best is
known from the results. Holm's correction is therefore over all pairs of groups, not only over those
with the best one (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian
Journal of Statistics 6, 65-70).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

LEVEL = 0.95
_NOISE = 1e-12
"""Spread relative to the values that is rounding, not variation."""


class Verdict(StrEnum):
    """What the results of two groups show."""

    DIFFERENT = "different"
    """The interval of the difference excludes zero."""
    NOT_SHOWN = "no difference shown"
    """The interval includes zero: there may be a difference."""
    EQUAL = "equal"
    """All results are equal."""
    NO_VARIATION = "no variation"
    """The difference is the same in all members, so that no interval can be estimated."""
    NO_INTERVAL = "no interval"
    """A group has a single result."""
    NO_RESULT = "no result"
    """A group has no result."""


@dataclass(frozen=True, slots=True)
class MemberResult:
    """The result of one member."""

    key: str
    """The member's seed or fold, such as `seed 3`: members of two groups pair by it."""
    value: float | None
    """None or a non-finite number is no result."""
    note: str = ""
    """Why there is no result, such as `failed`."""

    @property
    def is_known(self) -> bool:
        """Return whether there is a result."""
        return self.value is not None and math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Sample:
    """The results of a group's members."""

    name: str
    results: tuple[MemberResult, ...]
    noun: str = "run"
    """What the members differ in: `seed`, `fold`, or `run` for anything else."""
    overlap: float = 0.0
    """`n_val/n_train` if the members' splits differ (`1/(k - 1)` with k folds); 0 if all members
    have the same split."""

    @property
    def values(self) -> tuple[float, ...]:
        """All results, without missing ones."""
        return tuple(r.value for r in self.results if r.value is not None and r.is_known)

    @property
    def missing(self) -> tuple[str, ...]:
        """The members without a result, and why: `seed 3 (failed)`."""
        return tuple(
            f"{result.key} ({result.note})" if result.note else result.key
            for result in self.results
            if not result.is_known
        )

    @property
    def mean(self) -> float | None:
        """The mean of the results; None without one."""
        return statistics.mean(self.values) if self.values else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean and spread of a sample."""

    n: int
    """Members with a result."""
    missing: tuple[str, ...]
    mean: float | None
    """None without a result."""
    std: float | None
    """Sample standard deviation (`ddof=1`); None for fewer than two results."""
    low: float | None
    high: float | None
    """Interval of the mean; None for fewer than two results, or if all are equal."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two samples: the mean of `a` minus the mean of `b`."""

    a: Sample
    b: Sample
    verdict: Verdict
    paired: bool
    n: tuple[int, int]
    """Results used of each sample; pairs if paired."""
    value: float | None
    """None without a result in one of them."""
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    """Two-sided, of this pair alone."""
    level: float = LEVEL
    """Level of the interval: higher after Holm's correction."""
    comparisons: int = 1
    """Number of pairs that Holm's correction is for."""

    @property
    def is_corrected(self) -> bool:
        """Return whether overlapping training data is corrected for."""
        return self.low is not None and max(self.a.overlap, self.b.overlap) > 0

    def better(self, goal: str) -> Sample | None:
        """Return the sample with the better mean by the goal, `highest` or `lowest`; None if they
        have the same mean, or one has none."""
        if not self.value or goal not in ("highest", "lowest"):
            return None
        return self.a if (self.value > 0) == (goal == "highest") else self.b


@dataclass(frozen=True, slots=True)
class Ranking:
    """Several samples compared with the best one."""

    best: int | None
    """Index of the sample with the best mean; None without results."""
    differences: tuple[Difference | None, ...]
    """For each sample the best one minus it; None for the best one."""

    @property
    def best_is_shown(self) -> bool:
        """Return whether the best sample is better than every other one."""
        others = [d for d in self.differences if d is not None]
        return bool(others) and all(d.verdict is Verdict.DIFFERENT for d in others)


@dataclass(frozen=True, slots=True)
class _Estimate:
    """A mean with its standard error."""

    mean: float
    error: float
    freedom: float

    def interval(self, level: float) -> tuple[float, float]:
        from scipy.special import stdtrit

        margin = float(stdtrit(self.freedom, 0.5 + level / 2)) * self.error
        return self.mean - margin, self.mean + margin

    @property
    def p_value(self) -> float:
        from scipy.special import stdtr

        return 2 * float(stdtr(self.freedom, -abs(self.mean / self.error)))


def summarize(sample: Sample) -> Summary:
    """Return mean, standard deviation and interval of a sample."""
    values = sample.values
    std = statistics.stdev(values) if len(values) > 1 else None
    estimate = _of_mean(values, sample.overlap)
    low, high = estimate.interval(LEVEL) if estimate else (None, None)
    return Summary(len(values), sample.missing, sample.mean, std, low, high)


def compare(a: Sample, b: Sample) -> Difference:
    """Return the difference of two samples.

    They are paired if all keys of one are in the other, each once. Members that are not in both,
    and pairs that lack a result, are left out; if fewer than two are left, the means of all results
    are compared.
    """
    return _with_interval(*_measured(a, b))


def compare_with_best(samples: Sequence[Sample], goal: str) -> Ranking:
    """Compare samples with the best one by the goal, `highest` or `lowest`.

    With more than two, intervals are widened by Holm's correction over all pairs: a pair whose
    p-value is the j-th smallest of m has an interval of level `1 - 0.05/(m - j + 1)`, and from the
    first that includes zero on the level stays. So an interval excludes zero exactly if the
    corrected test shows a difference.
    """
    best = _best(samples, goal)
    if best is None:
        return Ranking(None, (None,) * len(samples))
    numbers = combinations(range(len(samples)), 2)
    found = _holm({(i, j): _measured(samples[i], samples[j]) for i, j in numbers})
    return Ranking(
        best,
        tuple(
            None if n == best else found[best, n] if n > best else _reversed(found[n, best])
            for n in range(len(samples))
        ),
    )


def _best(samples: Sequence[Sample], goal: str) -> int | None:
    """Return the index of the best sample: one with an interval, if there are any."""
    sign = 1.0 if goal == "highest" else -1.0
    means = [
        ((len(sample.values) > 1, sign * sample.mean), -number)
        for number, sample in enumerate(samples)
        if sample.mean is not None
    ]
    return -max(means)[1] if means else None


def _holm(
    measured: dict[tuple[int, int], tuple[Difference, "_Estimate | None"]],
) -> dict[tuple[int, int], Difference]:
    """Return the differences with intervals corrected for their number."""
    count = sum(min(difference.n) > 1 for difference, _ in measured.values())

    def p_value(pair: tuple[int, int]) -> float:
        estimate = measured[pair][1]
        return estimate.p_value if estimate else 1.0

    found: dict[tuple[int, int], Difference] = {}
    left = count
    for pair in sorted(measured, key=p_value):
        level = 1 - (1 - LEVEL) / max(1, left)
        found[pair] = _with_interval(*measured[pair], level, max(1, count))
        # Those with larger p-values than one that is not shown keep its level.
        left -= found[pair].verdict is Verdict.DIFFERENT
    return found


def _reversed(difference: Difference) -> Difference:
    def negative(value: float | None) -> float | None:
        return None if value is None else 0.0 - value

    return replace(
        difference,
        a=difference.b,
        b=difference.a,
        n=difference.n[::-1],
        value=negative(difference.value),
        low=negative(difference.high),
        high=negative(difference.low),
    )


def _with_interval(
    difference: Difference,
    estimate: _Estimate | None,
    level: float = LEVEL,
    comparisons: int = 1,
) -> Difference:
    if estimate is None:
        return replace(difference, comparisons=comparisons)
    low, high = estimate.interval(level)
    return replace(
        difference,
        verdict=Verdict.DIFFERENT if low > 0 or high < 0 else Verdict.NOT_SHOWN,
        low=low,
        high=high,
        p_value=estimate.p_value,
        level=level,
        comparisons=comparisons,
    )


def _measured(a: Sample, b: Sample) -> tuple[Difference, _Estimate | None]:
    """Return the difference without its interval, and the estimate that gives one."""
    pairs = _pairs(a, b)
    if pairs is None:
        return _difference_of_means(a, b)
    n = len(pairs)
    differences = [x - y for x, y in pairs]
    scale = max(abs(value) for pair in pairs for value in pair)
    estimate = _of_mean(differences, max(a.overlap, b.overlap), scale)
    value = _rounded(statistics.mean(differences), scale)
    return Difference(a, b, _without_interval((n, n), value), True, (n, n), value), estimate


def _pairs(a: Sample, b: Sample) -> list[tuple[float, float]] | None:
    """Return the pairs of results; None if the samples do not pair, or in fewer than two."""
    first, second = ({result.key: result for result in sample.results} for sample in (a, b))
    each_once = len(first) == len(a.results) and len(second) == len(b.results)
    if not each_once or not (first.keys() <= second.keys() or second.keys() <= first.keys()):
        return None
    both = [(first[key], second[key]) for key in first if key in second]
    known = [(x.value, y.value) for x, y in both if x.is_known and y.is_known]
    pairs = [(x, y) for x, y in known if x is not None and y is not None]
    return pairs if len(pairs) > 1 else None


def _difference_of_means(a: Sample, b: Sample) -> tuple[Difference, _Estimate | None]:
    n = (len(a.values), len(b.values))
    if a.mean is None or b.mean is None:
        return Difference(a, b, Verdict.NO_RESULT, False, n, None), None
    scale = max(map(abs, (*a.values, *b.values)))
    value = _rounded(a.mean - b.mean, scale)
    difference = Difference(a, b, _without_interval(n, value), False, n, value)
    if min(n) < 2:
        return difference, None
    variances = [
        _variance(sample.values, scale) * (1 / len(sample.values) + sample.overlap)
        for sample in (a, b)
    ]
    total = sum(variances)
    if total == 0:
        return difference, None
    # Welch-Satterthwaite, in shares of the total, which neither overflow nor underflow.
    shares = zip(variances, n, strict=True)
    freedom = 1 / sum((variance / total) ** 2 / (size - 1) for variance, size in shares)
    return difference, _Estimate(value, scale * math.sqrt(total), freedom)


def _of_mean(
    values: Sequence[float], overlap: float, scale: float | None = None
) -> _Estimate | None:
    """Return the estimate of a mean; None for fewer than two values, or if all are equal.

    `scale` is the size of the numbers that the values were computed from.
    """
    if len(values) < 2:
        return None
    scale = max(map(abs, values)) if scale is None else scale
    variance = _variance(values, scale)
    if variance == 0:
        return None
    error = scale * math.sqrt(variance * (1 / len(values) + overlap))
    return _Estimate(statistics.mean(values), error, len(values) - 1)


def _variance(values: Sequence[float], scale: float) -> float:
    """Return the variance of the values in units of `scale`; 0 if they differ by rounding only."""
    if max(values) - min(values) <= _NOISE * scale:
        return 0.0
    return statistics.variance([value / scale for value in values])


def _rounded(value: float, scale: float) -> float:
    return 0.0 if abs(value) <= _NOISE * scale else value


def _without_interval(n: tuple[int, int], value: float) -> Verdict:
    """Return the verdict on two samples whose difference has no interval."""
    if min(n) < 2:
        return Verdict.NO_INTERVAL
    return Verdict.NO_VARIATION if value else Verdict.EQUAL
