"""Plan the resumption of a run: which run, with which changes, and whether it is allowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from core.common.errors import SetupError
from core.common.text import printable
from core.config.load import ConfigError, load_config, parse_override, with_values
from core.config.schema import Config
from core.run.folder import RunFolder
from core.run.state import RunState

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
    folder: RunFolder, overrides: Iterable[str] = (), accept_data_changes: bool = False
) -> Resumption:
    """Return a run's recorded configuration with `KEY=VALUE` changes; raises SetupError.

    Keys that would make it a different run (data, model, seed) are refused.
    """
    try:
        recorded = load_config(folder.config)
    except ConfigError as error:
        raise SetupError(f"run {printable(folder.id)} cannot be resumed: {error}") from None
    changes = dict(parse_override(text) for text in overrides)
    for key in changes:
        if not any(fnmatchcase(key, pattern) for pattern in _CHANGEABLE):
            raise SetupError(
                f"{key} cannot be changed on resume: it would be a different run; start a new "
                f"one with --config {folder.config} --set {key}=…"
            )
    return Resumption(folder, with_values(recorded, changes), changes, accept_data_changes)


def refuse_finished(state: RunState, resumption: Resumption) -> None:
    """Raise SetupError for a run that has nothing left to train."""
    if state.status == "finished" and not resumption.changes:
        raise SetupError(
            f"run {printable(resumption.folder.id)} is finished; to continue "
            "training, raise its epochs: --set phases.full.epochs=N"
        )
