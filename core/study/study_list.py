"""Summaries of the studies of a runs directory: one row each of the run list."""

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
from core.study.definition import FAILURES, SWEEP, Study, is_study, load_study
from core.study.members import Member
from core.study.state import FINISHED, WAITING, MemberState, StudyState, read_state

_MISSING = "its folder with study.yaml is missing"
_STATUSES = (FINISHED, "running", "paused", "preparing", "failed", "interrupted", "stopped",
             "unreadable", WAITING)  # fmt: skip
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
    def best(self) -> MemberState | None:
        """The finished member with the highest best val top-1; None without one."""
        known = [m for m in self.members if m.status == FINISHED and m.best_val_top1 is not None]
        return max(known, key=lambda member: member.best_val_top1 or 0.0, default=None)

    @property
    def top1(self) -> tuple[float, float | None, int] | None:
        """Mean and standard deviation of the best val top-1 of the finished members, and their
        number; None without any."""
        if self.study is None:
            known = [m.best_val_top1 for m in self.members if m.status == FINISHED]
            return mean_and_std([value for value in known if value is not None])
        return StudyState(self.study, self.members, self.is_working).top1


def mean_and_std(values: Sequence[float]) -> tuple[float, float | None, int] | None:
    """Return mean, standard deviation of a sample, and number of values; None without any."""
    if not values:
        return None
    return fmean(values), stdev(values) if len(values) > 1 else None, len(values)


@dataclass(frozen=True, slots=True)
class _Known:
    """A study as last read, and what it was read from."""

    stamp: tuple[object, ...]
    definition: Study | SetupError
    rows: Sequence[RunSummary]
    working: bool
    failures: tuple[object, ...]
    notes: CachedNotes | None
    summary: StudySummary


class StudyList:
    """The studies of a directory. A summary is made anew only if the study has changed."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._known: dict[str, _Known] = {}

    def refresh(self, rows: Sequence[RunSummary]) -> list[StudySummary]:
        """Return the studies, newest first by id. `rows` are the runs of the directory.

        Runs of a study whose folder is gone are one, too.
        """
        by_study: dict[str, list[RunSummary]] = {}
        for row in reversed(rows):
            if row.study:
                by_study.setdefault(row.study, []).append(row)
        runs = {row.id for row in rows}
        ids = sorted({*by_study, *self._folders(runs)} - runs, reverse=True)
        self._known = {id: self._read(id, by_study.get(id, [])) for id in ids}
        return [known.summary for known in self._known.values()]

    def _folders(self, runs: set[str]) -> list[str]:
        try:
            names = [path for path in self.runs_dir.iterdir() if path.name not in runs]
        except OSError:
            return []
        return [path.name for path in names if is_study(path)]

    def _read(self, id: str, rows: Sequence[RunSummary]) -> _Known:
        # A study that an edited config names is nowhere but here.
        path = self.runs_dir / (Path(id).name or "-")
        before = self._known.get(id)
        folder = RunFolder(path)
        stamp = _stamp(path / files.STUDY)
        definition = before.definition if before and before.stamp == stamp else _definition(path)
        working = is_locked(folder)
        failures = _stamp(path / FAILURES)
        notes = read_if_changed(folder.notes, before.notes if before else None)
        now = (stamp, working, failures, notes)
        if (
            before
            and (before.stamp, before.working, before.failures, before.notes) == now
            and before.rows == rows
            and not _may_change(before.summary)
        ):
            return before
        summary = summarize_study(id, path, definition, rows, working, notes)
        return _Known(stamp, definition, rows, working, failures, notes, summary)


def _may_change(summary: StudySummary) -> bool:
    """Return whether trials may be added without a change of a run: those of a sweep."""
    return summary.kind == SWEEP and summary.is_working


def read_study(path: Path, rows: Sequence[RunSummary]) -> StudySummary:
    """Return the summary of one study; `rows` are the runs of its directory."""
    own = [row for row in reversed(rows) if row.study == path.name]
    notes = read_if_changed(RunFolder(path).notes, None)
    return summarize_study(
        path.name, path, _definition(path), own, is_locked(RunFolder(path)), notes
    )


def summarize_study(
    id: str,
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
    row = _row(id, path, study, members, working, problem)
    summary = StudySummary(row, study, members, working, problem, others)
    mean = summary.top1
    row = replace(summary.row, best_val_top1=mean[0] if mean else None)
    return replace(summary, row=_with_notes(row, notes))


def _definition(path: Path) -> Study | SetupError:
    try:
        return load_study(path)
    except SetupError as error:
        return error


def _of_run(number: int, run: RunSummary) -> MemberState:
    return MemberState(Member(number, run.name, {}), run, run.status, run.error or run.reason)


def _row(
    id: str,
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
        id=id,
        path=str(path),
        name=study.name if study else id,
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
