"""Kill a run with -9 at random moments, resume it each time, compare with one that never died.

    python -m tests.stress.kill [--kills 30] [--seed 1]

The first half of the kills falls into phase head, the second into full. A third each: at a random
moment of training, in a validation pass, and in the middle of saving a checkpoint; for the latter
two the process stands still there until it is killed. What a kill has really hit is read from what
it left. After every fifth kill the cache with the features of the backbone is lost too.

Prints a line a kill and a verdict; exits with 1 when a byte of the weights or an epoch differs,
when a loader worker outlives its run, or when one of the kinds of moments did not occur.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from core.config.phases import PHASES
from core.events.journal import replay
from core.events.types import EpochEnded, Event, PhaseStarted, Progress
from core.run.folder import RunFolder
from core.run.state import fold
from tests.make_images import make_images
from tests.stress.common import (
    CHECKPOINTS,
    differences,
    faults,
    headless,
    only_run,
    options,
    settings,
    surroundings,
    temporaries,
    train,
    verdict,
)
from tests.stress.gate import Gate
from tests.stress.watch import Run, start, still_there

STAGES = {"train": "training", "val": "validation"}
KINDS = ("training", "validation", "saving")
WANTED = [f"{phase} {kind}" for phase in PHASES for kind in KINDS]
_EPOCHS_A_KILL = {"head": 25, "full": 5}
_LONGEST_DELAY = 0.1
_KILLS_A_LOSS = 5


@dataclass(frozen=True, slots=True)
class Death:
    """When a process is to die: in this phase, in the `number`th moment of this kind."""

    phase: str
    kind: str
    number: int


def main() -> int:
    """Run the whole comparison; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        photos = make_images(work / "photos", classes=3, per_class=60)
        head, full = (most * arguments.kills // 2 for most in _EPOCHS_A_KILL.values())
        values = settings(photos, max(1, head), max(1, full), data__workers=1)
        changes = [*options(values), "--set", "checkpoint.every_minutes=0.002"]
        unbroken = train(work / "unbroken" / "runs", *changes)
        deaths = plan(arguments.kills, choose)
        moments, problems = kill_again_and_again(work / "killed", changes, deaths, choose)
        problems += [f"no kill in {kind}" for kind in WANTED if not moments[kind]]
        counts = ", ".join(f"{count} in {kind}" for kind, count in sorted(moments.items()))
        figures = f"{arguments.kills} kills ({counts})"
        return compare(unbroken, only_run(work / "killed" / "runs"), problems, figures)


def plan(kills: int, choose: random.Random) -> list[Death]:
    """Return the deaths: one half a phase, the kinds mixed but evenly."""
    deaths = []
    for place, phase in enumerate(PHASES):
        count = (kills + place) // len(PHASES)
        # The first of a phase waits for it, which one in the middle of saving can't.
        kinds = [KINDS[number % len(KINDS)] for number in range(1, count)]
        choose.shuffle(kinds)
        deaths += [Death(phase, kind, choose.randint(1, 5)) for kind in ["training", *kinds]]
    # The features of phase head are computed in its first epoch.
    return [replace(deaths[0], number=1), *deaths[1:]]


def kill_again_and_again(
    work: Path, changes: list[str], deaths: list[Death], choose: random.Random
) -> tuple[Counter[str], list[str]]:
    """Train, die, resume; the last time to the end. Returns how many died in what, and what was
    left of them that ought not to be."""
    moments: Counter[str] = Counter()
    problems = []
    runs_dir = work / "runs"
    arguments = headless(runs_dir, *changes)
    for number, death in enumerate(deaths, 1):
        pid, note, left = live_and_die(arguments, runs_dir, death, choose)
        problems += [f"kill {number}: {process}" for process in left]
        folder = only_run(runs_dir)
        phase, kinds, place = last_sign_of_life(folder, pid)
        moments.update(f"{phase} {kind}" for kind in kinds)
        if number % _KILLS_A_LOSS == 0:
            shutil.rmtree(work / "cache")
            note += ", the cache is lost"
        what = " and ".join(kinds) or "between two passes"
        print(f"kill {number:2}: {what}; {place} or later{note}", flush=True)
        arguments = headless(runs_dir, "--resume", folder.id)
    train(runs_dir, "--resume", only_run(runs_dir).id)
    return moments, problems


def live_and_die(
    arguments: list[str], runs_dir: Path, death: Death, choose: random.Random
) -> tuple[int, str, list[str]]:
    """Let a process live until its death; returns its number, a note, and what is left of it."""
    if death.kind == "training":
        with start(arguments, runs_dir, surroundings(runs_dir.parent)) as run:
            for _ in range(death.number):
                run.wait_for(lambda event: is_training(event, death.phase))
            time.sleep(choose.uniform(0.0, _LONGEST_DELAY))  # a moment that no event marks
            return run.process.pid, "", die(run)
    if death.kind == "saving":
        gate = Gate.in_saving(runs_dir.parent, choose)
    else:
        gate = Gate(runs_dir.parent, "val", death.phase, death.number)
    with gate, start(arguments, runs_dir, surroundings(runs_dir.parent, **gate.environment)) as run:
        run.stand_at(gate)
        return run.process.pid, f", at {gate.name}", die(run)


def die(run: Run) -> list[str]:
    """Kill a run's main process; returns which of its helpers don't end with it."""
    helpers = run.helpers()
    run.kill()
    return still_there(helpers)


def is_training(event: Event, phase: str) -> bool:
    """Whether an event tells of the beginning of a training pass, or its middle."""
    return (
        isinstance(event, Progress)
        and (event.phase, event.stage) == (phase, "train")
        and event.step < event.steps
    )


def last_sign_of_life(folder: RunFolder, pid: int) -> tuple[str, list[str], str]:
    """Return the phase that a process died in, what it was doing, and where that was."""
    events = [record.event for record in replay(folder.journal)[0]]
    last = next(e for e in reversed(events) if isinstance(e, Progress | EpochEnded | PhaseStarted))
    kinds, place = [], f"{last.phase} at its beginning"
    if isinstance(last, Progress):
        place = f"{last.phase} epoch {last.epoch}, {last.stage} step {last.step} of {last.steps}"
        kinds = [STAGES[last.stage]] if last.step < last.steps else []
    elif isinstance(last, EpochEnded):
        place = f"{last.phase} after epoch {last.epoch}"
    # A thread of its own writes checkpoints: a pass may go on meanwhile.
    if any(f".{pid}." in name for name in temporaries(folder)):
        kinds.append("saving")
    return last.phase, kinds, place


def compare(unbroken: RunFolder, killed: RunFolder, problems: list[str], figures: str) -> int:
    """Print the verdict; returns the exit code."""
    different = [f"different: {name}" for name in differences(unbroken, killed)]
    epochs = len(fold(replay(killed.journal)[0]).epochs)
    compared = f"{', '.join(CHECKPOINTS)} and {epochs} epochs compared"
    return verdict("kill", [*problems, *different, *faults(killed)], f"{figures}; {compared}")


if __name__ == "__main__":
    sys.exit(main())
