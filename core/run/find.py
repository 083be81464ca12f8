"""Find a run by its id or path, or by the elastic job that trains it."""

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from core.common.codec import DecodeError
from core.common.errors import SetupError
from core.common.location import expand_user
from core.common.text import printable, quoted
from core.events.record import Record
from core.events.types import CheckpointSaved, RunResumed, RunStarted
from core.run.files import STUDY
from core.run.folder import RunFolder, run_folders

_SHOWN = 80


def find_run(runs_dir: Path, text: str) -> RunFolder:
    """Return the run with an id, a unique prefix of an id, or a path; raises SetupError."""
    given = RunFolder(Path(expand_user(text)).absolute())
    with suppress(OSError, ValueError):  # a name that is too long, or with a null character
        if given.journal.is_file():
            return given
    found = find_by_id(run_folders(runs_dir), text)
    if found is None and any((path / STUDY).is_file() for path in (given.path, runs_dir / text)):
        raise SetupError(
            f"{short(text)} is a study, but a run is needed here; `convnext-tui show` with the "
            "study lists its runs"
        )
    if found is None:
        raise SetupError(unknown_text(runs_dir, text))
    return found


def unknown_text(runs_dir: Path, text: str) -> str:
    """Return the message for a text that is neither the id nor the path of a run."""
    return f"no run {short(text)} in {printable(str(runs_dir))}; `convnext-tui runs` lists them"


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


class HasId(Protocol):
    """Anything with the id of a run."""

    @property
    def id(self) -> str:
        """The id."""


R = TypeVar("R", bound=HasId)


def find_by_id(runs: Iterable[R], text: str) -> R | None:
    """Return the run with an id or a unique prefix of an id; raises SetupError if several match."""
    # macOS and some keyboards compose accents and syllables differently.
    known, wanted = [(_composed(run.id), run) for run in runs], _composed(text)
    exact = [run for id, run in known if id == wanted]
    fitting = exact or [run for id, run in known if id.startswith(wanted)]
    if len(fitting) > 1:
        ids = ", ".join(printable(run.id) for run in fitting[:4])
        raise SetupError(f"{short(text)} matches {len(fitting)} runs ({ids}); give more of the id")
    return fitting[0] if fitting else None


def short(text: str) -> str:
    """Return the text as typed, quoted, without the middle of a long one."""
    shown = printable(text)
    if len(shown) > _SHOWN:
        shown = f"{shown[: _SHOWN // 2]}…{shown[-_SHOWN // 2 :]}"
    return quoted(shown)


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
