"""Time to the first frame, of `--help` and of `runs`.

    python -m tests.benchmarks.start [--quick] [--json FILE]

On a terminal, from just before the program is executed to the frame with its title; in turns with
the smallest possible Textual app, and with `import textual` alone, which is a lower bound for any
Textual program. Then to the rows of the list and to the panels of the run. A first round warms up
the page cache and is not counted.
"""

import argparse
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.common import (
    NOTHING,
    Options,
    Report,
    Table,
    in_turn,
    main,
    median,
    options_parser,
    ratios,
    say,
    spread,
)
from tests.benchmarks.program import arguments, command, environment, write_journal
from tests.benchmarks.screen import OnScreen, Size
from tests.make_images import make_images
from tests.tui import scripted

_SIZE = Size(140, 45)
_SMALLEST_APP = """
from textual.app import App
from textual.widgets import Static

class Smallest(App):
    def compose(self):
        yield Static("the smallest app")

Smallest().run()
"""
_PAST_RUNS = 20

SMALLEST, LIST, TRAINING = "smallest Textual app", "app, list of runs", "app, starting a run"
IMPORT, HELP, RUNS = "python -c 'import textual'", "--help", "runs"
_BESIDE = {LIST: SMALLEST, TRAINING: SMALLEST, HELP: IMPORT, RUNS: IMPORT}

Seconds = tuple[float, ...]
"""To the first frame or the end of the command, and to what the frame is for where that differs."""


def measure(options: Options, work: Path) -> Report:
    """Start everything in turns."""
    ways = _ways(work)
    found: dict[str, list[Seconds]] = defaultdict(list)
    for number in range(-1, options.rounds):
        for name in in_turn(list(ways), number):
            taken = ways[name]()
            if number >= 0:
                found[name].append(taken)
        say(f"round {number + 1} of {options.rounds}")
    table = Table(
        f"seconds to the first frame at {_SIZE}, or to the end of the command; {options.rounds} "
        "rounds (median, lowest to highest)",
        ["", "s", "times", "of", "to rows or panels, s"],
    )
    firsts = {name: [times[0] for times in taken] for name, taken in found.items()}
    for name in ways:
        beside = _BESIDE.get(name)
        times = spread(ratios(firsts[name], firsts[beside])) if beside else NOTHING
        rest = spread(times[1] for times in found[name] if len(times) > 1)
        table.add(name, spread(firsts[name]), times, beside or NOTHING, rest)
    medians = {name: median(values) for name, values in firsts.items()}
    return Report([table], values={"seconds": dict(found), "medians": medians})


def _ways(work: Path) -> dict[str, Callable[[], Seconds]]:
    python, past = sys.executable, work / "past"
    for number in range(_PAST_RUNS):
        script = scripted.finished()
        write_journal(past / f"20261124-1200{number:02}-animals20", script.records)
    images = make_images(work / "images", classes=2, per_class=20)
    small = {"model.name": "test_convnext", "model.pretrained": False, "data.root": images}
    there = ["--runs-dir", str(past)]
    new = ["--runs-dir", str(work / "new"), *arguments(small)]
    return {
        SMALLEST: lambda: _frames([python, "-c", _SMALLEST_APP], work, "the smallest app"),
        LIST: lambda: _frames(command(*there), work, "convnext-tui", "finished"),
        TRAINING: lambda: _frames(command(*new), work, "preparing", "Early stopping"),
        IMPORT: lambda: _to_the_end([python, "-c", "import textual"], work),
        HELP: lambda: _to_the_end(command("--help"), work),
        RUNS: lambda: _to_the_end(command("runs", *there), work),
    }


def _frames(program: list[str], work: Path, *texts: str) -> Seconds:
    screen = OnScreen(program, _SIZE, environment(work / "cache"), work)
    try:
        return tuple(screen.wait_for(text) - screen.began for text in texts)
    finally:
        screen.end()


def _to_the_end(program: list[str], work: Path) -> Seconds:
    began = time.time()
    subprocess.run(program, cwd=work, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return (time.time() - began,)


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.rounds = 2
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
