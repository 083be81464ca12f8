"""`RunState = fold(events)`: the state of a run that every view shows."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from core.common import format as fmt
from core.config.phases import PHASES
from core.events import types as ev
from core.events.describe import describe, phase_reason
from core.events.record import Record
from core.run.class_history import InEpoch
from core.run.downsampling import Series
from core.run.figures import FIGURES
from core.run.state_evaluations import EvaluationState
from core.run.state_parts import (
    DERIVED,
    EpochPoint,
    LogLine,
    Marker,
    PhaseState,
    early_stopping_at_start,
    is_later,
    last_point,
)
from core.run.timeline import Timeline

LOG_LINES = 2000
OVER = ("finished", "stopped", "failed")
ACTIVE = ("preparing", "running", "paused")
"""Statuses of a run that a process trains."""
RESUMABLE = ("interrupted", "stopped", "failed")
Reply = ev.CommandApplied | ev.CommandRefused


def new_series() -> dict[str, Series]:
    """Return an empty series for each recorded figure."""
    return {key: Series(figure.buckets) for key, figure in FIGURES.items() if figure.buckets}


@dataclass
class RunState:
    """Everything that views show of a run. Only `apply` changes it; one thread owns it."""

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
    """Seconds without a running process, between a stop and a resume."""
    gap: float = 0.0
    """Longest time without a record since the last one that is not Preparing (s)."""
    paused_since: float | None = None
    data: ev.DataReady | None = None
    model: ev.ModelReady | None = None
    phases: dict[str, PhaseState] = field(default_factory=dict)
    phase: str = ""
    """The current phase, or the last one."""
    progress: ev.Progress | None = None
    """Progress of the current epoch; None between epochs."""
    x: float = 0.0
    """Position on the x axis: epochs over all phases, with a fraction."""
    epochs: list[EpochPoint] = field(default_factory=list)
    best: EpochPoint | None = field(default=None, metadata=DERIVED)
    evaluations: EvaluationState = field(default_factory=EvaluationState)
    """Validation reports and sample sheets."""
    series: dict[str, Series] = field(default_factory=new_series)
    """Series within epochs, over x, by the key of their figure."""
    timeline: Timeline = field(default_factory=Timeline)
    """Steps and seconds over x."""
    markers: list[Marker] = field(default_factory=list)
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    device: ev.DeviceSample | None = None
    """The latest sample of rank 0's device."""
    devices: dict[int, ev.DeviceSample] = field(default_factory=dict)
    """The latest sample of each rank's device."""
    checkpoint: ev.CheckpointSaved | None = None
    log_count: int = 0
    """Number of log lines ever written; `log` keeps only the newest."""
    replies: deque[Reply] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    """The engine's replies to commands, latest last."""
    warnings: int = 0
    seq: int = 0
    """Number of the last record; a view that has shown it is up to date."""
    activity_seq: int = 0
    """Number of the last record other than a device sample, which arrives even without progress."""
    step_seconds: float = math.nan
    """Duration of a training step as last reported."""

    @property
    def over(self) -> bool:
        """Whether the run has recorded its end."""
        return self.status in OVER

    @property
    def current(self) -> PhaseState | None:
        """The state of the current phase, or of the last one."""
        return self.phases.get(self.phase)

    @property
    def epoch_start(self) -> float:
        """Return the position at the start of the current epoch, or the end of the last one."""
        return self.epoch_start_of(self.phase)

    def epoch_start_of(self, name: str) -> float:
        """Return the position at the start of the current epoch of a phase."""
        phase = self.phases.get(name)
        if phase is not None and phase.epochs:
            return phase.epochs[-1].x
        if phase is not None and phase.started:
            return phase.start_x
        return self.epochs[-1].x if self.epochs else 0.0

    def elapsed(self, now: float) -> float | None:
        """Seconds since the start, pauses included; `now` (Unix s) counts until the end."""
        if self.started is None:
            return None
        end = self.ended if self.ended is not None else now
        return max(0.0, end - self.started - self.idle)

    def apply(self, record: Record) -> None:
        """Apply the next record. Never fails, whatever the order of events."""
        self.seq = record.seq
        if not isinstance(record.event, ev.DeviceSample):
            self.activity_seq = record.seq
        since_last = 0.0 if self.last_time is None else record.time - self.last_time
        # A process that resumes the run prepares before it says so.
        gap = max(self.gap, since_last)
        self.gap = gap if isinstance(record.event, ev.Preparing) else 0.0
        if isinstance(record.event, ev.RunResumed):
            self.idle += gap
        self.last_time = record.time
        handler = FOLDS.get(type(record.event))
        if handler:
            handler(self, record.event, record.time)
        line = describe(record.event)
        if line:
            self.log.append(LogLine(record.time, line.level, line.text))
            self.log_count += 1

    def phase_state(self, name: str) -> PhaseState:
        """Return the state of a phase; create it if needed."""
        return self.phases.setdefault(name, PhaseState(name))

    def mark(self, kind: str, text: str, time: float) -> None:
        """Mark the current position on the charts."""
        x = self.timeline.latest_at(self.x)
        self.markers.append(Marker(x, time, kind, text, self.elapsed(time)))


_Fold = TypeVar("_Fold", bound=Callable[..., None])
FOLDS: dict[type[ev.Event], Callable[[RunState, Any, float], None]] = {}


def folds(event_type: type[ev.Event]) -> Callable[[_Fold], _Fold]:
    """Register the decorated function as what an event of this type changes in the run state.

    It is called with the state, the event and its Unix time (s), and must not fail.
    """

    def register(function: _Fold) -> _Fold:
        FOLDS[event_type] = function
        return function

    return register


def fold(records: Iterable[Record]) -> RunState:
    """Return the state of a run after these records."""
    state = RunState()
    for record in records:
        state.apply(record)
    return state


@folds(ev.RunStarted)
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
    return "all ranks restarted after one exited" if e.restart else "resumed"


@folds(ev.RunResumed)
def _run_resumed(state: RunState, e: ev.RunResumed, time: float) -> None:
    """Undo what happened after the checkpoint, so that every epoch is shown once."""
    kept = [point for point in state.epochs if _is_kept(point.result, e)]
    state.ended = state.paused_since = None
    state.epochs = kept
    state.best = last_point(kept, lambda result: result.best)
    best = state.best.result if state.best else None
    state.evaluations.rewind(e.phase, lambda report: _is_kept(report, e), best)
    for phase in state.phases.values():
        phase.rewind(kept, e.phase)
    state.phase_state(e.phase)
    state.x = x = _x_in_epoch(state, e.phase, e.step)
    for series in state.series.values():
        series.cut(x)
    state.timeline.cut(x)
    state.markers = [marker for marker in state.markers if marker.x <= x + 1e-6]
    _note_pause(state, e.global_step, time)
    state.mark("resume", _why_resumed(e), time)
    state.phase, state.progress = e.phase, None
    state.status, state.reason, state.preparing = "running", "", None
    state.devices = {}
    for key, value in e.changes.items():
        name, _, item = key.removeprefix("phases.").partition(".")
        if key.startswith("phases.") and name in state.phases:
            state.phases[name].change(item, value)


def _is_kept(epoch: InEpoch, resumed: ev.RunResumed) -> bool:
    if epoch.phase == resumed.phase:
        return epoch.epoch < resumed.epoch
    return is_later(resumed.phase, epoch.phase)


@folds(ev.Preparing)
def _preparing(state: RunState, e: ev.Preparing, time: float) -> None:
    state.preparing = e
    if state.over:  # another process resumes the run
        state.status = "preparing"


@folds(ev.DataReady)
def _data_ready(state: RunState, e: ev.DataReady, time: float) -> None:
    state.data = e


@folds(ev.ModelReady)
def _model_ready(state: RunState, e: ev.ModelReady, time: float) -> None:
    state.model = e


@folds(ev.PhaseStarted)
def _phase_started(state: RunState, e: ev.PhaseStarted, time: float) -> None:
    state.status, state.preparing, state.phase, state.progress = "running", None, e.phase, None
    phase = state.phase_state(e.phase)
    phase.status, phase.started, phase.start_x = "running", e, state.x
    phase.max_epochs, phase.lr, phase.lr_is_manual = e.epochs, e.lr, False
    phase.stopping = early_stopping_at_start(e)
    if state.x:
        state.mark("phase", f"phase {e.phase}", time)


@folds(ev.Progress)
def _progress(state: RunState, e: ev.Progress, time: float) -> None:
    state.progress, state.preparing = e, None
    state.phase_state(e.phase).lr = e.lr  # a rollback lowers it without a command
    is_training = e.stage == "train"
    done = e.step / max(1, e.steps) if is_training else 1.0
    state.x = state.epoch_start_of(e.phase) + done
    _note_position(state, e.global_step, time)
    if not is_training:
        return
    state.step_seconds = e.step_seconds if e.step_seconds > 0 else state.step_seconds
    x = state.x
    for key, series in state.series.items():
        step = FIGURES[key].step
        if step is not None:
            for value in step(e):
                series.add(x, value)


def _note_position(state: RunState, step: int, time: float) -> None:
    state.timeline.record(state.x, step, state.elapsed(time) or 0.0)


def _note_pause(state: RunState, step: int, time: float) -> None:
    state.timeline.record_pause(state.x, step, state.elapsed(time) or 0.0)


def _x_in_epoch(state: RunState, phase: str, step: int) -> float:
    """Return the position after a training step of the current epoch of a phase."""
    started = state.phase_state(phase).started
    done = step / max(1, started.steps) if started else 0.0
    return state.epoch_start_of(phase) + min(1.0, max(0.0, done))


@folds(ev.EpochEnded)
def _epoch_ended(state: RunState, e: ev.EpochEnded, time: float) -> None:
    state.x = state.epoch_start_of(e.phase) + 1
    point = EpochPoint(state.x, time, e, len(state.epochs) + 1)
    state.progress = None
    state.epochs.append(point)
    _note_position(state, e.global_step, time)
    if e.next_lr < e.lr:
        note = f"lr {fmt.rate(e.lr)} → {fmt.rate(e.next_lr)} on a plateau"
        state.mark("lr", note, time)
    phase = state.phase_state(e.phase)
    phase.epochs.append(point)
    phase.stopping = phase.verdict
    phase.lr, phase.scheduler_bad_epochs = e.next_lr, e.scheduler_bad_epochs
    if e.phase_best:
        phase.best = point
    if e.best:
        state.best, state.evaluations.best = point, None


@folds(ev.CheckpointSaved)
def _checkpoint_saved(state: RunState, e: ev.CheckpointSaved, time: float) -> None:
    state.checkpoint = e


@folds(ev.CommandApplied)
def _command_applied(state: RunState, e: ev.CommandApplied, time: float) -> None:
    state.replies.append(e)
    if e.step and e.phase == state.phase:
        # Exact; progress is reported at intervals.
        state.x = max(state.x, _x_in_epoch(state, e.phase, e.step))
        _note_pause(state, e.global_step, time)
    state.mark("command", e.note, time)
    phase = state.phases.get(e.phase)
    if phase is None:
        return
    patience, lr = e.arguments.get("patience"), e.arguments.get("lr")
    if isinstance(patience, int) and patience >= 1 and phase.stopping:
        phase.stopping = phase.stopping.with_patience(patience)
    if isinstance(lr, float):
        phase.lr, phase.lr_is_manual = lr, True


@folds(ev.CommandRefused)
def _command_refused(state: RunState, e: ev.CommandRefused, time: float) -> None:
    state.replies.append(e)


@folds(ev.Paused)
def _paused(state: RunState, e: ev.Paused, time: float) -> None:
    state.status, state.paused_since = "paused", time
    _note_pause(state, e.global_step, time)


@folds(ev.Resumed)
def _resumed(state: RunState, e: ev.Resumed, time: float) -> None:
    state.status, state.paused_since = "running", None
    _note_pause(state, e.global_step, time)


@folds(ev.DeviceSample)
def _device_sample(state: RunState, e: ev.DeviceSample, time: float) -> None:
    state.devices[e.rank] = e
    if e.rank:
        return
    state.device = e
    for key, series in state.series.items():
        device = FIGURES[key].device
        if device is not None:
            for value in device(e):
                series.add(state.x, value)


@folds(ev.Warned)
def _warned(state: RunState, e: ev.Warned, time: float) -> None:
    state.warnings += 1
    if state.epochs or state.progress:
        state.mark("warning", e.message, time)


@folds(ev.PhaseEnded)
def _phase_ended(state: RunState, e: ev.PhaseEnded, time: float) -> None:
    phase = state.phase_state(e.phase)
    phase.status, phase.reason = "done", phase_reason(e.reason)
    state.progress = None


@folds(ev.RunEnded)
def _run_ended(state: RunState, e: ev.RunEnded, time: float) -> None:
    state.status, state.reason, state.ended = e.outcome, e.reason, time
    state.progress, state.paused_since, state.preparing = None, None, None


@folds(ev.Evaluated)
def _evaluated(state: RunState, e: ev.Evaluated, time: float) -> None:
    state.evaluations.apply(e, state.best.result if state.best else None)


@folds(ev.SamplesSaved)
def _samples_saved(state: RunState, e: ev.SamplesSaved, time: float) -> None:
    state.evaluations.samples[e.phase] = e
