"""Find runs by id or path, and all runs of a study by the id of the study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.analysis.compare import FEWEST, MOST
from core.common.errors import SetupError
from core.common.text import printable
from core.config.load import load_recorded
from core.run.find import find_run
from core.run.folder import RunFolder
from core.run.run_list import RunList
from core.study.definition import SWEEP, Study, find_study, load_study
from core.study.run_groups import STUDY
from core.study.state import FINISHED, read_state, study_objective


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """Runs by the names that were given."""

    paths: tuple[Path, ...]
    """Folders of the runs, each once."""
    has_study: bool
    """Whether a name was that of a study, all of whose runs these are."""
    note: str = ""
    """Which trials stand for a sweep."""


def find_runs(runs_dir: Path, names: Sequence[str]) -> FoundRuns:
    """Return the runs of ids or paths of runs and studies; raises SetupError.

    The beginning of an id is enough. A run with a name has precedence over a study. A sweep stands
    for its best trials, alone for as many as can be compared, among others for one: its trials
    differ by design, and their mean says nothing.
    """
    by_study: dict[str, list[Path]] | None = None
    paths: list[Path] = []
    notes: list[str] = []
    has_study = False
    for name in names:
        try:
            paths.append(find_run(runs_dir, name).path)
        except SetupError as error:
            by_study = _runs_by_study(runs_dir) if by_study is None else by_study
            members = _of_study(by_study, name)
            if not members:
                raise _problem(runs_dir, name, error) from None
            study = _sweep_of(members[0])
            if study is None:
                has_study = True
                paths += members
                continue
            best, note = _best_trials(study, members, MOST if len(names) == 1 else 1)
            paths += best
            notes += [note] if note else []
    return FoundRuns(tuple(dict.fromkeys(paths)), has_study, "; ".join(notes))


def _best_trials(study: Study, members: list[Path], most: int) -> tuple[list[Path], str]:
    """Return the runs of the best trials, with a note if these are not all; the first runs while
    too few are finished."""
    state = read_state(study)
    sign = -1 if study_objective(study).maximize else 1
    finished = [one for one in state.of_status(FINISHED) if one.objective is not None and one.run]
    ranked = sorted(finished, key=lambda one: sign * (one.objective or 0.0))
    best = [Path(one.run.path) for one in ranked[:most] if one.run]
    if len(best) < min(most, FEWEST):
        return members[:most], ""
    number = len(state.members)
    which = "best trial" if len(best) == 1 else f"{len(best)} best"
    note = f"study {printable(study.id)}: the {which} of {number:,} trials"
    return best, note if len(best) < number else ""


def _sweep_of(run: Path) -> Study | None:
    """Return the sweep that a run belongs to, None for another study or if it can't be read."""
    try:
        config = load_recorded(RunFolder(run).config)
        study = load_study(run.parent / (config.study or ""))
    except SetupError:
        return None
    return study if study.kind == SWEEP else None


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
