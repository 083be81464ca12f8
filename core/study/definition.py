"""A study on disk: a folder with `study.yaml`, which says what is varied; its runs are siblings."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common import strict_yaml
from core.common.errors import SetupError, os_error_text, reason_of
from core.common.files import write_text_atomically
from core.common.location import expand_user
from core.common.nested import Tree
from core.common.text import printable, quoted
from core.config.schema import Config
from core.run import files
from core.run.find import find_by_id, unknown_text
from core.run.folder import RunFolder, create_folder, run_folders

SEEDS, FOLDS, SWEEP = "seeds", "folds", "sweep"
KINDS = (SEEDS, FOLDS, SWEEP)

OUT_OF_FOLD = "out_of_fold.csv"
FAILURES = "failures.jsonl"
TRIALS, SAMPLER, SWEEP_LOCK = "trials.jsonl", "optuna.jsonl", "sweep.lock"
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "kind": str,
    "created": (int, float),
    "options": dict,
    "config": dict,
}


@dataclass(frozen=True, slots=True)
class Study:
    """The definition of a study, and the paths of the files in its folder."""

    path: Path
    name: str
    kind: str
    """One of KINDS."""
    created: float
    """Unix time in s."""
    config: Tree
    """The configuration of all members, before their own values are set."""
    options: Tree
    """What is varied, by kind."""

    @property
    def id(self) -> str:
        """The id of the study: the name of its folder."""
        return self.path.name

    @property
    def runs_dir(self) -> Path:
        """The directory of its runs."""
        return self.path.parent

    @property
    def definition(self) -> Path:
        """The definition as YAML."""
        return self.path / files.STUDY

    @property
    def commands(self) -> Path:
        """Commands from other processes to its workers, one per line."""
        return self.path / files.COMMANDS

    @property
    def lock(self) -> Path:
        """Held with flock while a worker runs members."""
        return self.path / files.LOCK

    @property
    def log(self) -> Path:
        """Messages of its workers and of libraries between two runs."""
        return self.path / files.LOG

    @property
    def failures(self) -> Path:
        """Members that could not start, one per line; may be missing."""
        return self.path / FAILURES

    @property
    def out_of_fold(self) -> Path:
        """Predictions of each image by the run that did not train on it; missing until the end."""
        return self.path / OUT_OF_FOLD

    @property
    def trials(self) -> Path:
        """Trials of a sweep that were asked for, one per line."""
        return self.path / TRIALS

    @property
    def sampler(self) -> Path:
        """Optuna's journal of a sweep."""
        return self.path / SAMPLER

    @property
    def sweep_lock(self) -> Path:
        """Held for moments, while trials are asked for or their results are told."""
        return self.path / SWEEP_LOCK


def create_study(
    runs_dir: Path,
    kind: str,
    config: Config,
    options: Mapping[str, Any],
    now: float | None = None,
) -> Study:
    """Create the folder `<yyyymmdd-hhmmss>-study-<name>` with `study.yaml`; raises OSError.

    The study has the name of its configuration.
    """
    created = time.time() if now is None else now
    name = config.name
    path = create_folder(runs_dir, f"study-{name}", created)
    study = Study(path, name, kind, created, config.model_dump(), dict(options))
    content = {field: getattr(study, field) for field in _FIELDS}
    try:
        write_text_atomically(study.definition, strict_yaml.dump(content))
    except OSError:
        path.rmdir()
        raise
    return study


def load_study(path: Path) -> Study:
    """Return the study in a folder; raises SetupError."""
    shown = printable(str(path / files.STUDY))
    try:
        content = strict_yaml.load((path / files.STUDY).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{shown} can't be read: {os_error_text(error)}") from None
    except strict_yaml.InvalidYaml as error:
        raise SetupError(f"{shown}: not valid YAML: {reason_of(error)}") from None
    if not isinstance(content, dict):
        raise SetupError(f"{shown}: expected the keys {', '.join(_FIELDS)}, found other content")
    for field, kind in _FIELDS.items():
        if not isinstance(content.get(field), kind) or isinstance(content[field], bool):
            raise SetupError(f"{shown}: the key {field} is missing or invalid")
    if content["kind"] not in KINDS:
        raise SetupError(f"{shown}: kind is {quoted(content['kind'])}, not {' or '.join(KINDS)}")
    return Study(path, **{field: content[field] for field in _FIELDS})


def is_study(path: Path) -> bool:
    """Return whether a folder is that of a study."""
    with suppress(OSError, ValueError):  # a name that is too long, or with a null character
        return (path / files.STUDY).is_file()
    return False


def list_studies(runs_dir: Path) -> list[Study]:
    """Return the readable studies of a directory, newest first by id."""
    studies = []
    for path in _study_paths(runs_dir):
        with suppress(SetupError):
            studies.append(load_study(path))
    return studies


def find_study(runs_dir: Path, text: str) -> Study:
    """Return the study with an id, a unique beginning of an id, or a path; raises SetupError."""
    found = find_run_or_study(runs_dir, text)
    if isinstance(found, RunFolder):
        raise SetupError(f"{printable(found.id)} is a run, not a study")
    return found


def find_run_or_study(runs_dir: Path, text: str) -> RunFolder | Study:
    """Return the run or study with an id, a unique beginning of an id, or a path; raises
    SetupError."""
    given = Path(expand_user(text)).absolute()
    if is_study(given):
        return load_study(given)
    with suppress(OSError, ValueError):  # a name that is too long, or with a null character
        if (given / files.JOURNAL).is_file():
            return RunFolder(given)
    folders = [*run_folders(runs_dir), *map(RunFolder, _study_paths(runs_dir))]
    found = find_by_id(folders, text)
    if found is None:
        raise SetupError(unknown_text(runs_dir, text))
    return load_study(found.path) if is_study(found.path) else found


def _study_paths(runs_dir: Path) -> Iterator[Path]:
    try:
        paths = sorted(runs_dir.iterdir(), reverse=True)
    except OSError:
        return
    yield from (path for path in paths if is_study(path))
