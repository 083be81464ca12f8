"""The comparison screen."""

import csv
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable

from core.events.journal import JournalWriter
from core.events.record import Record
from core.run.folder import RunFolder
from core.run.lock import RunLock
from core.run.notes import update_notes
from tests.tui import scripted
from tests.tui.disk import ODD_NAME, some_runs, write_run
from tests.tui.kit import make_app, press, settle, text, toasts
from tests.tui.test_run_list import reload
from tui.app import Exit
from tui.charts.svg import SvgChart, SvgCurve, draw_svg
from tui.screens.compare import CompareScreen
from tui.screens.run_list import RunListScreen
from tui.widgets.chart import Chart

DONE, FAILED = "20261124-120000-done", "20261124-110000-failed"


async def read(pilot: Pilot[Exit]) -> CompareScreen:
    for _ in range(8):
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, CompareScreen)
    return screen


def rows(screen: CompareScreen) -> dict[str, list[str]]:
    table = screen.query_one(DataTable)
    return {
        str(key.value): [" ".join(str(cell).split()) for cell in table.get_row(key)]
        for key in table.rows
    }


def drawn(screen: CompareScreen) -> str:
    return str(screen.query_one(Chart).render())


def chart_title(screen: CompareScreen) -> str:
    return str(screen.query_one(Chart).border_title)


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    some_runs(tmp_path)
    short = scripted.Script("short", seed=2).prepare().head(3).phase("full")
    short.epoch("full", 1, 0.02, 0.9975).epoch("full", 2, 0.4, 0.93, best=False, bad=1)
    write_run(tmp_path, "20261124-113000-short", short.records)
    return tmp_path


async def test_the_selected_run_is_compared_with_the_one_below(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        screen = await read(pilot)
        shown = rows(screen)
        assert shown["status"] == ["status", "✓ finished", "! interrupted"]
        assert shown["best_val_top1"] == ["best val top-1 ↑", "99.57%", "★ 99.75%"]
        assert shown["config seed"] == ["seed", "1029", "2"]
        headings = [str(c.label) for c in screen.query_one(DataTable).columns.values()]
        assert headings == ["", "A animals20", "B short"]
        assert text(pilot, "#headline") == (
            "Comparing 2 runs · best val top-1 99.75%, 0.18 points above A: B short"
        )
        assert "A" in drawn(screen)
        assert "B" in drawn(screen)
        await press(pilot, "escape")
        assert isinstance(pilot.app.screen, RunListScreen)


async def test_selected_runs_are_compared_in_the_order_of_their_letters(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        await press(pilot, "down", "space", "up", "space", "down", "down", "space", "c")
        screen = await read(pilot)
        assert rows(screen)["status"][1:] == ["! interrupted", "✓ finished", "✗ failed"]


async def test_one_selected_run_is_compared_with_the_one_under_the_cursor(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        await press(pilot, "space", "down", "down", "c")
        screen = await read(pilot)
        assert rows(screen)["status"][1:] == ["✓ finished", "✗ failed"]


async def test_comparing_takes_two_runs(tmp_path: Path) -> None:
    write_run(tmp_path, DONE, scripted.finished().records)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        assert "a comparison needs at least two runs" in toasts(pilot)


async def test_keys_change_what_is_drawn(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        screen = await read(pilot)
        assert chart_title(screen) == "Val top-1 over epochs"
        await press(pilot, "m")
        assert chart_title(screen) == "Val loss over epochs"
        for key, title in (
            ("l", "Val loss (log) over epochs"),
            ("o", "Val loss over epochs"),
            ("x", "Val loss over steps"),
            ("a", "Val loss over minutes of training"),
            ("x", "Val loss over epochs since unfreeze"),
        ):
            await press(pilot, key)
            assert chart_title(screen) == title
        assert "head" in drawn(screen)
        await press(pilot, "x", "c")
        assert chart_title(screen) == "Train top-1 over epochs"
        for _ in range(10):
            await press(pilot, "m")
        assert chart_title(screen) == "Val loss over epochs"


async def test_the_cursor_reads_all_runs_and_zoom_and_pan_move_the_visible_range(
    runs_dir: Path,
) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        screen = await read(pilot)
        await press(pilot, "left")
        assert text(pilot, "#readout") == "epochs 10:  A 99.31%   B 93.00%"
        await press(pilot, "shift+left", "left", "right", "shift+right")
        assert text(pilot, "#readout").startswith("epochs 10:")
        await press(pilot, "+", "=")
        assert screen.view.window == pytest.approx((7.75, 10))  # of 1 to 10
        await press(pilot, "<", "comma")
        assert screen.view.window == pytest.approx((6.625, 8.875))
        await press(pilot, ">", "full_stop")
        assert screen.view.window == pytest.approx((7.75, 10))
        await press(pilot, "minus")
        assert screen.view.window == pytest.approx((5.5, 10))
        await press(pilot, "0")
        assert (screen.view.window, screen.view.cursor) == (None, None)
        assert not screen.query_one("#readout").display
        await pilot.click(Chart, offset=(60, 5))
        await settle(pilot)
        assert text(pilot, "#readout").startswith("epochs ")


async def test_the_layout_and_the_table_follow_keys(runs_dir: Path) -> None:
    async with make_app(runs_dir=runs_dir).run_test(size=(60, 20)) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        screen = await read(pilot)
        table, chart = screen.query_one(DataTable), screen.query_one(Chart)
        for key, moved in (("down", 1), ("j", 2), ("k", 1), ("up", 0), ("pagedown", 8)):
            await press(pilot, key)
            assert table.scroll_y == min(moved, table.max_scroll_y)
        await press(pilot, "pageup")
        assert table.scroll_y == 0
        await press(pilot, "tab")
        assert table.scroll_x == min(16, table.max_scroll_x)
        await press(pilot, "shift+tab")
        assert table.scroll_x == 0
        await press(pilot, "g")
        assert not table.display
        await press(pilot, "g")
        assert table.display
        assert not chart.display
        await press(pilot, "g")
        assert table.display
        assert chart.display


async def test_runs_in_progress_are_followed(runs_dir: Path) -> None:
    script = scripted.Script("live").prepare().head(3)
    folder = write_run(runs_dir, "20261124-130000-live", script.records)
    lock = RunLock(RunFolder(folder))
    app = make_app(runs_dir=runs_dir)
    async with app.run_test(size=(140, 45)) as pilot:
        app.open_comparison([folder, runs_dir / DONE])
        screen = await read(pilot)
        assert rows(screen)["status"][1] == "● running"
        assert rows(screen)["epochs"][1] == "3"
        written = len(script.records)
        script.phase("full").epoch("full", 1, 0.01, 0.999)
        writer = JournalWriter(folder / "events.jsonl")
        for record in script.records[written:]:
            writer.append(Record(record.seq, record.time, record.event))
        writer.close()
        update_notes(folder / "notes.yaml", name="renamed")
        screen = await read(pilot)
        assert rows(screen)["best_val_top1"][1] == "★ 99.90%"
        assert "A renamed" in text(pilot, "#headline")
    lock.release()


@pytest.mark.parametrize(
    ("key", "end"), [("t", "-table.csv"), ("c", "-curves.csv"), ("s", "-val_top1.svg")]
)
async def test_an_export_is_written_and_its_path_shown(runs_dir: Path, key: str, end: str) -> None:
    app = make_app(runs_dir=runs_dir)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.open_comparison([runs_dir / DONE, runs_dir / FAILED])
        await read(pilot)
        await press(pilot, "e", "escape")
        assert not list(runs_dir.glob("compare-*"))
        for _ in range(2):
            await press(pilot, "e", key)
            await read(pilot)
        first, second = sorted(runs_dir.glob("compare-*"), key=lambda path: len(path.name))
        assert first.name.endswith(end)
        assert second.name.endswith(end.replace(".", "-2."))
        assert "Wrote " in toasts(pilot)
    if end.endswith("csv"):
        assert len(list(csv.reader(first.open()))) > 10
    else:
        assert ET.parse(first).getroot().tag.endswith("svg")


async def test_a_write_error_is_shown(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tui.charts.compare_files.write_text_atomically", refuse)
    app = make_app(runs_dir=runs_dir)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.open_comparison([runs_dir / DONE, runs_dir / FAILED])
        await read(pilot)
        await press(pilot, "e", "t")
        await read(pilot)
        assert "No space left on device" in toasts(pilot)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 50)])
async def test_eight_odd_runs_fit_on_any_screen(tmp_path: Path, size: tuple[int, int]) -> None:
    some_runs(tmp_path)
    (tmp_path / "20261124-120000-done" / "notes.yaml").write_text("[")
    update_notes(tmp_path / FAILED / "notes.yaml", name=ODD_NAME)
    paths = [path for path in sorted(tmp_path.iterdir()) if path.is_dir()]
    app = make_app(runs_dir=tmp_path)
    async with app.run_test(size=size) as pilot:
        app.open_comparison([*paths, tmp_path / "gone", tmp_path / "gone-too"])
        screen = await read(pilot)
        assert len(screen.query_one(DataTable).columns) == 9
        for key in ("m", "x", "l", "right", "+", ">", "g", "down"):
            await press(pilot, key)
        for _ in range(8):
            await press(pilot, "m", "x")
        assert "\x1b[2J" not in text(pilot, "#headline")


def test_any_chart_is_a_valid_svg_document() -> None:
    nan, inf = float("nan"), float("inf")
    curves = [
        SvgCurve(ODD_NAME, "A", "#000000", [(1, 0.5), (2, nan), (3, inf), (nan, 1), (4, 0.1)], 2.0),
        SvgCurve("<&>", "B", "#ff0000", [(1, 1e300), (2, -1e300)]),
        SvgCurve("none", "C", "#ff0000", []),
        SvgCurve("one", "D", "#ff0000", [(1, 1)]),
    ]
    for some in (curves, curves[2:3], curves[3:], []):
        for log in (False, True):
            document = draw_svg(SvgChart("a <title>", "x", some, log))
            root = ET.fromstring(document.encode())
            assert "nan" not in "".join(str(e.attrib) for e in root.iter())


@pytest.fixture
def lr_runs(tmp_path: Path) -> Path:
    """Four runs that differ in the learning rate of phase head; one has no result yet."""
    for number, (lr, top1) in enumerate(((1e-4, 0.91), (1e-3, 0.97), (1e-2, 0.6), (3e-2, None))):
        script = scripted.Script(f"lr {lr:g}", seed=number)
        first = script.records[0]
        config = {**first.event.config, "phases": {"head": {"lr": lr}}}  # type: ignore[union-attr]
        event = replace(first.event, config=config)  # type: ignore[type-var]
        script.records[0] = replace(first, event=event)
        script.prepare().phase("head")
        if top1 is not None:
            script.epoch("head", 1, 1 - top1, top1)
        write_run(tmp_path, f"20261124-12000{number}-run", script.records)
    return tmp_path


async def test_s_draws_the_best_accuracy_of_the_runs_by_the_values_that_differ(
    lr_runs: Path,
) -> None:
    async with make_app(runs_dir=lr_runs).run_test(size=(140, 45)) as pilot:
        await reload(pilot)
        await press(pilot, *["space", "down"] * 4, "c")
        screen = await read(pilot)
        await press(pilot, "s")
        assert chart_title(screen) == "Best val top-1 by phases.head.lr"
        lines = drawn(screen).split("\n")
        assert lines[0].startswith("best val top-1 (in %)")
        assert lines[0].endswith("1 run without a value")
        assert lines[-1].endswith("phases.head.lr (log)")
        assert lines[-2].split() == ["0.0001", "0.001", "0.01"]
        best = next(letter for letter in "ABCD" if f"{letter}★" in drawn(screen))
        await press(pilot, "right", "right")
        assert text(pilot, "#readout") == (
            f"{best} lr 0.001: phases.head.lr 0.001 · best val top-1 97.00%"
        )
        await press(pilot, "left")
        assert "best val top-1 91.00%" in text(pilot, "#readout")
        await press(pilot, "l", "l")
        assert drawn(screen).split("\n")[-1].endswith("phases.head.lr")
        await press(pilot, "x")
        assert chart_title(screen) == "Best val top-1 by seed"
        await press(pilot, "m")
        assert chart_title(screen) == "Val top-5 at best epoch by seed"
        await pilot.hover(Chart, offset=(30, 5))
        await press(pilot, "plus", "y", "0", "e")
        assert "Chart as SVG" not in str(pilot.app.screen.query("*").results())
        await press(pilot, "escape", "s")
        assert chart_title(screen) == "Val top-1 over epochs"


async def test_runs_without_differences_have_no_scatter_chart(tmp_path: Path) -> None:
    for name in ("20261124-120000-a", "20261124-120001-b"):
        write_run(tmp_path, name, scripted.Script().prepare().records)
    async with make_app(runs_dir=tmp_path).run_test(size=(80, 24)) as pilot:
        await reload(pilot)
        await press(pilot, "c")
        screen = await read(pilot)
        await press(pilot, "s")
        assert "the first results follow the first epoch" in drawn(screen)
        await press(pilot, "x", "m", "l", "left", "right")
