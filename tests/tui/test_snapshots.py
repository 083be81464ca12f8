"""Pictures of the screens. After a change that is meant: pytest --snapshot-update, then look."""

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
LOOKS = ((SMALL, DARK), (LARGE, DARK), (LARGE, LIGHT), (SMALL, LIGHT))


async def rest(pilot: Pilot[Exit], app: ConvNextApp) -> None:
    """Let the app do all that was set off: what is done after a refresh may set off another."""
    for _ in range(4):
        await app.workers.wait_for_complete()
        for _ in range(app.rates.ticks_a_chart):  # charts are not drawn at every tick
            app.tick()
        await pilot.pause()


async def enter(pilot: Pilot[Exit], app: ConvNextApp, scene: Scene) -> None:
    """Do in the app what leads to the scene."""
    await rest(pilot, app)
    for step in scene.steps:
        if isinstance(step, str):
            await pilot.press(step)
        else:
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
        for size, theme in LOOKS:
            await pilot.resize_terminal(*size)
            if theme != app.theme:
                app.theme = theme
                if scene.anew:
                    await pilot.press("escape")
                    await enter(pilot, app, scene)
            name = f"{size[0]}x{size[1]}-{'dark' if theme == DARK else 'light'}"
            await rest(pilot, app)
            drawn[name] = app.export_screenshot(title=app.title, simplify=True)
    kept = snapshot.use_extension(SVGImageExtension)
    # All four are compared before one of them is complained about: an update writes them all.
    differ = [name for name, svg in drawn.items() if not kept(name=name) == svg]  # noqa: SIM201
    assert not differ, f"{scene.name} is not as its kept pictures: {', '.join(differ)}"
