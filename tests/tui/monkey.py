"""Random keys and clicks over all screens of the app, from a seed.

    python -m tests.tui.monkey [NUMBER] [SEED]

Whatever is pressed, no exception may leave the app.
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
A_LIFE = 250
"""Keys until the app is started anew, over another run and at another size."""
_KEEPS_OUT = {"ctrl+z", "ctrl+c", "q", "ctrl+q"}
_TYPED = [*"abcdefghijklmnoprstuvwxyz0123456789.-=:>/ ", "tab", "shift+tab", "enter", "escape"]


def keys() -> list[str]:
    """Every key that is bound somewhere, but for those that end the app, and some to type with."""
    bound = {key for _, binding in all_bindings() for key in binding.key.split(",")}
    return sorted((bound | set(_TYPED)) - _KEEPS_OUT)


async def play(runs_dir: Path, number: int, seed: int, a_life: int = A_LIFE) -> None:
    """Press so many keys, and click now and then; raises what the app raises."""
    chance, choices = random.Random(seed), keys()
    for life in range(-(-number // a_life)):
        app = _app(runs_dir, life)
        async with app.run_test(size=SIZES[life % len(SIZES)], notifications=True) as pilot:
            for _ in range(min(a_life, number - life * a_life)):
                if not app.is_running:
                    break
                await _act(pilot, chance, choices)


def _app(runs_dir: Path, life: int) -> ConvNextApp:
    scripts = [None, scripted.running(), scripted.with_nan(), classes.thousand()]
    script = scripts[life % len(scripts)]
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
    """Write runs of all kinds; returns their directory."""
    some_runs(folder / "runs")
    write_run(folder / "runs", "20261123-000000-thousand", classes.thousand().records)
    return folder / "runs"


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as made:
        asyncio.run(play(some_folder(Path(made)), *(given or [10_000]), *([1] * (len(given) < 2))))
    print("no exception")
