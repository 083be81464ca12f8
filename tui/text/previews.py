"""What a change would do, said before it is made."""

import math
from dataclasses import dataclass, field

from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from core.run.state_parts import PhaseState


@dataclass(frozen=True, slots=True)
class Preview:
    """What was typed means this; `value` is None while it can't be applied, `error` says why."""

    value: float | None
    lines: list[str] = field(default_factory=list)
    error: str = ""


def patience_now(phase: PhaseState) -> str:
    """Return how the phase's patience stands."""
    if phase.stopping is None:
        return "not started"
    bad = phase.stopping.bad_epochs
    return f"now {phase.stopping.patience}; {bad} epoch{'s' * (bad != 1)} without improvement"


def preview_patience(phase: PhaseState, typed: str) -> Preview:
    """Return what another patience would change in this phase."""
    try:
        value = int(typed.strip())
    except ValueError:
        return Preview(None, error="a whole number of epochs, 1 or more")
    if not 1 <= value <= 1_000_000:
        return Preview(None, error="a whole number of epochs, 1 or more")
    if phase.status != "running" or phase.stopping is None:
        return Preview(None, error=f"phase {printable(phase.name)} is over")
    done, limit = len(phase.epochs), phase.max_epochs
    old = phase.stopping.last_epoch(done)
    new = phase.stopping.with_patience(value).last_epoch(done)
    bad = phase.stopping.bad_epochs
    lines = [_stop_change(old, new, done, limit), _unless(phase.stopping.threshold)]
    at_once = f"at {bad + 1} or less the phase ends with this epoch's verdict"
    return Preview(value, [line for line in [*lines, at_once if bad else ""] if line])


def _stop_change(old: int, new: int, done: int, limit: int) -> str:
    if new >= limit:
        changed = f", not after {old}" if old < limit else ""
        return f"would run to its last epoch, {limit}{changed}"
    if new == old:
        return f"would stop after epoch {new} at the earliest, as now"
    before = f"not {old}" if old < limit else f"not run to its last, {limit}"
    when = "with this epoch's verdict" if new == done + 1 else "at the earliest"
    return f"would stop after epoch {new} {when}, {before}"


def _unless(threshold: float) -> str:
    if not math.isfinite(threshold):
        return ""
    return f"val loss < {fmt.loss(threshold)} counts as improvement and starts anew"


def preview_rate(phase: PhaseState, typed: str) -> Preview:
    """Return what another learning rate would mean."""
    try:
        value = float(typed.strip())
    except ValueError:
        return Preview(None, error="a number such as 0.0005 or 5e-4")
    if not math.isfinite(value) or value <= 0:
        return Preview(None, error="a number above 0")
    if phase.status != "running":
        return Preview(None, error=f"phase {printable(phase.name)} is over")
    lines = [f"{_times(value, phase.lr)}, from the next step on"]
    if value >= 1:
        lines.append("that is far above what such a model bears")
    lines.append(_goes_on(phase))
    return Preview(value, lines)


def _goes_on(phase: PhaseState) -> str:
    if phase.started is not None and phase.started.scheduler == "cosine":
        return f"the cosine falls from there to 0 by the end of epoch {phase.max_epochs}"
    return "the plateau scheduler goes on from there"


def _times(new: float, old: float) -> str:
    if old <= 0 or new == old:
        return "as now" if new == old else fmt.rate(new)
    return f"{new / old:.3g} times the rate of now"


def next_phase_question(state: RunState) -> str:
    """Return what ending the running phase does."""
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
            f"{printable(later[0].name)} begins{best}."
        )
    return (
        f"Phase {printable(phase.name)} is the last one: the run ends after this step and "
        f"counts as finished{', with its best weights kept' if phase.best else ''}."
    )


def _best(phase: PhaseState) -> str:
    if phase.best is None:
        return " from the weights as they are"
    result = phase.best.result
    return f" from the best weights so far: {fmt.percent(result.val_top1)} in epoch {result.epoch}"
