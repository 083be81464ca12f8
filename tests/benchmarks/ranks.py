"""Two ranks compared with one process, and one rank under torchrun compared with none.

    python -m tests.benchmarks.ranks [--data DIR] [--weights FILE] [--rounds N] [--quick]

A network in phase full, with data loading in the ranks themselves and one math thread each: on two
idle cores, half the time would be ideal. Steps per second are those between two progress events, so
that start-up and validation are excluded.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from core.events.journal import replay
from core.run.folder import run_folders
from tests.benchmarks.common import (
    Options,
    Report,
    Table,
    add_data_options,
    add_recipe_options,
    image_folder,
    in_turn,
    main,
    median,
    options_parser,
    ratios,
    say,
    spread,
)
from tests.benchmarks.program import arguments, environment, speed, to_the_last_epoch

_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
_PROGRAM = ["-m", "tui", "--no-ui", "--device", "cpu"]
WAYS = {
    "one process": [sys.executable, *_PROGRAM],
    "one rank under torchrun": [*_TORCHRUN, *_PROGRAM],
    "two ranks": [sys.executable, *_PROGRAM, "--gpus", "2"],
}


def measure(options: Options, work: Path) -> Report:
    """Train in each way, round after round."""
    data = image_folder(options.data, work, options.limit)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(1 if options.quick else options.rounds):
        for way in in_turn(list(WAYS), number):
            say(f"round {number + 1}: {way}")
            found[way].append(_steps_a_second(way, data, work / f"{number}-{way}", options))
    table = Table("phase full, steps per second", ["", "median", "vs one process", "spread"])
    for way in WAYS:
        compared = ratios(found[way], found["one process"])
        table.add(way, f"{median(found[way]):.2f}", f"{median(compared):.2f}", spread(compared))
    return Report([table], values=dict(found))


def _steps_a_second(way: str, data: Path, folder: Path, options: Options) -> float:
    folder.mkdir()
    settings = {
        **to_the_last_epoch("full", 1 if options.quick else 3),
        "model.name": options.model,
        "model.pretrained": False,
        "data.root": str(data),
        "data.image_size": options.image_size,
        "data.workers": 0,
        "precision": "fp32",
        "memory_format": "contiguous",
    }
    if options.weights:
        settings |= {"model.weights": str(options.weights.resolve())}
    subprocess.run(
        [*WAYS[way], *arguments(settings)],
        cwd=folder,
        env=environment(folder / "cache", OMP_NUM_THREADS="1"),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    run = next(run_folders(folder / "runs"))
    return speed(replay(run.journal)[0]).steps_per_second


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    add_recipe_options(parser)
    parser.add_argument("--rounds", type=int, default=3)
    return parser


if __name__ == "__main__":
    sys.exit(main(_parser(), measure))
