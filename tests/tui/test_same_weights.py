"""Watching and steering a run changes no byte of it."""

import asyncio
from pathlib import Path

import pytest
import torch
from textual.pilot import Pilot

from core.config import Config
from core.config_io import load_config
from core.events import Paused, Resumed
from core.journal import replay
from core.runs import RunFolder
from core.worker import EngineThread
from tests.pictures import make_pictures
from tui.app import ConvNextApp, Exit
from tui.screens.run import RunScreen
from tui.session import Session


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    root = make_pictures(tmp_path_factory.mktemp("data") / "photos", classes=2, per_class=8)
    return load_config(
        "default",
        [
            f"data.root={root}",
            "data.image_size=32",
            "data.batch_size=4",
            "data.workers=1",
            "model.name=test_convnext",
            "model.pretrained=false",
            "phases.head.epochs=2",
            "phases.full.epochs=2",
        ],
    )


def weights(folder: RunFolder | None) -> dict[str, dict[str, torch.Tensor]]:
    assert folder is not None
    return {
        name: torch.load(folder.checkpoints / name, weights_only=True)["model"]
        for name in ("best.pt", "last.pt")
    }


async def shown(app: ConvNextApp, pilot: Pilot[Exit], status: str) -> None:
    """Let the app go on until its screen knows of this status."""
    for _ in range(2000):
        await pilot.pause(0.02)
        assert isinstance(app.screen, RunScreen)
        if app.screen.model.status == status:
            return
    raise AssertionError(f"never {status}: {app.screen.model.state.log}")


async def test_with_and_without_the_app_paused_or_not(config: Config, tmp_path: Path) -> None:
    alone = EngineThread(config, tmp_path / "alone")
    alone.start()
    await asyncio.to_thread(alone.join)

    session = Session(tmp_path / "watched")
    app = ConvNextApp(session.runs_dir, session.start_run, session.start_run(config))
    async with app.run_test(size=(140, 45)) as pilot:
        engine = session.engine
        assert engine is not None
        await pilot.press("space")
        await shown(app, pilot, "paused")
        await pilot.press("space")
        result = await asyncio.to_thread(engine.join, 120)
        await shown(app, pilot, "finished")
    assert result is not None
    assert result.outcome == "finished", result.reason
    assert engine.folder is not None
    told = [type(record.event) for record in replay(engine.folder.journal)[0]]
    assert told.count(Paused) == told.count(Resumed) == 1
    expected, got = weights(alone.folder), weights(engine.folder)
    for name, tensors in expected.items():
        assert all(torch.equal(value, got[name][key]) for key, value in tensors.items()), name
