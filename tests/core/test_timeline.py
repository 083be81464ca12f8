import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.run.timeline import Timeline


def test_positions_between_moments_are_interpolated() -> None:
    timeline = Timeline()
    timeline.record(1.0, 100, 10.0)
    timeline.record(2.0, 200, 50.0)
    assert timeline.step_at(1.5) == 150
    assert timeline.seconds_at(1.5) == 30
    assert timeline.seconds_at(0.5) == 5
    assert timeline.seconds_at(9.0) == 50
    assert timeline.x_at_step(150) == 1.5
    assert timeline.x_at_seconds(30.0) == 1.5
    assert Timeline().step_at(3.0) == 0


def test_the_last_moment_at_a_position_wins() -> None:
    timeline = Timeline()
    for x, step, seconds in ((1.0, 100, 10.0), (2.0, 200, 20.0), (2.0, 200, 25.0)):
        timeline.record(x, step, seconds)
    assert timeline.seconds_at(2.0) == 25
    timeline.record(1.5, 150, 60.0)  # the run was resumed from a checkpoint
    assert timeline.seconds_at(1.5) == 60
    assert len(timeline.moments) == 2


@given(st.integers(1, 400), st.integers(4, 32))
def test_a_long_run_keeps_few_moments_and_the_newest(count: int, limit: int) -> None:
    timeline = Timeline(limit)
    for number in range(1, count + 1):
        timeline.record(number / 10, number, float(number))
    assert len(timeline.moments) <= limit
    assert timeline.moments[-1].step == count
    assert timeline.step_at(count / 20) == pytest.approx(count / 2, abs=1e-6)
    assert [m.x for m in timeline.moments] == sorted({m.x for m in timeline.moments})


def test_a_pause_has_a_time_for_each_position_within_it() -> None:
    timeline = Timeline()
    timeline.record(1.0, 100, 10.0)
    for seconds in (60.0, 90.0):
        timeline.record_pause(1.0, 100, seconds)
    timeline.record(1.5, 150, 100.0)
    assert (timeline.seconds_at(1.0), timeline.seconds_at(1.000001)) == pytest.approx(
        (10, 90), abs=0.1
    )
    assert timeline.seconds_at(timeline.pause_end(1.0)) == pytest.approx(90)
    assert timeline.pause_end(1.25) == 1.25
    for seconds in (5.0, 35.0, 75.0, 95.0):
        assert timeline.seconds_at(timeline.x_at_seconds(seconds)) == pytest.approx(seconds)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=200), st.integers(4, 32))
def test_positions_and_times_stay_in_order(moves: list[tuple[bool, int]], limit: int) -> None:
    timeline, x = Timeline(limit), 0
    for number, (is_pause, steps) in enumerate(moves):
        x += steps
        record = timeline.record_pause if is_pause else timeline.record
        record(x / 100, x, float(number))
    xs, times = [m.x for m in timeline.moments], [m.seconds for m in timeline.moments]
    assert len(xs) <= limit
    assert xs == sorted(set(xs))
    assert times == sorted(times)
