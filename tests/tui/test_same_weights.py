"""The app, pauses and the number of workers change no byte of the weights."""

import asyncio
from pathlib import Path

import pytest
import torch
from textual.pilot import Pilot

from core.config.load import load_config, with_values
from core.config.schema import Config
from core.events.commands import Pause, Resume
from core.events.journal import replay
from core.events.types import Paused, Progress, Resumed, RunEnded
from core.run.folder import RunFolder
from core.session.engine_thread import EngineThread
from tests.make_images import make_images
from tests.stages import slow_except
from tui.app import ConvNextApp, Exit
from tui.runtime.session import Session
from tui.screens.run import RunScreen

pytestmark = pytest.mark.usefixtures("forked_interpreter")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    root = make_images(tmp_path_factory.mktemp("data") / "photos", classes=2, per_class=8)
    return load_config(
        "default",
        [
            f"data.root={root}",
            "data.image_size=32",
            "data.batch_size=4",
            "data.workers=1",
            "precision=fp32",
            "memory_format=contiguous",
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
    """Run the app until its screen shows this status."""
    for _ in range(2000):
        await pilot.pause(0.02)
        assert isinstance(app.screen, RunScreen)
        if app.screen.model.status == status:
            return
    raise AssertionError(f"never {status}: {app.screen.model.state.log}")


@pytest.fixture(scope="module")
def alone(config: Config, tmp_path_factory: pytest.TempPathFactory) -> EngineThread:
    """The same configuration without an app and without pauses."""
    engine = EngineThread(config, tmp_path_factory.mktemp("alone"))
    engine.start()
    engine.join()
    return engine


def assert_same_weights(engine: EngineThread, alone: EngineThread) -> None:
    assert engine.result is not None
    assert engine.result.outcome == "finished", engine.result.reason
    expected, got = weights(alone.folder), weights(engine.folder)
    for name, tensors in expected.items():
        assert all(torch.equal(value, got[name][key]) for key, value in tensors.items()), name


@pytest.mark.parametrize("workers", slow_except([0, 1, 2, 4], 0, 2))
def test_weights_do_not_depend_on_workers_and_pauses(
    workers: int, config: Config, alone: EngineThread, tmp_path: Path
) -> None:
    engine = EngineThread(with_values(config, {"data.workers": workers}), tmp_path)
    queue = engine.subscribe()
    engine.start()
    pauses = 0
    while not isinstance(event := queue.get(timeout=120).event, RunEnded):
        if isinstance(event, Progress) and event.step == 1:
            engine.send(Pause())
        if isinstance(event, Paused):
            pauses += 1
            engine.send(Resume())
    engine.join()
    assert pauses >= 2
    assert_same_weights(engine, alone)


async def test_weights_do_not_depend_on_the_app(
    config: Config, alone: EngineThread, tmp_path: Path
) -> None:
    session = Session(tmp_path / "watched")
    app = ConvNextApp(session.runs_dir, session.start_run, launched=session.start_run(config))
    async with app.run_test(size=(140, 45)) as pilot:
        engine = session.engine
        assert engine is not None
        await pilot.press("space")
        await shown(app, pilot, "paused")
        await pilot.press("space")
        result = await asyncio.to_thread(engine.join, 120)
        await shown(app, pilot, "finished")
    assert result is not None
    assert engine.folder is not None
    emitted = [type(record.event) for record in replay(engine.folder.journal)[0]]
    assert emitted.count(Paused) == emitted.count(Resumed) == 1
    assert_same_weights(engine, alone)
