"""Events in words: the sentences of the app's log and of the headless lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.common import format as fmt
from core.common.text import printable
from core.events import types as ev

_REASONS = {
    "epochs": "all epochs done",
    "early stopping": "early stopping",
    "asked": "ended by hand",
    "skipped": "left out",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence about an event; `level` is `info`, `good`, `warning` or `error`."""

    level: str
    text: str


def describe(event: ev.Event) -> Line | None:
    """Return what to tell a person about an event; None for those that only move a display."""
    writer = _WRITERS.get(type(event))
    line = writer(event) if writer else None
    # Once more, over the whole: whatever a journal holds, no control reaches the terminal.
    return Line(line.level, printable(line.text)) if line else None


def phase_reason(reason: str) -> str:
    """Return why a phase ended, in words."""
    return _REASONS.get(reason, printable(reason))


def _run_started(e: ev.RunStarted) -> Line:
    return Line("info", f"run {printable(e.run_id)} started")


def _run_resumed(e: ev.RunResumed) -> Line:
    place = f"{e.phase} epoch {e.epoch}" + (f", step {e.step}" if e.step else "")
    where = f"from {printable(e.checkpoint)}, at {place}" if e.checkpoint else "from its beginning"
    if e.restart:
        return Line("warning", f"a process of the run was gone: all start anew, {where}")
    return Line("info", f"goes on {where}")


def _data_ready(e: ev.DataReady) -> Line:
    text = (
        f"data: {fmt.count(e.train)} train and {fmt.count(e.val)} val pictures "
        f"in {len(e.classes)} classes"
    )
    if e.test:
        text += f", {fmt.count(e.test)} kept for a test"
    if e.damaged:
        return Line("warning", f"{text}; {fmt.count(e.damaged)} unreadable left out")
    return Line("info", text)


def _chosen(e: ev.Chosen) -> Line:
    return Line("info", f"{printable(e.what)}: {printable(e.value)} ({printable(e.reason)})")


def _model_ready(e: ev.ModelReady) -> Line:
    return Line(
        "info",
        f"model: {printable(e.name)}, {fmt.parameters(e.parameters)} parameters, "
        f"{printable(e.weights)}; {printable(e.device_name or e.device)}, {e.precision}",
    )


def _phase_started(e: ev.PhaseStarted) -> Line:
    return Line(
        "info",
        f"phase {e.phase} begins: {fmt.parameters(e.trainable_parameters)} parameters train, "
        f"{e.optimizer}, lr {fmt.rate(e.lr)}, at most {e.epochs} epochs",
    )


def _epoch_ended(e: ev.EpochEnded) -> Line:
    text = (
        f"{e.phase} epoch {e.epoch}: val {fmt.percent(e.val_top1)}, loss {fmt.loss(e.val_loss)}; "
        f"train {fmt.percent(e.train_top1)}, {fmt.loss(e.train_loss)}; {fmt.duration(e.seconds)}"
    )
    if e.best:
        text += "; best so far"
    elif e.phase_best:
        text += f"; best of phase {e.phase}"
    if e.next_lr != e.lr:
        text += f"; lr {fmt.rate(e.lr)} → {fmt.rate(e.next_lr)}"
    return Line("good" if e.best else "info", text)


def _checkpoint_saved(e: ev.CheckpointSaved) -> Line | None:
    if e.kind != "manual":
        return None
    seconds = f"{e.seconds:.1f} s"
    return Line("good", f"checkpoint {printable(e.path)}, {fmt.size(e.bytes)} in {seconds}")


def _command_applied(e: ev.CommandApplied) -> Line:
    where = f", applied at step {fmt.count(e.global_step)}"
    return Line("info", f"{printable(e.note)}, asked {fmt.clock_time(e.asked)}{where}")


def _command_refused(e: ev.CommandRefused) -> Line:
    return Line("warning", f"{printable(e.command)} refused: {printable(e.reason)}")


def _resumed(e: ev.Resumed) -> Line:
    return Line("info", f"goes on after a pause of {fmt.duration(e.seconds)}")


def _warned(e: ev.Warned) -> Line:
    shown = zip(e.files[:3], [*e.reasons, "", "", ""], strict=False)
    names = [printable(f"{file} ({reason})" if reason else file) for file, reason in shown]
    more = f" and {fmt.count(len(e.files) - 3)} more" if len(e.files) > 3 else ""
    return Line("warning", printable(e.message) + (f": {', '.join(names)}{more}" if names else ""))


def _phase_ended(e: ev.PhaseEnded) -> Line:
    best = f"; best val {fmt.percent(e.best_val_top1)} in epoch {e.best_epoch}"
    return Line(
        "good",
        f"phase {e.phase} over after {e.epochs} epochs ({phase_reason(e.reason)})"
        + (best if e.best_epoch else ""),
    )


def _run_ended(e: ev.RunEnded) -> Line:
    best = f"; best val {fmt.percent(e.best_val_top1)}" if e.best_epoch else ""
    text = f"run {e.outcome}: {printable(e.reason)}{best}"
    return Line("error" if e.outcome == "failed" else "good", text)


_WRITERS: dict[type[Any], Callable[[Any], Line | None]] = {
    ev.RunStarted: _run_started,
    ev.RunResumed: _run_resumed,
    ev.DataReady: _data_ready,
    ev.Chosen: _chosen,
    ev.ModelReady: _model_ready,
    ev.PhaseStarted: _phase_started,
    ev.EpochEnded: _epoch_ended,
    ev.CheckpointSaved: _checkpoint_saved,
    ev.CommandApplied: _command_applied,
    ev.CommandRefused: _command_refused,
    ev.Resumed: _resumed,
    ev.Warned: _warned,
    ev.PhaseEnded: _phase_ended,
    ev.RunEnded: _run_ended,
}
