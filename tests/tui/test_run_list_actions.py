"""Actions of the run list: filter, sort, star, tag, rename, archive, delete, duplicate."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Static

from core.config.load import load_config, to_yaml
from core.run.actions import trashed_runs
from core.run.folder import RunFolder
from core.run.lock import RunLock
from core.run.notes import Notes, read_notes, update_notes
from tests.tui import scripted
from tests.tui.disk import ODD_NAME, some_runs, write_run
from tests.tui.kit import Starter, make_app, press, settle, text, toasts
from tests.tui.test_run_list import reload, rows
from tui.app import Exit
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.text import TextDialog
from tui.screens.new_run import NewRunScreen
from tui.screens.run_list import RunListScreen

DONE, FAILED = "20261124-120000-done", "20261124-110000-failed"


async def done(pilot: Pilot[Exit]) -> DataTable[object]:
    """Wait until all effects of the pressed keys are visible."""
    for _ in range(4):
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
    return pilot.app.screen_stack[0].query_one(DataTable)


async def type_in(pilot: Pilot[Exit], value: str) -> None:
    field = pilot.app.screen.query_one(Input)
    field.value = value
    await done(pilot)


def names(table: DataTable[object]) -> list[str]:
    return [row[1] for row in rows(table)]


def ids(table: DataTable[object]) -> list[str]:
    return [str(key.value).rsplit("-", 1)[-1] for key in table.rows]


def marks(table: DataTable[object]) -> list[str]:
    return [str(table.get_row_at(row)[0]) for row in range(table.row_count)]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    some_runs(tmp_path)
    return tmp_path


async def test_a_query_filters_while_it_is_typed(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "slash")
        await type_in(pilot, "status:failed")
        assert ids(table) == ["failed"]
        assert text(pilot, "#title").endswith("· 1 of 6")
        await type_in(pilot, "status:nothing top1>0.9")
        assert not table.display
        assert "No run matches the filter (6 in total)" in text(pilot, "#empty-text")
        await press(pilot, "escape")
        await done(pilot)
        assert table.row_count == 6
        assert not pilot.app.screen.query_one("#filter").display
        assert pilot.app.focused is table


async def test_an_invalid_query_says_what_is_expected(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "slash", "t", "o", "p", "1", ">", "9")
        await done(pilot)
        assert "takes a fraction from 0 to 1" in text(pilot, "#query-error")
        await type_in(pilot, "top1>0.9")
        assert not pilot.app.screen.query_one("#query-error").display
        assert table.row_count == 3
        await press(pilot, "enter")
        assert pilot.app.focused is table


async def test_s_sorts_by_the_next_column_and_shift_s_reverses_the_order(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 24), notifications=True) as pilot:
        table = await reload(pilot)
        newest = ids(table)
        query = ""
        for expected in ("status", "name", "model", "phase", "-epochs", "-top1"):
            await press(pilot, "s")
            await done(pilot)
            query = pilot.app.screen.query_one("#query", Input).value
            assert query == f"sort:{expected}"
        assert [str(c.label) for c in table.columns.values()][6] == "Best top-1 ▼"
        best_first = ids(table)
        await press(pilot, "S")
        await done(pilot)
        assert ids(table)[0] == "nan"
        assert best_first[0] != ids(table)[0]
        for _ in range(4):
            await press(pilot, "s")
            await done(pilot)
        assert ids(table) == newest
        await press(pilot, "S")
        await done(pilot)
        assert ids(table) == newest[::-1]


async def test_a_click_on_a_header_sorts(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await pilot.click(DataTable, offset=(8, 0))
        await done(pilot)
        assert [row[0] for row in rows(table)][:2] == ["✗ failed", "✓ finished"]
        await pilot.click(DataTable, offset=(8, 0))
        await done(pilot)
        assert [row[0] for row in rows(table)][-1] == "✗ failed"


async def test_j_and_k_move_the_selection(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "j", "j", "k")
        assert table.cursor_row == 1


async def test_a_run_is_starred_and_unstarred(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "down", "*")
        await done(pilot)
        assert read_notes(runs_dir / FAILED / "notes.yaml") == Notes(starred=True)
        assert marks(table)[1].strip() == "✦"
        await press(pilot, "asterisk")
        await done(pilot)
        assert read_notes(runs_dir / FAILED / "notes.yaml") == Notes()
        assert marks(table)[1].strip() == ""


@pytest.mark.parametrize(
    ("key", "typed", "saved"),
    [
        ("t", "small #base,line", Notes(tags=("small", "base", "line"))),
        ("e", "[b]worth a look", Notes(note="[b]worth a look")),
        ("f2", "zebras [x", Notes(name="zebras [x")),
    ],
)
async def test_tags_note_and_name_are_saved(
    runs_dir: Path, key: str, typed: str, saved: Notes
) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, key)
        assert isinstance(pilot.app.screen, TextDialog)
        await press(pilot, "escape")
        assert not (runs_dir / DONE / "notes.yaml").exists()
        await press(pilot, key)
        pilot.app.screen.query_one(Input).value = typed
        await press(pilot, "enter")
        await done(pilot)
        assert read_notes(runs_dir / DONE / "notes.yaml") == saved
        detail = text(pilot, "#detail")
        assert (saved.name or saved.note or "#small #base #line") in detail


async def test_invalid_text_is_reported_while_it_is_typed(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, "t")
        pilot.app.screen.query_one(Input).value = "x" * 41
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, TextDialog)
        assert "41 characters: at most 40" in text(pilot, "#hint")
        await pilot.click("#cancel")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunListScreen)


async def test_a_run_is_archived_and_unarchived(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "a")
        await done(pilot)
        assert "done" not in ids(table)
        assert "is:archived" in toasts(pilot)
        await press(pilot, "slash")
        await type_in(pilot, "is:archived")
        assert ids(table) == ["done"]
        await press(pilot, "enter", "a")
        await done(pilot)
        assert "No run matches the filter (6 in total)" in text(pilot, "#empty-text")
        await press(pilot, "escape")
        await done(pilot)
        assert "done" in ids(table)


@pytest.mark.parametrize("key", ["d", "delete"])
async def test_a_run_is_moved_to_the_trash_and_restored(runs_dir: Path, key: str) -> None:
    (runs_dir / DONE / "checkpoint.pt").write_bytes(b"x" * 2_500_000)
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, key)
        await done(pilot)
        dialog = pilot.app.screen
        assert isinstance(dialog, ChoiceDialog)
        question = str(dialog.query_one(".question", Static).render())
        assert "2.5" in question
        assert str(runs_dir / ".trash") in question
        await press(pilot, "escape")
        assert "done" in ids(table)
        await press(pilot, key)
        await done(pilot)
        await press(pilot, "enter")
        await done(pilot)
        assert "done" not in ids(table)
        assert [trashed.id for trashed in trashed_runs(runs_dir)] == [DONE]
        await press(pilot, "u")
        await done(pilot)
        assert "done" in ids(table)
        await press(pilot, "u")
        await done(pilot)
        assert "the trash is empty" in toasts(pilot)


async def test_a_training_run_is_not_deleted(runs_dir: Path) -> None:
    lock = RunLock(RunFolder(runs_dir / DONE))
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "d")
        await done(pilot)
        await press(pilot, "enter")
        await done(pilot)
        assert "stop it first" in toasts(pilot)
        assert "done" in ids(table)
    lock.release()


async def test_a_write_error_is_reported(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        await reload(pilot)
        monkeypatch.setattr("core.run.notes.write_text_atomically", refuse)
        await press(pilot, "*")
        await done(pilot)
        assert "Permission denied" in toasts(pilot)


async def test_at_most_eight_runs_are_marked_with_letters(tmp_path: Path) -> None:
    for number in range(10):
        write_run(tmp_path, f"20261124-12000{number}-x", scripted.Script("x").records)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 30), notifications=True) as pilot:
        table = await reload(pilot)
        for _ in range(9):
            await press(pilot, "space", "down")
        assert [mark.strip() for mark in marks(table)] == [*"ABCDEFGH", "", ""]
        assert "at most 8 runs" in toasts(pilot)
        await press(pilot, "up", "up", "space")
        assert [mark.strip() for mark in marks(table)][-3:] == ["", "", ""]
        await press(pilot, "escape")
        assert {mark.strip() for mark in marks(table)} == {""}


async def test_the_details_show_config_differences(tmp_path: Path) -> None:
    for number, batch in enumerate((32, 64)):
        script = scripted.Script("x", data={"batch_size": batch}, seed=7)
        write_run(tmp_path, f"20261124-12000{number}-x", script.records)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 30), notifications=True) as pilot:
        await reload(pilot)
        assert "differs from 20261124-120000-x: data.batch_size 32 → 64" in text(pilot, "#detail")
        await press(pilot, "down")
        assert "differs from 20261124-120001-x: data.batch_size 64 → 32" in text(pilot, "#detail")


async def test_the_best_run_shown_is_marked(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 30), notifications=True) as pilot:
        table = await reload(pilot)
        assert [row[3].startswith("★") for row in rows(table)] == [True] + [False] * 5
        assert "best of the runs shown" in text(pilot, "#detail")


async def test_damaged_notes_are_reported_in_the_details(runs_dir: Path) -> None:
    (runs_dir / DONE / "notes.yaml").write_text("[")
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 30), notifications=True) as pilot:
        await reload(pilot)
        assert "notes.yaml is invalid" in text(pilot, "#detail")


async def test_names_are_never_parsed_as_markup(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "20261124-080000-odd", scripted.Script("x").records)
    update_notes(folder / "notes.yaml", name=ODD_NAME, tags=("[red]", "\x1b[2J"), note=ODD_NAME)
    async with make_app(runs_dir=tmp_path).run_test(size=(200, 50), notifications=True) as pilot:
        table = await reload(pilot)
        assert r"#[red] #\x1b[2J" in rows(table)[0]
        assert "\x1b" not in text(pilot, "#detail")
        for key in ("t", "e", "f2", "d"):
            await press(pilot, key)
            await done(pilot)
            assert not isinstance(pilot.app.screen, RunListScreen)
            await press(pilot, "escape")


@pytest.fixture
def like(tmp_path: Path) -> Callable[..., Path]:
    def make(**values: object) -> Path:
        folder = write_run(tmp_path, "20261124-120000-old", scripted.finished().records)
        (tmp_path / "photos" / "cats").mkdir(parents=True)
        (tmp_path / "photos" / "dogs").mkdir()
        for name in ("cats", "dogs"):
            for number in range(4):
                (tmp_path / "photos" / name / f"{number}.png").write_bytes(b"x")
        root = {"data.root": str(tmp_path / "photos")}
        (folder / "config.yaml").write_text(to_yaml(load_config(values={**root, **values})))
        return folder

    return make


async def test_a_duplicated_run_has_the_same_configuration(
    tmp_path: Path, starter: Starter, like: Callable[..., Path]
) -> None:
    like(**{"data.batch_size": 7, "seed": 5, "name": "old [x"})
    app = make_app(runs_dir=tmp_path, starter=starter)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, "b")
        assert isinstance(app.screen, NewRunScreen)
        assert text(pilot, "#title") == "New run based on animals20"
        assert app.screen.query_one("#data-batch-size", Input).placeholder == "7"
        app.screen.query_one("#name", Input).value = "new"
        app.screen.query_one("#more", Input).value = "phases.full.lr=3e-5"
        await press(pilot, "f5")
        await done(pilot)
    (config,) = starter.configs
    assert (config.name, config.data.batch_size, config.seed) == ("new", 7, 5)
    assert config.phases.full.lr == 3e-5
    assert config.data.root == str(tmp_path / "photos")


async def test_an_unreadable_configuration_is_reported(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, "b")
        assert isinstance(pilot.app.screen, RunListScreen)
        assert "nor a readable file" in toasts(pilot)


@pytest.mark.parametrize(
    "key", ["b", "v", "*", "t", "e", "f2", "a", "d", "u", "c", "space", "s", "S", "r", "j", "k"]
)
async def test_keys_do_nothing_without_a_run(tmp_path: Path, key: str) -> None:
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await press(pilot, key)
        await reload(pilot)
        await press(pilot, key)
        await done(pilot)
        assert isinstance(pilot.app.screen, RunListScreen)
