"""Objective after each epoch of a trial, as the pruner compares it between trials."""

from contextlib import suppress
from pathlib import Path

from core.config.phases import FULL
from core.events.types import EpochEnded
from core.run.folder import RunFolder
from core.run.report import read_report
from core.run.summary import RunSummary
from core.study.state import MemberState
from core.study.sweep.objective import Objective


def step_of(epoch: EpochEnded, head_epochs: int) -> int:
    """Return the number of an epoch over both phases; phase head counts with all its epochs, so
    that early stopping in it doesn't shift those of phase full."""
    return epoch.epoch + (head_epochs if epoch.phase == FULL else 0)


def reported_epochs(member: MemberState, objective: Objective) -> dict[int, float]:
    """Return the objective of each epoch that the run of a trial has completed, by its number."""
    if member.run is None:
        return {}
    with suppress(OSError):
        epochs = read_report(RunFolder(Path(member.run.path))).state.epochs
        head = head_epochs(member.run)
        return {step_of(each.result, head): objective.of_epoch(each.result) for each in epochs}
    return {}


def head_epochs(run: RunSummary) -> int:
    """Return the planned epochs of phase head."""
    text = run.config.get("phases.head.epochs", "0")
    return int(text) if text.isdecimal() else 0
