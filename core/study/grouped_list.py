"""Rows of the run list: runs, and studies with their runs below them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.run.query import Query
from core.run.summary import RunSummary

if TYPE_CHECKING:
    from core.study.study_summary import StudySummary


@dataclass(frozen=True, slots=True)
class ListRow:
    """A run, or a study."""

    run: RunSummary
    """The run; for a study its summary as if it were one."""
    study: "StudySummary | None" = None
    """The study; None for a run."""
    is_open: bool = False
    """Whether the rows of the study's runs follow."""
    parent: str = ""
    """Id of the study that the row of a run is below of."""
    label: str = ""
    """The run's name without that of the study above it."""

    @property
    def id(self) -> str:
        """The id of the run or study."""
        return self.run.id


@dataclass(frozen=True, slots=True)
class GroupedList:
    """The rows to show, and the runs that they stand for."""

    rows: tuple[ListRow, ...] = ()
    runs: tuple[RunSummary, ...] = ()
    """Runs that match the query, also those of closed studies."""


def grouped(
    runs: Sequence[RunSummary],
    studies: "Sequence[StudySummary]",
    query: Query,
    is_open: Callable[[str], bool],
) -> GroupedList:
    """Return the rows that match a query, in its order.

    A study is shown if it matches, or one of its runs; below it are the runs that match. By default
    they are in the order of its members.
    """
    hidden = set() if query.with_archived else {s.id for s in studies if s.row.archived}
    of_study = {run.id: study.id for study in studies for run in study.runs}
    shown = [r for r in runs if query.matches(r) and of_study.get(r.id) not in hidden]
    matching = {run.id for run in shown}
    members = {
        study.id: [run for run in study.runs if run.id in matching]
        for study in studies
        if study.id not in hidden
    }
    by_id = {study.id: study for study in studies}
    units = [run for run in shown if run.id not in of_study]
    units += [by_id[id].row for id, own in members.items() if own or query.matches(by_id[id].row)]
    units.sort(key=lambda run: run.id, reverse=True)
    rows: list[ListRow] = []
    for unit in query.ordered(units):
        study = by_id.get(unit.id)
        open_now = study is not None and is_open(study.id)
        rows.append(ListRow(unit, study, open_now))
        if study is not None and open_now:
            own = members[study.id]
            ordered = query.ordered(own) if query.sort_orders else own
            rows += [ListRow(run, parent=study.id, label=_label(run, study)) for run in ordered]
    return GroupedList(tuple(rows), tuple(shown))


def _label(run: RunSummary, study: "StudySummary") -> str:
    name = study.study.name if study.study else ""
    return run.name.removeprefix(f"{name} ") if name else run.name
