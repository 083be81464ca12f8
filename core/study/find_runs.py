"""Find runs by id or path, and all runs of a study by the id of the study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.common.errors import SetupError
from core.run.find import find_run
from core.run.run_list import RunList
from core.study.definition import find_study
from core.study.run_groups import STUDY


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """Runs by the names that were given."""

    paths: tuple[Path, ...]
    """Folders of the runs, each once."""
    has_study: bool
    """Whether a name was that of a study."""


def find_runs(runs_dir: Path, names: Sequence[str]) -> FoundRuns:
    """Return the runs of ids or paths of runs and studies; raises SetupError.

    The beginning of an id is enough. A run with a name has precedence over a study.
    """
    by_study: dict[str, list[Path]] | None = None
    paths: list[Path] = []
    has_study = False
    for name in names:
        try:
            paths.append(find_run(runs_dir, name).path)
        except SetupError as error:
            by_study = _runs_by_study(runs_dir) if by_study is None else by_study
            members = _of_study(by_study, name)
            if not members:
                raise _problem(runs_dir, name, error) from None
            has_study = True
            paths += members
    return FoundRuns(tuple(dict.fromkeys(paths)), has_study)


def _problem(runs_dir: Path, name: str, error: SetupError) -> SetupError:
    """Return the error for a study without runs, or else the given one."""
    try:
        study = find_study(runs_dir, name)
    except SetupError:
        return error
    return SetupError(f"study {study.id} has no runs yet")


def _runs_by_study(runs_dir: Path) -> dict[str, list[Path]]:
    """Return the runs of each study, the oldest first."""
    found: dict[str, list[Path]] = {}
    for row in reversed(RunList(runs_dir).refresh()):
        study = row.config.get(STUDY, "null")
        if study != "null":
            found.setdefault(study, []).append(Path(row.path))
    return found


def _of_study(by_study: dict[str, list[Path]], name: str) -> list[Path]:
    wanted = Path(name).name or name
    fitting = [study for study in by_study if study.startswith(wanted)]
    chosen = [wanted] if wanted in by_study else fitting
    return by_study[chosen[0]] if len(chosen) == 1 else []
