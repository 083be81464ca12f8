"""Curves and suggestions of the learning rate range test, as functions of given losses."""

import math
import random
from itertools import pairwise

import pytest

from core.analysis.lr_range import RangeCurve, rising_rates, suggest


def curve(losses: list[float], steps: int = 100, low: float = 1e-6, high: float = 10) -> RangeCurve:
    made = RangeCurve(rising_rates(low, high, steps))
    for loss in losses:
        if not made.add(loss):
            break
    return made


def valley(noise: float = 0.0) -> list[float]:
    """Losses that fall from 2 between 1e-4 and 1e-2, and rise steeply above 0.1."""
    draw = random.Random(0).gauss
    rates = rising_rates(1e-6, 10, 100)
    return [
        2 - 1.5 / (1 + (1e-3 / rate) ** 2) + (rate / 0.1) ** 2 + draw(0, noise) for rate in rates
    ]


def test_rates_rise_by_one_factor_and_end_exactly() -> None:
    rates = rising_rates(1e-5, 0.1, 41)
    assert (rates[0], rates[-1]) == (1e-5, 0.1)
    assert [b / a for a, b in pairwise(rates)] == pytest.approx([10**0.1] * 40)


def test_the_average_has_no_bias_towards_zero() -> None:
    made = curve([3.0] * 100)
    assert made.smoothed == pytest.approx([3.0] * 100)
    assert made.end == "steps"


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_suggestion_is_a_tenth_of_the_minimum_and_close_to_the_steepest(noise: float) -> None:
    made = curve(valley(noise))
    found = suggest(made)
    assert made.end == "diverged"
    assert len(made.losses) < 100
    assert found.rate == found.tenth == made.rates[made.minimum] / 10
    assert found.rate is not None
    assert found.steepest is not None
    assert 1e-3 < found.rate < 1e-2
    assert 2e-4 < found.steepest < 5e-3


def test_a_loss_that_is_not_finite_ends_the_test_and_is_not_part_of_it() -> None:
    made = curve([*valley()[:70], math.nan, 0.0])
    assert made.end == "nonfinite"
    assert len(made.losses) == 70
    assert suggest(made).rate is not None


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([2.0] * 100, "does not fall clearly"),
        ([2 + step / 10 for step in range(100)], "does not fall clearly"),
        ([2 + random.Random(step).gauss(0, 0.3) for step in range(100)], "does not fall clearly"),
        ([2 - step / 100 for step in range(100)], "choose a higher --max-lr"),
        ([2.0, 2.0, 2.0, 2.0, 2.0, 90.0, 9e5], "diverges after 6 steps: choose a lower --min-lr"),
        ([2 - step / 10 if step < 10 else 1 + step / 50 for step in range(100)], "is lowest at"),
    ],
    ids=["flat", "rising", "noise", "falling", "diverging", "early"],
)
def test_no_rate_is_suggested_without_a_minimum(losses: list[float], reason: str) -> None:
    found = suggest(curve(losses))
    assert found.rate is None
    assert reason in found.reason


def test_noise_alone_hardly_ever_gives_a_suggestion() -> None:
    def noise(seed: int) -> list[float]:
        draw = random.Random(seed).gauss
        return [2 + draw(0, 0.3) + (step / 80) ** 16 for step in range(100)]

    assert sum(suggest(curve(noise(seed))).rate is not None for seed in range(300)) <= 3
