"""Seeking in a replay gives the state that playing gives."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.widgets import RichLog

from core.events import types as ev
from core.events.journal import replay
from core.events.record import Record
from core.run.state import fold
from tests.tui import scripted
from tests.tui.disk import write_run
from tests.tui.kit import make_app, press, settle, text
from tests.tui.test_replay import Clock
from tui.screens.replay import ReplayScreen
from tui.viewmodel import replay as module
from tui.viewmodel.replay import ReplayModel

KEYS = ["comma", "full_stop", "less_than_sign", "greater_than_sign", "home", "end"]
SMALL, LARGE = (80, 24), (140, 45)


def playing_times(records: list[Record]) -> list[float]:
    """Return when each record is played (s), with its pause of half an hour as ten seconds."""
    start = records[0].time
    return [r.time - start - (1790 if r.time - start > 1800 else 0) for r in records]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = scripted.finished().records
    # A pause of half an hour, which a replay shortens.
    paused = next(n for n, r in enumerate(records) if isinstance(r.event, ev.EpochEnded)) + 1
    step = 7
    pause = [
        Record(0, records[paused - 1].time + 1, ev.Paused(global_step=step, reason="asked")),
        Record(0, records[paused - 1].time + 1801, ev.Resumed(global_step=step, seconds=1800.0)),
    ]
    later = [Record(0, r.time + 1801, r.event) for r in records[paused:]]
    whole = [*records[:paused], *pause, *later]
    numbered = [Record(n, r.time, r.event) for n, r in enumerate(whole, 1)]
    return write_run(tmp_path_factory.mktemp("runs"), "20261124-120000-done", numbered)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0, 1.1), min_size=1, max_size=4))
def test_the_state_after_seeking_is_that_of_playing(path: Path, fractions: list[float]) -> None:
    model = ReplayModel(path, Clock())
    model.source.pause()
    model.pump()
    for fraction in fractions:
        model.seek(fraction * model.source.total)
    records, _ = replay(path / "events.jsonl")
    now = model.source.played_seconds
    assert now == pytest.approx(min(1.0, fractions[-1]) * model.source.total, abs=1e-3)
    times, seen = playing_times(records), model.state.seq
    assert times[seen - 1] <= now + 1e-3
    assert all(time >= now - 1e-3 for time in times[seen:])
    assert model.state == fold(records[:seen])


def test_a_long_journal_is_read_in_several_calls(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RECORDS_PER_SEEK", 5)
    model = ReplayModel(path, Clock())
    model.source.pause()
    model.pump()
    model.seek(model.source.total)
    assert not model.source.at_end
    while not model.source.at_end:
        model.pump()
    model.pump()
    assert model.source.played_seconds == model.source.total


def test_epochs_are_visited_in_both_directions(path: Path) -> None:
    model = ReplayModel(path, Clock())
    model.source.pause()
    model.pump()
    seen = [len(epochs(model))]
    while not model.source.at_end:
        model.seek_stop(forward=True)
        seen.append(len(epochs(model)))
    assert seen == sorted(seen)
    assert set(seen) == set(range(max(seen) + 1))
    back = [seen[-1]]
    while model.source.played_seconds > 0:
        model.seek_stop(forward=False)
        back.append(len(epochs(model)))
    assert back == sorted(back, reverse=True)
    assert set(back) == set(seen)


def epochs(model: ReplayModel) -> list[object]:
    return [epoch for phase in model.state.phases.values() for epoch in phase.epochs]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_keys_go_to_epochs_and_tenths_and_show_the_position(
    path: Path, size: tuple[int, int]
) -> None:
    app = make_app(runs_dir=path.parent)
    clock = app.clock = Clock()
    async with app.run_test(size=size) as pilot:
        app.open_replay(path)
        await press(pilot, "space")
        screen = app.screen
        assert isinstance(screen, ReplayScreen)
        assert not screen.query_one("#hint").display
        total = screen.model.source.total
        assert text(pilot, "#notice").startswith("position 0:00 of ")
        await press(pilot, "full_stop", "full_stop")
        assert "head epoch 1 done" in text(pilot, "#notice")
        await press(pilot, "end")
        assert "replay, at the end" in text(pilot, "#headline")
        log = screen.query_one("#log", RichLog)
        whole = len(log.lines)
        await press(pilot, "less_than_sign")
        assert screen.model.source.played_seconds == pytest.approx(0.9 * total)
        await press(pilot, "greater_than_sign")
        assert "replay, at the end" in text(pilot, "#headline")
        await press(pilot, "comma", "home")
        assert screen.model.source.played_seconds == 0
        assert len(log.lines) < whole
        clock.now += 5  # paused: nothing is played
        await settle(pilot)
        assert text(pilot, "#notice").startswith("position 0:00 of ")
