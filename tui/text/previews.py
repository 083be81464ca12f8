"""Preview the effect of a change before it is applied."""

import math
from dataclasses import dataclass, field

from core.common import format as fmt
from core.common.text import printable
from core.config.limits import lr_problem, patience_problem
from core.run.early_stopping import EarlyStopping
from core.run.state import RunState
from core.run.state_parts import PhaseState


@dataclass(frozen=True, slots=True)
class Preview:
    """The effect of an input; `value` is None for an invalid one, and `error` is the reason."""

    value: float | None
    lines: list[str] = field(default_factory=list)
    error: str = ""


def patience_now(phase: PhaseState) -> str:
    """Return the phase's patience and the epochs without improvement."""
    if phase.stopping is None:
        return "not started"
    bad = fmt.counted(phase.stopping.bad_epochs, "epoch")
    return f"current: {phase.stopping.patience}, {bad} without improvement"


def preview_patience(phase: PhaseState, typed: str) -> Preview:
    """Return the effect of another patience on this phase."""
    try:
        value = int(typed.strip())
    except ValueError:
        return Preview(None, error="expected a whole number of epochs, 1 or more")
    if problem := patience_problem(value):
        return Preview(None, error=problem)
    if phase.status != "running" or phase.stopping is None:
        return Preview(None, error=f"phase {printable(phase.name)} has ended")
    done, limit = len(phase.epochs), phase.max_epochs
    old = phase.stopping.last_epoch(done)
    new = phase.stopping.with_patience(value).last_epoch(done)
    bad = phase.stopping.bad_epochs
    lines = [_stop_change(old, new, done, limit), _unless(phase.stopping)]
    metric = phase.stopping.metric.label
    at_once = f"{bad + 1} or less ends the phase after this epoch unless {metric} improves"
    return Preview(value, [line for line in [*lines, at_once if bad else ""] if line])


def _stop_change(old: int, new: int, done: int, limit: int) -> str:
    if new >= limit:
        changed = f", instead of stopping after {old}" if old < limit else ""
        return f"would run to its last epoch, {limit}{changed}"
    if new == old:
        return f"would stop after epoch {new} at the earliest, unchanged"
    before = f"instead of {old}" if old < limit else f"instead of running to its last, {limit}"
    when = ", the current one" if new == done + 1 else " at the earliest"
    return f"would stop after epoch {new}{when}, {before}"


def _unless(stopping: EarlyStopping) -> str:
    if not math.isfinite(stopping.threshold):
        return ""
    improvement = stopping.metric.beyond(stopping.threshold)
    return f"{improvement} counts as improvement and resets the counter"


def preview_rate(phase: PhaseState, typed: str) -> Preview:
    """Return the effect of another learning rate on this phase."""
    try:
        value = float(typed.strip())
    except ValueError:
        return Preview(None, error="expected a number such as 0.0005 or 5e-4")
    if problem := lr_problem(value):
        return Preview(None, error=problem)
    if phase.status != "running":
        return Preview(None, error=f"phase {printable(phase.name)} has ended")
    lines = [f"{_relative(value, phase.lr)}, from the next step on"]
    if value >= 1:
        lines.append("far too high for this model")
    lines.append(_schedule(phase))
    return Preview(value, lines)


def _schedule(phase: PhaseState) -> str:
    if phase.started is not None and phase.started.scheduler == "cosine":
        return f"cosine decay from there to 0 by the end of epoch {phase.max_epochs}"
    return "the plateau scheduler continues from there"


def _relative(new: float, old: float) -> str:
    if old <= 0 or new == old:
        return "unchanged" if new == old else fmt.rate(new)
    ratio = new / old
    if 1000 <= ratio < 1e15:
        return f"{float(f'{ratio:.3g}'):,.0f}x the current rate"
    return f"{ratio:.3g}x the current rate"


def next_phase_question(state: RunState) -> str:
    """Return the effect of ending the current phase."""
    phase = state.current
    if phase is None:
        return ""
    names = list(state.phases)
    later = [
        state.phases[n]
        for n in names[names.index(phase.name) + 1 :]
        if state.phases[n].status == "waiting"
    ]
    best = _best(phase)
    if later:
        return (
            f"Phase {printable(phase.name)} ends after this step; "
            f"{printable(later[0].name)} starts{best}."
        )
    return (
        f"Phase {printable(phase.name)} is the last one: the run ends after this step as "
        f"finished{', and its best weights are kept' if phase.best else ''}."
    )


def _best(phase: PhaseState) -> str:
    if phase.best is None:
        return " from the current weights"
    result = phase.best.result
    return f" from the best weights so far: {fmt.percent(result.val_top1)} in epoch {result.epoch}"
