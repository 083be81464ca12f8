"""Summary of a study: one row of the run list, read again only when the study has changed."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev

from core.common.errors import SetupError
from core.common.nested import flatten_recorded
from core.run import files
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.run.notes import CachedNotes, Notes, read_if_changed
from core.run.state import ACTIVE
from core.run.summary import RunSummary
from core.study.definition import FAILURES, SWEEP, TRIALS, Study, is_study, load_study
from core.study.locks import is_worked_on
from core.study.members import Member
from core.study.state import FINISHED, PRUNED, WAITING, MemberState, StudyState, read_state
from core.study.statistics import Summary

_STAMP = re.compile(r"^\d{8}-\d{6}-study-")
_MISSING = "its folder with study.yaml is missing"
_STATUSES = (FINISHED, PRUNED, "running", "paused", "preparing", "failed", "interrupted",
             "stopped", "unreadable", WAITING)  # fmt: skip
"""The order in which members are counted."""


@dataclass(frozen=True, slots=True)
class StudySummary:
    """One study and its members, at one moment."""

    row: RunSummary
    """The study as a row among runs: its best val top-1 is the mean of the finished members, its
    epochs and its time are sums."""
    study: Study | None
    """None if its definition can't be read."""
    members: tuple[MemberState, ...]
    """Planned members; without a readable definition one for each run."""
    is_working: bool
    problem: str = ""
    """Why the members are not known, as a sentence without a period."""
    others: tuple[RunSummary, ...] = ()
    """Runs that are not a member's: repeated ones, for example."""

    @property
    def id(self) -> str:
        """The id of the study."""
        return self.row.id

    @property
    def runs(self) -> list[RunSummary]:
        """All runs: those of the members, in their order, then the others."""
        return [*(member.run for member in self.members if member.run), *self.others]

    @property
    def kind(self) -> str:
        """The kind of study; empty if unknown."""
        return self.study.kind if self.study else ""

    @property
    def counts(self) -> dict[str, int]:
        """The number of members by status, in a fixed order."""
        found = Counter(member.status for member in self.members)
        order = {status: number for number, status in enumerate(_STATUSES)}
        return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))

    @property
    def state(self) -> StudyState | None:
        """The state of the study; None if its members are not known."""
        if self.study is None or self.problem:
            return None
        return StudyState(self.study, self.members, self.is_working)

    @property
    def best(self) -> MemberState | None:
        """The best finished member: of a sweep the one with the best objective, else the one with
        the highest best val top-1; None without one."""
        if self.state and self.kind == SWEEP:
            return self.state.best
        known = [m for m in self.members if m.status == FINISHED and m.best_val_top1 is not None]
        return max(known, key=lambda member: member.best_val_top1 or 0.0, default=None)

    @property
    def top1(self) -> Summary:
        """Mean and standard deviation of the best val top-1 of the finished members, without an
        interval, for which scipy would be imported."""
        finished = [member.best_val_top1 for member in self.members if member.status == FINISHED]
        known = [value for value in finished if value is not None]
        mean = fmean(known) if known else None
        return Summary(len(known), (), mean, stdev(known) if len(known) > 1 else None, None, None)


class StudyReader:
    """Reads one study. Its summary is computed again only if the study has changed."""

    def __init__(self, path: Path) -> None:
        """The folder may be missing, if runs name it as their study."""
        self.path = path
        self._stamp: object = None
        self._definition: Study | SetupError = SetupError("not read yet")
        self._notes: CachedNotes | None = None
        self._known: tuple[object, StudySummary] | None = None

    def read(self, rows: Sequence[RunSummary]) -> StudySummary:
        """Return the summary; `rows` are the runs of the study, oldest first."""
        stamp = _stamp(self.path / files.STUDY)
        if stamp != self._stamp:
            self._stamp, self._definition = stamp, _definition(self.path)
        study = self._definition if isinstance(self._definition, Study) else None
        working = is_worked_on(study) if study else is_locked(RunFolder(self.path))
        self._notes = notes = read_if_changed(RunFolder(self.path).notes, self._notes)
        others = [_stamp(self.path / name) for name in (FAILURES, TRIALS)]
        now = (stamp, working, notes, others, rows)
        if self._known is None or self._known[0] != now:
            summary = summarize_study(self.path, self._definition, rows, working, notes)
            self._known = (now, summary)
        return self._known[1]


def summarize_study(
    path: Path,
    definition: Study | SetupError,
    rows: Sequence[RunSummary],
    working: bool,
    notes: CachedNotes | None,
) -> StudySummary:
    """Return the summary of a study with these runs, oldest first."""
    problem = ""
    study: Study | None = None
    members: tuple[MemberState, ...] = ()
    if isinstance(definition, SetupError):
        problem = str(definition) if is_study(path) else _MISSING
    else:
        study = definition
        try:
            members = read_state(study, rows).members
        except (SetupError, ValueError) as error:
            problem = str(error)
    if problem:
        members = tuple(_of_run(number, run) for number, run in enumerate(rows, 1))
    known = {member.run.id for member in members if member.run}
    others = tuple(run for run in rows if run.id not in known)
    row = _row(path, study, members, working, problem)
    summary = StudySummary(row, study, members, working, problem, others)
    row = replace(row, best_val_top1=summary.top1.mean)
    return replace(summary, row=_with_notes(row, notes))


def _definition(path: Path) -> Study | SetupError:
    try:
        return load_study(path)
    except SetupError as error:
        return error


def _of_run(number: int, run: RunSummary) -> MemberState:
    return MemberState(Member(number, run.name, {}), run, run.status, run.error or run.reason)


def _row(
    path: Path,
    study: Study | None,
    members: Sequence[MemberState],
    working: bool,
    problem: str,
) -> RunSummary:
    runs = [member.run for member in members if member.run]
    config = flatten_recorded(study.config) if study else runs[0].config if runs else {}
    statuses = {member.status for member in members}
    status = StudyState(study, tuple(members), working).status if study and members else ""
    if not status:
        status = "running" if working or statuses & set(ACTIVE) else "unreadable"
    seconds = [run.seconds for run in runs if run.seconds is not None]
    return RunSummary(
        id=path.name,
        path=str(path),
        name=study.name if study else _STAMP.sub("", path.name),
        status=WAITING if statuses == {WAITING} and not working else status,
        reason=problem or _reason(members),
        model=config.get("model.name", ""),
        phase="",
        epochs=_sum_of_epochs(runs),
        best_val_top1=None,
        best_val_loss=None,
        started=study.created if study else min((r.started or 0.0 for r in runs), default=None),
        seconds=sum(seconds) if seconds else None,
        error="",
        config=config,
        archived=bool(runs) and all(run.archived for run in runs),
    )


def _reason(members: Sequence[MemberState]) -> str:
    failed = next((m for m in members if m.status == "failed" and m.reason), None)
    return f"{failed.member.label}: {failed.reason}" if failed else ""


def _sum_of_epochs(runs: Sequence[RunSummary]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run.epochs)
    return dict(total)


def _with_notes(row: RunSummary, notes: CachedNotes | None) -> RunSummary:
    content = notes.content if notes else Notes()
    return replace(
        row,
        name=content.name or row.name,
        tags=list(content.tags),
        note=content.note,
        starred=content.starred,
        archived=content.archived or row.archived,
        notes_problem=notes.problem if notes else "",
    )


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns
