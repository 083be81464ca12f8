"""Find a run by its id or path, or by the elastic job that trains it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.common.codec import DecodeError
from core.common.errors import SetupError
from core.common.location import expand_user
from core.common.text import printable
from core.events.types import CheckpointSaved, Record, RunResumed, RunStarted
from core.run.folder import RunFolder, run_folders


def find_run(runs_dir: Path, text: str) -> RunFolder:
    """Return the run with an id, a unique prefix of an id, or a path; raises SetupError."""
    shown = printable(text)
    given = RunFolder(Path(expand_user(text)).absolute())
    if given.journal.is_file():
        return given
    folders = list(run_folders(runs_dir))
    fitting = [f for f in folders if f.id == text] or [f for f in folders if f.id.startswith(text)]
    if not fitting:
        raise SetupError(
            f"no run {shown!r} in {printable(str(runs_dir))}; `convnext-tui runs` lists them"
        )
    if len(fitting) > 1:
        ids = ", ".join(printable(f.id) for f in fitting[:4])
        raise SetupError(f"{shown!r} matches {len(fitting)} runs ({ids}); give more of the id")
    return fitting[0]


def run_of_job(runs_dir: Path, job: str) -> RunFolder | None:
    """Return the run that an earlier start of an elastic job created, if any."""
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
    """Return whether an elastic job was the last one to train a run."""
    jobs = [r.event.job for r in past if isinstance(r.event, RunStarted | RunResumed)]
    return bool(jobs) and jobs[-1] == job


def changes_of_job(past: Iterable[Record], job: str) -> dict[str, Any]:
    """Return the config changes of an elastic job that no checkpoint contains yet."""
    changes: dict[str, Any] = {}
    for record in past:
        event = record.event
        if isinstance(event, RunResumed) and event.job == job:
            changes |= event.changes
        elif isinstance(event, CheckpointSaved) and event.kind == "last":
            changes = {}
    return changes
