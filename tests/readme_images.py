"""Screenshots for the README: three demo runs, and the app's screens showing them.

    python -m tests.readme_images [--runs DIR]

Trains for some minutes and writes `.docs/*.svg`. With `--runs`, runs that already exist in that
folder are not trained again.
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
from core.events.record import Record
from core.events.types import EpochEnded, Progress, RunEnded
from core.run.folder import RunFolder, run_folders
from core.session.engine_thread import EngineThread
from tests.tui.kit import make_app, settle
from tests.tui.scripted import ScriptedSource
from tests.tui.svg import screen_svg
from tui.app import ConvNextApp, Exit

FOLDER = Path(__file__).resolve().parents[1] / ".docs"
SIZE = (140, 45)
LIST_SIZE = (140, 18)
_PROGRESS = 0.65
"""Fraction of phase full that is finished in the screenshot of a running run."""


@dataclass(frozen=True, slots=True)
class RunRecipe:
    """A run to train: overrides of the demo preset, and commands sent during phase full."""

    name: str
    overrides: tuple[str, ...] = ()
    commands: dict[int, Callable[[], Command]] = field(default_factory=dict)
    """Command to send after an epoch."""


RECIPES = (
    RunRecipe("lr-3e-4", ("phases.full.lr=3e-4", "phases.full.epochs=8")),
    RunRecipe("batch-64", ("data.batch_size=64",), {3: Stop}),
    RunRecipe("demo", (), {4: partial(SetPatience, patience=4)}),
)
"""The last one is shown on the run screen."""


def train(runs_dir: Path, recipe: RunRecipe) -> None:
    """Train a run and send its commands; raise SystemExit if it fails."""
    engine = EngineThread(demo_config(recipe.overrides, {"name": recipe.name}), runs_dir)
    queue = engine.subscribe()
    engine.start()
    while not isinstance(event := queue.get().event, RunEnded):
        if isinstance(event, EpochEnded) and event.phase == "full":
            print(f"{recipe.name}: epoch {event.epoch}, top-1 {event.val_top1:.3f}", flush=True)
            if event.epoch in recipe.commands:
                engine.send(recipe.commands[event.epoch]())
    engine.join()
    if event.outcome == "failed":
        raise SystemExit(f"run {recipe.name} failed: {event.reason}")


Shot = Callable[[Path], Awaitable[str]]
"""Returns the SVG of a screen that shows the runs in a folder."""


async def run_screen(runs_dir: Path) -> str:
    """Show the newest run in the middle of phase full."""
    records = _newest(runs_dir)
    full = [
        (record.seq, event.epoch)
        for record in records
        if isinstance(event := record.event, Progress) and event.phase == "full"
    ]
    epoch = int(_PROGRESS * full[-1][1]) + 1
    of_the_epoch = [seq for seq, number in full if number == epoch]
    last = of_the_epoch[len(of_the_epoch) // 2]
    until_then = [record for record in records if record.seq <= last]
    return await _of_run(until_then, live=True)


async def classes_tab(runs_dir: Path) -> str:
    """Show the class metrics of the newest run at its end."""
    return await _of_run(_newest(runs_dir), False, "2")


async def run_list(runs_dir: Path) -> str:
    """Show the run list."""
    return await _of_list(runs_dir, LIST_SIZE)


async def compare_screen(runs_dir: Path) -> str:
    """Compare three runs."""
    return await _of_list(runs_dir, SIZE, "space", "down", "space", "down", "space", "c")


SCREENSHOTS: dict[str, Shot] = {
    "run.svg": run_screen,
    "classes.svg": classes_tab,
    "runs.svg": run_list,
    "compare.svg": compare_screen,
}


def _newest(runs_dir: Path) -> list[Record]:
    folder: RunFolder = next(iter(run_folders(runs_dir)))
    return replay(folder.journal)[0]


async def _of_run(records: list[Record], live: bool, *keys: str) -> str:
    app = make_app(ScriptedSource(records, live=live), now=records[-1].time + 0.5)
    return await _drawn(app, SIZE, keys)


async def _of_list(runs_dir: Path, size: tuple[int, int], *keys: str) -> str:
    latest = max(replay(folder.journal)[0][-1].time for folder in run_folders(runs_dir))
    with chdir(runs_dir.parent):  # the title of the list shows the folder
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
    for _ in range(3):  # a finished worker may start another one
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)


def draw(runs_dir: Path, folder: Path) -> None:
    """Write all screenshots of the runs in `runs_dir` into a folder."""
    folder.mkdir(exist_ok=True)
    for name, shot in SCREENSHOTS.items():
        svg = asyncio.run(_awaited(shot(runs_dir.resolve())))
        (folder / name).write_text(svg, "utf-8")
        print(f"{folder / name}: {len(svg.encode()) / 1000:.0f} kB", flush=True)


async def _awaited(svg: Awaitable[str]) -> str:
    return await svg


def main() -> None:
    """Train missing runs and write the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, metavar="DIR", help="Folder of the runs.")
    given: Path | None = parser.parse_args().runs
    for name in ("NO_COLOR", "TEXTUAL_THEME", "FORCE_COLOR"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as work:
        runs_dir = given or Path(work, "runs")
        existing = {folder.id.split("-", 2)[-1] for folder in run_folders(runs_dir)}
        for recipe in RECIPES:
            if recipe.name not in existing:
                train(runs_dir, recipe)
        draw(runs_dir, FOLDER)


if __name__ == "__main__":
    main()
