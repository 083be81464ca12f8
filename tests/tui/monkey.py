"""Random keys and clicks over all screens of the app, from a seed.

    python -m tests.tui.monkey [NUMBER] [SEED]

No input may raise an exception.
"""

import asyncio
import random
import sys
import tempfile
from pathlib import Path

from textual.pilot import OutOfBounds, Pilot

from tests.tui import classes, scripted
from tests.tui.bindings import all_bindings
from tests.tui.disk import some_runs, write_run
from tests.tui.kit import make_app
from tui.app import ConvNextApp, Exit

SIZES = [(80, 24), (140, 45), (40, 10), (200, 50)]
KEYS_PER_APP = 250
"""Keys per app; the next app has another run and another size."""
_EXCLUDED = {"ctrl+z", "ctrl+c", "q", "ctrl+q"}
_TYPED = [*"abcdefghijklmnoprstuvwxyz0123456789.-=:>/ ", "tab", "shift+tab", "enter", "escape"]


def keys() -> list[str]:
    """Return all bound keys except those that close the app, and some for text fields."""
    bound = {key for _, binding in all_bindings() for key in binding.key.split(",")}
    return sorted((bound | set(_TYPED)) - _EXCLUDED)


async def play(runs_dir: Path, number: int, seed: int, keys_per_app: int = KEYS_PER_APP) -> None:
    """Press keys and click at random; raise the exceptions of the app."""
    chance, choices = random.Random(seed), keys()
    for index in range(-(-number // keys_per_app)):
        app = _app(runs_dir, index)
        async with app.run_test(size=SIZES[index % len(SIZES)], notifications=True) as pilot:
            for _ in range(min(keys_per_app, number - index * keys_per_app)):
                if not app.is_running:
                    break
                await _act(pilot, chance, choices)


def _app(runs_dir: Path, index: int) -> ConvNextApp:
    scripts = [None, scripted.running(), scripted.with_nan(), classes.thousand()]
    script = scripts[index % len(scripts)]
    return make_app(script.source() if script else None, runs_dir=runs_dir)


async def _act(pilot: Pilot[Exit], chance: random.Random, choices: list[str]) -> None:
    if chance.random() < 0.1:
        width, height = pilot.app.size
        try:
            await pilot.click(offset=(chance.randrange(width), chance.randrange(height)))
        except OutOfBounds:
            return
    else:
        await pilot.press(chance.choice(choices))
    if chance.random() < 0.2:
        assert isinstance(pilot.app, ConvNextApp)
        pilot.app.tick()


def some_folder(folder: Path) -> Path:
    """Write runs of all kinds; return their directory."""
    some_runs(folder / "runs")
    write_run(folder / "runs", "20261123-000000-thousand", classes.thousand().records)
    return folder / "runs"


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(play(some_folder(Path(made)), *(given or [10_000]), *([1] * (len(given) < 2))))
    print("no exception")
