"""Kill a run with -9 at random moments, resume it each time, compare with one that never died.

    python -m tests.stress.kill [--kills 30] [--seed 1]

Prints a line a kill and the verdict; exits with 1 when a byte differs.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from core.journal import replay
from core.run_state import fold
from core.runs import RunFolder
from tests.pictures import make_pictures
from tests.tui.command import command, environment

_OPTIONS = {
    "model.name": "test_convnext",
    "model.pretrained": "false",
    "data.image_size": "32",
    "data.batch_size": "8",
    "data.workers": "1",
    "checkpoint.every_minutes": "0.002",
}
_EPOCHS = {"phases.head.epochs": "60", "phases.full.epochs": "60"}
_NO_STOPPING = {
    "phases.head.early_stopping.patience": "1000",
    "phases.full.early_stopping.patience": "1000",
}


def main() -> int:
    """Run the whole comparison; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        photos = make_pictures(Path(work) / "photos", classes=3, per_class=40)
        settings = {**_OPTIONS, **_EPOCHS, **_NO_STOPPING, "data.root": str(photos)}
        sets = [text for item in settings.items() for text in ("--set", "=".join(item))]
        unbroken = train_unbroken(Path(work) / "unbroken", sets)
        killed = train_with_kills(Path(work) / "killed", sets, options.kills, options.seed)
        return compare(unbroken, killed)


def train_unbroken(runs_dir: Path, sets: list[str]) -> RunFolder:
    """Train to the end in one go."""
    arguments = command("--no-ui", "--runs-dir", str(runs_dir), *sets)
    subprocess.run(arguments, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return only_run(runs_dir)


def train_with_kills(runs_dir: Path, sets: list[str], kills: int, seed: int) -> RunFolder:
    """Train, die after a random number of events, resume; the last time to the end."""
    choose = random.Random(seed)
    arguments = command("--no-ui", "--log-format", "json", "--runs-dir", str(runs_dir), *sets)
    for number in range(1, kills + 1):
        seen = run_and_kill(arguments, choose.randint(1, 40))
        folder = only_run(runs_dir)
        state = fold(replay(folder.journal)[0])
        where = f"{state.phase or 'before the first phase'}, epoch {len(state.epochs) + 1}"
        print(f"kill {number:2}: after {seen} new events, in {where}", flush=True)
        arguments = command(
            *("--no-ui", "--log-format", "json", "--runs-dir", str(runs_dir)),
            *("--resume", folder.id),
        )
    subprocess.run(arguments, check=True, env=environment(), stdout=subprocess.DEVNULL)
    return only_run(runs_dir)


def run_and_kill(arguments: list[str], events: int) -> int:
    """Let the process live for this many events of training, then kill it."""
    seen = 0
    with subprocess.Popen(arguments, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        training = False
        for line in process.stdout:
            training = training or b'"Progress"' in line
            seen += training
            if seen >= events:
                process.kill()
                break
    return seen


def compare(unbroken: RunFolder, killed: RunFolder) -> int:
    """Print what is the same and what isn't; returns the exit code."""
    different = []
    for name in ("best.pt", "best-head.pt", "best-full.pt", "last.pt"):
        a, b = (
            torch.load(folder.checkpoints / name, weights_only=True)["model"]
            for folder in (unbroken, killed)
        )
        if not all(torch.equal(a[key], b[key]) for key in a):
            different.append(name)
    states = [fold(replay(folder.journal)[0]) for folder in (unbroken, killed)]
    numbers = [
        [(p.result.phase, p.result.epoch, p.result.train_loss, p.result.val_loss) for p in s.epochs]
        for s in states
    ]
    if numbers[0] != numbers[1]:
        different.append("the epochs of the journal")
    print(f"{len(numbers[0])} epochs; different: {', '.join(different) or 'nothing'}")
    return 1 if different else 0


def only_run(runs_dir: Path) -> RunFolder:
    """Return the one run of a directory."""
    (path,) = runs_dir.iterdir()
    return RunFolder(path)


if __name__ == "__main__":
    sys.exit(main())
