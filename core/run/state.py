"""`RunState = fold(events)`: the one picture of a run that every view draws."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.common import format as fmt
from core.config.phases import PHASES
from core.events import types as ev
from core.events.describe import describe, phase_reason
from core.run import state_evaluations as evaluation_fold
from core.run.downsampling import Series
from core.run.early_stopping import EarlyStopping
from core.run.state_parts import EpochPoint, LogLine, Mark, PhaseState, is_later, last_point
from core.run.timeline import Course

LOG_LINES = 2000
OVER = ("finished", "stopped", "failed")
_SPIKE = 2.0
"""A single step counts as a spike when its loss is this many times the mean around it."""
Answer = ev.CommandApplied | ev.CommandRefused
CURVES = {
    "loss": 2048,
    "top1": 2048,
    "lr": 512,
    "grad_norm": 512,
    "images_per_second": 512,
    "data_wait": 512,
    "memory": 512,
}
"""The curves of a run, each with the most points that are kept of it."""


def new_curves() -> dict[str, Series]:
    """Return a run's curves before its first step."""
    return {name: Series(limit) for name, limit in CURVES.items()}


@dataclass
class RunState:
    """Everything a view shows of a run. Only `apply` changes it; one thread owns it."""

    run_id: str = ""
    name: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    status: str = "preparing"
    """`preparing`, `running`, `paused`, `finished`, `stopped` or `failed`."""
    reason: str = ""
    """Why the run ended."""
    preparing: ev.Preparing | None = None
    started: float | None = None
    last_time: float | None = None
    ended: float | None = None
    idle: float = 0.0
    """Seconds in which no engine worked at the run, between a stop and going on."""
    paused_since: float | None = None
    data: ev.DataReady | None = None
    model: ev.ModelReady | None = None
    phases: dict[str, PhaseState] = field(default_factory=dict)
    phase: str = ""
    """The phase that runs, or ran last."""
    progress: ev.Progress | None = None
    """Where the running epoch stands; None between epochs."""
    epochs: list[EpochPoint] = field(default_factory=list)
    best: EpochPoint | None = None
    evaluation: ev.Evaluated | None = None
    """The latest one that stands, and the one before it."""
    evaluation_before: ev.Evaluated | None = None
    best_evaluation: ev.Evaluated | None = None
    """Of the best epoch."""
    samples: dict[str, ev.SamplesSaved] = field(default_factory=dict)
    """The first pictures of each phase."""
    curves: dict[str, Series] = field(default_factory=new_curves)
    """What is told within epochs, over x; `top1` is the running mean of its epoch, `memory` what
    this run holds on its device, or its processes on the host."""
    course: Course = field(default_factory=Course)
    """Steps and seconds over x."""
    marks: list[Mark] = field(default_factory=list)
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    device: ev.DeviceSample | None = None
    """The latest look at rank 0's device."""
    devices: dict[int, ev.DeviceSample] = field(default_factory=dict)
    """The latest look at each rank's device."""
    checkpoint: ev.CheckpointSaved | None = None
    log_count: int = 0
    """Log lines ever written: more than `log` holds once it forgets the oldest."""
    answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    """What the engine said to commands, latest last."""
    warnings: int = 0
    seq: int = 0
    """The last record's number; a view that has drawn this one has nothing to do."""
    news: int = 0
    """The same, of the last record that tells of work: the device is looked at in any case."""
    step_seconds: float = math.nan
    """What a training step takes, by the last word on it."""

    @property
    def over(self) -> bool:
        """Whether the run has ended by its own account."""
        return self.status in OVER

    @property
    def current(self) -> PhaseState | None:
        """The phase that runs, or ran last."""
        return self.phases.get(self.phase)

    @property
    def x(self) -> float:
        """Where the run stands on the x axis: epochs over all phases, with a fraction."""
        if self.progress is None or self.progress.stage != "train":
            return float(len(self.epochs)) + (0 if self.progress is None else 1)
        return len(self.epochs) + self.progress.step / max(1, self.progress.steps)

    def elapsed(self, now: float) -> float | None:
        """Seconds since the start, pauses included; `now` (Unix s) counts until the end."""
        if self.started is None:
            return None
        end = self.ended if self.ended is not None else now
        return max(0.0, end - self.started - self.idle)

    def apply(self, record: ev.Record) -> None:
        """Take in the next record. Never fails, whatever the order of events."""
        self.seq = record.seq
        if not isinstance(record.event, ev.DeviceSample):
            self.news = record.seq
        if isinstance(record.event, ev.RunResumed) and self.last_time is not None:
            self.idle += max(0.0, record.time - self.last_time)
        self.last_time = record.time
        handler = _HANDLERS.get(type(record.event))
        if handler:
            handler(self, record.event, record.time)
        line = describe(record.event)
        if line:
            self.log.append(LogLine(record.time, line.level, line.text))
            self.log_count += 1

    def phase_state(self, name: str) -> PhaseState:
        """Return a phase by name, known from now on."""
        return self.phases.setdefault(name, PhaseState(name))


def fold(records: Iterable[ev.Record]) -> RunState:
    """Return the state of a run after these records."""
    state = RunState()
    for record in records:
        state.apply(record)
    return state


def _run_started(state: RunState, e: ev.RunStarted, time: float) -> None:
    state.run_id, state.name, state.config = e.run_id, e.name, e.config
    state.started = time if state.started is None else state.started
    planned = e.config.get("phases")
    for name in PHASES:
        phase = state.phase_state(name)
        keys = planned.get(name) if isinstance(planned, Mapping) else None
        epochs = keys.get("epochs") if isinstance(keys, Mapping) else None
        phase.max_epochs = epochs if isinstance(epochs, int) else 0
        if epochs == 0:
            phase.status, phase.reason = "skipped", phase_reason("skipped")


def _why_resumed(e: ev.RunResumed) -> str:
    return "all ranks started anew, as one was gone" if e.restart else "resumed"


def _run_resumed(state: RunState, e: ev.RunResumed, time: float) -> None:
    """Undo what came after the checkpoint: every epoch is shown once."""
    kept = [point for point in state.epochs if _stands(point.result, e)]
    started = state.phase_state(e.phase).started
    x = len(kept) + e.step / max(1, started.steps if started else 1)
    state.epochs = kept
    state.best = last_point(kept, lambda result: result.best)
    evaluation_fold.rewind(state, e.phase, lambda evaluated: _stands(evaluated, e))
    for phase in state.phases.values():
        phase.rewind(kept, e.phase)
    for series in state.curves.values():
        series.cut(x)
    state.course.cut(x)
    state.marks = [mark for mark in state.marks if mark.x <= x]
    state.marks.append(Mark(x, time, "resume", _why_resumed(e)))
    state.phase, state.progress = e.phase, None
    state.status, state.reason, state.preparing = "running", "", None
    state.ended = state.paused_since = None
    state.devices = {}
    for key, value in e.changes.items():
        name, _, item = key.removeprefix("phases.").partition(".")
        if key.startswith("phases.") and name in state.phases:
            state.phases[name].change(item, value)


def _stands(epoch: ev.EpochEnded | ev.Evaluated, resumed: ev.RunResumed) -> bool:
    if epoch.phase == resumed.phase:
        return epoch.epoch < resumed.epoch
    return is_later(resumed.phase, epoch.phase)


def _preparing(state: RunState, e: ev.Preparing, time: float) -> None:
    state.preparing = e
    if state.over:  # another process goes on with the run
        state.status = "preparing"


def _data_ready(state: RunState, e: ev.DataReady, time: float) -> None:
    state.data = e


def _model_ready(state: RunState, e: ev.ModelReady, time: float) -> None:
    state.model = e


def _phase_started(state: RunState, e: ev.PhaseStarted, time: float) -> None:
    state.status, state.preparing, state.phase, state.progress = "running", None, e.phase, None
    phase = state.phase_state(e.phase)
    phase.status, phase.started, phase.start_x = "running", e, float(len(state.epochs))
    phase.max_epochs, phase.lr, phase.lr_by_hand = e.epochs, e.lr, False
    phase.stopping = EarlyStopping(e.patience, e.min_delta)
    if state.epochs:
        state.marks.append(Mark(phase.start_x, time, "phase", f"phase {e.phase}"))


def _progress(state: RunState, e: ev.Progress, time: float) -> None:
    state.progress, state.preparing = e, None
    state.phase_state(e.phase).lr = e.lr  # a rollback lowers it without a command
    _note_place(state, e.global_step, time)
    if e.stage != "train":
        return
    x, curves = state.x, state.curves
    state.step_seconds = e.step_seconds if e.step_seconds > 0 else state.step_seconds
    curves["loss"].add(x, e.recent_loss)
    if not e.peak_loss <= _SPIKE * e.recent_loss:
        # There and back again: a spike of its own, not a slope to the next point.
        curves["loss"].add(x, e.peak_loss)
        curves["loss"].add(x, e.recent_loss)
    curves["top1"].add(x, e.top1)
    curves["lr"].add(x, e.lr)
    # Not a number may mean that it isn't known, which is no news.
    if not math.isnan(e.grad_norm) or not math.isfinite(e.recent_loss):
        curves["grad_norm"].add(x, e.grad_norm)
    for name in ("images_per_second", "data_wait"):
        if math.isfinite(getattr(e, name)):
            curves[name].add(x, getattr(e, name))


def _note_place(state: RunState, step: int, time: float) -> None:
    state.course.note(state.x, step, state.elapsed(time) or 0.0)


def _epoch_ended(state: RunState, e: ev.EpochEnded, time: float) -> None:
    point = EpochPoint(len(state.epochs) + 1, time, e)
    state.progress = None
    state.epochs.append(point)
    _note_place(state, e.global_step, time)
    if e.next_lr < e.lr:
        note = f"lr {fmt.rate(e.lr)} → {fmt.rate(e.next_lr)} on a plateau"
        state.marks.append(Mark(float(point.x), time, "lr", note))
    phase = state.phase_state(e.phase)
    phase.epochs.append(point)
    phase.stopping = phase.verdict
    phase.lr, phase.scheduler_bad_epochs = e.next_lr, e.scheduler_bad_epochs
    if e.phase_best:
        phase.best = point
    if e.best:
        state.best, state.best_evaluation = point, None


def _checkpoint_saved(state: RunState, e: ev.CheckpointSaved, time: float) -> None:
    state.checkpoint = e


def _command_applied(state: RunState, e: ev.CommandApplied, time: float) -> None:
    state.answers.append(e)
    state.marks.append(Mark(state.x, time, "command", e.note))
    phase = state.phases.get(e.phase)
    if phase is None:
        return
    patience, lr = e.arguments.get("patience"), e.arguments.get("lr")
    if isinstance(patience, int) and patience >= 1 and phase.stopping:
        phase.stopping = phase.stopping.with_patience(patience)
    if isinstance(lr, float):
        phase.lr, phase.lr_by_hand = lr, True


def _command_refused(state: RunState, e: ev.CommandRefused, time: float) -> None:
    state.answers.append(e)


def _paused(state: RunState, e: ev.Paused, time: float) -> None:
    state.status, state.paused_since = "paused", time


def _resumed(state: RunState, e: ev.Resumed, time: float) -> None:
    state.status, state.paused_since = "running", None


def _device_sample(state: RunState, e: ev.DeviceSample, time: float) -> None:
    state.devices[e.rank] = e
    if e.rank:
        return
    state.device = e
    for held in (e.reserved, e.allocated, e.process_rss):
        if held is not None:
            state.curves["memory"].add(state.x, float(held))
            break


def _warned(state: RunState, e: ev.Warned, time: float) -> None:
    state.warnings += 1
    if state.epochs or state.progress:
        state.marks.append(Mark(state.x, time, "warning", e.message))


def _phase_ended(state: RunState, e: ev.PhaseEnded, time: float) -> None:
    phase = state.phase_state(e.phase)
    phase.status, phase.reason = "done", phase_reason(e.reason)
    state.progress = None


def _run_ended(state: RunState, e: ev.RunEnded, time: float) -> None:
    state.status, state.reason, state.ended = e.outcome, e.reason, time
    state.progress, state.paused_since, state.preparing = None, None, None


_HANDLERS: dict[type[Any], Callable[[RunState, Any, float], None]] = {
    ev.RunStarted: _run_started,
    ev.RunResumed: _run_resumed,
    ev.Preparing: _preparing,
    ev.DataReady: _data_ready,
    ev.ModelReady: _model_ready,
    ev.PhaseStarted: _phase_started,
    ev.Progress: _progress,
    ev.EpochEnded: _epoch_ended,
    ev.Evaluated: evaluation_fold.evaluated,
    ev.SamplesSaved: evaluation_fold.samples_saved,
    ev.CheckpointSaved: _checkpoint_saved,
    ev.CommandApplied: _command_applied,
    ev.CommandRefused: _command_refused,
    ev.Paused: _paused,
    ev.Resumed: _resumed,
    ev.DeviceSample: _device_sample,
    ev.Warned: _warned,
    ev.PhaseEnded: _phase_ended,
    ev.RunEnded: _run_ended,
}
