"""Terminal output and CPU time of the app, by size and colors of the terminal.

    python -m tests.benchmarks.terminal [--data DIR] [--weights FILE] [--quick] [--json FILE]

A live training in the app without input, some time after its first step. `app` is the CPU time of
the app's thread in cores; the engine has its own thread.
"""

import argparse
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tests.benchmarks import workloads
from tests.benchmarks.common import (
    Options,
    Report,
    Table,
    add_data_options,
    main,
    options_parser,
    say,
)
from tests.benchmarks.program import has_option, trains
from tests.benchmarks.screen import OnScreen, Size
from tests.benchmarks.workloads import Training

_SIZES = (Size(80, 24), Size(140, 45), Size(200, 50))
_COLORS = {
    "truecolor": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {"TERM": "xterm-256color", "COLORTERM": ""},
    "16": {"TERM": "xterm-16color", "COLORTERM": ""},
}
_LOW = "--low-bandwidth"
_LINK = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22"}


@dataclass(frozen=True)
class Case:
    """A terminal and the options of the app on it."""

    size: Size
    colors: str
    options: tuple[str, ...] = ()
    over_ssh: bool = False

    def __str__(self) -> str:
        return " ".join(self.options) or ("over SSH" if self.over_ssh else "default")


@dataclass(frozen=True)
class Traffic:
    """Results in the time window."""

    bytes_per_second: float
    busiest_second: int
    """Bytes."""
    bursts_per_second: float
    """Number of bursts of output."""
    app_share: float
    """CPU time of the app's thread, in cores."""


def measure(options: Options, work: Path) -> Report:
    """Measure all cases, one after the other."""
    training = workloads.real(options, work)
    table = Table(
        f"idle app on a live training, {options.seconds:.0f} s",
        ["terminal", "colors", "rates", "kB/s", "busiest second, kB", "bursts/s", "app"],
    )
    report = Report([table])
    for number, case in enumerate(_cases(options, report)):
        found = _watch(training, case, options, work / f"{number}")
        table.add(
            str(case.size),
            case.colors,
            str(case),
            f"{found.bytes_per_second / 1e3:.2f}",
            f"{found.busiest_second / 1e3:.1f}",
            f"{found.bursts_per_second:.1f}",
            f"{found.app_share:.1%}",
        )
        report.values[f"{case.size} {case.colors} {case}"] = asdict(found)
        say(f"{case.size}, {case.colors}, {case}: {found.bytes_per_second / 1e3:.2f} kB/s")
    return report


def _cases(options: Options, report: Report) -> list[Case]:
    sizes = _SIZES[1:2] if options.quick else _SIZES
    cases = [Case(size, colors) for size in sizes for colors in _COLORS]
    middle = _SIZES[1]
    cases.append(Case(middle, "truecolor", over_ssh=True))
    if has_option(_LOW):
        cases += [Case(size, "truecolor", (_LOW,)) for size in sizes]
    else:
        report.notes.append(f"this version lacks {_LOW}")
    return cases


def _watch(training: Training, case: Case, options: Options, work: Path) -> Traffic:
    changes = {**_COLORS[case.colors], **(_LINK if case.over_ssh else {})}
    run = training.begin(work, case.size, case.options, **changes)
    assert run.screen is not None
    try:
        run.wait_for(trains)
        run.let_train(options.warm_up)
        before, begin = _app_seconds(run.process.pid), time.time()
        run.let_train(options.seconds)
        after, end = _app_seconds(run.process.pid), time.time()
    finally:
        run.stop()
    return _traffic(run.screen, begin, end, after - before)


def _traffic(screen: OnScreen, begin: float, end: float, app_seconds: float) -> Traffic:
    seconds = end - begin
    whole = range(int(seconds))
    return Traffic(
        bytes_per_second=screen.bytes_between(begin, end) / seconds,
        busiest_second=max(screen.bytes_between(begin + n, begin + n + 1) for n in whole),
        bursts_per_second=len([c for c in screen.chunks if begin <= c.time < end]) / seconds,
        app_share=app_seconds / seconds,
    )


def _app_seconds(pid: int) -> float:
    """Return the CPU time of the main thread, which runs the app's event loop."""
    threads = psutil.Process(pid).threads()
    return next(t.user_time + t.system_time for t in threads if t.id == pid)


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--seconds", type=float, default=40.0, help="of each measurement")
    parser.add_argument("--warm-up", type=float, default=15.0, help="seconds of training before it")
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.seconds, options.warm_up = 6.0, 2.0
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
