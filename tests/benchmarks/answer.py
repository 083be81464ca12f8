"""Latency from a key press to its command: pause and resume repeatedly during training.

    python -m tests.benchmarks.answer [--data DIR] [--weights FILE] [--quick] [--json FILE]

`applied` is the time from the key press to the engine's reply in the journal, `shown` to the frame
that shows it. A command waits for the current step, so this includes up to one step: `less a step`
is the longest time minus a step.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from core.events.types import CommandApplied
from tests.benchmarks import workloads
from tests.benchmarks.common import (
    Options,
    Report,
    Table,
    add_data_options,
    main,
    median,
    options_parser,
    say,
)
from tests.benchmarks.program import of_kind, speed, trains
from tests.benchmarks.screen import Size

_SIZE = Size(140, 45)
_PAUSED = "PAUSED since"


def measure(options: Options, work: Path) -> Report:
    """Pause and resume `options.times` times."""
    run = workloads.real(options, work).begin(work / "run", _SIZE)
    assert run.screen is not None
    pressed: list[float] = []
    shown: list[float] = []
    choose = random.Random(1)
    try:
        begin = run.wait_for(trains).time
        run.let_train(options.warm_up)
        for number in range(options.times):
            run.let_train(choose.uniform(1.0, 2.0))  # any moment of a step
            seen = len(run.screen.chunks)
            pressed.append(time.time())
            run.screen.type(b" ")
            shown.append(run.screen.wait_for(_PAUSED, since=seen) - pressed[-1])
            time.sleep(0.5)
            run.screen.type(b" ")
            say(f"pause {number + 1}: shown after {1e3 * shown[-1]:.0f} ms")
    finally:
        run.stop()
    return _report(run.records(), begin, pressed, shown)


def _report(records: list, begin: float, pressed: list[float], shown: list[float]) -> Report:
    answers = [at for at, event in of_kind(records, CommandApplied) if event.command == "Pause"]
    applied = [at - key for at, key in zip(answers, pressed, strict=True)]
    step = speed(records, begin).step_seconds
    table = Table(
        f"key press to reply, ms; a step takes {1e3 * step:.0f} ms; {len(applied)} times",
        ["", "median", "longest", "less a step"],
    )
    for name, values in (("applied", applied), ("shown", shown)):
        longest = max(values)
        figures = (median(values), longest, longest - step)
        table.add(name, *(f"{1e3 * value:.0f}" for value in figures))
    values = {"step_seconds": step, "applied": applied, "shown": shown}
    return Report([table], values=values)


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds of training before it")
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.times = 4
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
