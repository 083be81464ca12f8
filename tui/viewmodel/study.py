"""A study as its screen shows it: members, results, curves, and what they say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.analysis.class_metrics import ClassificationReport
from core.analysis.compare import ComparedRun
from core.common.errors import SetupError
from core.run.run_list import RunList
from core.study.definition import FOLDS, SWEEP, Study
from core.study.run_groups import GroupResult, group_results, named_groups, read_splits
from core.study.study_summary import StudyReader, StudySummary
from core.study.summed_evaluations import out_of_fold_evaluation, summed
from core.study.sweep.objective import Objective
from core.study.sweep.ranges import SweptKey
from core.study.sweep.results import best_so_far, key_importances, study_objective, swept_keys
from tui.viewmodel.member_runs import MemberRun, MemberRuns


@dataclass(frozen=True, slots=True)
class SweepContent:
    """What the trials of a sweep say together."""

    objective: Objective
    keys: Mapping[str, SweptKey]
    best_so_far: Sequence[tuple[int, float]]
    importances: Mapping[str, float]
    is_complete: bool
    """Whether the importances were computed."""


@dataclass(frozen=True, slots=True)
class FoldContent:
    """What the folds say together."""

    report: ClassificationReport | None
    folds: int
    """Number of folds that it is the sum of; 0 if it is from the out-of-fold predictions."""
    figures: Mapping[str, Any] | None
    """Figures of the out-of-fold predictions, with intervals."""


@dataclass(frozen=True, slots=True, eq=False)
class StudyContent:
    """A study at one moment; a change makes a new object."""

    summary: StudySummary
    runs: tuple[ComparedRun, ...] = ()
    """The runs of the members that have one, in their order."""
    labels: tuple[str, ...] = ()
    """The labels of these members."""
    result: GroupResult | None = None
    """Best val top-1, with its interval."""
    sweep: SweepContent | None = None
    folds: FoldContent | None = None
    is_complete: bool = field(default=True)
    """Whether the runs were read; before, only the members are known."""


class StudySource:
    """Follows a study. Reading may take a moment: not for the event loop."""

    def __init__(self, path: Path) -> None:
        """The folder may be missing, if runs name it as their study."""
        self.path = path
        self._list = RunList(path.parent)
        self._reader = StudyReader(path)
        self._runs = MemberRuns()
        self._last: tuple[StudySummary, tuple[MemberRun, ...], StudyContent] | None = None
        self._with_importances = False
        self._importances: tuple[object, Mapping[str, float]] = (None, {})

    def read_members(self) -> StudyContent:
        """Return the members, without reading their runs."""
        return StudyContent(self._summary(), is_complete=False)

    def read(self, with_importances: bool = False) -> StudyContent:
        """Return the study; the same object if nothing has changed.

        Importances take a moment: they are computed when they are asked for first.
        """
        import numpy  # noqa: F401  # not by the event loop, which draws means of curves

        self._with_importances |= with_importances
        summary = self._summary()
        members = [member for member in summary.members if member.run]
        runs = self._runs.read([member.run for member in members if member.run])
        last = self._last
        missing = (
            self._with_importances and last and last[2].sweep and not last[2].sweep.is_complete
        )
        if last and last[0] is summary and _same(last[1], runs) and not missing:
            return last[2]
        compared = tuple(run.compared for run in runs)
        content = StudyContent(
            summary,
            compared,
            tuple(member.member.label for member in members),
            _top1(summary, compared),
            self._sweep(summary),
            _folds(summary, runs),
        )
        self._last = (summary, runs, content)
        return content

    def _summary(self) -> StudySummary:
        rows = self._list.refresh()
        return self._reader.read([row for row in reversed(rows) if row.study == self.path.name])

    def _sweep(self, summary: StudySummary) -> SweepContent | None:
        state = summary.state
        if state is None or summary.kind != SWEEP:
            return None
        results = [(m.member.number, m.objective, m.status) for m in state.members if m.run]
        wanted = self._with_importances
        if wanted and results != self._importances[0]:
            try:
                found = key_importances(state.study, state)
            except (SetupError, ValueError, RuntimeError):
                found = {}
            self._importances = (results, found)
        return SweepContent(
            study_objective(state.study),
            swept_keys(state.study),
            best_so_far(state),
            self._importances[1],
            wanted,
        )


def _same(before: Sequence[object], now: Sequence[object]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


def _top1(summary: StudySummary, runs: Sequence[ComparedRun]) -> GroupResult | None:
    splits = read_splits([Path(run.path) for run in summary.runs])
    groups = named_groups([(summary.id, summary.row.name, runs)], splits)
    return next((r for r in group_results(groups) if r.row.key == "best_val_top1"), None)


def _folds(summary: StudySummary, runs: Sequence[MemberRun]) -> FoldContent | None:
    study: Study | None = summary.study
    if study is None or study.kind != FOLDS:
        return None
    from core.study.out_of_fold import read_figures

    figures = read_figures(study)
    found = out_of_fold_evaluation(study.out_of_fold)
    if found is not None:
        return FoldContent(ClassificationReport(*found), 0, figures)
    known = [run for run in runs if run.evaluation]
    classes = known[0].classes if known else ()
    # Data that changed between two folds may have other classes.
    alike = [run for run in known if run.classes == classes]
    event = summed([run.evaluation for run in alike if run.evaluation])
    report = ClassificationReport(event, classes) if event else None
    return FoldContent(report, len(alike), figures)
