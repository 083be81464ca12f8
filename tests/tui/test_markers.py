"""Markers of charts on all x axes: commands, pauses, phases and processes that resumed the run."""

from dataclasses import replace

import pytest

from core.events import types as ev
from core.events.record import Record
from core.run.figures import FIGURES
from core.run.state import RunState, fold
from tests.tui import scripted
from tui.charts import run_charts
from tui.charts.spec import COMMAND_SYMBOL, RESUME_SYMBOL, VAL_SYMBOL
from tui.charts.view import ChartView, adjusted, to_marker

LOSS = FIGURES["loss"]
STEPS = 126
"""Training steps per epoch of a scripted run."""


class Story(scripted.Script):
    """A run whose commands are applied within epochs, as the engine reports them."""

    def at(self, phase: str, epoch: int, step: int, command: str, note: str) -> "Story":
        place = {"phase": phase, "epoch": epoch, "step": step}
        before = 315 if phase == "full" else 0
        self.global_step = before + (epoch - 1) * STEPS + step
        self.command(command, note, id=note, **place)
        return self


def story() -> list[Record]:
    """Head ends in the middle of its third epoch, after a pause; another process resumes full."""
    script = Story().prepare().phase("head", 30)
    script.epoch("head", 1, 0.9, 0.5).epoch("head", 2, 0.5, 0.6)
    script.progress("head", 3, 21, 0.4).progress("head", 3, 42, 0.4)
    assert isinstance(script, Story)
    script.at("head", 3, 50, "Pause", "paused").add(ev.Paused(global_step=302))
    script.time += 200
    script.at("head", 3, 50, "SetPatience", "patience of head 5 → 9")
    script.time += 300
    script.at("head", 3, 50, "Resume", "resumed").add(ev.Resumed(global_step=302, seconds=500.0))
    script.at("head", 3, 60, "SetLearningRate", "learning rate of head 0.001 → 0.0003")
    script.at("head", 3, 63, "EndPhase", "phase head ended manually")
    script.add(
        ev.PhaseEnded(
            phase="head", reason="ended manually", epochs=2, seconds=1.0, best_epoch=2,
            best_val_top1=0.6, best_val_loss=0.5,
        )
    )  # fmt: skip
    script.phase("full", 10, lr=1e-4)
    script.epoch("full", 1, 0.3, 0.7).progress("full", 2, 21, 0.3)
    script.at("full", 2, 30, "Stop", "stop")
    script.add(ev.RunEnded(outcome="stopped", reason="stop", best_val_top1=0.7, seconds=1.0))
    script.time += 86_400
    script.add(ev.Preparing(stage="loading torch"))
    script.add(
        ev.RunResumed(
            phase="full", epoch=2, step=30, global_step=script.global_step, checkpoint="last.pt"
        )
    )
    script.progress("full", 2, 42, 0.3)
    return script.records


def positions(state: RunState, axis: str) -> tuple[list[float], list[float], float]:
    """Return where commands, other processes, and phase full are drawn."""
    spec = run_charts.chart(state, LOSS, ChartView(axis=axis))
    assert all(spec.start <= symbol.x <= spec.end for symbol in spec.symbols)
    commands = [symbol.x for symbol in spec.symbols if symbol.symbol == COMMAND_SYMBOL]
    resumed = [symbol.x for symbol in spec.symbols if symbol.symbol == RESUME_SYMBOL]
    _, full = spec.bands
    return commands, resumed, full.start


@pytest.mark.parametrize("axis", ["epoch", "step", "time"])
def test_a_phase_ended_within_an_epoch_ends_where_the_command_was_applied(axis: str) -> None:
    commands, _, boundary = positions(fold(story()), axis)
    *before, end, stop = commands
    assert all(x < boundary for x in before)
    assert end == pytest.approx(boundary, abs=2.0 if axis == "time" else 1e-6)
    assert stop > boundary


def test_markers_have_the_positions_of_their_commands() -> None:
    state = fold(story())
    epochs, (resumed,), boundary = positions(state, "epoch")
    expected = [*[2 + 50 / STEPS] * 3, 2 + 60 / STEPS, 2.5, 3.5 + 30 / STEPS]
    assert epochs == pytest.approx(expected, abs=1e-6)
    assert (boundary, resumed) == pytest.approx((2.5, epochs[-1]), abs=1e-6)
    steps, _, boundary = positions(state, "step")
    assert steps[:5] == pytest.approx([302, 302, 302, 312, 315], abs=1e-3)
    assert boundary == pytest.approx(315, abs=1e-3)


def test_on_the_time_axis_a_pause_has_its_length_and_a_night_without_a_process_none() -> None:
    state = fold(story())
    commands, (resumed,), _ = positions(state, "time")
    pause, patience, resume, *_, stop = commands
    assert (round(patience - pause), round(resume - pause)) == (202, 503)
    assert 0 < resumed - stop < 10
    last = story()[-1].time
    assert state.elapsed(last) == pytest.approx(last - scripted.START - 86_401, abs=5)


def test_the_curve_of_the_unfinished_epoch_stays_before_the_next_phase() -> None:
    state = fold(story())
    xs = [bucket.x for bucket in state.series["loss"]]
    assert xs == sorted(xs)
    assert [point.x for point in state.epochs] == [1, 2, 3.5]
    assert [point.number for point in state.epochs] == [1, 2, 3]


def test_the_cursor_reaches_every_marker_and_can_be_moved_through_a_pause() -> None:
    state, view, seen = fold(story()), ChartView(axis="time"), 0
    while (after := to_marker(state, view, forward=True)) != view:
        view, seen = after, seen + 1
    assert state.best is not None
    assert seen == len({marker.x for marker in state.markers} | {state.best.x})
    pause = next(m for m in state.markers if m.text == "paused")
    view = ChartView(axis="time", cursor=pause.x)
    for _ in range(3):
        before = view
        view = adjusted(state, view, lambda v: v.cursor_to((v.cursor or 0) + 100))
        assert before.cursor is not None
        assert view.cursor is not None
        moved = state.timeline.seconds_at(view.cursor) - state.timeline.seconds_at(before.cursor)
        assert moved == pytest.approx(100, abs=0.1)


def test_a_legend_names_all_commands_or_the_latest_and_how_many_more() -> None:
    script = scripted.running()
    assert "▼ patience 7 → 5" in run_charts.legend_text(fold(script.records), LOSS)
    script.command("SaveCheckpoint", "saving a.pt").command("Pause", "paused")
    legend = run_charts.legend_text(fold(script.records), LOSS)
    assert legend.endswith("▼ paused, saving a.pt, patience 7 → 5")
    for number in range(9):
        script.command("SaveCheckpoint", f"saving manual-head-epoch{number}.pt")
    legend = run_charts.legend_text(fold(script.records), LOSS)
    assert "▼ saving manual-head-epoch8.pt, saving manual-head-epoch7.pt, 10 earlier" in legend
    assert VAL_SYMBOL in legend
    lr = scripted.Script().prepare().phase("head")
    for number, rate in enumerate((1e-3, 5e-4), 1):
        lr.epoch("head", number, 0.5, 0.5, lr=rate, next_lr=rate / 2)
    legend = run_charts.legend_text(fold(lr.records), FIGURES["lr"])
    assert "↓ lr 0.0005 → 0.00025 on a plateau, lr 0.001 → 0.0005 on a plateau" in legend


def test_journals_without_positions_of_commands_still_fold() -> None:
    """The positions of commands are then those of the last report of progress."""
    old = [
        replace(r, event=replace(r.event, epoch=0, step=0))
        if isinstance(r.event, ev.CommandApplied)
        else r
        for r in story()
    ]
    epochs, _, boundary = positions(fold(old), "epoch")
    assert epochs[:5] == pytest.approx([2 + 42 / STEPS] * 5, abs=1e-6)
    assert boundary == pytest.approx(2 + 42 / STEPS, abs=1e-6)
