"""Print a headless study: a line per start and end of a run, or the events of all runs as JSON."""

import json
import sys
import time
from typing import Any, TextIO

from core.common import format as fmt
from core.common.codec import to_jsonable
from core.common.text import printable
from core.events.record import Record
from core.study.definition import SWEEP
from core.study.members import Member
from core.study.out_of_fold import read_figures
from core.study.state import MemberState, StudyState, study_objective
from core.study.sweep.objective import DEFAULT, objective_of
from core.study.worker import StudyEnd
from tui.runtime.reporters import redirect_to_devnull
from tui.text.study_table import member_result, study_kind, values_text

STUDY_STARTED, MEMBER_STARTED, MEMBER_ENDED, STUDY_ENDED = (
    *("StudyStarted", "MemberStarted", "MemberEnded", "StudyEnded"),
)
"""Types of the JSON lines of a study, between those of its runs' events."""


class _Output:
    """Lines on a stream; one that fails (a closed pipe or terminal) ends the output only."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_open = True

    def write(self, line: str) -> None:
        """Write a line."""
        if not self._is_open:
            return
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._is_open = False
            redirect_to_devnull(sys.stdout)


class StudyLines:
    """Prints a line for each start and end of a member."""

    def __init__(self, out: TextIO) -> None:
        self._output = _Output(out)
        self._members = 0
        self._is_sweep = False
        self._objective = objective_of(DEFAULT)

    def study_started(self, state: StudyState) -> None:
        """Print the id of the study."""
        self._members = len(state.members)
        self._is_sweep = state.study.kind == SWEEP
        self._objective = study_objective(state.study)
        finished = len(state.of_status("finished"))
        done = f", {finished} already finished" if finished else ""
        self._write(f"study {printable(state.study.id)}: {study_kind(state)}{done}")

    def member_started(self, member: Member, run_id: str, is_resumed: bool) -> None:
        """Print the run of the member."""
        verb = "resumed" if is_resumed else "started"
        # Of a sweep they are not known from the label.
        values = f" with {values_text(member.values)}" if self._is_sweep else ""
        self._write(f"{self._place(member)}: {verb}{values}, run {printable(run_id)}")

    def record(self, record: Record) -> None:
        """Print nothing: the run's journal has it."""

    def member_ended(self, member: MemberState) -> None:
        """Print the result of the member."""
        self._write(f"{self._place(member.member)}: {member_result(member, self._objective)}")

    def study_ended(self, end: StudyEnd) -> None:
        """Print nothing: the table of the study follows."""

    def _place(self, member: Member) -> str:
        return f"{member.number} of {self._members}, {member.label}"

    def _write(self, text: str) -> None:
        now = time.time()
        self._output.write(f"{fmt.date(now)} {fmt.clock_time(now)}  {text}")


class StudyJson:
    """Prints the events of all runs as in their journals, and lines about the study in between."""

    def __init__(self, out: TextIO) -> None:
        self._output = _Output(out)
        self._study = ""

    def study_started(self, state: StudyState) -> None:
        """Print the id of the study."""
        self._study = state.study.id
        self._write(STUDY_STARTED, kind=state.study.kind, members=len(state.members))

    def member_started(self, member: Member, run_id: str, is_resumed: bool) -> None:
        """Print the run of the member."""
        values = {"member": member.number, "label": member.label, "values": member.values}
        self._write(MEMBER_STARTED, **values, run_id=run_id, resumed=is_resumed)

    def record(self, record: Record) -> None:
        """Print the event as in the journal."""
        self._output.write(record.to_json())

    def member_ended(self, member: MemberState) -> None:
        """Print the result of the member."""
        self._write(MEMBER_ENDED, **member.to_dict())

    def study_ended(self, end: StudyEnd) -> None:
        """Print the results of all members."""
        content = end.state.to_dict()
        known = ("status", "best_val_top1", "objective", "best", "members")
        results = {key: content[key] for key in known if key in content}
        figures = read_figures(end.state.study)
        self._write(STUDY_ENDED, **results, out_of_fold=figures, problem=end.problem)

    def _write(self, type_name: str, /, **values: Any) -> None:
        line = {"time": time.time(), "type": type_name, "study": self._study, **values}
        self._output.write(json.dumps(to_jsonable(line), allow_nan=False))


def make_study_reporter(log_format: str, out: TextIO) -> StudyLines | StudyJson:
    """Return the reporter of a log format."""
    return StudyJson(out) if log_format == "json" else StudyLines(out)
