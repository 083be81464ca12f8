import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import OptionList

from core.common.errors import SetupError
from core.config.load import load_config
from core.config.schema import Config
from core.events import commands
from tests.tui import scripted
from tests.tui.bindings import all_bindings
from tests.tui.disk import write_run
from tests.tui.kit import Starter, make_app, press, settle, text, toasts
from tui.app import ConvNextApp, Exit
from tui.dialogs.choice import ChoiceDialog
from tui.palette import palette_entries
from tui.screens.new_run import NewRunScreen
from tui.screens.run import RunScreen
from tui.screens.run_list import RunListScreen
from tui.screens.starting import StartingScreen

SIZE = (80, 24)


async def leave(app: ConvNextApp, *keys: str) -> Exit | None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press(*keys)
        await pilot.pause()
    return app.return_value


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_without_training_the_app_closes_at_once(key: str) -> None:
    assert await leave(make_app(), key) is Exit.DONE
    source = scripted.finished().source(live=True)
    assert await leave(make_app(source), key) is Exit.DONE


async def test_a_planned_run_is_loaded_after_the_first_frame(
    starter: Starter,
) -> None:
    config, drawn = load_config("default", ["name=planned"]), threading.Event()

    def plan() -> tuple[Config, None]:
        drawn.wait(10)
        return config, None

    app = make_app(starter=starter, plan=plan)
    async with app.run_test(size=SIZE) as pilot:
        assert isinstance(app.screen, StartingScreen)
        assert "preparing" in text(pilot, "#headline")
        drawn.set()
        await app.workers.wait_for_complete()
        await settle(pilot)
        assert isinstance(app.screen, RunScreen)
        assert starter.configs == [config]
        await press(pilot, "escape")
        assert isinstance(app.screen, RunListScreen)


async def test_a_planned_run_that_cannot_start_closes_the_app_with_the_reason() -> None:
    def plan() -> tuple[Config, None]:
        raise SetupError("no such folder")

    app = make_app(plan=plan)
    assert await leave(app) is Exit.DONE
    assert app.start_error == "no such folder"


async def test_a_planned_run_does_not_start_after_the_app_has_closed(starter: Starter) -> None:
    left = threading.Event()

    def plan() -> tuple[Config, None]:
        left.wait(10)
        return load_config("default"), None

    app = make_app(starter=starter, plan=plan)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("q")
        left.set()
    assert (app.return_value, app.start_error, starter.configs) == (Exit.DONE, "", [])


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_while_training_d_detaches_and_nothing_is_sent(key: str) -> None:
    source = scripted.running().source()
    assert await leave(make_app(source), key, "d") is Exit.DETACH
    assert source.sent == []


async def test_while_training_x_sends_stop() -> None:
    source = scripted.running().source()
    assert await leave(make_app(source), "q", "x") is Exit.STOP
    assert [type(command) for command in source.sent] == [commands.Stop]


async def test_escape_cancels_enter_does_nothing_and_a_second_q_asks_only_once() -> None:
    source = scripted.running().source()
    app = make_app(source)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "q", "ctrl+c")
        assert sum(isinstance(screen, ChoiceDialog) for screen in app.screen_stack) == 1
        await press(pilot, "enter")
        assert isinstance(app.screen, ChoiceDialog)
        await press(pilot, "escape")
        assert isinstance(app.screen, RunScreen)
    assert source.sent == []


async def test_the_run_may_end_while_the_dialog_is_open() -> None:
    script = scripted.running()
    source = script.source()
    app = make_app(source)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "q")
        source.live = False
        await settle(pilot)
        await pilot.press("x")
    assert app.return_value is Exit.DONE


async def test_q_in_the_list_asks_while_a_run_trains(tmp_path: Path) -> None:
    source = scripted.running().source()
    app = make_app(source, tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "escape")
        assert isinstance(app.screen, RunListScreen)
        await press(pilot, "q")
        assert isinstance(app.screen, ChoiceDialog)
        question = str(app.screen.query_one(".question").render())
        assert "animals20 is training in this process" in question


async def test_a_lost_terminal_detaches() -> None:
    source = scripted.running().source()
    app = make_app(source)
    before = signal.getsignal(signal.SIGHUP)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        os.kill(os.getpid(), signal.SIGHUP)
        await pilot.pause()
    assert app.return_value is Exit.HUNG_UP
    assert source.sent == []
    assert signal.getsignal(signal.SIGHUP) == before


async def test_the_run_of_this_process_can_be_controlled_after_reopening_it(tmp_path: Path) -> None:
    script = scripted.running()
    write_run(tmp_path, "20261124-120000-animals20", script.records)
    source = script.source()
    app = make_app(source, tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "escape")
        await app.workers.wait_for_complete()
        await press(pilot, "enter")
        assert isinstance(app.screen, RunScreen)
        await press(pilot, "s")
    assert [type(command) for command in source.sent] == [commands.SaveCheckpoint]


async def test_events_of_the_run_are_applied_while_the_list_is_shown(tmp_path: Path) -> None:
    script = scripted.running()
    source = script.source()
    app = make_app(source, tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "escape")
        source.pending = scripted.finished().records[len(script.records) :]
        await settle(pilot)
        assert not app.training
        assert source.pending == []


async def until(pilot: Pilot[Exit], condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, which it must do soon."""
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError("the condition does not hold")


@pytest.mark.parametrize("screen", [RunScreen, RunListScreen, NewRunScreen])
async def test_the_palette_has_every_action(screen: type[Screen[None]]) -> None:
    app = make_app(scripted.running().source() if screen is RunScreen else None)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        if screen is NewRunScreen:
            await press(pilot, "n")
        assert isinstance(app.screen, screen)
        titles = [entry.title for entry in palette_entries(app, app.screen)]
        assert len(titles) == len(set(titles))
        for owner, binding in all_bindings():
            here = issubclass(screen, owner) or (owner is ConvNextApp and binding.action == "quit")
            if here and app.screen.check_action(binding.action, ()):
                assert any(title.startswith(binding.description) for title in titles)


@pytest.mark.parametrize("size", [(80, 24), (100, 30), SIZE])
async def test_the_palette_is_ordered_by_place_with_one_line_per_action(
    size: tuple[int, int],
) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p")
        commands = app.screen.query_one("CommandList", OptionList)
        await until(pilot, lambda: commands.option_count > 50)
        lines = [str(option.prompt) for option in commands.options]
        assert lines[0].split() == [
            "space",
            "Pause:",
            "Pause",
            "training",
            "after",
            "the",
            "current",
            "step",
        ]
        where = [
            next(n for n, line in enumerate(lines) if text in line)
            for text in ("Stop: ", "Layout: ", "Quit: ", "Guide: ", "Set layout = pair")
        ]
        assert where == sorted(where)
        assert commands.virtual_size.height == len(lines)
        await pilot.press(*"smoothing =")
        await until(pilot, lambda: "Set smoothing" in str(commands.get_option_at_index(0).prompt))


async def test_an_action_can_be_run_from_the_palette() -> None:
    source = scripted.running().source()
    app = make_app(source)
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p")
        await pilot.press(*"checkpoint now")
        commands_found = app.screen.query_one("CommandList", OptionList)
        await until(pilot, lambda: commands_found.option_count == 1)
        await pilot.press("enter", "enter")
        await settle(pilot)
    assert [type(command) for command in source.sent] == [commands.SaveCheckpoint]


def test_the_app_imports_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, tui.app; "
        "print([m for m in ('torch', 'timm', 'torchvision', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


async def test_ctrl_c_copies_selected_text_and_closes_the_app_without_any() -> None:
    app = make_app(runs_dir=Path("nowhere"))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"lr:1", "shift+home", "ctrl+c")
        assert (app.clipboard, app.return_value) == ("lr:1", None)
        assert "lr:1\n(sent to the clipboard" in toasts(pilot)
        await pilot.press("end", "ctrl+c")
    assert app.return_value is Exit.DONE
