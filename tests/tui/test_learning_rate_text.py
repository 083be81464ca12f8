"""The text about a learning rate with a cosine schedule or a warm-up."""

from dataclasses import replace

from core.events import types as ev
from core.events.record import Record
from core.run.state import RunState, fold
from core.run.state_parts import PhaseState
from tests.tui.scripted import Script
from tui.text import previews, run_status


def started(**scheduler: object) -> Script:
    """A phase of ten epochs that has just started."""
    script = Script().prepare().phase("head", 10)
    last = script.records[-1]
    assert isinstance(last.event, ev.PhaseStarted)
    script.records[-1] = Record(last.seq, last.time, replace(last.event, **scheduler))
    return script


def state_of(script: Script) -> RunState:
    return fold(script.records)


def phase_of(script: Script) -> PhaseState:
    phase = state_of(script).current
    assert phase is not None
    return phase


def rule(script: Script) -> str:
    return run_status.learning_rate_lines(state_of(script), "running")[1]


def test_a_cosine_schedule_names_its_last_epoch() -> None:
    script = started(scheduler="cosine").epoch("head", 1, 0.5, 0.6)
    assert rule(script) == "cosine decay to 0 by the end of epoch 10"
    lines = previews.preview_rate(phase_of(script), "5e-4").lines
    assert lines[-1] == "cosine decay from there to 0 by the end of epoch 10"


def test_a_warm_up_is_shown_until_it_ends() -> None:
    script = started(warmup_epochs=1.5)
    assert rule(script) == "warms up over 1.5 epochs"
    script.epoch("head", 1, 0.5, 0.6).progress("head", 2, 21, 0.5)
    assert rule(script) == "warms up over 1.5 epochs"
    script.progress("head", 2, 84, 0.5)
    assert rule(script) == "halves after 3 more epochs without improvement"
    assert rule(started(warmup_epochs=1.0)) == "warms up over 1 epoch"


def test_a_rate_set_manually_ends_the_warm_up() -> None:
    script = started(warmup_epochs=3.0, scheduler="cosine")
    script.add(
        ev.CommandApplied(
            id="1",
            command="SetLearningRate",
            arguments={"lr": 0.01},
            asked=0.0,
            note="",
            phase="head",
            epoch=1,
            step=1,
            global_step=1,
        )
    )
    assert rule(script) == "cosine decay to 0 by the end of epoch 10"


def test_a_plateau_scheduler_names_its_factor_and_the_epochs_left() -> None:
    script = started(scheduler_factor=0.3, scheduler_patience=0).epoch("head", 1, 0.5, 0.6)
    assert rule(script) == "drops to 30% after 1 more epoch without improvement"
