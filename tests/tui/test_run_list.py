from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from core.events.journal import JournalWriter
from core.events.record import Record
from tests.tui import scripted
from tests.tui.disk import ODD_NAME, some_runs, write_run
from tests.tui.kit import make_app, press, settle, text
from tui.app import Exit
from tui.preferences.palettes import DARK, LIGHT, rgb
from tui.screens.new_run import NewRunScreen
from tui.screens.run import RunScreen
from tui.screens.run_list import RunListScreen
from tui.text import run_list as listing


async def reload(pilot: Pilot[Exit]) -> DataTable[object]:
    """Let the list read its directory."""
    screen = pilot.app.screen
    assert isinstance(screen, RunListScreen)
    screen.reload()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return screen.query_one(DataTable)


def rows(table: DataTable[object]) -> list[list[str]]:
    """Return the cells of all rows without the column of marks."""
    return [[str(cell) for cell in table.get_row_at(i)][1:] for i in range(table.row_count)]


async def test_each_run_is_a_row_with_status_symbol_and_text(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 45)) as pilot:
        shown = rows(await reload(pilot))
    assert [row[0] for row in shown] == ["✓ finished", "✗ failed"] + ["! interrupted"] * 4
    assert shown[0][1:6] == ["animals20", "convnext_tiny.in12k_ft_in1k", "full", "8+2", "★ 99.57%"]
    assert shown[0][7:] == ["7:41", "today 14:13"]
    assert shown[3][6] == "▁×"
    assert shown[5][1] == "20261124-070000-empty"


async def test_names_are_shown_without_markup(tmp_path: Path) -> None:
    write_run(tmp_path, "20261124-080000-odd", scripted.Script(ODD_NAME).records)
    async with make_app(runs_dir=tmp_path).run_test(size=(200, 50)) as pilot:
        shown = rows(await reload(pilot))
        assert shown[0][1].startswith(r"[red]a\x1b[2J[/] 写真")
        assert r"[red]a\x1b[2J[/] 写真 [x" in text(pilot, "#detail")


async def test_a_failed_run_shows_the_reason(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        await press(pilot, "down")
        assert "no space left on the disk" in text(pilot, "#detail")
        await press(pilot, "down")
        assert "process exited unexpectedly" in text(pilot, "#detail")


async def test_an_empty_directory_explains_how_to_start(tmp_path: Path) -> None:
    async with make_app(runs_dir=tmp_path / "none").run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        message = text(pilot, "#empty-text")
        assert f"No runs yet in {tmp_path / 'none'}" in message
        assert "convnext-tui --demo" in message
        await pilot.click("#new")
        await pilot.pause()
        assert isinstance(pilot.app.screen, NewRunScreen)


async def test_the_selection_survives_new_runs_and_changes(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        table = await reload(pilot)
        await press(pilot, "down", "down")
        write_run(tmp_path, "20261124-130000-newer", scripted.paused().records)
        await reload(pilot)
        assert table.cursor_row == 3
        assert "20261124-100000-gone" in text(pilot, "#detail")
        writer = JournalWriter(tmp_path / "20261124-100000-gone" / "events.jsonl")
        last = scripted.failed().records[-1]
        writer.append(Record(last.seq, last.time, last.event))
        writer.close()
        await reload(pilot)
        assert rows(table)[3][0] == "✗ failed"
        assert table.cursor_row == 3
        await pilot.resize_terminal(140, 45)
        await pilot.pause()
        assert len(table.columns) == 10
        assert table.cursor_row == 3


@pytest.mark.parametrize("how", ["enter", "click"])
async def test_a_run_is_opened_by_key_and_click(tmp_path: Path, how: str) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        if how == "enter":
            await press(pilot, "down", "enter")
        else:
            await pilot.click(DataTable, offset=(5, 2))
            await settle(pilot)
        assert isinstance(pilot.app.screen, RunScreen)
        assert text(pilot, "#headline").startswith("✗ FAILED: no space left")
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunListScreen)


async def test_a_damaged_journal_is_a_row_with_the_number_of_skipped_lines(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "20261124-120000-torn", scripted.finished().records)
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"nonsense": 1}\nnot json\n{"torn')
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        assert "2 unreadable lines" in text(pilot, "#detail")
        await press(pilot, "enter")
        assert "skipped 2 unreadable lines of the journal" in text(pilot, "#notice")


async def test_an_unreadable_directory_is_reported_until_it_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 24)) as pilot:
        table = await reload(pilot)

        def broken(self: object) -> None:
            raise PermissionError(13, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr("core.run.run_list.RunList.refresh", broken)
            await reload(pilot)
        assert text(pilot, "#title").endswith("cannot be read: Permission denied")
        assert table.row_count == 6
        await reload(pilot)
        assert "cannot be read" not in text(pilot, "#title")


async def test_the_list_is_not_reloaded_behind_another_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(scripted.running().source(), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        reloads: list[bool] = []
        monkeypatch.setattr(RunListScreen, "reload", lambda self: reloads.append(True))
        for _ in range(20):
            app.tick()
        assert reloads == []
        await press(pilot, "escape")
        for _ in range(20):
            app.tick()
        assert reloads


async def test_a_very_small_terminal_shows_some_rows(tmp_path: Path) -> None:
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=(40, 10)) as pilot:
        table = await reload(pilot)
        await press(pilot, "down")
        assert table.size.height >= 4  # the header and several runs


async def test_colors_follow_the_theme(tmp_path: Path) -> None:
    some_runs(tmp_path)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        table = await reload(pilot)
        for theme, palette in (("convnext-light", LIGHT), ("convnext", DARK)):
            app.theme = theme
            await settle(pilot)
            assert str(table.get_row_at(1)[1].style) == rgb(palette.bad)
            assert str(table.get_row_at(2)[1].style) == rgb(palette.val)


LONG_NAMES = ["animals20 with a name of more than forty letters", "猫と犬の写真の分類" * 5, "short"]


def long_named_runs(runs_dir: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        model = {"name": "convnext_base.fb_in22k_ft_in1k_384"}
        script = scripted.Script(name, model=model).prepare().head(2)
        write_run(runs_dir, f"20261124-1{number}0000-long", script.records)


@pytest.mark.parametrize("names", [LONG_NAMES, ["run"] * 3])
async def test_the_table_fits_every_width(names: list[str], tmp_path: Path) -> None:
    long_named_runs(tmp_path, names)
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(140, 24)) as pilot:
        table = await reload(pilot)
        for width in (40, 60, 80, 99, 100, 119, 120, 139, 140, 180, 250):
            await pilot.resize_terminal(width, 12)  # with a scroll bar
            await pilot.pause()
            assert table.virtual_size.width <= table.scrollable_content_region.width, width
            assert table.max_scroll_x == 0


@pytest.mark.parametrize(
    ("width", "name", "columns"),
    [
        (40, 17, 3),
        (80, 21, 7),
        (100, 21, 9),
        (120, 25, 10),
        (140, 45, 10),
        (160, 48, 10),
        (200, 48, 11),
    ],
)
async def test_space_goes_to_names_and_then_to_models(
    width: int, name: int, columns: int, tmp_path: Path
) -> None:
    long_named_runs(tmp_path, LONG_NAMES[:1])
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=(width, 24)) as pilot:
        table = await reload(pilot)
        names = [key.value for key in table.columns]
        shown = table.get_row_at(0)[names.index("name")]
        assert (len(str(shown)), len(names)) == (name, columns)


def test_a_very_long_name_leaves_space_for_the_models() -> None:
    titles = listing.titles(None)
    cells = {**dict.fromkeys(titles, 10), "name": 120, "model": 36, "best run": 0}
    whole = listing.whole_widths(titles, [cells])
    widths = [listing.fit_columns(whole, width) for width in (160, 180, 200, 220)]
    shown = [(each["name"], each["model"]) for each in widths]
    assert shown == [(46, 14), (48, 32), (64, 36), (84, 36)]


def test_columns_fit_and_only_get_more_with_the_width() -> None:
    titles = listing.titles(None)
    cells = {
        **dict.fromkeys(titles, 13),
        "mark": 2,
        "name": 60,
        "model": 40,
        "tags": 20,
        "note": 60,
    }
    whole = listing.whole_widths(titles, [cells])
    before: set[str] = set()
    for width in range(40, 271):
        widths = listing.fit_columns(whole, width)
        assert sum(cells + 2 for cells in widths.values()) <= width - 2, width
        assert before <= widths.keys()
        before = set(widths)
    assert before == set(titles)
