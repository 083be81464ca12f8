"""Going on with a run: which one, with which changes, and whether that is allowed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from core.codec import DecodeError
from core.config import Config
from core.config_io import ConfigError, load_config, parse_override, with_values
from core.data.storage import expanded
from core.errors import SetupError
from core.events import CheckpointSaved, Record, RunResumed, RunStarted
from core.run_state import RunState
from core.runs import RunFolder, run_folders
from core.text import printable

_CHANGEABLE = (
    *("device", "nonfinite", "nonfinite_limit", "data.workers", "checkpoint.*", "cache.*"),
    *("phases.*.epochs", "phases.*.lr", "phases.*.early_stopping.*"),
    *("phases.*.scheduler.factor", "phases.*.scheduler.patience"),
)


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run to go on with."""

    folder: RunFolder
    config: Config
    """As recorded, with `changes` on top."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Keys that were asked for anew, with their values: they win over what was changed live."""
    accept_data_changes: bool = False


def find_run(runs_dir: Path, text: str) -> RunFolder:
    """Return the run that an id, the beginning of one, or a path names; raises SetupError."""
    shown = printable(text)
    path = Path(expanded(text))
    if (path / "events.jsonl").is_file():
        return RunFolder(path.absolute())
    folders = list(run_folders(runs_dir))
    fitting = [f for f in folders if f.id == text] or [f for f in folders if f.id.startswith(text)]
    if not fitting:
        raise SetupError(
            f"no run {shown!r} in {printable(str(runs_dir))}; `convnext-tui runs` lists them"
        )
    if len(fitting) > 1:
        ids = ", ".join(printable(f.id) for f in fitting[:4])
        raise SetupError(f"{shown!r} fits {len(fitting)} runs ({ids}); give more of the id")
    return fitting[0]


def run_of_job(runs_dir: Path, job: str) -> RunFolder | None:
    """Return the run that an earlier start of an elastic job began, if it got that far."""
    for folder in run_folders(runs_dir):
        try:
            with folder.journal.open("rb") as file:
                event = Record.from_json(file.readline()).event
        except (OSError, DecodeError):
            continue
        if isinstance(event, RunStarted) and event.job == job:
            return folder
    return None


def is_of_job(past: Iterable[Record], job: str) -> bool:
    """Whether an elastic job has trained a run last."""
    jobs = [r.event.job for r in past if isinstance(r.event, RunStarted | RunResumed)]
    return bool(jobs) and jobs[-1] == job


def changes_of_job(past: Iterable[Record], job: str) -> dict[str, Any]:
    """Return what an elastic job was to change in a run and no checkpoint has yet."""
    changes: dict[str, Any] = {}
    for record in past:
        event = record.event
        if isinstance(event, RunResumed) and event.job == job:
            changes |= event.changes
        elif isinstance(event, CheckpointSaved) and event.kind == "last":
            changes = {}
    return changes


def plan_resumption(
    folder: RunFolder, overrides: Iterable[str] = (), accept_data_changes: bool = False
) -> Resumption:
    """Return a run's recorded configuration with `KEY=VALUE` changes; raises SetupError.

    Keys that would make it another run (data, model, seed) are refused.
    """
    try:
        recorded = load_config(folder.config)
    except ConfigError as error:
        raise SetupError(f"run {printable(folder.id)} can't be resumed: {error}") from None
    changes = dict(parse_override(text) for text in overrides)
    for key in changes:
        if not any(fnmatchcase(key, pattern) for pattern in _CHANGEABLE):
            raise SetupError(
                f"{key} can't be changed on resume: it would make this another run; start a new "
                f"one with --config {folder.config} --set {key}=…"
            )
    return Resumption(folder, with_values(recorded, changes), changes, accept_data_changes)


def refuse_finished(state: RunState, resumption: Resumption) -> None:
    """Raise SetupError for a run that has nothing left to do."""
    if state.status == "finished" and not resumption.changes:
        raise SetupError(
            f"run {printable(resumption.folder.id)} is finished; to train on, raise its epochs: "
            "--set phases.full.epochs=N"
        )
