"""The pictures in the README: three runs of the demo, and the app's screens drawn from them.

    python -m tests.readme_pictures [--runs DIR]

Trains for some minutes and writes `.docs/*.svg`. With `--runs` the runs are looked for in that
folder, and those that it lacks trained into it: for drawing again without training again.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import chdir
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from textual.pilot import Pilot

from core.demo.config import demo_config
from core.events.commands import Command, SetPatience, Stop
from core.events.journal import replay
from core.events.types import EpochEnded, Progress, Record, RunEnded
from core.run.folder import RunFolder, run_folders
from core.session.engine_thread import EngineThread
from tests.tui.kit import make_app, settle
from tests.tui.scripted import ScriptedSource
from tests.tui.svg import screen_svg
from tui.app import ConvNextApp, Exit

FOLDER = Path(__file__).resolve().parents[1] / ".docs"
SIZE = (140, 45)
LIST_SIZE = (140, 18)
_HOW_FAR = 0.65
"""Share of phase full's epochs that are over in the picture of a running run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run to train: what is different from the demo, and what is done by hand in phase full."""

    name: str
    overrides: tuple[str, ...] = ()
    by_hand: dict[int, Callable[[], Command]] = field(default_factory=dict)
    """What is asked for after which epoch."""


WANTED = (
    Wanted("lr-3e-4", ("phases.full.lr=3e-4", "phases.full.epochs=8")),
    Wanted("batch-64", ("data.batch_size=64",), {3: Stop}),
    Wanted("demo", (), {4: partial(SetPatience, patience=4)}),
)
"""The last one is the one that is shown."""


def train(runs_dir: Path, wanted: Wanted) -> None:
    """Train a run as a person would who steers it; raises SystemExit when it fails."""
    engine = EngineThread(demo_config(wanted.overrides, {"name": wanted.name}), runs_dir)
    queue = engine.subscribe()
    engine.start()
    while not isinstance(event := queue.get().event, RunEnded):
        if isinstance(event, EpochEnded) and event.phase == "full":
            print(f"{wanted.name}: epoch {event.epoch}, top-1 {event.val_top1:.3f}", flush=True)
            if event.epoch in wanted.by_hand:
                engine.send(wanted.by_hand[event.epoch]())
    engine.join()
    if event.outcome == "failed":
        raise SystemExit(f"run {wanted.name} failed: {event.reason}")


Shot = Callable[[Path], Awaitable[str]]
"""Takes a picture of the runs in a folder."""


async def picture_of_a_run(runs_dir: Path) -> str:
    """The newest run in the middle of phase full."""
    records = _newest(runs_dir)
    full = [
        (record.seq, event.epoch)
        for record in records
        if isinstance(event := record.event, Progress) and event.phase == "full"
    ]
    epoch = int(_HOW_FAR * full[-1][1]) + 1
    of_the_epoch = [seq for seq, number in full if number == epoch]
    last = of_the_epoch[len(of_the_epoch) // 2]
    until_then = [record for record in records if record.seq <= last]
    return await _of_run(until_then, live=True)


async def picture_of_classes(runs_dir: Path) -> str:
    """What the newest run finds of each class, at its end."""
    return await _of_run(_newest(runs_dir), False, "2")


async def picture_of_runs(runs_dir: Path) -> str:
    """The list of runs."""
    return await _of_list(runs_dir, LIST_SIZE)


async def picture_of_a_comparison(runs_dir: Path) -> str:
    """Three runs side by side."""
    return await _of_list(runs_dir, SIZE, "space", "down", "space", "down", "space", "c")


PICTURES: dict[str, Shot] = {
    "run.svg": picture_of_a_run,
    "classes.svg": picture_of_classes,
    "runs.svg": picture_of_runs,
    "compare.svg": picture_of_a_comparison,
}


def _newest(runs_dir: Path) -> list[Record]:
    folder: RunFolder = next(iter(run_folders(runs_dir)))
    return replay(folder.journal)[0]


async def _of_run(records: list[Record], live: bool, *keys: str) -> str:
    app = make_app(ScriptedSource(records, live=live), now=records[-1].time + 0.5)
    return await _drawn(app, SIZE, keys)


async def _of_list(runs_dir: Path, size: tuple[int, int], *keys: str) -> str:
    latest = max(replay(folder.journal)[0][-1].time for folder in run_folders(runs_dir))
    with chdir(runs_dir.parent):  # the list's title says where the runs are
        app = make_app(runs_dir=Path(runs_dir.name), now=latest + 150)
        return await _drawn(app, size, keys)


async def _drawn(app: ConvNextApp, size: tuple[int, int], keys: tuple[str, ...]) -> str:
    async with app.run_test(size=size) as pilot:
        await _at_rest(pilot)
        for key in keys:
            await pilot.press(key)
            await _at_rest(pilot)
        return screen_svg(app)


async def _at_rest(pilot: Pilot[Exit]) -> None:
    for _ in range(3):  # what a worker has read may start another one
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)


def draw(runs_dir: Path, folder: Path) -> None:
    """Write all pictures of the runs in `runs_dir` into a folder."""
    folder.mkdir(exist_ok=True)
    for name, shot in PICTURES.items():
        svg = asyncio.run(_awaited(shot(runs_dir.resolve())))
        (folder / name).write_text(svg, "utf-8")
        print(f"{folder / name}: {len(svg.encode()) / 1000:.0f} kB", flush=True)


async def _awaited(svg: Awaitable[str]) -> str:
    return await svg


def main() -> None:
    """Train what is missing, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, metavar="DIR", help="Where the runs are, or go.")
    given: Path | None = parser.parse_args().runs
    for name in ("NO_COLOR", "TEXTUAL_THEME", "FORCE_COLOR"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as work:
        runs_dir = given or Path(work, "runs")
        there = {folder.id.split("-", 2)[-1] for folder in run_folders(runs_dir)}
        for wanted in WANTED:
            if wanted.name not in there:
                train(runs_dir, wanted)
        draw(runs_dir, FOLDER)


if __name__ == "__main__":
    main()
