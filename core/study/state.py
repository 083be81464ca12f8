"""State of a study: its planned members with their runs and results, read from their folders."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.common.nested import flatten_recorded
from core.run.run_list import RunList
from core.run.state import ACTIVE
from core.run.summary import RunSummary
from core.study.definition import SWEEP, Study
from core.study.locks import is_worked_on
from core.study.members import Member, member_run, planned_members
from core.study.statistics import MemberResult, Sample, summarize
from core.study.sweep.objective import DEFAULT, Objective, objective_of
from core.study.sweep.options import sweep_of

WAITING = "waiting"
FINISHED, FAILED, STOPPED, INTERRUPTED, RUNNING = (
    *("finished", "failed", "stopped", "interrupted", "running"),
)
PRUNED = "pruned"
"""Of a trial that the pruner has stopped; its reason begins with this word."""
_MAX_FAILURES_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class MemberState:
    """A planned member and its run, if it has one."""

    member: Member
    run: RunSummary | None
    status: str
    """That of its run; `waiting` without one, `failed` if the run could not start, `pruned` if the
    pruner has stopped it."""
    reason: str = ""
    objective: float | None = None
    """Best value so far of the figure by which a sweep is judged; None for other studies."""
    is_trial: bool = False
    """Whether it is a trial of a sweep."""

    @property
    def best_val_top1(self) -> float | None:
        """Best validation accuracy so far, from 0 to 1."""
        return self.run.best_val_top1 if self.run else None

    def to_dict(self) -> dict[str, Any]:
        """Return the member as plain values: one row of the table of a study."""
        run = self.run.to_dict() if self.run else {}
        return {
            "member": self.member.number,
            "label": self.member.label,
            **self.member.values,
            "status": self.status,
            "reason": self.reason,
            "run": self.run.id if self.run else None,
            "epochs": sum(self.run.epochs.values()) if self.run else 0,
            **({"objective": self.objective} if self.is_trial else {}),
            **{key: run.get(key) for key in ("best_val_top1", "best_val_loss", "seconds")},
        }


@dataclass(frozen=True, slots=True)
class StudyState:
    """A study at one moment."""

    study: Study
    members: tuple[MemberState, ...]
    is_working: bool
    """Whether a worker runs its members."""

    @property
    def status(self) -> str:
        """`running` while members run, then the worst status of a member."""
        statuses = {member.status for member in self.members}
        if self.is_working or statuses.intersection(ACTIVE):
            return RUNNING
        if statuses <= {FINISHED, PRUNED}:
            return FINISHED
        return next((s for s in (FAILED, INTERRUPTED) if s in statuses), STOPPED)

    def of_status(self, *statuses: str) -> list[MemberState]:
        """Return the members with one of these statuses."""
        return [member for member in self.members if member.status in statuses]

    @property
    def top1(self) -> tuple[float, float | None, int] | None:
        """Mean and standard deviation (of a sample) of the best val top-1 of the finished members,
        and their number; None without any."""
        results = tuple(
            MemberResult(member.member.label, member.best_val_top1)
            for member in self.of_status(FINISHED)
        )
        summary = summarize(Sample(self.study.name, results))
        return None if summary.mean is None else (summary.mean, summary.std, summary.n)

    @property
    def best(self) -> MemberState | None:
        """The finished trial with the best objective, the earliest of equal ones; None for other
        studies."""
        finished = [one for one in self.of_status(FINISHED) if one.objective is not None]
        objective = study_objective(self.study)
        sign = 1 if objective.maximize else -1
        return max(finished, key=lambda one: sign * (one.objective or 0.0), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        study, top1 = self.study, self.top1
        return {
            "id": study.id,
            "path": str(study.path),
            "name": study.name,
            "kind": study.kind,
            "status": self.status,
            "created": study.created,
            "options": study.options,
            "members": [member.to_dict() for member in self.members],
            "best_val_top1": dict(zip(("mean", "std", "members"), top1, strict=True))
            if top1
            else None,
            **self._sweep_results(),
        }

    def _sweep_results(self) -> dict[str, Any]:
        if self.study.kind != SWEEP:
            return {}
        objective, best = study_objective(self.study), self.best
        return {
            "objective": {"figure": objective.figure, "maximize": objective.maximize},
            "best": best.to_dict() if best else None,
        }


def read_state(study: Study, rows: Iterable[RunSummary] | None = None) -> StudyState:
    """Return the state of a study; `rows` are the runs of its directory, if they are known already.

    Raises SetupError for an invalid definition.
    """
    # Tested first: a worker that ends meanwhile has recorded what it did.
    working = is_worked_on(study)
    known = list(RunList(study.runs_dir).refresh() if rows is None else rows)
    failures = _read_failures(study.failures)
    members = (
        _member_state(member, member_run(study, member, known), failures.get(member.number))
        for member in planned_members(study)
    )
    if study.kind == SWEEP:
        figure = study_objective(study).figure
        members = (_trial_state(member, figure) for member in members)
    return StudyState(study, tuple(members), working)


def record_failure(study: Study, member: Member, reason: str) -> None:
    """Record that a member could not start, which leaves no run behind; raises OSError."""
    line = json.dumps({"member": member.number, "reason": reason, "time": time.time()})
    with study.failures.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _member_state(member: Member, run: RunSummary | None, failure: str | None) -> MemberState:
    if run is not None:
        return MemberState(member, run, run.status, run.error or run.reason)
    if failure is not None:
        return MemberState(member, None, FAILED, failure)
    return MemberState(member, None, WAITING)


def _trial_state(state: MemberState, figure: str) -> MemberState:
    objective = state.run.best_values.get(figure) if state.run else None
    is_pruned = state.status == STOPPED and state.reason.startswith(PRUNED)
    status = PRUNED if is_pruned else state.status
    return replace(state, status=status, objective=objective, is_trial=True)


def study_objective(study: Study) -> Objective:
    """Return the figure by which the members of a study are judged; raises SetupError."""
    return sweep_of(study).objective if study.kind == SWEEP else objective_of(DEFAULT)


def _read_failures(path: Path) -> dict[int, str]:
    """Return the last recorded reason by the number of a member; invalid lines are skipped."""
    found: dict[int, str] = {}
    try:
        with path.open("rb") as file:
            lines = file.read(_MAX_FAILURES_BYTES).splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            content = json.loads(line)
            found[int(content["member"])] = str(content["reason"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


def varied_keys(state: StudyState) -> list[str]:
    """Return the config keys in which the members differ, in order."""
    values = [flatten_recorded(dict(member.member.values)) for member in state.members]
    keys = dict.fromkeys(key for flat in values for key in flat)
    return [key for key in keys if len({flat.get(key) for flat in values}) > 1]
