"""This program, the notebook's loop, a tuned PyTorch loop, fastai and Lightning on the same data.

    pip install -e '.[bench]'
    python -m tests.benchmarks.peers --data DIR --weights FILE [--quick] [--json FILE]

Same images, transforms, start weights, optimizer, clipping, batches and epochs, at one learning
rate; phase head and phase full apart, each from the start weights. Every contender runs in a
process of its own with torch's own number of threads, in turns, a seed a round; this program
starts each time with an empty cache. It writes its checkpoints as always, the others but the
notebook write none. `train` is from the first epoch's beginning to the last one's end; `start` is
everything before it, `whole` the life of the process.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from core.events.types import ModelReady
from tests.benchmarks.common import (
    NOTHING,
    Options,
    Report,
    Table,
    add_data_options,
    add_recipe_options,
    image_folder,
    in_turn,
    main,
    mean,
    median,
    options_parser,
    ratios,
    say,
    spread,
)
from tests.benchmarks.peers import this_program
from tests.benchmarks.peers.recipe import Outcome, Recipe
from tests.benchmarks.program import environment, of_kind

SELF = "this program"
PEERS = {
    "notebook": "notebook",
    "plain": "plain",
    "fastai": "fastai_learner",
    "lightning": "lightning_trainer",
}
_NEEDS = {"fastai": "fastai", "lightning": "lightning"}


@dataclass(frozen=True)
class Attempt:
    """One contender's training in one round."""

    outcome: Outcome
    start: float
    """Seconds from the start of the process to that of the first epoch."""
    whole: float
    """Seconds of the whole process."""
    about: str = ""


Attempts = dict[str, list[Attempt]]


def measure(options: Options, work: Path) -> Report:
    """Let all contenders train, round after round."""
    report = Report()
    contenders = _contenders(options.peers.split(","), report)
    data = image_folder(options.data, work, options.limit)
    for phase, epochs in (("head", options.head_epochs), ("full", options.full_epochs)):
        if not epochs:
            continue
        attempts: Attempts = defaultdict(list)
        for number in range(options.rounds):
            for name in in_turn(contenders, number):
                recipe = _recipe(options, data, phase, epochs, seed=1 + number % options.seeds)
                folder = work / f"{phase}-{number}"
                attempt = _train(name, recipe, folder, options.set)
                attempts[name].append(attempt)
                say(f"{phase} round {number + 1}: {name} {_in_a_line(attempt)}")
        report.tables.append(_table(phase, epochs, options, attempts, contenders))
        report.values[phase] = {name: [asdict(a) for a in made] for name, made in attempts.items()}
        report.notes += sorted({f"phase {phase}: {a.about}" for a in attempts[SELF]})
    return report


def _contenders(wanted: list[str], report: Report) -> list[str]:
    found = [SELF]
    for name in wanted:
        package = _NEEDS.get(name)
        if package and importlib.util.find_spec(package) is None:
            report.notes.append(f"{name} is not installed (extra bench): left out")
        elif name:
            found.append(name)
    return found


def _recipe(options: Options, data: Path, phase: str, epochs: int, seed: int) -> Recipe:
    weights = str(options.weights.resolve()) if options.weights else None
    return Recipe(
        data=str(data),
        weights=weights,
        model=options.model,
        phase=phase,
        epochs=epochs,
        seed=seed,
        image_size=options.image_size,
        batch_size=options.batch_size,
    )


def _train(name: str, recipe: Recipe, work: Path, overrides: list[str]) -> Attempt:
    if name == SELF:
        began = time.time()
        outcome, run = this_program.train(recipe, work, overrides)
        ready = of_kind(run.records(), ModelReady)[0][1]
        about = f"this program computed in {ready.precision}, {ready.memory_format}"
        return Attempt(outcome, outcome.began - began, time.time() - began, about)
    module = "tests.benchmarks.peers.contender"
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-m", module, PEERS[name], recipe.to_json()],
        env=environment(),
        capture_output=True,
        text=True,
    )
    whole = time.time() - began
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    outcome = Outcome(**json.loads(done.stdout.splitlines()[-1]))
    return Attempt(outcome, outcome.began - began, whole)


def _table(
    phase: str, epochs: int, options: Options, attempts: Attempts, contenders: list[str]
) -> Table:
    table = Table(
        f"phase {phase}, {epochs} epochs, {options.rounds} rounds: seconds (median), times this "
        "program's (median, lowest to highest), best val top-1 (mean)",
        ["contender", "train", "x this program", "start", "whole", "x this program", "top-1%"],
    )
    own = attempts[SELF]
    for name in contenders:
        made = attempts[name]
        seconds = [a.outcome.seconds for a in made]
        whole = [a.whole for a in made]
        table.add(
            name,
            f"{median(seconds):.1f}",
            NOTHING if name == SELF else spread(ratios(seconds, [a.outcome.seconds for a in own])),
            f"{median(a.start for a in made):.1f}",
            f"{median(whole):.1f}",
            NOTHING if name == SELF else spread(ratios(whole, [a.whole for a in own])),
            f"{100 * mean(max(a.outcome.val_top1) for a in made):.1f}",
        )
    return table


def _in_a_line(attempt: Attempt) -> str:
    outcome = attempt.outcome
    return (
        f"{outcome.seconds:.1f} s, start-up {attempt.start:.1f} s, "
        f"top-1 {100 * max(outcome.val_top1):.1f}%"
    )


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--peers", default=",".join(PEERS), help="which, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="different seeds, one a round")
    parser.add_argument("--head-epochs", type=int, default=30, help="0 = leave the phase out")
    parser.add_argument("--full-epochs", type=int, default=2, help="0 = leave the phase out")
    parser.add_argument("--batch-size", type=int, default=32)
    add_recipe_options(parser)
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.rounds, options.limit, options.model = 1, 8, "test_convnext"
        options.head_epochs, options.full_epochs, options.weights = 3, 1, None
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
