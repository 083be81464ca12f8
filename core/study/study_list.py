"""Studies of a runs directory, as rows of the run list."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.run import files
from core.run.summary import RunSummary

# Imported when there is a study: the list of a directory without one opens at once.
if TYPE_CHECKING:
    from core.study.study_summary import StudyReader, StudySummary


class StudyList:
    """The studies of a directory."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._readers: dict[str, StudyReader] = {}

    def refresh(self, rows: Sequence[RunSummary]) -> "list[StudySummary]":
        """Return the studies, newest first by id. `rows` are the runs of the directory.

        Runs of a study whose folder is gone are one, too.
        """
        by_study: dict[str, list[RunSummary]] = {}
        for row in reversed(rows):
            # A study that an edited config names may be no name of a folder.
            if row.study and Path(row.study).name == row.study:
                by_study.setdefault(row.study, []).append(row)
        runs = {row.id for row in rows}
        ids = sorted({*by_study, *self._folders(runs)} - runs, reverse=True)
        if not ids:
            self._readers = {}
            return []
        from core.study.study_summary import StudyReader

        self._readers = {id: self._readers.get(id) or StudyReader(self.runs_dir / id) for id in ids}
        return [reader.read(by_study.get(id, [])) for id, reader in self._readers.items()]

    def _folders(self, runs: set[str]) -> list[str]:
        try:
            names = [path for path in self.runs_dir.iterdir() if path.name not in runs]
            return [path.name for path in names if (path / files.STUDY).is_file()]
        except OSError:
            return []
