import copy
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from core.events import types as ev
from core.events.record import Record
from core.run.state import LOG_LINES, fold
from tests.core.event_strategies import journals
from tests.tui import scripted


@settings(max_examples=200, deadline=None)
@given(journals())
def test_any_order_of_any_events_can_be_folded(records: list[Record]) -> None:
    state = fold(records)
    assert state.seq == len(records)
    assert math.isfinite(state.x)
    assert state.log_count >= len(state.log)


@settings(max_examples=100, deadline=None)
@given(journals(), st.data())
def test_folding_in_two_parts_equals_a_full_fold(
    records: list[Record], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(records)))
    state = fold(records[:cut])
    for record in records[cut:]:
        state.apply(record)
    # Compared as text, since NaN != NaN.
    assert repr(state) == repr(fold(records))


@settings(max_examples=50, deadline=None)
@given(journals())
def test_folding_does_not_modify_events(records: list[Record]) -> None:
    before = repr(copy.deepcopy(records))
    fold(records)
    assert repr(records) == before


def test_a_run_in_its_second_phase() -> None:
    state = fold(scripted.running().records)
    assert (state.status, state.phase, state.name) == ("running", "full", "animals20")
    assert [len(phase.epochs) for phase in state.phases.values()] == [8, 2]
    assert [phase.status for phase in state.phases.values()] == ["done", "running"]
    assert state.x == 10 + 77 / 126
    assert state.best is not None
    assert (state.best.x, state.best.result.phase) == (8, "head")
    full = state.phases["full"]
    assert full.best is not None
    assert full.best.result.epoch == 1
    assert full.stopping is not None
    assert (full.stopping.patience, full.stopping.bad_epochs) == (5, 1)
    assert [(m.kind, m.x) for m in state.markers] == [
        ("phase", 8.0),
        ("command", 9.0),
    ]


def test_a_new_patience_and_learning_rate_apply_from_then_on() -> None:
    script = scripted.running()
    script.command("SetPatience", "patience 5 → 9", id="a", arguments={"patience": 9})
    script.command("SetLearningRate", "lr", id="b", arguments={"lr": 5e-5})
    phase = fold(script.records).phases["full"]
    assert phase.stopping is not None
    assert (phase.stopping.patience, phase.stopping.bad_epochs) == (9, 1)
    assert phase.lr == 5e-5


def test_replies_to_commands_are_kept_in_order() -> None:
    script = scripted.running().command("Pause", "paused", id="a")
    script.add(ev.CommandRefused(id="b", command="EndPhase", asked=1.0, reason="no phase runs"))
    replies = list(fold(script.records).replies)
    assert [reply.id for reply in replies][-2:] == ["a", "b"]
    assert isinstance(replies[-1], ev.CommandRefused)


def test_a_pause_starts_and_ends() -> None:
    script = scripted.paused()
    state = fold(script.records)
    assert (state.status, state.paused_since) == ("paused", script.time)
    script.add(ev.Resumed(global_step=1, seconds=5.0))
    state = fold(script.records)
    assert (state.status, state.paused_since) == ("running", None)


def test_elapsed_time_stops_when_the_run_ends() -> None:
    script = scripted.finished()
    state = fold(script.records)
    assert state.over
    assert state.elapsed(script.time + 999) == script.time - scripted.START
    assert fold([]).elapsed(5.0) is None
    assert fold(scripted.running().records).elapsed(scripted.START - 5) == 0.0


def test_a_phase_without_epochs_is_skipped() -> None:
    started = ev.RunStarted(run_id="r", name="r", config={"phases": {"head": {"epochs": 0}}})
    head = fold([Record(1, 0.0, started)]).phases["head"]
    assert (head.status, head.reason) == ("skipped", "skipped")


def test_a_nonfinite_loss_is_flagged_in_the_series() -> None:
    state = fold(scripted.with_nan().records)
    assert any(bucket.nonfinite for bucket in state.series["loss"])
    assert state.warnings == 1
    assert state.markers[-1].kind == "warning"
    assert state.best is not None
    assert state.best.x == 1


def test_the_log_drops_its_oldest_lines_but_counts_them() -> None:
    script = scripted.Script()
    warning = ev.Warned(code="x", message="m")
    for _ in range(LOG_LINES + 10):
        script.add(warning)
    state = fold(script.records)
    assert len(state.log) == LOG_LINES
    assert state.log_count == LOG_LINES + 11


def test_a_spike_between_two_reports_is_kept() -> None:
    script = scripted.Script().prepare().phase("head")
    script.progress("head", 1, 21, 0.5, peak_loss=40.0)
    assert max(bucket.high for bucket in fold(script.records).series["loss"]) == 40.0
    # The mean, the spike, and the mean again.
    assert len(fold(script.records).series["loss"]) == 3
