"""Replay of a run, with a clock that the test advances."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.events import types as ev
from core.events.journal import JournalWriter
from core.events.record import Record
from core.run.state import fold
from tests.tui import scripted
from tests.tui.disk import write_run
from tests.tui.kit import make_app, press, settle, text, toasts
from tui.screens.replay import ReplayScreen
from tui.screens.run import RunScreen
from tui.screens.run_list import RunListScreen
from tui.viewmodel.replay import FIRST_SPEED, SPEEDS, ReplayModel, ReplaySource


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def times(records: Iterator[Record]) -> list[float]:
    return [record.time - scripted.START for record in records]


def written(tmp_path: Path, *at: float, event: ev.Event | None = None) -> Path:
    event = event or ev.Preparing(stage="x")
    records = [Record(n, scripted.START + time, event) for n, time in enumerate(at, 1)]
    return write_run(tmp_path, "20261124-120000-x", records)


def test_records_are_due_at_their_replay_time(tmp_path: Path, clock: Clock) -> None:
    source = ReplaySource(written(tmp_path, 0, 30, 60, 61, 180), clock)
    assert times(source.read()) == [0]
    clock.now += 0.5
    assert times(source.read()) == [30]
    assert times(source.read()) == []
    clock.now += 0.55
    assert times(source.read()) == [60, 61]
    assert not source.at_end
    clock.now += 2
    assert times(source.read()) == [180]
    assert source.at_end
    assert not source.live


def test_the_speed_is_changed_within_limits(tmp_path: Path, clock: Clock) -> None:
    source = ReplaySource(written(tmp_path, 0, 50, 60, 600), clock)
    list(source.read())
    assert source.speed == FIRST_SPEED
    clock.now += 0.9  # 54 s
    source.change_speed(-1)
    clock.now += 0.5  # 5 s
    assert times(source.read()) == [50]
    clock.now += 0.2
    assert times(source.read()) == [60]
    source.change_speed(-99)
    assert source.speed == SPEEDS[0]
    source.change_speed(99)
    assert source.speed == SPEEDS[-1]
    assert times(source.read()) == [600]


def test_a_paused_replay_yields_no_records(tmp_path: Path, clock: Clock) -> None:
    source = ReplaySource(written(tmp_path, 0, 30), clock)
    list(source.read())
    source.pause()
    clock.now += 100
    assert times(source.read()) == []
    source.pause()
    assert times(source.read()) == []
    clock.now += 0.5
    assert times(source.read()) == [30]


def test_a_long_gap_before_a_resume_is_shortened(tmp_path: Path, clock: Clock) -> None:
    folder = written(tmp_path, 0)
    writer = JournalWriter(folder / "events.jsonl")
    resumed = ev.RunResumed(phase="head", epoch=1, step=0, global_step=0, checkpoint="last.pt")
    writer.append(Record(2, scripted.START + 30_000, resumed))
    writer.close()
    source = ReplaySource(folder, clock)
    list(source.read())
    clock.now += 0.2
    assert times(source.read()) == [30_000]


def test_a_clock_set_back_does_not_reverse_the_replay(tmp_path: Path, clock: Clock) -> None:
    source = ReplaySource(written(tmp_path, 0, 60), clock)
    list(source.read())
    clock.now -= 500
    assert times(source.read()) == []
    clock.now += 1
    assert times(source.read()) == [60]


def test_at_its_end_a_replay_has_the_state_of_the_run(tmp_path: Path, clock: Clock) -> None:
    records = scripted.finished().records
    model = ReplayModel(write_run(tmp_path, "x", records), clock)
    model.source.change_speed(99)
    while not model.source.at_end:
        model.pump()
    assert model.state == fold(records)
    assert model.status_text == "replay, at the end"


def test_a_missing_journal_is_an_empty_run(tmp_path: Path, clock: Clock) -> None:
    model = ReplayModel(tmp_path / "gone", clock)
    model.pump()
    assert model.state.seq == 0
    assert model.error == ""


async def test_a_run_is_replayed_from_the_list(tmp_path: Path, clock: Clock) -> None:
    write_run(tmp_path, "20261124-120000-done", scripted.finished().records)
    app = make_app(runs_dir=tmp_path)
    app.clock = clock
    async with app.run_test(size=(140, 45), notifications=True) as pilot:
        assert isinstance(app.screen, RunListScreen)
        app.screen.reload()
        await app.workers.wait_for_complete()
        await press(pilot, "v")
        assert isinstance(app.screen, ReplayScreen)
        assert text(pilot, "#headline").startswith("replay x60  ○ animals20  preparing")
        clock.now += 2
        await settle(pilot)
        assert "running  2:0" in text(pilot, "#headline")
        for key, words in (("plus", "x600"), ("-", "x60"), ("minus", "x10"), ("=", "x60")):
            await press(pilot, key)
            assert text(pilot, "#headline").startswith(f"replay {words}  ")
        await press(pilot, "space")
        assert text(pilot, "#headline").startswith("replay x60, paused")
        before = app.screen.model.state.seq
        clock.now += 100
        await settle(pilot)
        assert app.screen.model.state.seq == before
        for key in ("x", "r"):
            await press(pilot, key)
            assert "this is a replay: it takes no commands" in toasts(pilot)
        await press(pilot, "space", "+", "+", "+")
        for _ in range(3):
            await settle(pilot)
        assert text(pilot, "#headline").startswith("replay, at the end  ✓ animals20  finished")
        await press(pilot, "escape")
        assert isinstance(app.screen, RunListScreen)


async def test_a_replay_never_stalls(tmp_path: Path, clock: Clock) -> None:
    write_run(tmp_path, "20261124-120000-gone", scripted.running().records)
    app = make_app(runs_dir=tmp_path)
    app.clock = clock
    async with app.run_test(size=(140, 45)) as pilot:
        app.open_replay(tmp_path / "20261124-120000-gone")
        await settle(pilot)
        assert isinstance(app.screen, RunScreen)
        clock.now += 10_000
        await settle(pilot)
        assert "interrupted" in text(pilot, "#headline").lower()
