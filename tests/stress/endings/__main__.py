"""End runs in every way, also with signals on top; each process must end well.

    python -m tests.stress.endings [--runs 200] [--seed 0] [--only worker-killed,data-gone]

The ways: exceptions in loader workers, the checkpoint writer, the engine, the app and ranks;
killed and hanging workers, helper processes and ranks; a full disk; images and run folders that are
moved away, for a while or for good; and signals, at every moment of a run and on top of the other
ways. Each is tried headless, where it makes sense in the app on its own terminal, and with two
ranks on this CPU. `--ways` lists them.

After each run: the process ends within ten seconds with the documented exit code, standard error
has one sentence and log.txt the traceback, no process, shared memory, temporary file or lock is
left, `show` opens the run, and if it has not finished it resumes, with the bytes of an undisturbed
run. Times that are too short for a loaded machine are stretched by `--slack`.

Prints one line per run, a table of the ways and a verdict; exits with 1 on any failure. The folders
of failed runs are kept.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from core.run.folder import RunFolder
from tests.make_images import make_images
from tests.stress.common import train, verdict
from tests.stress.endings import leftovers
from tests.stress.endings.examine import examine
from tests.stress.endings.judge import judge
from tests.stress.endings.perform import Performance, changes
from tests.stress.endings.ways import WAYS, Case, plan


def main() -> int:
    """Run all cases; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--skip", type=int, default=0, help="leave out the first of the runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of ways, with commas")
    parser.add_argument("--slack", type=float, default=1.0, help="factor for all times")
    parser.add_argument("--ways", action="store_true", help="list the ways")
    given = parser.parse_args()
    only = [name for name in given.only.split(",") if name]
    if unknown := set(only) - {way.name for way in WAYS}:
        parser.error(f"no such way: {', '.join(sorted(unknown))}")
    if given.ways:
        print("\n".join(f"{way.name:20} {', '.join(way.shown)}" for way in WAYS))
        return 0
    leftovers.isolate()
    work = Path(tempfile.mkdtemp(prefix="endings-"))
    cases = plan(given.runs, given.seed, only)[given.skip :]
    problems = run_all(cases, work, given.slack)
    if not problems:
        shutil.rmtree(work)
    return verdict("endings", problems, f"{len(cases)} runs, seed {given.seed}")


def run_all(cases: list[Case], work: Path, slack: float) -> list[str]:
    """Run all cases and print a table; returns the problems."""
    photos = make_images(work / "photos", classes=3, per_class=12)

    references: dict[str, RunFolder] = {}

    def reference(case: Case) -> RunFolder:
        """Return an undisturbed run with the same options."""
        wanted = changes(case, photos)
        key = " ".join(wanted)
        if key not in references:
            where = work / f"reference-{len(references) + 1}" / "runs"
            references[key] = train(where, *wanted)
        return references[key]

    runs: Counter[str] = Counter()
    good: Counter[str] = Counter()
    problems: list[str] = []
    for case in cases:
        found = run_case(case, photos, work / str(case.number), slack, reference(case))
        key = f"{case.way.name:20} {case.shown}"
        runs[key] += 1
        good[key] += not found
        problems += [f"run {case.number}, {case.title}: {problem}" for problem in found]
    for key in sorted(runs):
        print(f"  {key:30} {good[key]} of {runs[key]}" + (" BAD" * (good[key] < runs[key])))
    return problems


def run_case(case: Case, photos: Path, work: Path, slack: float, reference: RunFolder) -> list[str]:
    """Perform one case and print its line; returns what is wrong."""
    work.mkdir()
    began = time.monotonic()
    notes: list[str] = []
    end = ""
    try:
        performance = Performance(case, photos, work, slack)
        notes = performance.notes
        facts = examine(performance, leftovers.shared_memory(), reference)
        problems = judge(case.expected, facts, slack)
        end = f"{facts.outcome or 'no end'}, exit code {facts.code} after {facts.seconds:.1f} s"
    except Exception as error:  # of this program: the other cases are run all the same
        traceback.print_exc()
        problems = [f"{type(error).__name__}: {error}"]
    state = "; ".join(problems) or "good"
    note = f" ({', '.join(notes)})" if notes else ""
    seconds = time.monotonic() - began
    print(f"run {case.number:3}: {case.title}{note}: {end}: {state} [{seconds:.0f} s]", flush=True)
    if problems:
        print(f"         see {work}", flush=True)
    else:
        shutil.rmtree(work)
    return problems


if __name__ == "__main__":
    sys.exit(main())
