"""Kill one of two ranks with -9 at random moments; the run must end as one that was left alone.

    python -m tests.stress.ranks [--kills 10] [--seed 1]

Half of the kills fall into each phase. The elastic agent starts both ranks anew each time, and the
run goes on from its last checkpoint. Prints a line a kill and a verdict; exits with 1 when a byte
of the weights or an epoch differs.
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
    settings,
    starts_anew,
    surroundings,
    verdict,
    wait_for,
)

_RANKS = ("--device", "cpu", "--gpus", "2")
_LONGEST_SECONDS = 1.5


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
        quiet = _train(work / "quiet" / "runs", wanted, 0, random.Random())
        killed = _train(work / "killed" / "runs", wanted, given.kills, random.Random(given.seed))
        found = differences(killed, quiet)
        resumed = starts_anew(killed)
    if resumed < given.kills:
        found.append(f"{given.kills} kills, but {resumed} starts anew")
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
        time.sleep(chance.uniform(0, _LONGEST_SECONDS))
        ranks = ranks_of(process)
        if not ranks:
            break  # it has ended
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
