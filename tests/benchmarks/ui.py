"""Slowdown of training by the app: steps per second headless, with an idle app, and in use.

    python -m tests.benchmarks.ui [--data DIR] [--weights FILE] [--quick] [--json FILE]

One training in three ways, in turns: `--no-ui`, the app on a terminal without input, and the app
with continuous key presses (charts, help, palette and dialogs opened and closed, none of which
changes the training). Speed is read from the journal, between two progress events of one training
pass. Once on steps that consist of calls instead of math (2 to 3 ms), where every microsecond of
the interpreter counts, and once on real ones.
"""

import argparse
import itertools
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

from core.events.types import Paused
from tests.benchmarks import workloads
from tests.benchmarks.common import (
    NOTHING,
    Options,
    Report,
    Table,
    add_data_options,
    in_turn,
    main,
    median,
    options_parser,
    ratios,
    say,
    spread,
)
from tests.benchmarks.program import Speed, of_kind, plain_values, speed, trains
from tests.benchmarks.screen import OnScreen, Size
from tests.benchmarks.workloads import Training

HEADLESS, REST, USE = "headless", "app idle", "app in use"
WAYS = (HEADLESS, REST, USE)
_ESCAPE = b"\x1b"
_KEYS = (b"c", b"c", b"?", _ESCAPE, b"p", b"2", b"\x7f", _ESCAPE, b"l", _ESCAPE, b"\x10", _ESCAPE)


def measure(options: Options, work: Path) -> Report:
    """Measure both trainings."""
    trainings = {
        "launch-bound": lambda: workloads.launch_bound(work),
        "real": lambda: workloads.real(options, work),
    }
    report = Report()
    for name in options.steps.split(","):
        training = trainings[name]()
        found = _compare(training, options, work / name)
        report.tables.append(_table(name, found, options))
        report.values[name] = {way: plain_values(speeds) for way, speeds in found.items()}
    return report


def _compare(training: Training, options: Options, work: Path) -> dict[str, list[Speed]]:
    found: dict[str, list[Speed]] = defaultdict(list)
    for number in range(options.rounds):
        for way in in_turn(WAYS, number):
            one = _train(way, training, options, work / f"{number}-{way.replace(' ', '-')}")
            found[way].append(one)
            say(f"round {number + 1}: {way} {one.steps_per_second:.2f} steps/s")
    return found


def _train(way: str, training: Training, options: Options, work: Path) -> Speed:
    run = training.begin(work, None if way == HEADLESS else options.size)
    try:
        run.wait_for(trains)
        run.let_train(options.warm_up)
        begin = time.time()
        if way == USE and run.screen is not None:
            with Typist(run.screen, options.key_seconds):
                run.let_train(options.seconds)
        else:
            run.let_train(options.seconds)
        end = time.time()
    finally:
        run.stop()
    records = run.records()
    paused = [at for at, _ in of_kind(records, Paused) if begin <= at <= end]
    assert not paused, "a key has paused the training"
    return speed(records, begin, end)


class Typist:
    """Presses keys one after the other in a thread."""

    def __init__(self, screen: OnScreen, seconds: float) -> None:
        self._screen, self._seconds = screen, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._type)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _type(self) -> None:
        for key in itertools.cycle(_KEYS):
            # An escape must be sent alone: directly before another key it would be another key.
            if self._stop.wait(self._seconds):
                return
            self._screen.type(key)


def _table(name: str, found: dict[str, list[Speed]], options: Options) -> Table:
    table = Table(
        f"{name} step, app at {options.size}, {options.rounds} rounds of {options.seconds:.0f} s "
        "(median, lowest to highest)",
        ["", "steps/s", "img/s", "ms per step", "data wait", "of headless"],
    )
    headless = [one.steps_per_second for one in found[HEADLESS]]
    for way in WAYS:
        speeds = found[way]
        rates = [one.steps_per_second for one in speeds]
        table.add(
            way,
            f"{median(rates):.2f}",
            f"{median(one.images_per_second for one in speeds):.1f}",
            f"{1e3 * median(one.step_seconds for one in speeds):.2f}",
            f"{median(one.data_wait for one in speeds):.0%}",
            NOTHING if way == HEADLESS else spread(ratios(rates, headless), 3),
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=25.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=4.0, help="seconds of training before it")
    parser.add_argument("--key-seconds", type=float, default=0.2, help="between two keys")
    parser.add_argument("--steps", default="launch-bound,real", help="comma-separated names")
    return parser


def _quick(options: Options, work: Path) -> Report:
    options.size = Size(140, 45)
    if options.quick:
        options.rounds, options.seconds, options.warm_up = 1, 8.0, 1.0
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
