from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from core.events.journal import JournalWriter
from core.events.types import Record
from tests.tui import scripted
from tests.tui.disk import ODD_NAME, some_runs, write_run
from tests.tui.kit import make_app, press, settle, text
from tui.app import Exit
from tui.preferences.palettes import DARK, LIGHT, rgb
from tui.screens.new_run import NewRunScreen
from tui.screens.run import RunScreen
from tui.screens.run_list import RunListScreen


async def look(pilot: Pilot[Exit]) -> DataTable[object]:
    """Let the list read its directory now."""
    screen = pilot.app.screen
    assert isinstance(screen, RunListScreen)
    screen.reload()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return screen.query_one(DataTable)


def rows(table: DataTable[object]) -> list[list[str]]:
    """Without the marks in front."""
    return [[str(cell) for cell in table.get_row_at(i)][1:] for i in range(table.row_count)]


async def test_every_run_is_a_row_with_its_status_as_sign_and_word(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 45)) as pilot:
        shown = rows(await look(pilot))
    assert [row[0] for row in shown] == ["✓ finished", "✗ failed"] + ["! interrupted"] * 4
    assert shown[0][1:6] == ["animals20", "convnext_tiny.in12k_ft_in1k", "full", "8+2", "★ 99.57%"]
    assert shown[0][7:] == ["7:41", "today 14:13"]
    assert shown[3][6] == "▁×"
    assert shown[5][1] == "20261124-070000-empty"


async def test_names_are_shown_as_text(tmp_path: Path) -> None:
    write_run(tmp_path, "20261124-080000-odd", scripted.Script(ODD_NAME).records)
    async with make_app(runs_dir=tmp_path).run_test(size=(200, 50)) as pilot:
        shown = rows(await look(pilot))
        assert shown[0][1].startswith(r"[red]a\x1b[2J[/] 写真")
        assert r"[red]a\x1b[2J[/] 写真 [x" in text(pilot, "#detail")


async def test_a_failed_run_says_why(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        await press(pilot, "down")
        assert "no space left on the disk" in text(pilot, "#detail")
        await press(pilot, "down")
        assert "its process is gone without a word" in text(pilot, "#detail")


async def test_an_empty_directory_says_what_to_do(tmp_path: Path) -> None:
    async with make_app(runs_dir=tmp_path / "none").run_test(size=(80, 24)) as pilot:
        await look(pilot)
        said = text(pilot, "#empty-text")
        assert f"No runs yet in {tmp_path / 'none'}" in said
        assert "convnext-tui --demo" in said
        await pilot.click("#new")
        await pilot.pause()
        assert isinstance(pilot.app.screen, NewRunScreen)


async def test_the_chosen_row_survives_what_happens_around_it(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        table = await look(pilot)
        await press(pilot, "down", "down")
        write_run(tmp_path, "20261124-130000-newer", scripted.paused().records)
        await look(pilot)
        assert table.cursor_row == 3
        assert "20261124-100000-gone" in text(pilot, "#detail")
        writer = JournalWriter(tmp_path / "20261124-100000-gone" / "events.jsonl")
        last = scripted.failed().records[-1]
        writer.append(Record(last.seq, last.time, last.event))
        writer.close()
        await look(pilot)
        assert rows(table)[3][0] == "✗ failed"
        assert table.cursor_row == 3
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        assert len(table.columns) == 10
        assert table.cursor_row == 3


@pytest.mark.parametrize("how", ["enter", "click"])
async def test_a_run_opens(tmp_path: Path, how: str) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        if how == "enter":
            await press(pilot, "down", "enter")
        else:
            await pilot.click(DataTable, offset=(5, 2))
            await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert text(pilot, "#headline").startswith("✗ FAILED: no space left")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunListScreen)


async def test_an_unreadable_journal_is_a_row_and_skipped_lines_are_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "20261124-120000-torn", scripted.finished().records)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"nonsense": 1}\nnot json\n{"torn')
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await look(pilot)
        assert "2 unreadable lines" in text(pilot, "#detail")
        await press(pilot, "enter")
        assert "2 lines of the journal could not be read" in text(pilot, "#notice")


async def test_a_directory_that_cannot_be_read_is_said_and_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 24)) as pilot:
        table = await look(pilot)

        def broken(self: object) -> None:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr("core.run.folder.RunList.refresh", broken)
            await look(pilot)
        assert text(pilot, "#title").endswith("can't be read: Permission denied")
        assert table.row_count == 6
        await look(pilot)
        assert "can't be read" not in text(pilot, "#title")


async def test_the_list_rests_behind_another_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(scripted.running().source(), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        looks: list[bool] = []
        monkeypatch.setattr(RunListScreen, "look", lambda self: looks.append(True))
        for _ in range(20):
            app.tick()
        assert looks == []
        await press(pilot, "escape")
        for _ in range(20):
            app.tick()
        assert looks


async def test_a_very_small_terminal_has_rows_of_the_list_too(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(40, 10)) as pilot:
        table = await look(pilot)
        await press(pilot, "down")
        assert table.size.height >= 4  # its titles, and more than one run


async def test_colours_follow_the_theme(tmp_path: Path) -> None:
    some_runs(tmp_path)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = await look(pilot)
        for theme, palette in (("convnext-light", LIGHT), ("convnext", DARK)):
            app.theme = theme
            await settle(pilot)
            assert str(table.get_row_at(1)[1].style) == rgb(palette.bad)
            assert str(table.get_row_at(2)[1].style) == rgb(palette.val)
