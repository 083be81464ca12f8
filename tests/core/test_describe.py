from hypothesis import given, settings

from core.events import types as ev
from core.events.describe import describe, phase_reason
from core.events.record import Record
from core.events.types import Event
from tests.core.event_strategies import events
from tests.tui import scripted


@settings(max_examples=200, deadline=None)
@given(events)
def test_every_log_message_is_one_printable_line(event: Event) -> None:
    line = describe(event)
    if line:
        assert line.level in ("info", "good", "warning", "error")
        assert "\x1b" not in line.text
        assert "\n" not in line.text


def messages(records: list[Record]) -> list[tuple[str, str]]:
    lines = [describe(record.event) for record in records]
    return [(line.level, line.text) for line in lines if line]


def test_log_messages_of_a_run() -> None:
    lines = messages(scripted.finished().records)
    assert lines[:4] == [
        ("info", "run 20261124-120000-animals20 started"),
        ("info", "data: 8,069 train and 897 val images in 20 classes"),
        (
            "info",
            "model: convnext_base.fb_in22k_ft_in1k_384, 87.6 M parameters, timm; NVIDIA H200, bf16",
        ),
        (
            "info",
            "phase head started: 20.5 k trainable parameters, adam, lr 0.001, at most 30 epochs",
        ),
    ]
    assert lines[-2:] == [
        (
            "good",
            "phase full ended after 2 epochs (early stopping); best val 99.37% in epoch 1",
        ),
        ("good", "run finished: both phases are done; best val 99.68%"),
    ]


def test_damaged_files_are_a_warning_that_names_three() -> None:
    line = describe(ev.Warned(code="d", message="can't be read", files=["a", "b\n", "c", "d", "e"]))
    assert line is not None
    assert (line.level, line.text) == ("warning", r"can't be read: a, b\n, c and 2 more")


def test_a_failure_is_an_error() -> None:
    line = describe(ev.RunEnded(outcome="failed", reason="disk full"))
    assert line is not None
    assert (line.level, line.text) == ("error", "run failed: disk full")


def test_only_manual_checkpoints_are_logged() -> None:
    saved = {"path": "checkpoints/x.pt", "bytes": 350_000_000, "seconds": 0.9, "global_step": 1}
    assert describe(ev.CheckpointSaved(kind="last", **saved)) is None
    line = describe(ev.CheckpointSaved(kind="manual", **saved))
    assert line is not None
    assert line.text == "checkpoint checkpoints/x.pt, 350 MB in 0.9 s"


def test_reasons_are_described() -> None:
    assert phase_reason("epochs") == "all epochs done"
    assert phase_reason("\x1b[2J") == r"\x1b[2J"


def test_resuming_names_the_checkpoint() -> None:
    position = {"phase": "full", "epoch": 3, "step": 7, "global_step": 9, "checkpoint": "last.pt"}
    manual, automatic = (describe(ev.RunResumed(**position, restart=r)) for r in (False, True))
    assert manual is not None
    assert manual.text == "resumed from last.pt, full epoch 3, step 7"
    assert automatic is not None
    assert (automatic.level, automatic.text.startswith("a rank exited")) == (
        "warning",
        True,
    )
