"""Close the terminal of the app 20 times; training must continue as if there had been no app.

    python -m tests.stress.hangup [--cases 20] [--seed 1]

Each case trains one configuration twice at the same time: with the app on its own terminal, and
headless with plain output. At a random moment the terminal of the app is closed: while torch is
loaded, in a training pass of either phase, or in a validation pass. From then to the end, the CPU
time of the run is measured: that reported by the kernel when the process exits, minus that used
before. The headless run is measured from the same event of its own journal. Neither has loader
workers, so each run is a single process. The CPU time of the main thread, which doesn't train, is
measured as well: other load on the machine disturbs it far less. In every fourth case `attach` must
show the run on another terminal.

Prints one line per case and a verdict; exits with 1 if a run doesn't end by itself with the bytes
of the headless one, if `attach` doesn't show it as running, or if the runs without a terminal used
more than 1% of a core beyond the headless ones on average.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from core.events import types as ev
from core.events.journal import replay
from core.events.types import Event
from core.run.folder import RunFolder
from tests.make_images import make_images
from tests.stress.common import (
    differences,
    faults,
    headless,
    options,
    settings,
    surroundings,
    verdict,
)
from tests.stress.watch import Journal, Run, Terminal, start, start_on_terminal
from tests.tui.command import command

LOADING, TRAINING, VALIDATION = "loading torch", "training", "validation"
KINDS = (LOADING, TRAINING, TRAINING, VALIDATION, TRAINING)
"""Kinds of moments in five cases."""
MAX_EXTRA = 0.01
_EPOCHS = {"head": 60, "full": 60}
_LAST_EPOCH = 20
"""Last epoch of a phase in which the terminal may be closed: most of the training follows."""
_MAX_DELAY = {LOADING: 2.0, TRAINING: 0.2, VALIDATION: 0.0}
_CASES_PER_ATTACH = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """When the terminal is closed: some time after an event that every run has."""

    kind: str
    phase: str
    epoch: int
    delay: float

    def is_at(self, event: Event) -> bool:
        """Return whether this is the event."""
        if self.kind == LOADING:
            return isinstance(event, ev.Preparing) and event.stage == LOADING
        return (
            isinstance(event, ev.Progress)
            and (event.phase, event.epoch, event.step) == (self.phase, self.epoch, 1)
            and event.stage == ("train" if self.kind == TRAINING else "val")
        )


@dataclass(frozen=True, slots=True)
class Used:
    """Resources used by a run after a moment."""

    cpu_seconds: float
    main_thread_seconds: float
    wall_seconds: float
    exit_code: int
    since: float
    """Unix time of the moment."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a case: the moment, CPU use beyond the headless run in cores, and problems."""

    kind: str
    extra: float
    main_thread_extra: float
    problems: list[str]


def main() -> int:
    """Run all cases; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        photos = make_images(work / "photos", classes=3, per_class=60)
        changes = options(settings(photos, *_EPOCHS.values()))
        outcomes = [
            run_case(number, moment, work / str(number), changes)
            for number, moment in enumerate(plan(arguments.cases, choose), 1)
        ]
    return print_verdict(outcomes)


def plan(cases: int, choose: random.Random) -> list[Moment]:
    """Return the moments."""
    kinds = [KINDS[number % len(KINDS)] for number in range(cases)]
    choose.shuffle(kinds)
    return [
        Moment(
            kind,
            # A validation pass over cached features is too short.
            "full" if kind == VALIDATION else choose.choice(("head", "full")),
            choose.randint(1, _LAST_EPOCH),
            choose.uniform(0.0, _MAX_DELAY[kind]),
        )
        for kind in kinds
    ]


def run_case(number: int, moment: Moment, work: Path, changes: list[str]) -> Outcome:
    """Train with a terminal that is closed, and without one; prints one line."""
    name = f"case-{number}"
    attached = number % _CASES_PER_ATTACH == 0
    hung_dir, headless_dir = work / "hung" / "runs", work / "headless" / "runs"
    with (
        start_on_terminal(
            command("--runs-dir", str(hung_dir), "--name", name, *changes),
            hung_dir,
            surroundings(hung_dir.parent),
        ) as hung,
        start(
            headless(headless_dir, "--name", name, *changes),
            headless_dir,
            surroundings(headless_dir.parent),
        ) as other,
        ThreadPoolExecutor(3) as threads,
    ):
        checks = []

        def hang_up() -> None:
            assert hung.terminal is not None
            hung.terminal.hang_up()
            if attached:
                checks.append(threads.submit(check_attach, hung.folder, name))

        measured = [
            threads.submit(measure, hung, moment, hang_up),
            threads.submit(measure, other, moment, lambda: None),
        ]
        used, plain = (future.result() for future in measured)
        problems = [problem for check in checks for problem in check.result()]
        problems += compare(hung.folder, other.folder, used)
        kind, where = moment_at(hung.folder, used.since)
    extra = (used.cpu_seconds - plain.cpu_seconds) / used.wall_seconds
    main_extra = (used.main_thread_seconds - plain.main_thread_seconds) / used.wall_seconds
    print(
        f"case {number:2}: {where}; {used.cpu_seconds:.2f} s of CPU in {used.wall_seconds:.1f} s, "
        f"headless {plain.cpu_seconds:.2f} s: {extra:+.2%} of a core, main thread "
        f"{used.main_thread_seconds:.3f} s, headless {plain.main_thread_seconds:.3f} s: "
        f"{main_extra:+.2%}; {'shown by attach, ' if attached else ''}"
        f"{'; '.join(problems) or 'same weights'}",
        flush=True,
    )
    return Outcome(kind, extra, main_extra, problems)


def measure(run: Run, moment: Moment, act: Callable[[], None]) -> Used:
    """Call `act` at a moment of a run, and wait for the end of the run."""
    run.wait_for(moment.is_at)
    time.sleep(moment.delay)  # any moment between two events
    cpu, thread = run.cpu_seconds(), run.main_thread_seconds()
    act()
    since, began = time.time(), time.monotonic()
    run.wait_for(lambda event: isinstance(event, ev.RunEnded))
    thread = run.main_thread_seconds() - thread
    ended = run.wait()
    wall = time.monotonic() - began
    return Used(ended.cpu_seconds - cpu, thread, wall, ended.exit_code, since)


def check_attach(folder: RunFolder, name: str) -> list[str]:
    """Attach to a run on another terminal until it is shown as running, then quit."""
    runs_dir = folder.path.parent
    terminal = Terminal()
    program = command("--runs-dir", str(runs_dir), "attach", folder.id)
    process = terminal.start(program, surroundings(runs_dir.parent))
    with Run(process, Journal(runs_dir), terminal) as app:
        try:
            for text in (name.encode(), b"running"):
                app.see(text)
        except (RuntimeError, TimeoutError) as error:
            return [f"attach doesn't show it: {error}"]
        terminal.type(b"q")
        code = app.wait().exit_code
    return [f"attach ended with {code}"] if code else []


def compare(hung: RunFolder, other: RunFolder, used: Used) -> list[str]:
    """Return problems with a run whose terminal was closed."""
    last = replay(hung.journal)[0][-1].event
    finished = isinstance(last, ev.RunEnded) and last.outcome == "finished"
    problems = [] if finished else [f"the journal ends with {last}"]
    problems += [f"exit code {used.exit_code}"] if used.exit_code else []
    return [*problems, *(f"different: {name}" for name in differences(hung, other)), *faults(hung)]


def moment_at(folder: RunFolder, when: float) -> tuple[str, str]:
    """Return the kind of moment and the position of a run at a time, by its journal."""
    kind = where = "starting"
    for record in replay(folder.journal)[0]:
        if record.time > when:
            break
        event = record.event
        if isinstance(event, ev.Preparing):
            kind = where = event.stage
        elif isinstance(event, ev.Progress):
            kind = TRAINING if event.stage == "train" else VALIDATION
            where = f"{event.phase} epoch {event.epoch} {event.stage} step {event.step} or later"
    return kind, where


def print_verdict(outcomes: list[Outcome]) -> int:
    """Print the verdict; returns the exit code."""
    problems = [
        f"case {number}: {problem}"
        for number, outcome in enumerate(outcomes, 1)
        for problem in outcome.problems
    ]
    hit = Counter(outcome.kind for outcome in outcomes)
    problems += [f"no terminal was closed in {kind}" for kind in set(KINDS) - hit.keys()]
    kinds = ", ".join(f"{count} in {kind}" for kind, count in hit.items())
    extra, error = mean([outcome.extra for outcome in outcomes])
    main_extra, main_error = mean([outcome.main_thread_extra for outcome in outcomes])
    if extra > MAX_EXTRA:
        problems.append(f"{extra:.2%} of a core beyond headless, more than {MAX_EXTRA:.0%}")
    return verdict(
        "hangup",
        problems,
        f"{len(outcomes)} terminals closed ({kinds}); beyond headless, total {extra:+.2%} ± "
        f"{error:.2%} of a core, main thread {main_extra:+.3%} ± {main_error:.3%} (mean and its "
        "standard error)",
    )


def mean(values: list[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    if len(values) < 2:
        return sum(values), 0.0
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5


if __name__ == "__main__":
    sys.exit(main())
