import asyncio
from pathlib import Path

from core.config.load import load_config
from core.config.schema import Config
from core.events import commands as cmd
from core.events.journal import replay
from core.events.types import EpochEnded
from core.run.state import fold
from core.session.engine_thread import EngineThread
from tests.make_images import make_images
from tests.tui.kit import settle
from tui.app import ConvNextApp
from tui.runtime.session import Session
from tui.screens.run import RunScreen
from tui.widgets.table import RunListTable

SMALL = [
    "data.image_size=32",
    "data.batch_size=4",
    "data.workers=0",
    "precision=fp32",
    "memory_format=contiguous",
    "model.name=test_convnext",
    "model.pretrained=false",
    "phases.head.epochs=3",
    "phases.full.epochs=1",
]


def stopped_run(config: Config, runs_dir: Path) -> Path:
    """Train until the first epoch has ended, then stop."""
    engine = EngineThread(config, runs_dir)
    queue = engine.subscribe()
    engine.start()
    while not isinstance(queue.get(timeout=60).event, EpochEnded):
        continue
    engine.send(cmd.Stop())
    engine.join()
    assert engine.folder is not None
    return engine.folder.path


async def test_r_in_the_run_list_resumes_a_run(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    config = load_config("default", [f"data.root={root}", *SMALL])
    runs_dir = tmp_path / "runs"
    path = await asyncio.to_thread(stopped_run, config, runs_dir)
    session = Session(runs_dir)
    app = ConvNextApp(runs_dir, session.start_run)
    async with app.run_test(size=(140, 45)) as pilot:
        while not any(table.row_count for table in app.screen.query(RunListTable)):
            await pilot.pause(0.02)
        await pilot.press("r")
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)
        assert session.engine is not None
        result = await asyncio.to_thread(session.engine.join, 60)
        while app.screen.model.status != "finished":
            await settle(pilot)
    assert result is not None
    assert result.outcome == "finished"
    state = fold(replay(path / "events.jsonl")[0])
    assert [(p.result.phase, p.result.epoch) for p in state.epochs] == [
        *(("head", epoch) for epoch in (1, 2, 3)),
        ("full", 1),
    ]
