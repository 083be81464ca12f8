"""Kill a run with -9 at random moments, resume it, and compare it with an uninterrupted run.

    python -m tests.stress.kill [--kills 30] [--seed 1]

The first half of the kills is in phase head, the second in phase full. One third each is at a
random moment of training, in a validation pass, and while a checkpoint is saved; for the latter two
the process is blocked there until it is killed. The actual moment is determined from the files of
the run. After every fifth kill the feature cache is deleted as well.

Prints one line per kill and a verdict; exits with 1 if a byte of the weights or an epoch differs,
if a loader worker outlives its run, or if one of the kinds of moments did not occur.
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
from tests.stress.watch import Run, start, still_alive

STAGES = {"train": "training", "val": "validation"}
KINDS = ("training", "validation", "saving")
WANTED = [f"{phase} {kind}" for phase in PHASES for kind in KINDS]
_EPOCHS_PER_KILL = {"head": 25, "full": 5}
_MAX_DELAY = 0.1
_KILLS_PER_CACHE_LOSS = 5


@dataclass(frozen=True, slots=True)
class Kill:
    """When a process is killed: in this phase, in the `number`th moment of this kind."""

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
        head, full = (most * arguments.kills // 2 for most in _EPOCHS_PER_KILL.values())
        values = settings(photos, max(1, head), max(1, full), data__workers=1)
        changes = [*options(values), "--set", "checkpoint.every_minutes=0.002"]
        uninterrupted = train(work / "uninterrupted" / "runs", *changes)
        kill_plan = plan(arguments.kills, choose)
        moments, problems = kill_repeatedly(work / "killed", changes, kill_plan, choose)
        problems += [f"no kill in {kind}" for kind in WANTED if not moments[kind]]
        counts = ", ".join(f"{count} in {kind}" for kind, count in sorted(moments.items()))
        figures = f"{arguments.kills} kills ({counts})"
        return compare(uninterrupted, only_run(work / "killed" / "runs"), problems, figures)


def plan(kills: int, choose: random.Random) -> list[Kill]:
    """Return the kills: half of them in each phase, with equally many of each kind."""
    kill_plan = []
    for place, phase in enumerate(PHASES):
        count = (kills + place) // len(PHASES)
        # The first kill of a phase must wait for the phase, which one while saving can't.
        kinds = [KINDS[number % len(KINDS)] for number in range(1, count)]
        choose.shuffle(kinds)
        kill_plan += [Kill(phase, kind, choose.randint(1, 5)) for kind in ["training", *kinds]]
    # The features of phase head are computed in its first epoch.
    return [replace(kill_plan[0], number=1), *kill_plan[1:]]


def kill_repeatedly(
    work: Path, changes: list[str], kill_plan: list[Kill], choose: random.Random
) -> tuple[Counter[str], list[str]]:
    """Train, kill and resume, finally to the end. Returns the number of kills by moment, and the
    processes that were left."""
    moments: Counter[str] = Counter()
    problems = []
    runs_dir = work / "runs"
    arguments = headless(runs_dir, *changes)
    for number, kill in enumerate(kill_plan, 1):
        pid, note, left = train_and_kill(arguments, runs_dir, kill, choose)
        problems += [f"kill {number}: {process}" for process in left]
        folder = only_run(runs_dir)
        phase, kinds, place = last_position(folder, pid)
        moments.update(f"{phase} {kind}" for kind in kinds)
        if number % _KILLS_PER_CACHE_LOSS == 0:
            shutil.rmtree(work / "cache")
            note += ", cache deleted"
        what = " and ".join(kinds) or "between two passes"
        print(f"kill {number:2}: {what}; {place} or later{note}", flush=True)
        arguments = headless(runs_dir, "--resume", folder.id)
    train(runs_dir, "--resume", only_run(runs_dir).id)
    return moments, problems


def train_and_kill(
    arguments: list[str], runs_dir: Path, kill: Kill, choose: random.Random
) -> tuple[int, str, list[str]]:
    """Start a process and kill it; returns its pid, a note, and the processes that are left."""
    if kill.kind == "training":
        with start(arguments, runs_dir, surroundings(runs_dir.parent)) as run:
            for _ in range(kill.number):
                run.wait_for(lambda event: is_training(event, kill.phase))
            time.sleep(choose.uniform(0.0, _MAX_DELAY))  # any moment between two events
            return run.process.pid, "", kill_run(run)
    if kill.kind == "saving":
        gate = Gate.in_saving(runs_dir.parent, choose)
    else:
        gate = Gate(runs_dir.parent, "val", kill.phase, kill.number)
    with gate, start(arguments, runs_dir, surroundings(runs_dir.parent, **gate.environment)) as run:
        run.wait_at(gate)
        return run.process.pid, f", at {gate.name}", kill_run(run)


def kill_run(run: Run) -> list[str]:
    """Kill a run's main process; returns those of its helpers that don't exit."""
    helpers = run.helpers()
    run.kill()
    return still_alive(helpers)


def is_training(event: Event, phase: str) -> bool:
    """Return whether an event is progress of a training pass, except its end."""
    return (
        isinstance(event, Progress)
        and (event.phase, event.stage) == (phase, "train")
        and event.step < event.steps
    )


def last_position(folder: RunFolder, pid: int) -> tuple[str, list[str], str]:
    """Return the phase in which a process was killed, its activity and its position."""
    events = [record.event for record in replay(folder.journal)[0]]
    last = next(e for e in reversed(events) if isinstance(e, Progress | EpochEnded | PhaseStarted))
    kinds, place = [], f"{last.phase} at its start"
    if isinstance(last, Progress):
        place = f"{last.phase} epoch {last.epoch}, {last.stage} step {last.step} of {last.steps}"
        kinds = [STAGES[last.stage]] if last.step < last.steps else []
    elif isinstance(last, EpochEnded):
        place = f"{last.phase} after epoch {last.epoch}"
    # A background thread writes checkpoints: a pass may continue in the meantime.
    if any(f".{pid}." in name for name in temporaries(folder)):
        kinds.append("saving")
    return last.phase, kinds, place


def compare(uninterrupted: RunFolder, killed: RunFolder, problems: list[str], figures: str) -> int:
    """Print the verdict; returns the exit code."""
    different = [f"different: {name}" for name in differences(uninterrupted, killed)]
    epochs = len(fold(replay(killed.journal)[0]).epochs)
    compared = f"{', '.join(CHECKPOINTS)} and {epochs} epochs compared"
    return verdict("kill", [*problems, *different, *faults(killed)], f"{figures}; {compared}")


if __name__ == "__main__":
    sys.exit(main())
