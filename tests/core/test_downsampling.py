import math

from hypothesis import given
from hypothesis import strategies as st

from core.run.downsampling import Series

values = st.lists(st.floats(), max_size=300)


def filled(values: list[float], limit: int) -> Series:
    series = Series(limit=limit)
    for x, y in enumerate(values):
        series.add(float(x), y)
    return series


@given(values, st.integers(2, 40))
def test_a_series_stays_bounded_and_keeps_its_extremes(values: list[float], limit: int) -> None:
    series = filled(values, limit)
    finite = [value for value in values if math.isfinite(value)]
    assert len(series) <= limit
    assert series.count == len(values)
    if finite:
        assert min(b.low for b in series if not math.isnan(b.low)) == min(finite)
        assert max(b.high for b in series if not math.isnan(b.high)) == max(finite)
    else:
        assert all(math.isnan(bucket.low) for bucket in series)
    assert any(b.nonfinite for b in series) == (len(finite) < len(values))


@given(values, st.integers(2, 40))
def test_buckets_are_in_order_and_end_with_the_last_point(values: list[float], limit: int) -> None:
    series = filled(values, limit)
    positions = [bucket.x for bucket in series]
    assert positions == sorted(set(positions))
    if values:
        assert positions[-1] == len(values) - 1


@given(values, st.integers(2, 40), st.data())
def test_equal_points_give_equal_buckets(
    values: list[float], limit: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(values)))
    whole, parts = filled(values, limit), filled(values[:cut], limit)
    for x, y in enumerate(values[cut:], start=cut):
        parts.add(float(x), y)
    assert repr(whole.buckets) == repr(parts.buckets)


def test_a_spike_of_one_point_survives_a_long_run() -> None:
    series = filled([1.0] * 5000 + [99.0] + [1.0] * 60_000, 512)
    assert max(bucket.high for bucket in series) == 99.0
    assert len(series) <= 512
