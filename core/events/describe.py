"""Log messages of events, for the app's log and headless output."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from core.common import format as fmt
from core.common.left_out import left_out_text, needs_attention
from core.common.text import printable
from core.events import types as ev

_REASONS = {
    "epochs": "all epochs done",
    "early stopping": "early stopping",
    "asked": "ended manually",
    "skipped": "skipped",
}


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A log message; `level` is `info`, `good`, `warning` or `error`."""

    level: str
    text: str


_Writer = TypeVar("_Writer", bound=Callable[..., LogMessage | None])
SENTENCES: dict[type[ev.Event], Callable[[Any], LogMessage | None]] = {}


def sentence(event_type: type[ev.Event]) -> Callable[[_Writer], _Writer]:
    """Register the decorated function as the writer of an event type's log message."""

    def register(writer: _Writer) -> _Writer:
        SENTENCES[event_type] = writer
        return writer

    return register


def describe(event: ev.Event) -> LogMessage | None:
    """Return the log message of an event; None for events that only update displays."""
    writer = SENTENCES.get(type(event))
    message = writer(event) if writer else None
    # Escaped once more as a whole: no control character of a journal may reach the terminal.
    return LogMessage(message.level, printable(message.text)) if message else None


def phase_reason(reason: str) -> str:
    """Return the reason why a phase ended, as text."""
    return _REASONS.get(reason, printable(reason))


@sentence(ev.RunStarted)
def _run_started(e: ev.RunStarted) -> LogMessage:
    return LogMessage("info", f"run {printable(e.run_id)} started")


@sentence(ev.RunResumed)
def _run_resumed(e: ev.RunResumed) -> LogMessage:
    position = f"{e.phase} epoch {e.epoch}" + (f", step {e.step}" if e.step else "")
    where = f"from {printable(e.checkpoint)}, {position}" if e.checkpoint else "from the start"
    if e.restart:
        return LogMessage("warning", f"a rank exited; all ranks restarted {where}")
    return LogMessage("info", f"resumed {where}")


@sentence(ev.DataReady)
def _data_ready(e: ev.DataReady) -> LogMessage:
    text = (
        f"data: {fmt.count(e.train)} train and {fmt.counted(e.val, 'val image')} "
        f"in {fmt.counted(len(e.classes), 'class', 'classes')}"
    )
    if e.test:
        text += f", {fmt.count(e.test)} in the test split"
    if e.groups:
        text += f", in {fmt.counted(e.groups, 'group')} by data.group"
    if e.ungrouped:
        text += f" ({fmt.counted(e.ungrouped, 'image')} without a match)"
    left_out = left_out_text(e.left_out, e.damaged)
    level = "warning" if needs_attention(e.left_out, e.damaged) else "info"
    return LogMessage(level, f"{text}; {left_out}" if left_out else text)


@sentence(ev.Chosen)
def _chosen(e: ev.Chosen) -> LogMessage:
    return LogMessage("info", f"{printable(e.what)}: {printable(e.value)} ({printable(e.reason)})")


@sentence(ev.ModelReady)
def _model_ready(e: ev.ModelReady) -> LogMessage:
    return LogMessage(
        "info",
        f"model: {printable(e.name)}, {fmt.parameters(e.parameters)} parameters, "
        f"{printable(e.weights)}; {printable(e.device_name or e.device)}, {e.precision}",
    )


@sentence(ev.PhaseStarted)
def _phase_started(e: ev.PhaseStarted) -> LogMessage:
    return LogMessage(
        "info",
        f"phase {e.phase} started: {fmt.parameters(e.trainable_parameters)} trainable parameters, "
        f"{e.optimizer}, lr {fmt.rate(e.lr)}, at most {fmt.counted(e.epochs, 'epoch')}",
    )


@sentence(ev.EpochEnded)
def _epoch_ended(e: ev.EpochEnded) -> LogMessage:
    text = (
        f"{e.phase} epoch {e.epoch}: val {fmt.percent(e.val_top1)}, loss {fmt.loss(e.val_loss)}; "
        f"train {fmt.percent(e.train_top1)}, {fmt.loss(e.train_loss)}; "
        f"took {fmt.duration(e.seconds)}"
    )
    if e.best:
        text += "; best so far"
    elif e.phase_best:
        text += f"; best of phase {e.phase}"
    if e.next_lr != e.lr:
        text += f"; lr {fmt.rate(e.lr)} → {fmt.rate(e.next_lr)}"
    return LogMessage("good" if e.best else "info", text)


@sentence(ev.CheckpointSaved)
def _checkpoint_saved(e: ev.CheckpointSaved) -> LogMessage | None:
    if e.kind != "manual":
        return None
    seconds = f"{e.seconds:.1f} s"
    return LogMessage("good", f"checkpoint {printable(e.path)}, {fmt.size(e.bytes)} in {seconds}")


@sentence(ev.CommandApplied)
def _command_applied(e: ev.CommandApplied) -> LogMessage:
    where = f", applied at step {fmt.count(e.global_step)}"
    return LogMessage("info", f"{printable(e.note)}, requested {fmt.clock_time(e.asked)}{where}")


@sentence(ev.CommandRefused)
def _command_refused(e: ev.CommandRefused) -> LogMessage:
    return LogMessage("warning", f"{printable(e.command)} refused: {printable(e.reason)}")


@sentence(ev.Resumed)
def _resumed(e: ev.Resumed) -> LogMessage:
    return LogMessage("info", f"resumed after a pause of {fmt.duration(e.seconds)}")


@sentence(ev.Warned)
def _warned(e: ev.Warned) -> LogMessage:
    shown = zip(e.files[:3], [*e.reasons, "", "", ""], strict=False)
    names = [printable(f"{file} ({reason})" if reason else file) for file, reason in shown]
    more = f" and {fmt.count(len(e.files) - 3)} more" if len(e.files) > 3 else ""
    return LogMessage(
        "warning", printable(e.message) + (f": {', '.join(names)}{more}" if names else "")
    )


@sentence(ev.PhaseEnded)
def _phase_ended(e: ev.PhaseEnded) -> LogMessage:
    best = f"; best val {fmt.percent(e.best_val_top1)} in epoch {e.best_epoch}"
    return LogMessage(
        "good",
        f"phase {e.phase} ended after {fmt.counted(e.epochs, 'epoch')} ({phase_reason(e.reason)})"
        + (best if e.best_epoch else ""),
    )


@sentence(ev.RunEnded)
def _run_ended(e: ev.RunEnded) -> LogMessage:
    best = f"; best val {fmt.percent(e.best_val_top1)}" if e.best_epoch else ""
    text = f"run {e.outcome}: {printable(e.reason)}{best}"
    return LogMessage("error" if e.outcome == "failed" else "good", text)
