import math

import pytest

from core.events.pacing import PROGRESS_SECONDS, event_interval
from core.training.stopwatch import Stopwatch
from core.training.throughput import Rates, ThroughputMeter

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def step(
    meter: ThroughputMeter, clock: Clock, *, wait: float, work: float, loss: float, images: int = 4
) -> None:
    meter.next_step()
    clock.wait(wait)
    meter.data_arrived()
    clock.wait(work)
    meter.step_done(images)
    meter.add_loss(loss, loss * 10)


def test_rates_are_those_of_the_steps_since_the_last_call() -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    step(meter, clock, wait=0.25, work=0.75, loss=1.0)
    step(meter, clock, wait=0.75, work=0.25, loss=3.0)
    assert meter.take() == Rates(
        recent_loss=2.0,
        peak_loss=3.0,
        images_per_second=4.0,
        step_seconds=1.0,
        data_wait=0.5,
        grad_norm=30.0,
    )
    step(meter, clock, wait=0.0, work=0.5, loss=7.0, images=8)
    rates = meter.take()
    assert (rates.recent_loss, rates.images_per_second, rates.data_wait) == (7.0, 16.0, 0.0)


def test_means_are_over_the_whole_pass() -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    assert math.isnan(meter.mean_images_per_second)
    assert math.isnan(meter.mean_data_wait)
    step(meter, clock, wait=1.0, work=0.0, loss=1.0)
    meter.take()
    step(meter, clock, wait=0.0, work=3.0, loss=1.0)
    meter.take()
    assert meter.mean_images_per_second == 2.0
    assert meter.mean_data_wait == 0.25


def test_progress_is_due_by_time_and_not_by_step() -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    for _ in range(100):
        step(meter, clock, wait=0.0, work=0.0, loss=1.0)
    due = [meter.due(60.0)]
    clock.wait(PROGRESS_SECONDS)
    due.append(meter.due(60.0))
    meter.take()
    due.append(meter.due(60.0))
    assert due == [False, True, False]


def test_progress_is_less_frequent_in_a_long_run() -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    clock.wait(PROGRESS_SECONDS)
    assert meter.due(7 * 3600.0 - 300)
    assert not meter.due(7 * 3600.0)
    assert not meter.due(7 * DAY)
    clock.wait(12.0)
    assert meter.due(7 * DAY)


@pytest.mark.parametrize(
    ("days", "most"), [(0.25, 43_201), (1, 113_000), (7, 210_000), (30, 285_000), (365, 410_000)]
)
def test_the_number_of_progress_events_is_bounded(days: float, most: int) -> None:
    now, emitted = 0.0, 0
    while now < days * DAY:
        now += event_interval(PROGRESS_SECONDS, now)
        emitted += 1
    assert 0.98 * most < emitted <= most


def test_rates_exclude_a_pause_between_two_steps() -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    step(meter, clock, wait=0.5, work=0.5, loss=1.0)
    clock.wait(500.0)
    meter.skip(500.0)
    step(meter, clock, wait=0.5, work=0.5, loss=1.0)
    assert meter.take().step_seconds == 1.0
    assert meter.mean_data_wait == 0.5
    assert meter.mean_images_per_second == 4.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_non_finite_loss_makes_the_peak_nan(bad: float) -> None:
    clock = Clock()
    meter = ThroughputMeter(clock)
    step(meter, clock, wait=0.0, work=1.0, loss=1.0)
    step(meter, clock, wait=0.0, work=1.0, loss=bad)
    rates = meter.take()
    assert not math.isfinite(rates.recent_loss)
    assert math.isnan(rates.peak_loss)


def test_rates_without_a_step_are_nan_losses_and_no_error() -> None:
    rates = ThroughputMeter(Clock()).take()
    assert math.isnan(rates.recent_loss)
    assert math.isnan(rates.peak_loss)
    assert rates.images_per_second == 0.0


def test_a_stopwatch_excludes_pauses() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    clock.wait(2.0)
    watch.pause()
    clock.wait(100.0)
    watch.pause()
    assert watch.seconds == 2.0
    assert watch.resume() == 100.0
    assert watch.resume() == 0.0
    clock.wait(3.0)
    assert watch.seconds == 5.0
    assert watch.total_paused == 100.0
