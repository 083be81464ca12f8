"""Statistics of studies: scipy is the oracle, simulations count wrong claims of a difference."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from core.study.statistics import (
    Difference,
    MemberResult,
    Sample,
    Verdict,
    compare,
    compare_with_best,
    summarize,
)

STUDIES = 200
ACCURACY = st.floats(0.01, 1.0)


def sample(values: Sequence[float | None], name: str = "A", **more: object) -> Sample:
    results = tuple(MemberResult(f"seed {n}", value) for n, value in enumerate(values))
    return Sample(name, results, "seed", **more)  # type: ignore[arg-type]


def unpaired(values: Sequence[float | None], name: str = "B", **more: object) -> Sample:
    results = tuple(MemberResult(f"other {n}", value) for n, value in enumerate(values))
    return Sample(name, results, "seed", **more)  # type: ignore[arg-type]


def vary(values: Sequence[float]) -> bool:
    """Whether the spread is far above rounding, so that scipy is exact, too."""
    return max(values) - min(values) > 1e-4


@given(st.lists(ACCURACY, min_size=2, max_size=12))
def test_mean_std_and_interval_are_those_of_scipy(values: list[float]) -> None:
    assume(vary(values))
    found = summarize(sample(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    assert (found.low, found.high) == pytest.approx((low, high))


@given(st.lists(st.tuples(ACCURACY, ACCURACY), min_size=2, max_size=12))
def test_a_paired_difference_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    a, b = (list(side) for side in zip(*pairs, strict=True))
    assume(vary([x - y for x, y in pairs]))
    found = compare(sample(a), sample(b, "B"))
    test = stats.ttest_rel(a, b)
    assert found.paired and found.n == (len(a), len(a))
    assert_agrees(found, test.pvalue, test.confidence_interval())


@given(st.lists(ACCURACY, min_size=2, max_size=9), st.lists(ACCURACY, min_size=2, max_size=9))
def test_other_differences_are_welchs(a: list[float], b: list[float]) -> None:
    assume(vary(a) and vary(b))
    found = compare(sample(a), unpaired(b))
    test = stats.ttest_ind(a, b, equal_var=False)
    assert not found.paired and found.n == (len(a), len(b))
    assert_agrees(found, test.pvalue, test.confidence_interval())


def assert_agrees(found: Difference, p_value: float, interval: Sequence[float]) -> None:
    assert found.p_value == pytest.approx(p_value, rel=1e-6)
    assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-6, abs=1e-9)
    if abs(p_value - 0.05) > 1e-6:
        assert (found.verdict is Verdict.DIFFERENT) == (p_value < 0.05)


@given(
    st.lists(st.tuples(ACCURACY, ACCURACY), min_size=2, max_size=10),
    st.integers(2, 10),
)
def test_folds_have_the_corrected_resampled_t_test(
    pairs: list[tuple[float, float]], folds: int
) -> None:
    a, b = (list(side) for side in zip(*pairs, strict=True))
    differences = [x - y for x, y in pairs]
    assume(vary(differences))
    found = compare(sample(a, overlap=1 / (folds - 1)), sample(b, "B", overlap=1 / (folds - 1)))
    # In the notation of Nadeau and Bengio: J folds, n2/n1 = 1 / (folds - 1).
    error = math.sqrt((1 / len(a) + 1 / (folds - 1)) * np.var(differences, ddof=1))
    t = np.mean(differences) / error
    assert found.is_corrected
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(t), len(a) - 1), rel=1e-6)
    margin = stats.t.ppf(0.975, len(a) - 1) * error
    assert found.high == pytest.approx(np.mean(differences) + margin)
    plain = compare(sample(a), sample(b, "B"))
    assert found.low is not None and plain.low is not None and found.low < plain.low


@given(st.lists(st.lists(ACCURACY, min_size=3, max_size=6), min_size=2, max_size=5))
def test_several_groups_have_holms_correction_over_all_pairs(groups: list[list[float]]) -> None:
    assume(all(map(vary, groups)))
    samples = [
        Sample(str(n), tuple(MemberResult(f"{n} {i}", v) for i, v in enumerate(values)))
        for n, values in enumerate(groups)
    ]
    found = compare_with_best(samples, "highest")
    assert found.best == int(np.argmax([np.mean(values) for values in groups]))
    pairs = [(i, j) for j in range(len(groups)) for i in range(j)]
    p_values = {
        (i, j): stats.ttest_ind(groups[i], groups[j], equal_var=False).pvalue for i, j in pairs
    }
    assume(all(abs(p - 0.05 / n) > 1e-6 for p in p_values.values() for n in range(1, 11)))
    claimed = set()
    for number, pair in enumerate(sorted(pairs, key=lambda each: p_values[each])):
        if p_values[pair] >= 0.05 / (len(pairs) - number):
            break
        claimed.add(pair)
    for index, difference in enumerate(found.differences):
        assert (difference is None) == (index == found.best)
        if difference is not None and found.best is not None:
            pair = (min(index, found.best), max(index, found.best))
            assert (difference.verdict is Verdict.DIFFERENT) == (pair in claimed)
            assert difference.low is not None and difference.high is not None
            assert (difference.low > 0 or difference.high < 0) == (pair in claimed)
            assert difference.comparisons == len(pairs)
            assert difference.value is not None and difference.value >= 0


def test_the_best_of_a_loss_is_the_lowest() -> None:
    found = compare_with_best([sample([0.3, 0.31, 0.32]), sample([0.1, 0.12, 0.11], "B")], "lowest")
    assert found.best == 1 and found.best_is_shown
    (difference, _) = found.differences
    assert difference is not None and difference.value == pytest.approx(-0.2)
    better = difference.better("lowest")
    assert better is not None and better.name == "B"


# What has no interval, and members without a result.


def test_one_result_each_has_no_interval() -> None:
    found = compare(sample([0.9]), sample([0.8], "B"))
    assert (found.verdict, found.value) == (Verdict.NO_INTERVAL, pytest.approx(0.1))
    assert found.low is found.high is found.p_value is None
    summary = summarize(sample([0.9]))
    assert (summary.n, summary.mean, summary.std, summary.low) == (1, 0.9, None, None)


def test_a_group_without_results_has_no_difference() -> None:
    for nothing in (sample([]), sample([None, math.nan])):
        found = compare(nothing, sample([0.8, 0.9], "B"))
        assert (found.verdict, found.value) == (Verdict.NO_RESULT, None)
        assert compare_with_best([nothing, nothing], "highest").best is None
    summary = summarize(sample([None, math.nan]))
    assert (summary.n, summary.mean, summary.std) == (0, None, None)
    assert summary.missing == ("seed 0", "seed 1")


def test_failed_members_are_named_and_their_pairs_left_out() -> None:
    a = sample([0.9, math.nan, 0.92, 0.95])
    b = sample([0.8, 0.99, 0.83, None], "B")
    assert summarize(a).missing == ("seed 1",)
    assert summarize(a).n == 3
    found = compare(a, b)
    assert found.paired and found.n == (2, 2)
    assert found.value == pytest.approx(0.095)


def test_if_fewer_than_two_pairs_are_left_all_results_are_used() -> None:
    found = compare(sample([0.9, 0.91, None, None]), sample([None, None, 0.8, 0.82], "B"))
    assert not found.paired and found.n == (2, 2)
    assert found.value == pytest.approx(0.095)


def test_infinite_losses_are_missing_results() -> None:
    assert summarize(sample([0.3, math.inf, -math.inf, 0.4])).missing == ("seed 1", "seed 2")


def test_seeds_that_only_one_group_has_are_left_out() -> None:
    for a, b in (([0.9, 0.8, 0.7], [0.8, 0.75]), ([0.9, 0.8], [0.8, 0.75, math.nan])):
        found = compare(sample(a), sample(b, "B"))
        assert found.paired and found.n == (2, 2)
        assert found.value == pytest.approx(0.075)


def test_other_seeds_are_not_paired() -> None:
    assert not compare(sample([0.9, 0.8]), unpaired([0.9, 0.7])).paired
    twice = Sample("C", (MemberResult("seed 0", 0.9), MemberResult("seed 0", 0.8)))
    assert not compare(twice, twice).paired


@pytest.mark.parametrize("other", [sample, unpaired])
def test_without_variation_nothing_is_claimed(other: Callable[..., Sample]) -> None:
    # 0.3 - 0.1 and 0.9 - 0.7 differ by rounding.
    found = compare(sample([0.9, 0.9, 0.9]), other([0.7, 0.7, 0.7], "B"))
    assert (found.verdict, found.low) == (Verdict.NO_VARIATION, None)
    assert found.value == pytest.approx(0.2)
    assert compare(sample([0.9, 0.3]), sample([0.7, 0.1], "B")).verdict is Verdict.NO_VARIATION
    assert compare(sample([0.9, 0.9]), other([0.9, 0.9], "B")).verdict is Verdict.EQUAL
    assert summarize(sample([0.9, 0.9, 0.9])).std == 0
    ranking = compare_with_best([sample([0.9, 0.9]), other([0.7, 0.7], "B")], "highest")
    assert ranking.best == 0 and not ranking.best_is_shown


def test_one_group_without_variation_is_compared_with_another() -> None:
    found = compare(sample([0.9, 0.9, 0.9]), unpaired([0.7, 0.71, 0.72]))
    assert found.verdict is Verdict.DIFFERENT
    # With one constant group, Welch's test is that of one sample.
    test = stats.ttest_1samp([0.7, 0.71, 0.72], 0.9)
    assert found.p_value == pytest.approx(test.pvalue)


def test_huge_losses_do_not_overflow() -> None:
    found = compare(sample([1e200, 3e200, 2e200]), unpaired([1e-200, 2e-200, 3e-200]))
    assert found.high is not None and math.isfinite(found.high)
    assert summarize(sample([1e200, 3e200])).std == pytest.approx(math.sqrt(2) * 1e200)


def test_a_single_run_is_not_the_best_group() -> None:
    found = compare_with_best([sample([0.99]), unpaired([0.9, 0.91])], "highest")
    assert found.best == 1


# Wrong claims: groups with the same configuration, drawn from one distribution.

Draw = Callable[[np.random.Generator], list[Sample]]


def _seeds(groups: int, n: int, other: Callable[..., Sample]) -> Draw:
    """Accuracies with normal noise."""

    def draw(rng: np.random.Generator) -> list[Sample]:
        values = rng.normal(0.9, 0.01, (groups, n)).tolist()
        return [sample(values[0]), *(other(v, name=str(i)) for i, v in enumerate(values[1:]))]

    return draw


def _counted(images: int, n: int, other: Callable[..., Sample]) -> Draw:
    """Accuracies on few images: few different values, some equal."""

    def draw(rng: np.random.Generator) -> list[Sample]:
        values = (rng.binomial(images, 0.9, (2, n)) / images).tolist()
        return [sample(values[0]), other(values[1], name="B")]

    return draw


def _losses(rng: np.random.Generator) -> list[Sample]:
    """Losses with a long tail."""
    values = rng.lognormal(-1, 0.5, (2, 5)).tolist()
    return [sample(values[0]), sample(values[1], "B")]


def _failures(rng: np.random.Generator) -> list[Sample]:
    """Every fifth member fails."""
    values = np.where(rng.random((2, 6)) < 0.2, math.nan, rng.normal(0.9, 0.01, (2, 6))).tolist()
    return [sample(values[0]), sample(values[1], "B")]


def _folds(correct: bool) -> Draw:
    """Differences of 5 folds with the correlation that Nadeau and Bengio assume, `1/k`."""

    def draw(rng: np.random.Generator) -> list[Sample]:
        shared = rng.normal(0, 1, (2, 1)) * math.sqrt(1 / 5)
        values = 0.9 + 0.01 * (shared + rng.normal(0, 1, (2, 5)) * math.sqrt(4 / 5))
        overlap = 1 / 4 if correct else 0.0
        first, second = values.tolist()
        return [sample(first, overlap=overlap), sample(second, "B", overlap=overlap)]

    return draw


def wrong_claims(draw: Draw, studies: int) -> int:
    rng = np.random.default_rng(20261128)
    count = 0
    for _ in range(studies):
        found = compare_with_best(draw(rng), "highest").differences
        count += any(d is not None and d.verdict is Verdict.DIFFERENT for d in found)
    return count


IDENTICAL = {
    "paired seeds": _seeds(2, 5, sample),
    "other seeds": _seeds(2, 5, unpaired),
    "three seeds": _seeds(2, 3, sample),
    "two seeds": _seeds(2, 2, unpaired),
    "four groups": _seeds(4, 5, sample),
    "100 images": _counted(100, 5, sample),
    "30 images": _counted(30, 3, unpaired),
    "losses": _losses,
    "failures": _failures,
    "folds": _folds(correct=True),
}


@pytest.mark.parametrize("name", IDENTICAL)
def test_identical_configurations_are_rarely_called_different(name: str) -> None:
    """The rate is at most 5%: 10 of 200. But 200 studies cannot tell 5% from 7%: at a rate of
    exactly 5%, more than 10 wrong claims are found in 4 of 10 simulations, and more than 21 in 1 of
    1,000. The latter fails here; the slow test below is the precise one.
    """
    tolerance = int(stats.binom.ppf(0.999, STUDIES, 0.05))
    assert tolerance == 21
    assert wrong_claims(IDENTICAL[name], STUDIES) <= tolerance


def test_uncorrected_folds_would_be_called_different_too_often() -> None:
    assert wrong_claims(_folds(correct=False), STUDIES) > 21


@pytest.mark.slow
@pytest.mark.parametrize("name", IDENTICAL)
def test_the_rate_of_wrong_claims_is_at_most_5_percent(name: str) -> None:
    """With 10,000 studies the tolerance is 0.7 percentage points."""
    studies = 10_000
    assert wrong_claims(IDENTICAL[name], studies) <= stats.binom.ppf(0.999, studies, 0.05)


def test_a_real_difference_is_shown() -> None:
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(50):
        a, b = rng.normal(0.93, 0.01, 5).tolist(), rng.normal(0.9, 0.01, 5).tolist()
        difference = compare(sample(a), sample(b, "B"))
        better = difference.better("highest")
        assert better is not None and better.name == "A"
        shown += difference.verdict is Verdict.DIFFERENT
    assert shown >= 40
