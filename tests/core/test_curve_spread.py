"""Mean and band of curves agree with numpy, for curves of any length and with gaps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.analysis.curve_spread import curve_spread

VALUE = st.floats(-1e6, 1e6)


@given(st.integers(1, 8).flatmap(
    lambda n: st.lists(st.lists(VALUE, min_size=n, max_size=n), min_size=1, max_size=6)
))  # fmt: skip
def test_curves_with_the_same_epochs_are_those_of_numpy(values: list[list[float]]) -> None:
    spread = curve_spread([list(enumerate(map(float, row), 1)) for row in values])
    array = np.array(values)
    assert [point.x for point in spread] == list(range(1, array.shape[1] + 1))
    assert [point.low for point in spread] == array.min(axis=0).tolist()
    assert [point.high for point in spread] == array.max(axis=0).tolist()
    assert [point.mean for point in spread] == pytest.approx(array.mean(axis=0).tolist())


@given(st.lists(st.lists(st.tuples(st.floats(0, 50), VALUE | st.just(math.nan)), max_size=8),
                max_size=6))  # fmt: skip
def test_any_curves_have_a_mean_inside_their_band(
    curves: list[list[tuple[float, float]]],
) -> None:
    spread = curve_spread(curves)
    xs = [point.x for point in spread]
    assert xs == sorted({x for curve in curves for x, _ in curve})
    for point in spread:
        assert (point.n == 0) == math.isnan(point.mean) == math.isnan(point.low)
        if point.n:
            assert point.low - 1e-6 <= point.mean <= point.high + 1e-6
        assert point.n <= len(curves)
    for curve in curves:
        bad = {x for x, y in curve if math.isnan(y)}
        for x, y in curve:
            (point,) = (each for each in spread if each.x == x)
            if x not in bad:
                assert point.low <= y <= point.high


def test_a_shorter_curve_counts_to_its_last_point() -> None:
    long, short = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)], [(1.0, 3.0), (2.0, 6.0)]
    assert curve_spread([long, short]) == [
        (1.0, 2.0, 1.0, 3.0, 2),
        (2.0, 4.0, 2.0, 6.0, 2),
        (3.0, 3.0, 3.0, 3.0, 1),
    ]


def test_between_its_points_a_curve_is_interpolated_but_not_over_a_gap() -> None:
    coarse = [(0.0, 0.0), (4.0, 4.0), (5.0, math.nan), (8.0, 8.0)]
    fine = [(float(x), 10.0) for x in range(9)]
    found = {point.x: (point.low, point.n) for point in curve_spread([coarse, fine])}
    assert found[3.0] == (3.0, 2)
    assert found[5.0] == found[6.0] == (10.0, 1)
    assert found[8.0] == (8.0, 2)


def test_where_no_curve_has_a_value_the_mean_is_interrupted() -> None:
    spread = curve_spread([[(1.0, 0.5), (2.0, math.inf), (3.0, 0.7)]])
    assert [point.n for point in spread] == [1, 0, 1]
    assert curve_spread([]) == curve_spread([[], []]) == []
