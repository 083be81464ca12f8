"""Kill one of two ranks with -9 at random moments; the results must equal an undisturbed run.

    python -m tests.stress.ranks [--kills 10] [--seed 1]

Half of the kills are in each phase. The elastic agent restarts both ranks each time, and the run
resumes from its last checkpoint. Prints one line per kill and a verdict; exits with 1 if a byte of
the weights or an epoch differs.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import psutil

from core.config.phases import PHASES
from core.events.journal import replay
from core.run.folder import RunFolder
from core.run.state import fold
from tests.make_images import make_images
from tests.stress.common import (
    differences,
    headless,
    is_training,
    only_run,
    options,
    ranks_of,
    restarts,
    settings,
    surroundings,
    verdict,
    wait_for,
)

_RANKS = ("--device", "cpu", "--gpus", "2")
_MAX_DELAY = 1.5


def main() -> int:
    """Compare two runs; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convnext-tui-ranks-") as folder:
        work = Path(folder)
        photos = make_images(work / "photos", classes=3, per_class=16)
        wanted = options(settings(photos, head=150, full=150))
        undisturbed = _train(work / "undisturbed" / "runs", wanted, 0, random.Random())
        killed = _train(work / "killed" / "runs", wanted, given.kills, random.Random(given.seed))
        found = differences(killed, undisturbed)
        resumed = restarts(killed)
    if resumed < given.kills:
        found.append(f"{given.kills} kills, but {resumed} restarts")
    return verdict("ranks", found, f"{given.kills} kills of a rank")


def _train(runs_dir: Path, wanted: list[str], kills: int, chance: random.Random) -> RunFolder:
    runs_dir.parent.mkdir()
    process = psutil.Popen(
        headless(runs_dir, *wanted, *_RANKS),
        env=surroundings(runs_dir.parent),
        stdout=subprocess.DEVNULL,
    )
    for number in range(1, kills + 1):
        phase = PHASES[2 * (number - 1) // kills]
        wait_for(partial(is_training, runs_dir, number, phase))
        time.sleep(chance.uniform(0, _MAX_DELAY))
        ranks = ranks_of(process)
        if not ranks:
            break  # it has finished
        victim = chance.choice(ranks)
        state = fold(replay(only_run(runs_dir).journal)[0])
        victim.kill()
        place = f"phase {state.phase}, {len(state.epochs)} epochs done"
        print(f"kill {number}: rank {ranks.index(victim)} in {place}", flush=True)
    if process.wait() != 0:
        raise RuntimeError(f"the run ended with exit code {process.returncode}")
    return only_run(runs_dir)


if __name__ == "__main__":
    sys.exit(main())
