"""Snapshots of the screens. After an intended change: pytest --snapshot-update, then inspect."""

from pathlib import Path

import pytest
from pytest_textual_snapshot import SVGImageExtension
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from tests.tui.kit import settle
from tests.tui.scenes import SCENES, Scene
from tui.app import ConvNextApp, Exit

SMALL, LARGE = (80, 24), (140, 45)
DARK, LIGHT = "convnext", "convnext-light"
# One app goes through them all, which takes a third of the time that four would.
DARK_LOOKS = ((SMALL, DARK), (LARGE, DARK))
LIGHT_LOOKS = ((LARGE, LIGHT), (SMALL, LIGHT))
_FRAME = 1 / 60
"""Seconds between two frames of Textual, which draws by a timer."""
LIGHT_SCENES = {"list", "full", "classes", "patience"}
"""Enough to see the colors of each kind of screen in the other theme."""


async def rest(pilot: Pilot[Exit], app: ConvNextApp) -> None:
    """Let the app do all that was set off: what is done after a refresh may set off another."""
    rounds = 0
    while rounds < 4:
        rounds = 0 if len(app.workers) else rounds + 1
        await app.workers.wait_for_complete()
        for _ in range(app.rates.ticks_per_chart):  # charts are not drawn at every tick
            app.tick()
        await pilot.pause(_FRAME)


async def enter(pilot: Pilot[Exit], app: ConvNextApp, scene: Scene) -> None:
    """Do in the app what leads to the scene."""
    await rest(pilot, app)
    for step in scene.steps:
        if isinstance(step, str):
            await pilot.press(step)
        else:
            await rest(pilot, app)  # a key may have opened what this works on
            step(app)
            await settle(pilot)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_scene(
    scene: Scene, snapshot: SnapshotAssertion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = scene.make()
    drawn: dict[str, str] = {}
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await enter(pilot, app, scene)
        for size, theme in (*DARK_LOOKS, *(LIGHT_LOOKS if scene.name in LIGHT_SCENES else ())):
            await pilot.resize_terminal(*size)
            app.theme = theme
            name = f"{size[0]}x{size[1]}-{'dark' if theme == DARK else 'light'}"
            await rest(pilot, app)
            drawn[name] = app.export_screenshot(title=app.title, simplify=True)
    kept = snapshot.use_extension(SVGImageExtension)
    # All are compared before one of them fails the test: an update writes them all.
    differ = [name for name, svg in drawn.items() if not kept(name=name) == svg]  # noqa: SIM201
    assert not differ, f"{scene.name} differs from its snapshots: {', '.join(differ)}"
