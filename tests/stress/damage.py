"""Damage the checkpoints of a stopped run in 100 ways; it must resume with equal results each time.

    python -m tests.stress.damage [--cases 100] [--seed 1]

A run that was stopped in phase full is copied for each case. In the copy `last.pt` and one of the
files with best weights are damaged: one random byte is changed, the file is truncated at a random
length, or it is emptied. Each damaged file must be detected; the resumed run must warn of
`last.pt`, start at the previous checkpoint, and end with the bytes of an uninterrupted run. During
phase full the best weights of phase head are in no other file: there it is enough that the damage
is detected, before and after.

Prints one line per case and a verdict; exits with 1 on any failure.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from core.common.user_dirs import CACHE_VARIABLE
from core.config.load import load_config
from core.events import types as ev
from core.events.commands import Stop
from core.events.journal import replay
from core.run.files import LAST_CHECKPOINT as LAST
from core.run.files import PREVIOUS_CHECKPOINT as PREVIOUS
from core.run.folder import RunFolder
from core.session.engine_thread import EngineThread
from core.session.resume import plan_resumption
from core.training.checkpoints.file import DamagedCheckpoint, read_checkpoint
from tests.make_images import make_images
from tests.stress.common import CHECKPOINTS, differences, faults, settings, verdict

KINDS = ("flip", "cut", "empty")
BEST = ("best.pt", "best-head.pt", "best-full.pt")
_STOP_IN = ("full", 3)


@dataclass(frozen=True, slots=True)
class Case:
    """Damage to `last.pt` and to another file."""

    kind: str
    other: str
    other_kind: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a case."""

    detected: int
    resumed: bool
    problems: list[str]


def main() -> int:
    """Run all cases; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        os.environ[CACHE_VARIABLE] = str(work / "cache")
        photos = make_images(work / "photos", classes=3, per_class=10)
        uninterrupted = train(photos, work / "uninterrupted", stop=False)
        template = train(photos, work / "template", stop=True)
        outcomes = [
            run_case(number, case, template, uninterrupted, choose)
            for number, case in enumerate(plan(arguments.cases, choose), 1)
        ]
        return print_verdict(outcomes)


def plan(cases: int, choose: random.Random) -> list[Case]:
    """Return the cases; each kind of damage to `last.pt` is equally frequent."""
    kinds = [KINDS[number % len(KINDS)] for number in range(cases)]
    choose.shuffle(kinds)
    return [Case(kind, choose.choice(BEST), choose.choice(KINDS)) for kind in kinds]


def train(photos: Path, runs_dir: Path, stop: bool) -> RunFolder:
    """Train in this process, to the end or into the middle of phase full."""
    values = settings(photos, 2, 4)
    config = load_config("default", [f"{key}={value}" for key, value in values.items()])
    engine = EngineThread(config, runs_dir)
    queue = engine.subscribe()
    engine.start()
    while not isinstance(event := queue.get(timeout=60).event, ev.RunEnded):
        here = isinstance(event, ev.Progress) and (event.phase, event.epoch) == _STOP_IN
        if stop and here:
            engine.send(Stop())
            stop = False
    engine.join()
    assert engine.folder is not None, event.reason
    return engine.folder


def run_case(
    number: int, case: Case, template: RunFolder, uninterrupted: RunFolder, choose: random.Random
) -> Outcome:
    """Damage a copy of the run and resume it; prints one line."""
    folder = RunFolder(template.path.with_name(f"{template.id}-{number}"))
    copy(template.path, folder.path)
    damaged = {LAST: case.kind, case.other: case.other_kind}
    notes = [
        f"{name} {damage(folder.checkpoints / name, kind, choose)}"
        for name, kind in damaged.items()
    ]
    detected = sum(is_damaged(folder.checkpoints / name) for name in damaged)
    problems = [] if detected == len(damaged) else ["damage was not detected"]
    problems += resume(folder)
    resumed = not problems
    lost = [name for name in damaged if name == "best-head.pt"]
    if any(not is_damaged(folder.checkpoints / name) for name in lost):
        problems.append("damage to best-head.pt was not detected after the run")
    names = [name for name in CHECKPOINTS if name not in lost]
    problems += [f"different: {name}" for name in differences(uninterrupted, folder, names)]
    problems += faults(folder)
    print(f"case {number:3}: {', '.join(notes)}: {'; '.join(problems) or 'passed'}", flush=True)
    shutil.rmtree(folder.path)
    return Outcome(detected, resumed, problems)


def copy(source: Path, target: Path) -> None:
    """Copy a run; hard links stay hard links."""
    made: dict[int, Path] = {}
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        inode = path.stat().st_ino
        if path.is_dir():
            place.mkdir(parents=True)
        elif inode in made:
            place.hardlink_to(made[inode])
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            made[inode] = Path(shutil.copy2(path, place))


def damage(path: Path, kind: str, choose: random.Random) -> str:
    """Damage a file in place; returns a description."""
    size = path.stat().st_size
    if kind == "empty" or not size:
        os.truncate(path, 0)
        return "emptied"
    place = choose.randrange(size)
    if kind == "cut":
        os.truncate(path, place)
        return f"cut at {place}"
    change = choose.randint(1, 255)
    with path.open("r+b") as file:
        file.seek(place)
        old = file.read(1)[0]
        file.seek(place)
        file.write(bytes([old ^ change]))
    return f"byte {place} {old:#04x} → {old ^ change:#04x}"


def is_damaged(path: Path) -> bool:
    """Return whether damage to a file is detected."""
    try:
        read_checkpoint(path)
    except DamagedCheckpoint:
        return True
    return False


def resume(folder: RunFolder) -> list[str]:
    """Resume a run to its end; returns the problems."""
    resumption = plan_resumption(folder)
    engine = EngineThread(resumption.config, folder.path.parent, resumption=resumption)
    engine.start()
    result = engine.join()
    assert result is not None
    if result.outcome != "finished":
        return [f"the run {result.outcome}: {result.reason}"]
    events = [record.event for record in replay(folder.journal)[0]]
    warnings = [e.message for e in events if isinstance(e, ev.Warned) and e.code == "checkpoint"]
    began = [e.checkpoint for e in events if isinstance(e, ev.RunResumed)]
    problems = []
    if not any(text.startswith(f"{LAST} ") for text in warnings):
        problems.append(f"no warning names {LAST}: {warnings}")
    if began != [PREVIOUS]:
        problems.append(f"it resumed from {began}, not from {PREVIOUS}")
    return problems


def print_verdict(outcomes: list[Outcome]) -> int:
    """Print the verdict; returns the exit code."""
    cases = len(outcomes)
    detected = sum(outcome.detected for outcome in outcomes)
    resumed = sum(outcome.resumed for outcome in outcomes)
    same = sum(not outcome.problems for outcome in outcomes)
    problems = [
        f"case {number}: {problem}"
        for number, outcome in enumerate(outcomes, 1)
        for problem in outcome.problems
    ]
    return verdict(
        "damage",
        problems,
        f"{detected} of {2 * cases} damaged files detected, {resumed} of "
        f"{cases} runs warned of {LAST} and resumed from {PREVIOUS}, {same} of {cases} "
        "ended with the same bytes",
    )


if __name__ == "__main__":
    sys.exit(main())
