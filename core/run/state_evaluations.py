"""The part of `core.run.state` that is about classes and pictures."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.events import types as ev
from core.run.state_parts import is_later

if TYPE_CHECKING:
    from core.run.state import RunState


def evaluated(state: "RunState", e: ev.Evaluated, time: float) -> None:
    """Take in an evaluation of the epoch that ended last."""
    if state.evaluation and not _is_of(state.evaluation, e):
        state.evaluation_before = state.evaluation
    state.evaluation = e
    if state.best and _is_of(e, state.best.result):
        state.best_evaluation = e


def samples_saved(state: "RunState", e: ev.SamplesSaved, time: float) -> None:
    """Take in where a phase's first pictures are."""
    state.samples[e.phase] = e


def rewind(state: "RunState", phase: str, stands: Callable[[ev.Evaluated], bool]) -> None:
    """Forget what came after the moment that a run goes on from, which is in `phase`."""
    kept = [e for e in (state.evaluation, state.evaluation_before) if e and stands(e)]
    state.evaluation = kept[0] if kept else None
    state.evaluation_before = kept[1] if len(kept) > 1 else None
    best = state.best.result if state.best else None
    known = [e for e in (state.best_evaluation, *kept) if e and best and _is_of(e, best)]
    state.best_evaluation = known[0] if known else None
    state.samples = {name: e for name, e in state.samples.items() if not is_later(name, phase)}


def _is_of(e: ev.Evaluated, epoch: ev.Evaluated | ev.EpochEnded) -> bool:
    return (e.phase, e.epoch) == (epoch.phase, epoch.epoch)
