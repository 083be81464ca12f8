"""Time to review runs: a very long one, a long list, and a long one that is still training.

    python -m tests.benchmarks.review [--events 1000000] [--runs 1000] [--json FILE]

Prints a table. Each value is measured in a fresh process that includes its imports; the files are
in the page cache. Both wall time and CPU time are shown: their difference is due to other programs.
"""

import argparse
import asyncio
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import DataTable

from core.events.record import Record
from core.run.folder import RunFolder
from core.run.run_list import RunList
from tests.tui import scripted
from tests.tui.command import command, environment
from tests.tui.kit import Starter, make_app, text
from tui.app import ConvNextApp, Exit
from tui.screens.run import RunScreen
from tui.viewmodel.run_source import JournalSource, RunModel

_STEPS = 1000
_PUMPS, _TICKS = 300, 40
_SIZE = (140, 45)

Figures = dict[str, list[float]]
"""Wall time and CPU time in seconds, by task."""


def main() -> int:
    """Generate the runs, measure, print; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--probe", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.probe:
        name, *paths = options.probe
        print(json.dumps(_PROBES[name](*map(Path, paths))))
        return 0
    with tempfile.TemporaryDirectory() as work:
        results = measure(Path(work), options.events, options.runs)
    print_table(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


def print_table(results: dict[str, Any]) -> None:
    """Print the results and the data they were measured on."""
    for name, value in results["of"].items():
        print(f"{name:<52} {value}")
    print(f"\n{'':<52} {'ms':>10} {'ms of CPU':>10}")
    for name, (wall, cpu) in results["seconds"].items():
        print(f"{name:<52} {1000 * wall:>10.3g} {1000 * cpu:>10.3g}")


def measure(work: Path, events: int, runs: int) -> dict[str, Any]:
    """Return `of`, what was measured, and `seconds`, the figures."""
    long = write_long_run(work / "long" / "20261124-120000-long", events)
    short = write_long_run(work / "short" / "20261124-120000-short", _STEPS)
    write_runs(work / "runs", runs)
    journals = list((work / "runs").glob("*/events.jsonl"))
    about = {
        "python": f"{platform.python_version()} on {platform.machine()}",
        "progress events of the long run": events,
        "its journal, MB": _megabytes(RunFolder(long).journal),
        "progress events of the short run": _STEPS,
        "runs in the list": runs,
        "their journals, MB": round(sum(path.stat().st_size for path in journals) / 1e6, 1),
    }
    seconds: Figures = {}
    for which in ("first time", "again"):
        seconds |= probe("open", long, which)
    about["its snapshot, MB"] = _megabytes(RunFolder(long).snapshot)
    for name, path in (("short", short), ("long", long)):
        seconds |= probe("show", path, name)
        seconds |= probe("start", path, name)
    for which in ("first time", "again"):
        seconds |= probe("list", work / "runs", which)
    seconds |= probe("show_list", work / "runs", "again")
    seconds |= list_command(work / "runs")
    seconds |= probe("follow", short, "short")
    seconds |= probe("follow", long, "long")
    return {"of": about, "seconds": seconds}


def probe(name: str, path: Path, which: str) -> Figures:
    """Measure in its own process."""
    arguments = [sys.executable, "-m", "tests.benchmarks.review", "--probe", name, str(path), which]
    done = subprocess.run(arguments, check=True, env=environment(), stdout=subprocess.PIPE)
    result: Figures = json.loads(done.stdout)
    return result


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    """Add the time that the block takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    figures[name] = [time.perf_counter() - wall, time.process_time() - cpu]


def open_run(path: Path, which: Path) -> Figures:
    """The run screen's model, until its state is whole."""
    figures: Figures = {}
    with timed(figures, f"long run, model whole, {which}"):
        model = RunModel(JournalSource(path), path)
        while model.pump():
            pass
    assert model.state.seq > _STEPS * len(model.state.epochs) > 0
    assert model.source.skipped_lines == 0, "the lines are no events any more"
    return figures


def show_run(path: Path, which: Path) -> Figures:
    """The app: from the list to the run's screen, and a new line to its frame."""
    figures: Figures = {}

    async def show() -> None:
        app = make_app(runs_dir=path.parent)
        async with app.run_test(size=_SIZE) as pilot:
            await app.workers.wait_for_complete()
            await pilot.pause()
            with timed(figures, f"{which} run, from the list to its screen"):
                app.open_run(path)
                await pilot.pause()
            assert isinstance(app.screen, RunScreen)
            assert "animals20" in text(pilot, "#headline")
            await _follow_on_screen(app, pilot)

    async def _follow_on_screen(app: ConvNextApp, pilot: Pilot[Exit]) -> None:
        taken: list[list[float]] = []
        for _ in range(_TICKS):
            _append_line(path)
            tick: Figures = {}
            with timed(tick, ""):
                app.tick()
                await pilot.pause()
            taken.append(tick[""])
        figures[f"{which} run, live, a tick and its frame"] = _means(taken)

    asyncio.run(show())
    return figures


def start_app(path: Path, which: Path) -> Figures:
    """The app started with a run, as `attach` does."""
    figures: Figures = {}

    async def start() -> None:
        with timed(figures, f"{which} run, app started with it"):
            app = ConvNextApp(path.parent, Starter(), show=path)
            async with app.run_test(size=_SIZE) as pilot:
                await pilot.pause()
                assert isinstance(app.screen, RunScreen)
                assert "animals20" in text(pilot, "#headline")

    asyncio.run(start())
    return figures


def list_runs(runs_dir: Path, which: Path) -> Figures:
    """The rows of the list, until all are there."""
    figures: Figures = {}
    with timed(figures, f"list, all rows, {which}"):
        rows = RunList(runs_dir).refresh()
    assert {row.status for row in rows} == {"finished"}
    return figures


def show_list(runs_dir: Path, which: Path) -> Figures:
    """The app, from its start to the whole list on its screen."""
    figures: Figures = {}

    async def show() -> None:
        with timed(figures, f"list, app started with it, {which}"):
            app = make_app(runs_dir=runs_dir)
            async with app.run_test(size=_SIZE) as pilot:
                await app.workers.wait_for_complete()
                await pilot.pause()
                assert app.screen.query_one(DataTable).row_count > 0

    asyncio.run(show())
    return figures


def list_command(runs_dir: Path) -> Figures:
    """`convnext-tui runs` from its start to its exit, imports and all."""
    before, wall = _children_cpu(), time.perf_counter()
    arguments = command("--runs-dir", str(runs_dir), "runs", "--json")
    subprocess.run(arguments, check=True, env=environment(), stdout=subprocess.DEVNULL)
    took = [time.perf_counter() - wall, _children_cpu() - before]
    return {"list, the whole command `runs --json`, again": took}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def follow(path: Path, which: Path) -> Figures:
    """A `pump` that finds one new line."""
    model = RunModel(JournalSource(path), path)
    while model.pump():
        pass
    taken: list[list[float]] = []
    for _ in range(_PUMPS):
        _append_line(path)
        pump: Figures = {}
        with timed(pump, ""):
            model.pump()
        taken.append(pump[""])
    return {f"{which} run, live, a pump": _means(taken)}


def _means(taken: list[list[float]]) -> list[float]:
    return [statistics.mean(values) for values in zip(*taken, strict=True)]


_PROBES: dict[str, Callable[[Path, Path], Figures]] = {
    "open": open_run,
    "show": show_run,
    "start": start_app,
    "list": list_runs,
    "show_list": show_list,
    "follow": follow,
}


def write_long_run(path: Path, events: int) -> Path:
    """Write the journal of a run with this many Progress events, and epochs between them."""
    script = scripted.Script().prepare().phase("head", epochs=10**6)
    seq = count(len(script.records) + 1)
    path.mkdir(parents=True)
    with RunFolder(path).journal.open("w") as file:
        file.writelines(record.to_json() + "\n" for record in script.records)
        for epoch in range(1, events // _STEPS + 1):
            file.writelines(_progress_line(epoch, step, next(seq)) for step in range(1, _STEPS + 1))
            file.write(_epoch_line(epoch, next(seq)))
    return path


def _progress_line(epoch: int, step: int, seq: int) -> str:
    # Composed as text: the journal's own writer would take minutes.
    loss = 0.3 + 1 / (epoch + 2) + 1 / (step + 7)
    return (
        f'{{"seq": {seq}, "time": {scripted.START + 0.5 * seq}, "type": "Progress", '
        f'"phase": "head", "epoch": {epoch}, "stage": "train", "step": {step}, "steps": {_STEPS}, '
        f'"global_step": {seq}, "loss": {loss}, "top1": {1 - loss / 3}, "lr": 0.001, '
        f'"seconds": {0.5 * step}, "recent_loss": {loss + 0.01}, "peak_loss": {loss + 0.02}, '
        f'"images_per_second": {2310 + loss}, "step_seconds": {0.0277 + loss / 1000}, '
        f'"data_wait": {0.03 + loss / 100}, "grad_norm": {loss + 1}}}\n'
    )


def _epoch_line(epoch: int, seq: int) -> str:
    loss = 0.3 + 1 / (epoch + 2)
    ended = scripted.Script().epoch("head", epoch, loss, 1 - loss / 3).records[-1].event
    return Record(seq, scripted.START + 0.5 * seq, ended).to_json() + "\n"


def _append_line(path: Path) -> None:
    with RunFolder(path).journal.open("a") as file:
        file.write(_progress_line(10**6, 1, 10**7))


def write_runs(runs_dir: Path, number: int) -> None:
    """Write the journals of finished runs of ten epochs; at most as many as a day has seconds."""
    text = "".join(record.to_json() + "\n" for record in scripted.finished().records)
    for second in range(number):
        time_of_day = f"{second // 3600:02}{second // 60 % 60:02}{second % 60:02}"
        folder = RunFolder(runs_dir / f"20261124-{time_of_day}-run")
        folder.path.mkdir(parents=True)
        folder.journal.write_text(text)


def _megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 1)


if __name__ == "__main__":
    sys.exit(main())
