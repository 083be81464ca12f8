"""Plan the resumption of a run: which run, with which changes, and whether it is allowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from core.common.errors import SetupError
from core.common.text import printable
from core.config.load import ConfigError, load_recorded, parse_override, with_values
from core.config.phases import PHASES
from core.config.schema import Config
from core.data.sources import parse_location, source_of
from core.demo.config import is_demo
from core.events.describe import phase_reason
from core.run.folder import RunFolder
from core.run.state import RunState
from core.run.state_parts import PhaseState

_CHANGEABLE = (
    *("device", "nonfinite", "nonfinite_limit", "data.workers", "checkpoint.*", "cache.*"),
    *("phases.*.epochs", "phases.*.lr", "phases.*.early_stopping.*"),
    *("phases.*.scheduler.factor", "phases.*.scheduler.patience"),
)


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run to resume."""

    folder: RunFolder
    config: Config
    """The recorded configuration with `changes` on top."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Keys that were set on resume, with their values: they take precedence over live changes."""
    accept_data_changes: bool = False


def plan_resumption(
    folder: RunFolder,
    overrides: Iterable[str] = (),
    accept_data_changes: bool = False,
    data: str | None = None,
) -> Resumption:
    """Return a run's recorded configuration with `KEY=VALUE` changes; raises SetupError.

    Keys that would make it a different run (model, seed) are refused. `data` is the folder to which
    its images have moved: they are compared by content before training continues.
    """
    try:
        recorded = load_recorded(folder.config)
    except ConfigError as error:
        raise SetupError(f"run {printable(folder.id)} cannot be resumed: {error}") from None
    changes = dict(parse_override(text) for text in overrides)
    for key in changes:
        if not any(fnmatchcase(key, pattern) for pattern in _CHANGEABLE):
            raise SetupError(
                f"{key} cannot be changed on resume: it would be a different run; start a new "
                f"one with --config {folder.config} --set {key}=…"
            )
    if data is not None:
        if is_demo(recorded):
            raise SetupError("the demo generates its images: omit --data")
        changes["data.root"] = data
    elif not is_demo(recorded):
        _require_images(recorded)
    return Resumption(folder, with_values(recorded, changes), changes, accept_data_changes)


def _require_images(config: Config) -> None:
    root = parse_location(config.data.root or "")
    if not source_of(root).is_remote and not root.is_dir():
        raise SetupError(
            f"{printable(str(root))}: no such folder; if the images have moved, resume with --data "
            "and their new folder"
        )


def refuse_finished(state: RunState, resumption: Resumption) -> None:
    """Raise SetupError for a finished run that has nothing left to train, even with the changes."""
    phase = state.current
    if state.status != "finished" or phase is None or _starts_later_phase(phase, resumption):
        return
    run = printable(resumption.folder.id)
    if phase.reason == phase_reason("asked"):
        raise SetupError(
            f"run {run} is finished: phase {phase.name} was ended manually; start a new run to "
            "train longer"
        )
    needed = _needed(phase, resumption)
    if not needed and not resumption.changes:
        needed = {f"phases.{phase.name}.epochs": len(phase.epochs)}
    if needed:
        effect = "these changes have no effect; " if resumption.changes else ""
        keys = " and ".join(f"{key} above {value}" for key, value in needed.items())
        raise SetupError(
            f"run {run} is finished; {effect}to continue training, set {keys}: --set KEY=VALUE"
        )


def _starts_later_phase(phase: PhaseState, resumption: Resumption) -> bool:
    later = PHASES[PHASES.index(phase.name) + 1 :] if phase.name in PHASES else ()
    return any(resumption.config.phases.get(name).epochs for name in later)


def _needed(phase: PhaseState, resumption: Resumption) -> dict[str, int]:
    """Return the keys that keep the phase from continuing, with what their values must exceed."""
    config = resumption.config.phases.get(phase.name)
    needed = {}
    if len(phase.epochs) >= config.epochs:
        needed[f"phases.{phase.name}.epochs"] = len(phase.epochs)
    key = f"phases.{phase.name}.early_stopping.patience"
    if phase.stopping is not None:
        # A patience that was changed during the run holds unless it is set now.
        changed = {name.removeprefix(f"phases.{phase.name}.") for name in resumption.changes}
        patience = config.patience_on_resume(phase.stopping.patience, changed)
        if phase.stopping.bad_epochs >= patience:
            needed[key] = phase.stopping.bad_epochs
    return needed
