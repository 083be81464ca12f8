"""Remaining time of a run, given only once it can be trusted.

All durations come from the run's step clock, not the wall clock: pauses, a suspended laptop and
clock jumps have no effect.
"""

from core.events.pacing import PROGRESS_SECONDS, event_interval
from core.run.state import RunState

_TRUSTED_STEPS = 10
_TRUSTED_SECONDS = 3.0
# Progress arrives twice per second at first, or one step late; the rest allows for a first batch or
# a busy host.
_QUIET_SECONDS, _QUIET_STEPS = 15.0, 5


def epoch_eta(state: RunState) -> float | None:
    """Return the seconds until the current epoch ends; None if unknown."""
    progress, phase = state.progress, state.current
    if progress is None or phase is None or phase.started is None:
        return None
    if phase.epochs:
        return max(0.0, _epoch_seconds(state) - progress.seconds)
    if progress.stage != "train":
        return None
    if progress.step < _TRUSTED_STEPS or progress.seconds < _TRUSTED_SECONDS:
        return None
    # A validation step takes at most as long as a training step: an upper bound in the first epoch.
    steps_left = progress.steps - progress.step + phase.started.val_steps
    return steps_left * progress.seconds / progress.step


def phase_eta(state: RunState) -> float | None:
    """Return the seconds until the current phase ends without early stopping.

    None until one epoch of this phase has been measured.
    """
    phase = state.current
    if phase is None or phase.status != "running" or not phase.epochs:
        return None
    running = epoch_eta(state) if state.progress else _epoch_seconds(state)
    later = phase.max_epochs - len(phase.epochs) - 1
    if later < 0 or running is None:
        return 0.0
    return running + later * _epoch_seconds(state)


def overdue(state: RunState, silence: float) -> bool:
    """Return whether a running run has been silent (s) for longer than its own speed explains.

    False until a step has been measured.
    """
    running = state.status == "running" and state.progress is not None
    if not running or state.last_time is None:
        return False
    gap = event_interval(PROGRESS_SECONDS, state.elapsed(state.last_time) or 0.0)
    return silence > max(_QUIET_SECONDS, 2 * gap) + _QUIET_STEPS * state.step_seconds


def _epoch_seconds(state: RunState) -> float:
    phase = state.current
    recent = phase.epochs[-3:] if phase else []
    return sum(point.result.seconds for point in recent) / max(1, len(recent))
