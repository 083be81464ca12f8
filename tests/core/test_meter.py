import math

import pytest

from core.meter import PROGRESS_SECONDS, Meter, Rates
from core.stopwatch import Stopwatch


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def step(
    meter: Meter, clock: Clock, *, wait: float, work: float, loss: float, images: int = 4
) -> None:
    meter.next_step()
    clock.wait(wait)
    meter.data_arrived()
    clock.wait(work)
    meter.step_done(images)
    meter.saw(loss, loss * 10)


def test_the_figures_are_those_of_the_steps_since_the_last_telling() -> None:
    clock = Clock()
    meter = Meter(clock)
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
    meter = Meter(clock)
    assert math.isnan(meter.mean_images_per_second)
    assert math.isnan(meter.mean_data_wait)
    step(meter, clock, wait=1.0, work=0.0, loss=1.0)
    meter.take()
    step(meter, clock, wait=0.0, work=3.0, loss=1.0)
    meter.take()
    assert meter.mean_images_per_second == 2.0
    assert meter.mean_data_wait == 0.25


def test_it_is_due_by_time_and_not_by_step() -> None:
    clock = Clock()
    meter = Meter(clock)
    for _ in range(100):
        step(meter, clock, wait=0.0, work=0.0, loss=1.0)
    due = [meter.due]
    clock.wait(PROGRESS_SECONDS)
    due.append(meter.due)
    meter.take()
    due.append(meter.due)
    assert due == [False, True, False]


def test_a_pause_between_two_steps_is_in_no_figure() -> None:
    clock = Clock()
    meter = Meter(clock)
    step(meter, clock, wait=0.5, work=0.5, loss=1.0)
    clock.wait(500.0)
    meter.skip(500.0)
    step(meter, clock, wait=0.5, work=0.5, loss=1.0)
    assert meter.take().step_seconds == 1.0
    assert meter.mean_data_wait == 0.5
    assert meter.mean_images_per_second == 4.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_shows_as_a_gap(bad: float) -> None:
    clock = Clock()
    meter = Meter(clock)
    step(meter, clock, wait=0.0, work=1.0, loss=1.0)
    step(meter, clock, wait=0.0, work=1.0, loss=bad)
    rates = meter.take()
    assert not math.isfinite(rates.recent_loss)
    assert math.isnan(rates.peak_loss)


def test_telling_without_a_step_gives_no_loss_and_no_error() -> None:
    rates = Meter(Clock()).take()
    assert math.isnan(rates.recent_loss)
    assert math.isnan(rates.peak_loss)
    assert rates.images_per_second == 0.0


def test_a_stopwatch_leaves_pauses_out() -> None:
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
