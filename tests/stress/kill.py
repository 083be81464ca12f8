"""Kill a run with -9 at random moments, resume it each time, compare with one that never died.

    python -m tests.stress.kill [--kills 30] [--seed 1]

The first half of the kills falls into phase head, the second into full. A third each: between
training steps, in a validation pass, and in the middle of saving a checkpoint, where the process
stands still in the middle of the write. What a kill has really hit is read from what it left.

Prints a line a kill and a verdict; exits with 1 when a byte of the weights or an epoch differs, or
when one of the kinds of moments did not occur.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from core.config import PHASES
from core.events import EpochEnded, Event, PhaseStarted, Progress
from core.journal import replay
from core.run_state import fold
from core.runs import RunFolder
from tests.pictures import make_pictures
from tests.stress.common import (
    CHECKPOINTS,
    differences,
    faults,
    headless,
    only_run,
    options,
    settings,
    temporaries,
    train,
    verdict,
)
from tests.stress.gate import Gate
from tests.stress.watch import start
from tests.tui.command import environment

STAGES = {"train": "training", "val": "validation"}
KINDS = ("training", "validation", "saving")
_EPOCHS_A_KILL = 5
# A validation pass begins while the checkpoint before it is still being written.
_DELAYS = {"training": (0.0, 0.1), "validation": (0.02, 0.08), "saving": (0.0, 0.0)}


@dataclass(frozen=True, slots=True)
class Death:
    """When a process is to die: in this phase, at its `number`th moment of this kind."""

    phase: str
    kind: str
    number: int
    delay: float
    """Seconds after that moment."""


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
        photos = make_pictures(work / "photos", classes=3, per_class=70)
        epochs = max(1, _EPOCHS_A_KILL * arguments.kills // 2)
        values = settings(photos, epochs, epochs, data__workers=1, data__val_fraction=0.6)
        changes = [*options(values), "--set", "checkpoint.every_minutes=0.002"]
        unbroken = train(work / "unbroken", *changes)
        deaths = plan(arguments.kills, choose)
        moments = kill_again_and_again(work / "killed", changes, deaths, choose)
        return compare(unbroken, only_run(work / "killed"), moments)


def plan(kills: int, choose: random.Random) -> list[Death]:
    """Return the deaths: one half a phase, the kinds mixed but evenly."""
    deaths = []
    for number, phase in enumerate(PHASES):
        count = (kills + number) // len(PHASES)
        # The first of a phase waits for it, which one in the middle of saving can't.
        kinds = [KINDS[place % len(KINDS)] for place in range(1, count)]
        choose.shuffle(kinds)
        for kind in ["training", *kinds][:count]:
            delay = choose.uniform(*_DELAYS[kind])
            deaths.append(Death(phase, kind, choose.randint(1, 5), delay))
    return deaths


def kill_again_and_again(
    runs_dir: Path, changes: list[str], deaths: list[Death], choose: random.Random
) -> Counter[str]:
    """Train, die, resume; the last time to the end. Returns how many died in what."""
    moments: Counter[str] = Counter()
    arguments = headless(runs_dir, *changes)
    for number, death in enumerate(deaths, 1):
        if death.kind == "saving":
            pid, note = die_in_saving(arguments, runs_dir, choose)
        else:
            pid, note = die_after_events(arguments, runs_dir, death), ""
        folder = only_run(runs_dir)
        phase, what, place = last_sign_of_life(folder, pid)
        moments[f"{phase} {what}"] += 1
        print(f"kill {number:2}: {what}, {place}{note}", flush=True)
        arguments = headless(runs_dir, "--resume", folder.id)
    train(runs_dir, "--resume", only_run(runs_dir).id)
    return moments


def die_in_saving(arguments: list[str], runs_dir: Path, choose: random.Random) -> tuple[int, str]:
    """Let a process live until it is in the middle of a write; returns its number, and where."""
    with (
        Gate.anywhere(runs_dir.parent, choose) as gate,
        start(arguments, runs_dir, gate.environment) as run,
    ):
        run.stand_at(gate)
        run.kill()
        return run.process.pid, f", at {gate.name}"


def die_after_events(arguments: list[str], runs_dir: Path, death: Death) -> int:
    """Let a process live until its death; returns its number."""
    with start(arguments, runs_dir, environment()) as run:
        for _ in range(death.number):
            run.wait_for(lambda event: marks(event, death))
        time.sleep(death.delay)  # a moment that no event marks
        run.kill()
        return run.process.pid


def marks(event: Event, death: Death) -> bool:
    """Whether an event is one of those that a death is counted by."""
    return (
        isinstance(event, Progress)
        and event.phase == death.phase
        and STAGES[event.stage] == death.kind
        and event.step < event.steps
    )


def last_sign_of_life(folder: RunFolder, pid: int) -> tuple[str, str, str]:
    """Return the phase that a process died in, what it was doing, and where that was."""
    events = [record.event for record in replay(folder.journal)[0]]
    last = next(e for e in reversed(events) if isinstance(e, Progress | EpochEnded | PhaseStarted))
    place = last.phase
    what = "between two passes"
    if isinstance(last, Progress):
        place += f" epoch {last.epoch}, {last.stage} step {last.step} of {last.steps} or later"
        what = STAGES[last.stage] if last.step < last.steps else what
    elif isinstance(last, EpochEnded):
        place += f" after epoch {last.epoch}"
    if any(f".{pid}." in name for name in temporaries(folder)):
        what = "saving"
    return last.phase, what, place


def compare(unbroken: RunFolder, killed: RunFolder, moments: Counter[str]) -> int:
    """Print the verdict; returns the exit code."""
    problems = [f"different: {name}" for name in differences(unbroken, killed)]
    problems += faults(killed)
    wanted = [f"{phase} {kind}" for phase in PHASES for kind in KINDS]
    problems += [f"no kill in {kind}" for kind in wanted if not moments[kind]]
    counts = ", ".join(f"{count} in {kind}" for kind, count in sorted(moments.items()))
    epochs = len(fold(replay(killed.journal)[0]).epochs)
    compared = f"{', '.join(CHECKPOINTS)} and {epochs} epochs compared"
    return verdict("kill", problems, f"{moments.total()} kills ({counts}); {compared}")


if __name__ == "__main__":
    sys.exit(main())
