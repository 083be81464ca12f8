"""Studies and runs of a comparison, read as groups and kept up to date."""

from collections.abc import Sequence
from pathlib import Path

from core.analysis.compare import ComparedRun
from core.run.run_list import RunList
from core.run.summary import RunSummary
from core.study.run_groups import GroupResult, RunGroup, group_results, named_groups, read_splits
from core.study.study_summary import StudyReader
from tui.viewmodel.member_runs import MemberRun, MemberRuns


class GroupComparison:
    """Follows studies, a group each, and single runs. Reading may take a moment: not for the event
    loop."""

    error = ""

    def __init__(self, paths: Sequence[Path]) -> None:
        """`paths` are folders of one directory; that of a study may be missing."""
        self._paths = list(paths)
        self._list = RunList(self._paths[0].parent)
        self._readers = {path.name: StudyReader(path) for path in self._paths}
        self._runs = MemberRuns()
        self._splits: dict[str, int] = {}
        self._last: tuple[list[str], list[tuple[MemberRun, ...]]] | None = None
        self.groups: list[RunGroup] = []
        self.found: list[GroupResult] = []

    def read(self) -> tuple[ComparedRun, ...]:
        """Return all runs, and set the groups; the same objects if nothing has changed."""
        import numpy  # noqa: F401  # not by the event loop, which draws means of curves

        rows = self._list.refresh()
        members = [self._members(path, rows) for path in self._paths]
        runs = [self._runs.read(own) for _, own in members]
        now = ([name for name, _ in members], runs)
        if self._last is None or now != self._last:
            self._last = now
            splits = self._read_splits([row for _, own in members for row in own])
            compared = [tuple(run.compared for run in each) for each in runs]
            named = zip((path.name for path in self._paths), now[0], compared, strict=True)
            groups = named_groups(list(named), splits)
            self.groups, self.found = groups, group_results(groups)
        return tuple(run for group in self.groups for run in group.runs)

    def _members(self, path: Path, rows: Sequence[RunSummary]) -> tuple[str, list[RunSummary]]:
        """Return the name of a group and its runs: those of a study, or a single one."""
        alone = [row for row in rows if row.id == path.name]
        if alone:
            return alone[0].name, alone
        own = [row for row in reversed(rows) if row.study == path.name]
        summary = self._readers[path.name].read(own)
        return summary.row.name, [member.run for member in summary.members if member.run]

    def _read_splits(self, rows: Sequence[RunSummary]) -> dict[str, int]:
        """Return the checksums of the splits, which never change once they are written."""
        missing = [Path(row.path) for row in rows if row.id not in self._splits]
        self._splits.update(read_splits(missing))
        return self._splits
