"""The folder of a run and the names of the files in it."""

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.common.text import slug
from core.run import files

DEFAULT_DIR = "runs"
_UNSUPPORTED_NAME = (errno.EILSEQ, errno.EINVAL)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of the files of a run."""

    path: Path

    @property
    def id(self) -> str:
        """The id of the run: the name of its folder."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Resolved configuration."""
        return self.path / files.CONFIG

    @property
    def journal(self) -> Path:
        """The journal: one event per line."""
        return self.path / files.JOURNAL

    @property
    def commands(self) -> Path:
        """Commands from other processes, one per line."""
        return self.path / files.COMMANDS

    @property
    def history(self) -> Path:
        """One row per epoch."""
        return self.path / files.HISTORY

    @property
    def split(self) -> Path:
        """Path, class, split and hash of every image used."""
        return self.path / files.SPLIT

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / files.CHECKPOINTS

    @property
    def best_checkpoint(self) -> Path:
        """Checkpoint with the best weights of the run."""
        return self.checkpoints / files.BEST_CHECKPOINT

    @property
    def evaluations(self) -> Path:
        """Folder of saved evaluations; may be missing."""
        return self.path / files.EVALUATIONS

    @property
    def lock(self) -> Path:
        """Held with flock while an engine is running."""
        return self.path / files.LOCK

    @property
    def snapshot(self) -> Path:
        """Snapshot of the run state: a disposable cache."""
        return self.path / files.SNAPSHOT

    @property
    def log(self) -> Path:
        """Tracebacks and messages of libraries."""
        return self.path / files.LOG

    @property
    def notes(self) -> Path:
        """The user's notes; may be missing."""
        return self.path / files.NOTES


def create_run(runs_dir: Path, name: str, now: float) -> RunFolder:
    """Create an empty run folder `<yyyymmdd-hhmmss>-<name>`; raises OSError.

    Two runs started in the same second with the same name get different folders. Letters that are
    not ASCII are left out where the file system or the locale does not support them.
    """
    folder = RunFolder(create_folder(runs_dir, name, now))
    try:
        folder.checkpoints.mkdir()
    except OSError:
        folder.path.rmdir()
        raise
    return folder


def create_folder(runs_dir: Path, name: str, now: float) -> Path:
    """Create an empty folder of a run or study; see `create_run`."""
    runs_dir.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    try:
        return _create(runs_dir, f"{stamp}-{slug(name, allow_unicode=True)}")
    except (OSError, UnicodeEncodeError) as error:
        if isinstance(error, OSError) and error.errno not in _UNSUPPORTED_NAME:
            raise
        return _create(runs_dir, f"{stamp}-{slug(name)}")


def _create(runs_dir: Path, stem: str) -> Path:
    for number in range(1, 1000):
        path = runs_dir / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{runs_dir / stem}: there are a thousand runs of this second already")


def run_folders(runs_dir: Path) -> Iterator[RunFolder]:
    """Yield the run folders of a directory, newest first by id; skip folders without a journal."""
    try:
        paths = sorted(runs_dir.iterdir(), reverse=True)
    except OSError:
        return
    for path in paths:
        folder = RunFolder(path)
        if _may_be_run(folder):
            yield folder


def _may_be_run(folder: RunFolder) -> bool:
    try:
        return folder.journal.is_file()
    except OSError:  # no permission: the list reports it
        return True
