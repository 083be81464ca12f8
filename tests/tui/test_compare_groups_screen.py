"""Studies on the comparison screen: groups, what their results show, and their curves."""

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from core.study.members import planned_members
from tests.tui.disk import some_runs
from tests.tui.kit import make_app, press, text
from tests.tui.studies import planned, seeds, write_member
from tests.tui.test_compare_screen import chart_title, drawn, read, rows
from tests.tui.test_study_screen import SIZES, settled
from tui.app import ConvNextApp, Exit
from tui.screens.compare import CompareScreen
from tui.screens.compare_groups import CompareGroupsScreen
from tui.widgets.chart import Chart

BETTER, WORSE = (0.91, 0.93, 0.92, 0.925, 0.935), (0.90, 0.92, 0.913, 0.916, 0.925)


async def compared(pilot: Pilot[Exit], paths: list[Path]) -> CompareScreen:
    assert isinstance(pilot.app, ConvNextApp)
    pilot.app.open_comparison(paths, in_groups=True)
    await pilot.pause()
    await settled(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, CompareGroupsScreen)
    return screen


def headings(screen: CompareScreen) -> list[str]:
    return [str(column.label) for column in screen.query_one(DataTable).ordered_columns]


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_two_studies_their_difference_and_the_verdict(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    paths = [planned(tmp_path, top1=BETTER).path, planned(tmp_path, top1=WORSE, name="b").path]
    async with make_app(runs_dir=tmp_path).run_test(size=size) as pilot:
        screen = await compared(pilot, paths)
        assert text(pilot, "#headline") == "Comparing 2 groups of runs: A flowers · B b"
        verdict = text(pilot, "#verdicts").splitlines()
        assert verdict[0] == (
            "best val top-1: A is better than B by 0.92 points, interval 0.76 to 1.08, 5 seeds"
        )
        assert verdict[1] == "95% intervals by Student's t, paired by seed"
        assert headings(screen) == ["mean ± std", "A flowers", "B b", "A − B (95% interval)"]
        best = rows(screen)["best_val_top1"]
        assert best[1].startswith("★ 92.24 ± 0.96%") or best[1].startswith("★ 92.24 ± 0.92%")
        assert best[3] == "0.92 points (0.76 to 1.08), A better"
        assert "A" in drawn(screen) and "B" in drawn(screen)
        assert "mean, lowest and highest run" in str(screen.query_one(Chart).border_subtitle)
        with_band = drawn(screen)
        await press(pilot, "b")
        assert drawn(screen) != with_band
        await press(pilot, "m", "x")
        assert "over steps" in chart_title(screen)
        await press(pilot, "right")
        readout = text(pilot, "#readout")
        assert "n = 5" in readout and readout.startswith("steps ")
        await press(pilot, "s")
        assert "A★" in drawn(screen) or "B★" in drawn(screen) or "A" in drawn(screen)


async def test_a_study_with_a_run_and_studies_without_results(tmp_path: Path) -> None:
    some_runs(tmp_path)
    study = planned(tmp_path)
    empty = planned(tmp_path, top1=(None, None), name="empty")
    seeds(tmp_path, "20260101-orphan", [0.7, 0.71])
    done = tmp_path / "20261124-120000-done"
    paths = [study.path, done, empty.path, tmp_path / "20260101-orphan"]
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 45)) as pilot:
        screen = await compared(pilot, paths)
        assert headings(screen)[1:] == [
            *("A flowers", "B animals20", "C empty", "D 20260101-orphan"),
        ]
        assert rows(screen)["best_val_top1"][3] == "–"
        assert "one run of B: no interval" in text(pilot, "#verdicts")
        await press(pilot, "escape")
        await compared(pilot, [empty.path, planned(tmp_path, top1=(None,) * 2, name="e").path])
        assert "no results yet" in text(pilot, "#verdicts")


async def test_new_runs_of_a_study_join_its_group(tmp_path: Path) -> None:
    study = planned(tmp_path, top1=(0.9, 0.92, None))
    other = planned(tmp_path, top1=(0.8, 0.81, 0.82), name="other")
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 45)) as pilot:
        screen = await compared(pilot, [study.path, other.path])
        assert rows(screen)["runs"][1] == "2 finished"
        write_member(study, planned_members(study)[2], 0.91, "finished", 1_790_000_500.0)
        for _ in range(12):
            await read(pilot)
        assert rows(screen)["runs"][1] == "3 finished"


@pytest.mark.parametrize(
    ("key", "end", "content"),
    [("t", "table.csv", "letter"), ("c", "curves.csv", "global_step"), ("s", ".svg", "<polygon")],
)
async def test_groups_are_exported(tmp_path: Path, key: str, end: str, content: str) -> None:
    paths = [planned(tmp_path).path, planned(tmp_path, name="b").path]
    async with make_app(runs_dir=tmp_path).run_test(size=(140, 45)) as pilot:
        await compared(pilot, paths)
        await press(pilot, "e", key)
        await settled(pilot)
        (file,) = tmp_path.glob(f"compare-*{end}")
        assert content in file.read_text()
