import math
from pathlib import Path

import pytest
from textual.binding import ActiveBinding
from textual.pilot import Pilot
from textual.widgets import RichLog

from core.common import format as fmt
from core.events import commands
from core.events import types as ev
from tests.stages import slow_except
from tests.tui import scripted
from tests.tui.disk import write_run
from tests.tui.kit import make_app, press, settle, text, toasts
from tui.app import Exit
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.value import ValueDialog
from tui.screens.run import RunScreen
from tui.widgets.chart import Chart

NARROW, USUAL, LARGE = (80, 24), (140, 45), (200, 50)


def without_envelope(command: commands.Command) -> tuple[str, dict[str, object]]:
    return type(command).__name__, command.arguments()


def active(pilot: Pilot[object]) -> list[ActiveBinding]:
    """Return what the footer shows."""
    return list(pilot.app.screen.active_bindings.values())


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        (["space"], ("Pause", {})),
        (["s"], ("SaveCheckpoint", {})),
        (["p", "8", "enter"], ("SetPatience", {"patience": 8, "phase": "full"})),
        (["L", "5", "e", "-", "5", "enter"], ("SetLearningRate", {"lr": 5e-5, "phase": "full"})),
        (["n", "enter"], ("EndPhase", {"phase": "full"})),
        (["x", "enter"], ("Stop", {"reason": "asked to stop"})),
    ],
)
async def test_a_key_sends_its_command(keys: list[str], sent: tuple[str, object]) -> None:
    source = scripted.running().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, *keys)
        assert [without_envelope(command) for command in source.sent] == [sent]
        assert isinstance(pilot.app.screen, RunScreen)
        assert "waiting for" in text(pilot, "#headline")


@pytest.mark.parametrize("key", ["p", "L", "n", "x"])
async def test_escape_closes_a_dialog_without_a_command(key: str) -> None:
    source = scripted.running().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, key)
        assert isinstance(pilot.app.screen, ChoiceDialog | ValueDialog)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunScreen)
        assert source.sent == []


async def test_space_resumes_a_paused_run_and_saving_works_while_paused() -> None:
    source = scripted.paused().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await settle(pilot)
        assert text(pilot, "#headline").startswith("‖ PAUSED since 14:20:59")
        assert pilot.app.screen.has_class("-paused")
        footer = {b.binding.key: b.binding.description for b in active(pilot)}
        assert footer["space"] == "Resume"
        await press(pilot, "s", "space")
        assert [type(command) for command in source.sent] == [
            commands.SaveCheckpoint,
            commands.Resume,
        ]


async def test_a_command_is_pending_until_its_reply() -> None:
    script = scripted.running()
    source = script.source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, "s")
        assert "waiting for: save" in text(pilot, "#headline")
        script.records.clear()
        script.command("SaveCheckpoint", "checkpoint saved", id=source.sent[0].id)
        source.pending = script.records
        await settle(pilot)
        assert "waiting for" not in text(pilot, "#headline")
        assert toasts(pilot) == ""


async def test_a_refused_command_is_a_warning_with_its_reason() -> None:
    script = scripted.running()
    source = script.source()
    async with make_app(source).run_test(size=USUAL, notifications=True) as pilot:
        await press(pilot, "p", "9", "enter")
        script.records.clear()
        script.add(
            ev.CommandRefused(
                id=source.sent[0].id, command="SetPatience", asked=1.0, reason="[b]too late[/b]"
            )
        )
        source.pending = script.records
        await settle(pilot)
        assert "patience 9 refused: [b]too late[/b]" in toasts(pilot)


async def test_the_patience_dialog_previews_the_typed_value() -> None:
    source = scripted.running().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, "p")
        assert text(pilot, "#current") == "current: 5, 1 epoch without improvement"
        assert "would stop after epoch 6 at the earliest, unchanged" in text(pilot, "#preview")
        await press(pilot, "8")
        assert "would stop after epoch 9 at the earliest, instead of 6" in text(pilot, "#preview")
        await press(pilot, "x", "enter")
        assert text(pilot, "#error") == "expected a whole number of epochs, 1 or more"
        assert isinstance(pilot.app.screen, ValueDialog)
        await press(pilot, "backspace")
        await pilot.click("#apply")
        assert without_envelope(source.sent[0])[1]["patience"] == 8


async def test_the_patience_dialog_follows_the_run() -> None:
    script = scripted.running()
    source = script.source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, "p", "8")
        script.records.clear()
        script.epoch("full", 3, 0.04, 0.99, bad=2, best=False, phase_best=False, monitor_best=0.03)
        source.pending = script.records
        await settle(pilot)
        assert "2 epochs without improvement" in text(pilot, "#current")


async def test_dialogs_work_with_the_mouse() -> None:
    source = scripted.running().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, "x")
        await pilot.click("#answer-cancel")
        await settle(pilot)
        assert source.sent == []
        await press(pilot, "x")
        await pilot.click("#answer-yes")
        await settle(pilot)
        assert [type(command) for command in source.sent] == [commands.Stop]


async def test_all_footer_keys_fit_into_80_columns_and_can_be_clicked() -> None:
    source = scripted.running().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await settle(pilot)
        keys = list(pilot.app.screen.query("FooterKey"))
        assert [key.key_display for key in keys] == [  # type: ignore[attr-defined]
            *("space", "p", "L", "s", "n", "x", "esc", "?", "q", "^p"),
        ]
        assert keys[-1].region.right <= 80
        await pilot.click(keys[0])
        await settle(pilot)
        assert [type(command) for command in source.sent] == [commands.Pause]


async def test_commands_before_the_first_phase_are_refused_with_the_reason() -> None:
    source = scripted.Script().prepare().source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await press(pilot, "p")
        assert "no phase is running yet" in toasts(pilot)
        assert source.sent == []


@pytest.mark.parametrize("key", ["space", "p", "L", "s", "n", "x"])
async def test_a_read_only_run_says_why(key: str) -> None:
    source = scripted.running().source(read_only="this run belongs to another process")
    async with make_app(source).run_test(size=USUAL, notifications=True) as pilot:
        await press(pilot, key)
        assert "this run belongs to another process" in toasts(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert "read-only: " in text(pilot, "#notice")


async def test_a_finished_run_has_no_control_keys() -> None:
    source = scripted.finished().source(live=False)
    async with make_app(source).run_test(size=USUAL, notifications=True) as pilot:
        await press(pilot, *"spLsnx", "space", "r")
        assert toasts(pilot) == ""
        assert source.sent == []
        assert shown_keys(pilot) == ["Back", "Help", "Quit", "Menu"]


async def test_the_footer_shows_only_keys_that_apply() -> None:
    script = scripted.running()
    source = script.source()
    async with make_app(source).run_test(size=USUAL) as pilot:
        await settle(pilot)
        assert {"Pause", "Patience", "Stop"} <= set(shown_keys(pilot))
        assert "Resume" not in shown_keys(pilot)
        source.pending = scripted.failed().records[len(script.records) :]
        source.live = False
        await settle(pilot)
        assert shown_keys(pilot)[0] == "Resume"


def shown_keys(pilot: Pilot[Exit]) -> list[str]:
    """Return the labels in the footer."""
    active = pilot.app.screen.active_bindings.values()
    return list(dict.fromkeys(a.binding.description for a in active if a.binding.show))


async def test_the_first_line_says_how_a_run_ended() -> None:
    for script, live, begin in (
        (scripted.failed(), False, "✗ FAILED: no space left on the disk"),
        (scripted.running(), False, "! INTERRUPTED: process exited unexpectedly"),
        (scripted.finished(), False, "✓ animals20"),
    ):
        async with make_app(script.source(live=live)).run_test(
            size=NARROW, notifications=True
        ) as pilot:
            await settle(pilot)
            assert text(pilot, "#headline").startswith(begin)


async def test_preparation_is_shown_with_its_progress() -> None:
    script = scripted.Script()
    source = script.source()
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await settle(pilot)
        script.records.clear()
        script.add(ev.Preparing(stage="loading torch"))
        source.pending = list(script.records)
        await settle(pilot)
        assert text(pilot, "#progress") == "loading torch"
        script.records.clear()
        script.add(ev.Preparing(stage="reading images", done=1240, total=8966))
        source.pending = list(script.records)
        await settle(pilot)
        assert text(pilot, "#progress").startswith("reading images 1,240 of 8,966 ━")


async def test_an_unreadable_journal_is_reported_until_it_can_be_read() -> None:
    source = scripted.running().source()
    source.skipped_lines = 3
    async with make_app(source).run_test(size=NARROW, notifications=True) as pilot:
        await settle(pilot)
        source.error = OSError(5, "Input/output error")
        await settle(pilot)
        assert "can't read the journal: Input/output error" in text(pilot, "#notice")
        assert "skipped 3 unreadable lines of the journal" in text(pilot, "#notice")
        source.error, source.skipped_lines = None, 0
        await settle(pilot)
        assert not pilot.app.screen.query_one("#notice").display


@pytest.mark.parametrize(
    "size", slow_except([(20, 5), NARROW, (80, 60), (200, 20), USUAL, LARGE], (20, 5), LARGE)
)
async def test_all_sizes_and_runs_can_be_drawn(size: tuple[int, int]) -> None:
    empty = scripted.Script()
    empty.records.clear()
    for script in (scripted.with_nan(), empty, scripted.Script("[b]x\x1b[2J 写真")):
        async with make_app(script.source()).run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            await pilot.resize_terminal(100, 30)
            await settle(pilot)
            assert isinstance(pilot.app.screen, RunScreen)


async def test_one_chart_at_a_time_on_a_small_terminal() -> None:
    async with make_app(scripted.running().source()).run_test(
        size=NARROW, notifications=True
    ) as pilot:
        await settle(pilot)
        loss = pilot.app.screen.query_one("#loss", Chart)
        accuracy = pilot.app.screen.query_one("#top1", Chart)
        assert (loss.display, accuracy.display) == (True, False)
        await press(pilot, "c")
        assert (loss.display, accuracy.display) == (False, True)


async def test_a_click_on_a_chart_reads_all_curves_at_that_position() -> None:
    async with make_app(scripted.running().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        loss = pilot.app.screen.query_one("#loss", Chart)
        assert not pilot.app.screen.query_one("#readout").display
        await pilot.click("#loss", offset=(loss.columns // 2, 5))
        await settle(pilot)
        assert text(pilot, "#readout").startswith("head epoch 5")
        await press(pilot, "0")
        assert not pilot.app.screen.query_one("#readout").display


async def test_the_log_has_each_line_once_and_no_markup() -> None:
    script = scripted.running()
    script.add(ev.Warned(code="x", message="[red]can't read[/red]", files=["a\x1b[31m.jpg"]))
    source = script.source()
    async with make_app(source).run_test(size=USUAL, notifications=True) as pilot:
        await settle(pilot)
        await settle(pilot)
        lines = [str(line.text) for line in pilot.app.screen.query_one("#log", RichLog).lines]
        assert sum("patience 7 → 5" in line for line in lines) == 1
        assert any(r"[red]can't read[/red]: a\x1b[31m.jpg" in line for line in lines)


async def test_charts_are_drawn_at_most_once_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(Chart, "show", lambda self, *rest: drawn.append(self.id or ""))
    script = scripted.running()
    source = script.source()
    async with make_app(source).run_test(size=USUAL, notifications=True) as pilot:
        await pilot.pause()
        app, screen = pilot.app, pilot.app.screen
        assert isinstance(screen, RunScreen)
        app.tick()  # type: ignore[attr-defined]
        drawn.clear()
        for step in range(4):
            script.records.clear()
            script.progress("full", 3, 80 + step, math.nan)
            screen.model.state.apply(script.records[0])
            screen.tick(0.0, charts=step == 3)
        assert drawn == ["loss", "top1"]
        screen.tick(0.0, charts=True)
        assert drawn == ["loss", "top1"]


async def test_a_past_run_is_read_from_its_journal(tmp_path: Path) -> None:
    write_run(tmp_path, "20261124-120000-done", scripted.finished().records)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=USUAL, notifications=True) as pilot:
        app.open_run(tmp_path / "20261124-120000-done")
        await settle(pilot)
        assert "finished" in text(pilot, "#headline")


async def test_a_stalled_run_is_detected_by_its_usual_step_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = scripted.running().source()
    async with make_app(source).run_test(size=USUAL) as pilot:
        await settle(pilot)
        assert text(pilot, "#notice") == ""
        monkeypatch.setattr("tui.viewmodel.run_source.RunModel.seconds_since_update", 240.0)
        await settle(pilot)
        assert text(pilot, "#notice").startswith("no update for 4 min, steps usually take 27.7 ms")


async def test_the_log_names_the_day_where_it_changes() -> None:
    script = scripted.running()
    script.time += 86_400
    script.epoch("full", 3, 0.05, 0.99)
    async with make_app(script.source()).run_test(size=USUAL) as pilot:
        await press(pilot, "5")
        log = pilot.app.screen.query_one("#whole-log", RichLog)
        lines = [line.text.strip() for line in log.lines]
    assert lines[-2] == fmt.date(script.time)
    assert [line for line in lines if line.startswith("20")] == lines[-2:-1]
