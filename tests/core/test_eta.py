import pytest

from core.events.pacing import PROGRESS_SECONDS, event_interval
from core.events.types import Paused, Resumed
from core.run.eta import epoch_eta, overdue, phase_eta
from core.run.state import fold
from tests.tui.scripted import Script


def test_no_estimate_before_the_first_epoch_is_measured() -> None:
    script = Script()
    for state in (fold(script.records), fold(script.prepare().phase("head").records)):
        assert epoch_eta(state) is None
        assert phase_eta(state) is None


@pytest.mark.parametrize(("step", "seconds"), [(9, 100.0), (50, 2.9)])
def test_few_steps_or_seconds_are_not_trusted(step: int, seconds: float) -> None:
    script = Script().prepare().phase("head").progress("head", 1, step, 0.7, seconds=seconds)
    assert epoch_eta(fold(script.records)) is None


def test_the_first_epoch_is_estimated_from_its_own_steps() -> None:
    script = Script().prepare().phase("head").progress("head", 1, 63, 0.7, seconds=63.0)
    state = fold(script.records)
    assert epoch_eta(state) == pytest.approx(126 - 63 + 15)
    assert phase_eta(state) is None


def test_later_epochs_are_estimated_from_previous_epochs() -> None:
    script = Script().prepare().phase("head", 10).epoch("head", 1, 0.5, 0.6)
    assert phase_eta(fold(script.records)) == pytest.approx(9 * 48.0)
    script.progress("head", 2, 63, 0.7, seconds=20.0)
    state = fold(script.records)
    assert epoch_eta(state) == pytest.approx(28.0)
    assert phase_eta(state) == pytest.approx(28.0 + 8 * 48.0)


def test_an_epoch_slower_than_estimated_has_no_negative_remaining_time() -> None:
    script = Script().prepare().phase("head", 1).epoch("head", 1, 0.5, 0.6)
    script.progress("head", 2, 63, 0.7, seconds=500.0)
    state = fold(script.records)
    assert epoch_eta(state) == 0.0
    assert phase_eta(state) == 0.0


def test_phase_full_is_not_estimated_from_phase_head() -> None:
    script = Script().prepare().head(3).phase("full")
    assert phase_eta(fold(script.records)) is None


@pytest.mark.parametrize(("step_seconds", "limit"), [(0.03, 15.15), (2.0, 25.0), (600.0, 3015.0)])
def test_allowed_silence_depends_on_the_step_time(step_seconds: float, limit: float) -> None:
    script = Script().prepare().phase("head")
    assert not overdue(fold(script.records), 1e9)
    script.progress("head", 1, 5, 0.7, step_seconds=step_seconds)
    state = fold(script.records)
    assert not overdue(state, limit - 0.1)
    assert overdue(state, limit + 0.1)
    script.add(Paused(global_step=5))
    assert not overdue(fold(script.records), 1e9)


def test_a_run_of_a_month_may_be_silent_for_longer() -> None:
    script = Script().prepare().phase("head")
    script.add(Paused(global_step=0), 30 * 86_400).add(Resumed(global_step=0, seconds=1.0))
    state = fold(script.progress("head", 1, 5, 0.7, step_seconds=0.03).records)
    gap = event_interval(PROGRESS_SECONDS, 30 * 86_400)
    assert gap > 50
    assert not overdue(state, 2 * gap)
    assert overdue(state, 2 * gap + 1)
