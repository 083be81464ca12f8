"""Judge how a run has ended: compare the facts with what is right."""

import re
from dataclasses import dataclass, field

from tests.stress.endings.ways import ANNOUNCED, FAILED, FINISHED, Expected

MAX_SECONDS = 10.0
"""Time for a process to end after its run has ended."""
_MOST_LINES = 3
_RESTART = re.compile(r"warning: .+; restarting all ranks")
_NOTICE = re.compile(
    rf"{ANNOUNCED}|{_RESTART.pattern}|see .+log(\.txt)?|E\d{{4}} .+ failed \(exit.+"
)
"""Lines that are not errors of the run."""


@dataclass
class Facts:
    """How a run has ended, and what it has left."""

    code: int | None = None
    """Exit code; None for a process that did not end."""
    seconds: float = 0.0
    """From the end of the run to the end of its last process."""
    has_folder: bool = True
    outcome: str = ""
    errors: str = ""
    """Standard error, or what an app has left on its terminal."""
    log: str = ""
    left: list[str] = field(default_factory=list)
    """Processes, shared memory, temporary files, a lock, changed modes of the terminal."""
    damage: list[str] = field(default_factory=list)
    """Problems of the run's files, of `show`, or of its resumption."""


def judge(expected: Expected, facts: Facts, slack: float = 1.0) -> list[str]:
    """Return what is wrong; `slack` is a factor for times."""
    if facts.code is None:
        return ["the process did not end", *facts.left]
    problems = []
    if facts.code not in expected.codes:
        problems.append(f"exit code {facts.code}, not {_or(expected.codes)}")
    if facts.seconds > slack * MAX_SECONDS:
        problems.append(f"it took {facts.seconds:.1f} s to end")
    if facts.has_folder and facts.outcome not in expected.outcomes:
        outcomes = _or(outcome or "unrecorded" for outcome in expected.outcomes)
        problems.append(f"the run {facts.outcome or 'has no end'}, not {outcomes}")
    problems += _judge_errors(expected, facts)
    by_itself = facts.outcome in (FAILED, FINISHED)  # otherwise a signal was faster
    if expected.traceback and facts.has_folder and by_itself and "Traceback" not in facts.log:
        problems.append("log.txt has no traceback")
    return [*problems, *facts.left, *facts.damage]


def _judge_errors(expected: Expected, facts: Facts) -> list[str]:
    """Standard error has the one sentence, the path of the log, and nothing else."""
    lines = [line.strip() for line in facts.errors.splitlines() if line.strip()]
    sentence = re.compile(rf"(error: )?(rank \d+ on \S+: )?({expected.sentence or 'none'})")
    others = [line for line in lines if not _NOTICE.fullmatch(line)]
    errors = [line for line in lines if sentence.fullmatch(line) and not _RESTART.match(line)]
    unexpected = [line[:300] for line in others if line not in errors]
    problems = [f"unexpected output: {line}" for line in unexpected[:_MOST_LINES]]
    if len(errors) > 1:
        problems.append(f"{len(errors)} errors: {errors}")
    if expected.sentence and not errors and not expected.may_be_silent:
        problems.append("the error is missing")
    return problems


def _or(values: object) -> str:
    return " or ".join(sorted(map(str, values)))  # type: ignore[call-overload]


def needs_resumption(facts: Facts) -> bool:
    """Return whether a run is to be resumed to see that it can be."""
    return facts.has_folder and facts.outcome != FINISHED
