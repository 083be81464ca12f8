"""Studies in the run list: one row each that opens and closes."""

from pathlib import Path

import pytest
from textual.widgets import Button, DataTable

from core.run.lock import RunLock
from core.run.notes import read_notes
from core.study.definition import FOLDS
from core.study.members import planned_members
from tests.tui.disk import some_runs
from tests.tui.kit import make_app, press, text, toasts
from tests.tui.studies import planned, seeds, write_member
from tests.tui.test_run_list import reload, rows
from tui.app import ConvNextApp
from tui.screens.compare_groups import CompareGroupsScreen
from tui.screens.run_list import RunListScreen
from tui.screens.study import StudyScreen

LARGE = (140, 45)


def names(table: DataTable[object]) -> list[str]:
    return [row[1] for row in rows(table)]


async def test_a_study_is_one_row_with_counts_mean_and_best_run(tmp_path: Path) -> None:
    planned(tmp_path, top1=(0.91, 0.93, None, 0.5, 0.92), outcomes={4: "failed", 5: ""})
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        ((status, name, _, _, epochs, top1, best, *_),) = rows(table)
        assert (status, name) == ("✗ 2✓ 1✗ 1! 1·", "▸ flowers · 5 seeds")
        assert (epochs, top1, best) == ("24", "91.8 ± 1.4%", "★ 92.78%")
        detail = text(pilot, "#detail")
        assert "study of 5 seeds" in detail
        assert "2 finished, 1 failed, 1 interrupted, 1 waiting" in detail
        assert "(mean ± std of 2 finished runs), best run seed 101 92.78%" in detail
        assert "seed 103: no space left on the disk" in detail


@pytest.mark.parametrize("how", ["o", "right", "click"])
async def test_its_runs_are_shown_and_hidden_by_key_and_click(tmp_path: Path, how: str) -> None:
    planned(tmp_path, name="zoo", top1=(0.9, 0.8))
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        number = names(table).index("▸ zoo · 2 seeds")
        await press(pilot, *["j"] * number)

        async def toggle(key: str) -> None:
            if how == "click":
                column = str(table.get_row_at(number)[1])
                x = 4 + len(column) + max(len(r[0]) for r in rows(table)) - len(column) + 3
                await pilot.click(DataTable, offset=(x, number + 1))
                await press(pilot)
            else:
                await press(pilot, key)

        await toggle("o" if how == "o" else "right")
        assert names(table)[number : number + 3] == ["▾ zoo · 2 seeds", "  seed 100", "  seed 101"]
        assert table.cursor_row == number
        await reload(pilot)  # remembered
        assert "  seed 101" in names(table)
        await press(pilot, "j", "j")
        await press(pilot, "left")
        assert names(table)[number] == "▸ zoo · 2 seeds"
        assert (table.cursor_row, table.row_count) == (number, 7)


async def test_enter_opens_the_study_or_its_run(tmp_path: Path) -> None:
    planned(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        await reload(pilot)
        await press(pilot, "enter")
        assert isinstance(pilot.app.screen, StudyScreen)
        await press(pilot, "escape", "o", "j", "enter")
        assert "flowers seed 100" in text(pilot, "#headline")


async def test_a_filter_shows_the_runs_that_match_and_their_study(tmp_path: Path) -> None:
    planned(tmp_path, top1=(0.91, 0.5), outcomes={2: "failed"})
    planned(tmp_path, name="birds", top1=(None, None))
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        assert names(table) == ["▸ flowers · 2 seeds", "▸ birds · 2 seeds"]
        await press(pilot, "slash", *"status:failed")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert names(table) == ["▾ flowers · 2 seeds", "  seed 101"]
        await press(pilot, "enter", "left")
        assert names(table) == ["▸ flowers · 2 seeds"]
        await press(pilot, "escape", "slash", *"birds")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert names(table) == ["▾ birds · 2 seeds"]


async def test_studies_are_sorted_among_runs_and_runs_within_their_study(tmp_path: Path) -> None:
    planned(tmp_path, top1=(0.4, 0.6))
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        await press(pilot, "slash", *"sort:top1", "enter")
        await pilot.app.workers.wait_for_complete()
        shown = names(table)
        # 50% of the run that is not a number, then the mean of 40% and 60%.
        number = shown.index("▸ flowers · 2 seeds")
        assert number in (0, 1)
        await press(pilot, *["k"] * 7, *["j"] * number, "o")
        assert names(table)[number + 1 : number + 3] == ["  seed 100", "  seed 101"]
        await press(pilot, "S")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        shown = names(table)
        assert shown.index("  seed 101") + 1 == shown.index("  seed 100")


async def test_studies_without_runs_with_failed_runs_and_invalid_ones_say_so(
    tmp_path: Path,
) -> None:
    planned(tmp_path, name="a", top1=(None, None))
    planned(tmp_path, name="b", top1=(0.1, 0.1), outcomes={1: "failed", 2: "failed"})
    damaged = planned(tmp_path, name="c", top1=(0.5, 0.7))
    damaged.definition.write_text("kind: [")
    seeds(tmp_path, "20260101-d", [0.7, 0.71])
    (tmp_path / "20260101-e").mkdir()
    (tmp_path / "20260101-e" / "study.yaml").write_text("kind: other\n")
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        details = {}
        for row in rows(table):
            details[row[1]] = (row[0], text(pilot, "#detail"))
            await press(pilot, "j")
        status, detail = details["▸ a · 2 seeds"]
        assert status == "· 2 waiting" and "2 waiting" in detail
        assert details["▸ b · 2 seeds"][0] == "✗ 2 failed"
        assert "seed 100: no space left on the disk" in details["▸ b · 2 seeds"][1]
        status, detail = details["▸ c · study"]
        assert status == "? 2 finished" and "not valid YAML" in detail and "59.8" in detail
        status, detail = details["▸ 20260101-d · study"]
        assert "its folder with study.yaml is missing" in detail
        status, detail = details["▸ 20260101-e · study"]
        assert status == "? unreadable" and "is missing or invalid" in detail
        for _ in details:
            await press(pilot, "enter")
            assert isinstance(pilot.app.screen, StudyScreen)
            await press(pilot, "escape", "k")


async def test_a_study_and_its_runs_are_deleted_and_restored_together(tmp_path: Path) -> None:
    study = planned(tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE, notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "d")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        question = str(pilot.app.screen.query_one(".question").render())
        assert f"The study flowers ({study.id}) and its 3 runs" in question
        await press(pilot, "enter")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == []
        assert not table.display
        await press(pilot, "u")
        await pilot.app.workers.wait_for_complete()
        await reload(pilot)
        assert names(table) == ["▸ flowers · 3 seeds"]
        assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == kept


async def test_a_study_in_progress_is_not_deleted(tmp_path: Path) -> None:
    study = planned(tmp_path)
    lock = RunLock(study)
    try:
        async with make_app(runs_dir=tmp_path).run_test(size=LARGE, notifications=True) as pilot:
            table = await reload(pilot)
            assert rows(table)[0][0].startswith("● ")
            await press(pilot, "d")
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
            await press(pilot, "enter")
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
            assert "stop it first" in toasts(pilot)
            assert len(list(tmp_path.glob("2*"))) == 4
    finally:
        lock.release()


async def test_a_study_is_starred_renamed_and_archived_with_its_runs(tmp_path: Path) -> None:
    study = planned(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE, notifications=True) as pilot:
        table = await reload(pilot)
        await press(pilot, "asterisk")
        await pilot.app.workers.wait_for_complete()
        await reload(pilot)
        assert str(table.get_row_at(0)[0]) == " ✦"
        await press(pilot, "f2", *["backspace"] * 7, *"roses", "enter")
        await pilot.app.workers.wait_for_complete()
        await reload(pilot)
        assert names(table) == ["▸ roses · 3 seeds"]
        assert read_notes(study.path / "notes.yaml").name == "roses"
        await press(pilot, "a")
        await pilot.app.workers.wait_for_complete()
        await reload(pilot)
        assert not table.display
        assert "3 archived" in text(pilot, "#empty-text")
        assert "Archived roses and its runs" in toasts(pilot)
        for key in ("b", "v"):
            await press(pilot, "slash", *"is:archived", "enter", key)
            await pilot.app.workers.wait_for_complete()
            await press(pilot, key)
            assert "select a run of the study" in toasts(pilot)


async def test_marked_studies_and_runs_are_compared_as_groups(tmp_path: Path) -> None:
    planned(tmp_path)
    planned(tmp_path, name="birds", top1=(0.8, 0.85, 0.82))
    some_runs(tmp_path)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        shown = names(table)
        await press(pilot, "space", *["j"] * shown.index("▸ birds · 3 seeds"), "space")
        assert str(table.get_row_at(table.cursor_row)[0]) == "B "
        await press(pilot, "c")
        assert isinstance(pilot.app.screen, CompareGroupsScreen)


async def test_new_runs_and_results_of_a_study_appear(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.9, None), kind=FOLDS)
    async with make_app(runs_dir=tmp_path).run_test(size=LARGE) as pilot:
        table = await reload(pilot)
        assert rows(table)[0][:2] == ["■ 1✓ 1·", "▸ flowers · 2 folds"]
        await press(pilot, "o")
        write_member(study, planned_members(study)[1], 0.8, "finished", 1_790_000_500.0)
        await reload(pilot)
        assert rows(table)[0][0] == "✓ 2 finished"
        assert names(table) == ["▾ flowers · 2 folds", "  fold 0", "  fold 1"]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140, 200, 250])
async def test_the_columns_fit(tmp_path: Path, width: int) -> None:
    planned(tmp_path, name="a study with quite a long name", outcomes={1: "failed"})
    planned(tmp_path, top1=[0.9, None, *[0.8] * 18], outcomes={3: "failed", 4: "stopped", 5: ""})
    async with make_app(runs_dir=tmp_path).run_test(size=(width, 24)) as pilot:
        table = await reload(pilot)
        await press(pilot, "o")
        used = sum(column.get_render_width(table) for column in table.columns.values())
        assert used <= max(width, 45)
        assert "seeds" in names(table)[0] or width < 80


async def test_an_empty_directory_of_an_empty_study_offers_no_new_run_button(
    tmp_path: Path,
) -> None:
    planned(tmp_path, top1=(None, None))
    app = make_app(runs_dir=tmp_path)
    assert isinstance(app, ConvNextApp)
    async with app.run_test(size=(80, 24)) as pilot:
        table = await reload(pilot)
        assert table.display and not pilot.app.screen.query_one("#new", Button).is_on_screen
        assert isinstance(pilot.app.screen, RunListScreen)
