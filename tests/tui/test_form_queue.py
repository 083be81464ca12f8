"""The new-run form adds runs to the queue, and offers that while another run trains."""

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.config.load import load_config, to_yaml
from core.config.schema import Config
from core.queue.state import Job
from core.queue.store import Queue
from core.run.folder import RunFolder
from core.run.lock import RunLock
from tests.tui import scripted
from tests.tui.disk import write_run
from tests.tui.form_kit import field, shown, until
from tests.tui.kit import Starter, make_app, press, settle, text, toasts
from tui.app import ConvNextApp, Exit
from tui.dialogs.choice import ChoiceDialog
from tui.screens.new_run import NewRunScreen
from tui.screens.queue import QueueScreen
from tui.screens.run import RunScreen
from tui.viewmodel import new_run_form as forms
from tui.viewmodel.queued_run import arguments


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "runs")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("cats", "dogs"):
        folder = tmp_path / "my photos" / name
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"x")
    return tmp_path / "my photos"


async def fill(pilot: Pilot[Exit], images: Path) -> None:
    await press(pilot, "n")
    field(pilot).value = str(images)
    field(pilot, "name").value = "pets [x]"
    field(pilot, "more").value = "seed=7"
    await pilot.pause()


def jobs(queue: Queue) -> list[Job]:
    return list(queue.read().jobs)


async def shows_queue(pilot: Pilot[Exit]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, QueueScreen))
    await settle(pilot)


async def test_a_run_is_added_and_the_queue_is_shown(
    queue: Queue, images: Path, starter: Starter
) -> None:
    app = make_app(runs_dir=queue.runs_dir, starter=starter)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await fill(pilot, images)
        await press(pilot, "f7")
        await shows_queue(pilot)
        assert "Job 1 added, number 1 of 1 waiting job; no worker is running" in toasts(pilot)
        assert "pets [x], my photos, seed" in shown(pilot)
        await fill(pilot, images)
        await pilot.click("#enqueue")
        await shows_queue(pilot)
        await until(pilot, lambda: text(pilot, "#detail").startswith("job 2: waiting"))
        await press(pilot, "escape")
        assert len(app.screen_stack) == 1
    assert starter.configs == []
    expected = ("--data", str(images), "--set", "name=pets [x]", "--set", "seed=7")
    assert [(job.arguments, job.folder) for job in jobs(queue)] == [(expected, str(Path.cwd()))] * 2


async def test_a_run_that_cannot_start_is_not_added(
    queue: Queue, images: Path, tmp_path: Path
) -> None:
    async with make_app(runs_dir=queue.runs_dir).run_test(size=(140, 45)) as pilot:
        await fill(pilot, tmp_path / "nothing")
        await press(pilot, "f7")
        await until(pilot, lambda: "no such folder" in shown(pilot))
        field(pilot).value = str(images)
        field(pilot, "more").value = "model.weights=/missing"
        await press(pilot, "f7")
        await until(pilot, lambda: "Weights: no such file: /missing" in shown(pilot))
        queue.folder.parent.mkdir()
        queue.folder.write_text("a file in its place")
        field(pilot, "more").value = ""
        await pilot.pause()
        await press(pilot, "f7")
        await until(pilot, lambda: "cannot be written: " in text(pilot, "#start-message"))
        assert isinstance(pilot.app.screen, NewRunScreen)


@pytest.mark.usefixtures("demo")
async def test_starting_while_a_run_of_this_app_trains_offers_the_queue(
    tmp_path: Path, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The demo of the fixture is in a folder that does not exist.
    monkeypatch.setattr("core.session.preflight.check_root", lambda root: None)
    app = make_app(scripted.running().source(), runs_dir=tmp_path / "runs", starter=starter)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await press(pilot, "escape", "n", "f2")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        assert "A run is training in this app" in shown(pilot)
        await press(pilot, "s", "escape")  # it cannot be started anyway
        assert isinstance(app.screen, NewRunScreen)
        await press(pilot, "f2")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        await press(pilot, "q")
        await shows_queue(pilot)
    assert starter.configs == []
    assert [job.arguments for job in jobs(Queue(tmp_path / "runs"))] == [("--demo",)]


@pytest.mark.parametrize("answer", ["q", "s", "escape"])
async def test_starting_while_another_process_trains_offers_the_queue(
    queue: Queue, images: Path, starter: Starter, answer: str
) -> None:
    path = write_run(queue.runs_dir, "20261124-130000-other", scripted.running().records)
    lock = RunLock(RunFolder(path))
    app = make_app(runs_dir=queue.runs_dir, starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await fill(pilot, images)
        await press(pilot, "f5")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        assert "Run 20261124-130000-other is training on this machine" in shown(pilot)
        await press(pilot, answer)
        expected = {"q": QueueScreen, "s": RunScreen, "escape": NewRunScreen}[answer]
        await until(pilot, lambda: isinstance(app.screen, expected))
    lock.release()
    assert (len(starter.configs), len(jobs(queue))) == (answer == "s", answer == "q")


async def test_a_run_of_another_machine_and_a_run_that_has_ended_do_not_matter(
    queue: Queue, images: Path, starter: Starter
) -> None:
    for id in ("20261124-130000-ended", "20261124-140000-elsewhere"):
        path = write_run(queue.runs_dir, id, scripted.running().records)
        lock = RunLock(RunFolder(path))
        if "ended" in id:
            lock.release()
    RunFolder(path).lock.write_text('{"pid": 1, "host": "elsewhere", "started": 0}')
    app: ConvNextApp = make_app(runs_dir=queue.runs_dir, starter=starter)
    async with app.run_test(size=(80, 24)) as pilot:
        await fill(pilot, images)
        await press(pilot, "f5")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    lock.release()


@pytest.mark.parametrize("preset", ["default", "large"])
def test_the_options_of_a_job_describe_the_run_of_the_form(preset: str, images: Path) -> None:
    typed = {
        forms.DATA: os.path.relpath(images),
        "name": "a b",
        "data.batch_size": "8",
        forms.MORE: "'data.split_seed=null' precision=fp32",
    }
    config = forms.build(preset, typed, demo=False)
    options = arguments(preset, typed, False, None, config)
    assert _parsed(options) == config


def test_a_job_that_duplicates_a_run_does_not_need_that_run(tmp_path: Path, images: Path) -> None:
    file = tmp_path / "config.yaml"
    values = {"data.root": str(images), "phases.head.lr": 3e-4, "name": "a 'b' [c]", "seed": 5}
    file.write_text(to_yaml(load_config("large", ["phases.full.epochs=3"], values)))
    base = forms.Base("old", load_config(file))
    typed = {"data.batch_size": "8"}
    config = forms.build("default", typed, demo=False, base=base)
    options = arguments("default", typed, False, base, config)
    file.unlink()
    assert _parsed(options) == config
    assert config.phases.full.epochs == 3


def _parsed(options: tuple[str, ...]) -> Config:
    """Return the configuration that the main command makes of these options."""
    from tui.cli.main import cli

    params = cli.make_context("convnext-tui", list(options)).params
    values = {"data.root": params["data"]} if params["data"] else {}
    return load_config(params["preset"] or "default", params["overrides"], values)
