"""Statistics of studies in words and digits."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.study.statistics import (
    MemberResult,
    Sample,
    Verdict,
    compare,
    compare_with_best,
    summarize,
)
from tests.test_language import BANNED
from tui.text.study_statistics import (
    PERCENT,
    PLAIN,
    SPEED,
    TIME,
    Unit,
    mean_interval,
    mean_std,
    method_text,
    missing_text,
    short_verdict,
    verdict,
)


def sample(
    *values: float | None, name: str = "A", noun: str = "seed", first: int = 0, overlap: float = 0.0
) -> Sample:
    results = [
        MemberResult(f"{noun} {n}", value, "" if value is not None else "failed")
        for n, value in enumerate(values, first)
    ]
    return Sample(name, tuple(results), noun, overlap)


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        ((0.9963, 0.9968, 0.9973), PERCENT, "99.68 ± 0.05%"),
        ((0.81, 0.842, 0.874), PERCENT, "84.2 ± 3.2%"),
        ((0.5, 0.9), PERCENT, "70.0 ± 28.3%"),
        ((0.99680, 0.99681, 0.99682), PERCENT, "99.681 ± 0.001%"),
        ((0.9, 0.9), PERCENT, "90.00 ± 0.00%"),
        ((0.9,), PERCENT, "90.00%"),
        ((), PERCENT, "–"),
        ((None, None), PERCENT, "–"),
        ((0.1201, 0.1301, 0.1401), PLAIN, "0.130 ± 0.010"),
        ((0.012, 0.0121, 0.0122), PLAIN, "0.0121 ± 0.0001"),
        ((7.0, 9.0, 8.0), PLAIN, "8.0 ± 1.0"),
        ((8.0, 8.0), PLAIN, "8 ± 0"),
        ((1e8, 3e8), PLAIN, "2.00e+08 ± 1.41e+08"),
        ((2310.0, 2350.0), SPEED, "2,330 ± 28 img/s"),
        ((725.0, 745.0), TIME, "12:15 ± 0:14"),
    ],
)
def test_mean_and_std_have_the_digits_that_the_spread_allows(
    values: tuple[float | None, ...], unit: Unit, text: str
) -> None:
    assert mean_std(summarize(sample(*values)), unit) == text


def test_the_interval_of_a_mean() -> None:
    assert mean_interval(summarize(sample(0.9963, 0.9968, 0.9973)), PERCENT) == "99.56 to 99.80%"
    assert mean_interval(summarize(sample(0.99)), PERCENT) == "–"


A = sample(0.931, 0.927, 0.938, 0.925, 0.934)
B = sample(0.925, 0.914, 0.930, 0.920, 0.922, name="B")


def test_a_shown_difference_names_the_better_one_first() -> None:
    text = "A is better than B by 0.9 points, interval 0.4 to 1.3, 5 seeds"
    assert verdict(compare(A, B), "highest", PERCENT) == text
    assert verdict(compare(B, A), "highest", PERCENT) == text
    text = "B is better than A by 0.9 points, interval 0.4 to 1.3, 5 seeds"
    assert verdict(compare(A, B), "lowest", PERCENT) == text
    assert verdict(compare(B, A), "lowest", PERCENT) == text
    assert verdict(compare(B, A), "", PERCENT).startswith("A is higher than B by 0.9 points")
    assert (
        short_verdict(compare(B, A), "highest", PERCENT) == "-0.9 points (-1.3 to -0.4), A better"
    )


def test_losses_have_no_unit() -> None:
    a, b = sample(0.31, 0.32, 0.33), sample(0.21, 0.23, 0.22, name="B")
    assert verdict(compare(a, b), "lowest", PLAIN) == (
        "B is better than A by 0.10, interval 0.08 to 0.12, 3 seeds"
    )


def test_without_a_shown_difference_the_interval_says_how_large_it_may_be() -> None:
    difference = compare(A, sample(0.925, 0.934, 0.930, 0.92, 0.935, name="B"))
    assert verdict(difference, "highest", PERCENT) == (
        "no difference between A and B that 5 seeds can show: A − B is 0.2 points,"
        " interval -0.5 to 1.0 points"
    )
    short = short_verdict(difference, "highest", PERCENT)
    assert short == "0.2 points (-0.5 to 1.0), no difference shown"


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (sample(0.9), sample(0.8, name="B"), "one run each: no interval; A − B is 10.00 points"),
        (sample(0.9), sample(0.8, 0.7, name="B"),
         "one run of A: no interval; A − B is 15.00 points"),
        (sample(), sample(0.8, name="B"), "A has no result"),
        (sample(None), sample(None, name="B"), "A and B have no result"),
        (sample(0.9, 0.8), sample(0.9, 0.8, name="B"), "A and B have equal results in 2 seeds"),
        (sample(0.9, 0.9), sample(0.8, 0.8, name="B"),
         "no interval, as the results of 2 seeds do not vary: A − B is 10.00 points"),
    ],
)  # fmt: skip
def test_without_an_interval_nothing_is_claimed(a: Sample, b: Sample, text: str) -> None:
    assert verdict(compare(a, b), "highest", PERCENT) == text


def test_members_are_counted_as_they_were_used() -> None:
    failed = sample(0.92, None, 0.91, 0.915, 0.925, name="B")
    assert "4 of 5 seeds" in verdict(compare(A, failed), "highest", PERCENT)
    assert missing_text(failed) == "B: 1 of 5 seeds without a result: seed 1 (failed)"
    assert missing_text(A) == ""
    many = sample(*[None] * 9, 0.9)
    assert missing_text(many).endswith("seed 2 (failed), seed 3 (failed), 5 more")
    other = sample(0.92, 0.93, 0.94, first=10, name="B")
    assert "5 and 3 seeds" in verdict(compare(A, other), "highest", PERCENT)
    folds = sample(0.92, 0.93, 0.94, noun="fold", name="B")
    assert "5 and 3 runs" in verdict(compare(A, folds), "highest", PERCENT)


def test_the_method_is_named() -> None:
    folds = sample(0.9, 0.8, noun="fold", overlap=1.0), sample(0.7, 0.65, name="B", noun="fold")
    assert method_text([compare(*folds)]) == (
        "95% intervals by Student's t, paired by fold,"
        " corrected for shared training images (Nadeau and Bengio)"
    )
    many = compare_with_best([A, B, sample(0.9, 0.8, first=7, name="C")], "highest").differences
    assert "Holm's correction for 3 comparisons" in method_text([each for each in many if each])
    assert method_text([compare(sample(0.9), sample(0.8))]) == ""


RESULT = st.none() | st.floats(-1e6, 1e6) | st.floats(0.9, 1.0) | st.just(0.9)


@given(
    st.lists(RESULT, max_size=6),
    st.lists(RESULT, max_size=6),
    st.sampled_from([0, 10]),
    st.sampled_from(["highest", "lowest", ""]),
    st.sampled_from([PERCENT, PLAIN, SPEED, TIME]),
)
def test_any_difference_is_written(
    a: list[float | None], b: list[float | None], first: int, goal: str, unit: Unit
) -> None:
    difference = compare(sample(*a), sample(*b, name="B", first=first))
    text = verdict(difference, goal, unit)
    assert not BANNED.search(text) and "nan" not in text and "None" not in text
    assert ("better" in text or "higher" in text) == (difference.verdict is Verdict.DIFFERENT)
    # Which side of zero an interval is on can be read from its digits.
    found = re.search(r"interval (-?[\d.,e+]+) to", text)
    if difference.verdict is Verdict.DIFFERENT and unit is not TIME and found:
        nearest = min(abs(difference.low or 0), abs(difference.high or 0)) / unit.size
        assert float(found[1].replace(",", "")) > 0 or nearest < 1e-6
    for each in (summarize(sample(*a)), summarize(sample(*b))):
        assert "nan" not in mean_std(each, unit) + mean_interval(each, unit)
    short_verdict(difference, goal, unit)
