"""Examine a run after its end: wait for its processes, and read what they have left."""

import re
import signal
import subprocess
import time
from contextlib import suppress

from core.events.journal import replay
from core.events.types import RunEnded, RunResumed, RunStarted
from core.run.folder import RunFolder
from core.run.lock import is_locked
from tests.stress.common import differences, faults, headless, surroundings, temporaries
from tests.stress.endings import leftovers
from tests.stress.endings.judge import Facts, needs_resumption
from tests.stress.endings.perform import PATIENCE, Performance
from tests.stress.endings.ways import APP, FINISHED, UNRECORDED
from tests.stress.signals import terminal_problems
from tests.stress.watch import Run
from tests.tui.command import command

_QUIT_SECONDS = 1.0
"""How long an app shows the end of its run before it is closed."""
_ENTER, _LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"
"""Sequences with which an app enters and leaves the alternate screen."""
_SEQUENCE = re.compile(rb"\x1b(\[[0-9;?<>=]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>])")
_COMMAND_SECONDS = 300


def examine(performance: Performance, before: set[str], reference: RunFolder) -> Facts:
    """Let a run end and return the facts; `before` are the segments of shared memory before it."""
    facts = Facts()
    with performance.run() as run:
        ended_at = _wait_for_end(run, performance)
        if run.process.returncode is None and not run.ends_within(0.01):
            facts.left = [_kill(run, performance)]
            facts.errors = _errors(run, performance)
            return facts
        facts.code = _exit_code(run)
        facts.left = _leftovers(performance, before)
        performance.give_back()
        folder = performance.folder
        facts.has_folder = folder is not None
        facts.seconds = time.time() - max(performance.acted_at, ended_at, _recorded_end(folder))
        facts.errors = _errors(run, performance)
        if run.terminal is not None and run.terminal.open:
            facts.left += terminal_problems(run.terminal)
    if folder is not None:
        _examine_folder(folder, performance, facts, reference)
    return facts


def _wait_for_end(run: Run, performance: Performance) -> float:
    """Wait until the process has ended, or does not; close an app. Return when it was closed."""
    if run.process.returncode is not None:
        return 0.0
    limit = performance.slack * PATIENCE
    if performance.case.shown != APP:
        run.ends_within(limit)
        return 0.0
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and not run.ends_within(0.3):
        folder = performance.folder
        is_removed = folder is None and run.journal.folder is not None
        if is_removed or _recorded_end(folder):
            break
    if run.ends_within(_QUIT_SECONDS):
        return 0.0
    assert run.terminal is not None
    if run.terminal.open and run.terminal.output.count(_ENTER) > run.terminal.output.count(_LEAVE):
        run.terminal.type(b"q")
    closed_at = time.time()
    run.ends_within(performance.slack * PATIENCE / 4)
    return closed_at


def _exit_code(run: Run) -> int:
    return run.wait().exit_code if run.process.returncode is None else run.process.returncode


def _kill(run: Run, performance: Performance) -> str:
    """End a process that hangs; it writes the stacks of its threads before."""
    run.process.send_signal(signal.SIGABRT)
    run.ends_within(5.0)
    for process in leftovers.processes(performance.marker):
        with suppress(Exception):
            process.kill()
    return "its processes were killed"


def _leftovers(performance: Performance, before: set[str]) -> list[str]:
    found = leftovers.wait_for_processes(performance.marker, performance.slack * 10.0)
    left = [leftovers.describe(process) for process in found]
    for process in found:
        process.kill()
    left += [f"/dev/shm/{name} is left" for name in sorted(leftovers.shared_memory() - before)]
    if not performance.case.way.may_kill:
        left += [f"{name} is left" for name in leftovers.files(performance.temporary)]
    return left


def _recorded_end(folder: RunFolder | None) -> float:
    records = replay(folder.journal)[0] if folder else []
    return max((record.time for record in records if isinstance(record.event, RunEnded)), default=0)


def _errors(run: Run, performance: Performance) -> str:
    if run.terminal is None:
        return performance.runs_dir.with_suffix(".err").read_text(errors="replace")
    if not run.terminal.open:
        return ""
    shown = run.terminal.output.rpartition(_LEAVE)[2]
    text = _SEQUENCE.sub(b"", _LINE_END.sub(b"\n", shown)).decode(errors="replace")
    # What a headless run prints to standard output is on the terminal, too.
    return "\n".join(line for line in text.splitlines() if not _OUTPUT.match(line))


_LINE_END = re.compile(rb"\r\n|\r|\x1b\[2K")
_OUTPUT = re.compile(r"\s*(run folder: |\d\d:\d\d:\d\d  |.*━)")


def _examine_folder(
    folder: RunFolder, performance: Performance, facts: Facts, reference: RunFolder
) -> None:
    facts.outcome = outcome_of(folder)
    facts.log = folder.log.read_text(errors="replace") if folder.log.exists() else ""
    if is_locked(folder):
        facts.left.append("the run is still locked")
    if not performance.case.way.may_kill and not performance.case.way.name.startswith("folder-"):
        # Those in a folder that was away are removed on resume.
        facts.left += [f"{name} is left" for name in temporaries(folder)]
    facts.damage = _try("show", folder, performance, command(*_of(folder), "show", folder.id))
    if needs_resumption(facts):
        program = headless(performance.runs_dir, "--resume", folder.id, *_ranks(performance))
        facts.damage += _try("resume", folder, performance, program)
        if not facts.damage and outcome_of(folder) != FINISHED:
            facts.damage.append(f"the resumed run {outcome_of(folder) or 'has no end'}")
    if not facts.damage:
        facts.damage = faults(folder)
        facts.damage += [f"different: {name}" for name in differences(folder, reference)]


def _of(folder: RunFolder) -> tuple[str, str]:
    return "--runs-dir", str(folder.path.parent)


def _ranks(performance: Performance) -> list[str]:
    changes = performance.changes
    return changes[changes.index("--device") :] if "--device" in changes else []


def _try(name: str, folder: RunFolder, performance: Performance, program: list[str]) -> list[str]:
    environment = surroundings(
        folder.path.parents[1], CONVNEXT_TUI_CONFIG=str(folder.path.parents[1] / "config")
    )
    done = subprocess.run(
        program,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=performance.slack * _COMMAND_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return []
    return [f"{name} ended with {done.returncode}: {done.stderr.strip()[-500:]}"]


def outcome_of(folder: RunFolder) -> str:
    """Return how a run has ended, by its journal."""
    outcome = UNRECORDED
    for record in replay(folder.journal)[0]:
        if isinstance(record.event, RunStarted | RunResumed):
            outcome = UNRECORDED
        elif isinstance(record.event, RunEnded):
            outcome = record.event.outcome
    return outcome
