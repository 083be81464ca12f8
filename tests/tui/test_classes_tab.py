"""The classes tab: all keys, sizes and kinds of runs."""

from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core.analysis.class_metrics import ClassificationReport
from core.events import types as ev
from tests.core.evaluations import evaluated
from tests.stages import slow_except
from tests.tui import classes, scripted
from tests.tui.tab_app import TabApp, press, settle
from tui.tabs.classes import ClassesTab
from tui.widgets.class_table import ClassTable
from tui.widgets.confusion_map import ConfusionMap

WIDE, NARROW = (140, 38), (80, 17)


def app(script: scripted.Script, live: bool = True) -> TabApp:
    return TabApp(ClassesTab, script, live)


def lines(pilot: Pilot[None], selector: str) -> list[str]:
    """Return the rows of a widget as text."""
    widget = pilot.app.query_one(selector)
    if isinstance(widget, Static):
        return str(widget.render()).splitlines()
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def visible_parts(pilot: Pilot[None]) -> set[str]:
    parts = ("#classes-table", "#classes-map", "#classes-pairs", "#classes-calibration")
    return {part for part in parts if pilot.app.query_one(part).region.height}


def border_texts(pilot: Pilot[None], selector: str) -> tuple[str, str]:
    widget = pilot.app.query_one(selector)
    return str(widget.border_title), str(widget.border_subtitle)


async def test_parts_fill_their_space_also_if_the_layout_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def at_once(tab: ClassesTab, draw: Callable[[], object]) -> None:
        draw()

    async with app(classes.animals()).run_test(size=NARROW) as pilot:
        await settle(pilot)
        monkeypatch.setattr(ClassesTab, "call_after_refresh", at_once)
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        await pilot.pause()
        pairs = pilot.app.query_one("#classes-pairs")
        assert len(lines(pilot, "#classes-pairs")) == pairs.content_size.height > 3
        assert "100%" in lines(pilot, "#classes-calibration")[0]


async def test_a_large_terminal_shows_all_parts() -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert len(visible_parts(pilot)) == 4
        (title,) = lines(pilot, "#classes-title")
        assert title == (
            "latest: head, epoch 2 · macro F1 94.95% · 1,001 val images │ e best  v view"
        )
        table = lines(pilot, "#classes-table")
        assert table[0].split() == ["Class", "Support", "Precision", "Recall", "↑F1", "Change"]
        assert table[1].split()[0] == "ducks"
        assert "▼" in table[1]
        heat = lines(pilot, "#classes-map")
        assert heat[1].split()[:4] == ["1", "ducks", "73", "20"]
        assert lines(pilot, "#classes-pairs")[0] == "ducks predicted as birds 20% (10 of 51)"
        assert lines(pilot, "#classes-cell") == ["ducks predicted as birds 20% (10 of 51)"]
        title, _ = border_texts(pilot, "#classes-calibration")
        assert title.startswith("Calibration · ECE 3.94%: overconfident")


async def test_v_shows_the_parts_in_turn() -> None:
    expected = [
        {"#classes-table"},
        {"#classes-map", "#classes-pairs"},
        {"#classes-calibration"},
    ]
    async with app(classes.animals()).run_test(size=NARROW) as pilot:
        await settle(pilot)
        for parts in [*expected, expected[0]]:
            assert visible_parts(pilot) == parts
            await press(pilot, "v")
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        for parts in expected:
            await press(pilot, "v")
            assert visible_parts(pilot) == parts
        await press(pilot, "v")
        assert len(visible_parts(pilot)) == 4


async def test_o_sorts_by_the_next_column_and_capital_o_reverses_the_order() -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await press(pilot, "v")
        firsts = {}
        for _ in range(7):
            await press(pilot, "o")
            head, first = lines(pilot, "#classes-table")[:2]
            column = next(word for word in head.split() if word[0] in "↑↓")
            firsts[column] = first.split()[0]
        assert list(firsts) == [
            *("↑Change", "↓Predicted", "↑Class", "↓Support", "↑Precision", "↑Recall", "↑F1"),
        ]
        assert (firsts["↑Class"], firsts["↓Predicted"]) == ("bears", "ducks")
        assert firsts["↑F1"] == "ducks"
        await press(pilot, "O")
        assert lines(pilot, "#classes-table")[1].split()[0] == "bears"
        assert border_texts(pilot, "#classes-table-box")[1].startswith("by F1, largest first")


async def test_a_click_on_a_header_sorts_and_one_on_a_row_selects_the_class() -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        table = pilot.app.query_one(ClassTable)
        await pilot.click(table, offset=(3, 0))
        await settle(pilot)
        assert [line.split()[0] for line in lines(pilot, "#classes-table")[1:4]] == [
            *("bears", "birds", "cats"),
        ]
        await pilot.click(table, offset=(3, 0))
        await settle(pilot)
        assert lines(pilot, "#classes-table")[1].split()[0] == "zebras"
        await pilot.click(table, offset=(3, 2))
        await settle(pilot)
        assert lines(pilot, "#classes-cell")[0].startswith("tigers predicted as")


async def test_a_click_on_the_matrix_describes_the_cell() -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        heat = pilot.app.query_one(ConfusionMap)
        await pilot.click(heat, offset=(24, 2))
        await settle(pilot)
        assert lines(pilot, "#classes-cell") == ["birds predicted as ducks 0% (0 of 50)"]
        await pilot.click(heat, offset=(2, 2))
        await settle(pilot)
        assert lines(pilot, "#classes-cell") == ["birds correct 100% (50 of 50)"]


async def test_m_orders_the_matrix_by_name() -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await press(pilot, "m")
        rows = lines(pilot, "#classes-map")[1:4]
        assert [row.split()[1] for row in rows] == ["bears", "birds", "cats"]
        assert border_texts(pilot, "#classes-confusion")[1] == "by name │ m by confusion"
        await press(pilot, "m")
        assert lines(pilot, "#classes-map")[1].split()[1] == "ducks"


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        (("down",), "pandas"),
        (("j", "j"), "rabbits"),
        (("j", "j", "k", "up"), "ducks"),
        (("end",), "deer"),
        (("end", "home"), "ducks"),
        (("pagedown",), "frogs"),
        (("pagedown", "pageup", "up"), "ducks"),
    ],
)
async def test_keys_select_another_class(keys: tuple[str, ...], name: str) -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await press(pilot, *keys)
        assert lines(pilot, "#classes-cell")[0].split()[0] == name


async def test_left_and_right_select_another_predicted_class() -> None:
    async with app(classes.animals()).run_test(size=NARROW) as pilot:
        await press(pilot, "v", "right")
        assert lines(pilot, "#classes-cell")[0] == "ducks predicted as cows 0% (0 of 51)"
        await press(pilot, "left", "left", "left")
        assert lines(pilot, "#classes-cell")[0] == "ducks correct 73% (37 of 51)"
        await press(pilot, *["right"] * 30)
        assert lines(pilot, "#classes-map")[0].split()[-1] == "20"
        await press(pilot, "j")
        assert lines(pilot, "#classes-cell")[0].startswith("birds predicted as deer")


async def test_e_switches_between_the_best_and_the_latest_epoch() -> None:
    script = classes.animals()
    script.epoch("head", 3, 0.9, 0.2, bad=1).add(evaluated([[1, 1], [0, 2]], epoch=3))
    async with app(script).run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "head, epoch 3" in lines(pilot, "#classes-title")[0]
        await press(pilot, "e")
        assert lines(pilot, "#classes-title")[0].startswith("best: head, epoch 2")
        assert "▼" not in lines(pilot, "#classes-table")[1]
        await press(pilot, "e")
        assert "head, epoch 3" in lines(pilot, "#classes-title")[0]


async def test_a_new_epoch_keeps_the_selected_class() -> None:
    script = classes.animals()
    shown = app(script)
    async with shown.run_test(size=WIDE) as pilot:
        await press(pilot, "j", "j")
        script.records.clear()
        script.add(evaluated([[5] * 20] * 20, epoch=3))
        shown.model.source.pending = script.records  # type: ignore[attr-defined]
        await settle(pilot)
        assert "head, epoch 3" in lines(pilot, "#classes-title")[0]
        assert lines(pilot, "#classes-cell")[0].startswith("rabbits ")


async def test_an_unchanged_state_is_not_redrawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        drawn: list[object] = []
        monkeypatch.setattr(ClassTable, "show", lambda *rest: drawn.append(rest))
        await settle(pilot)
        assert drawn == []


def curves(pilot: Pilot[None]) -> str:
    """Return the chart over epochs as text; empty if it is not visible."""
    chart = pilot.app.query_one("#classes-curves")
    return str(chart.render()) if chart.region.height else ""


async def test_the_table_has_the_accuracy_over_epochs_next_to_it_where_there_is_room() -> None:
    async with app(classes.animals()).run_test(size=WIDE) as pilot:
        await press(pilot, "v")
        chart, table = (pilot.app.query_one(n) for n in ("#classes-curves", "#classes-table"))
        assert chart.region.x > table.region.right
        # Both classes of the selected pair, with the values of the last epoch.
        assert all(text in curves(pilot) for text in ("ducks 72.5%", "birds 100.0%", "mean 95."))
        await press(pilot, "j")
        assert "pandas 88.0%" in curves(pilot)
        assert "ducks" not in curves(pilot)
        await press(pilot, "o", "o", "o", "O", "home")
        assert lines(pilot, "#classes-table")[1].split()[0] == "zebras"
        assert "zebras" in curves(pilot)
        await press(pilot, "t")
        assert curves(pilot) == ""


async def test_t_shows_the_accuracy_over_epochs_below_the_table() -> None:
    for size in (NARROW, WIDE, (120, 24)):
        async with app(classes.animals()).run_test(size=size) as pilot:
            await settle(pilot)
            assert curves(pilot) == ""
            parts = visible_parts(pilot)
            await press(pilot, "t")
            chart, table = (pilot.app.query_one(n) for n in ("#classes-curves", "#classes-table"))
            assert chart.region.y > table.region.bottom
            assert table.region.height >= 5
            assert "ducks 72.5%" in curves(pilot)
            await press(pilot, "t")
            assert curves(pilot) == ""
            assert visible_parts(pilot) == parts


async def test_t_returns_from_the_matrix_to_the_table_with_the_accuracy_over_epochs() -> None:
    async with app(classes.animals()).run_test(size=NARROW) as pilot:
        await press(pilot, "v")
        assert (visible_parts(pilot), curves(pilot)) == ({"#classes-map", "#classes-pairs"}, "")
        await press(pilot, "t")
        assert visible_parts(pilot) == {"#classes-table"}
        assert "ducks 72.5%" in curves(pilot)


async def test_the_accuracy_over_epochs_says_for_how_many_epochs_it_was_recorded() -> None:
    async with app(classes.animals()).run_test(size=NARROW) as pilot:
        await press(pilot, "t")
        assert border_texts(pilot, "#classes-curves")[1] == ""
    old = scripted.Script().prepare().phase("head")
    for epoch in (1, 2, 3):
        old.epoch("head", epoch, 0.5, 0.8)
    old.add(evaluated([[3, 1], [0, 0]], epoch=3))
    async with app(old).run_test(size=NARROW) as pilot:
        await press(pilot, "t")
        assert border_texts(pilot, "#classes-curves")[1] == "recorded for 1 of 3 epochs"


def ended() -> scripted.Script:
    return scripted.Script().add(ev.RunEnded(outcome="failed", reason="no data"))


@pytest.mark.parametrize(
    ("script", "live", "text"),
    [
        (scripted.preparing(), True, "Per-class metrics appear after the first validation"),
        (scripted.running(), True, "The next validation adds them."),
        (scripted.finished(), False, "This run's journal has no per-class metrics."),
        (ended(), False, "The run ended before its first validation"),
    ],
)
async def test_a_run_without_evaluations_shows_the_reason(
    script: scripted.Script, live: bool, text: str
) -> None:
    async with app(script, live).run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert text in " ".join(lines(pilot, "#classes-empty"))
        assert visible_parts(pilot) == set()
        await press(pilot, *"vooOmee", "j", "k", "left", "right", "home", "end")


async def test_a_best_epoch_without_metrics_names_the_key_for_the_latest() -> None:
    script = classes.animals().epoch("head", 3, 0.1, 0.99)
    async with app(script).run_test(size=WIDE) as pilot:
        await press(pilot, "e")
        assert "Press e for the latest." in lines(pilot, "#classes-empty")[0]
        await press(pilot, "e")
        assert len(visible_parts(pilot)) == 4


@pytest.mark.parametrize(
    "size", slow_except([(12, 4), (40, 10), NARROW, WIDE, (220, 60)], (12, 4), WIDE)
)
async def test_all_sizes_and_evaluations_can_be_drawn(size: tuple[int, int]) -> None:
    nothing = scripted.Script().add(evaluated([]))
    torn = evaluated([[1, 2], [3, 4]], correct=[-1], predicted=[], confusions_left_out=-3)
    damaged = scripted.Script().add(torn)
    for script in (classes.odd_names(), classes.thousand(), nothing, damaged):
        async with app(script).run_test(size=size) as pilot:
            await settle(pilot)
            await press(pilot, "v", "j", "right", "end", "v", "o", "m", "v", "e")
            await pilot.resize_terminal(100, 30)
            await settle(pilot)


async def test_a_thousand_classes_scroll_to_the_last() -> None:
    async with app(classes.thousand()).run_test(size=WIDE) as pilot:
        await press(pilot, "m", "o", "o", "o", "end")
        assert lines(pilot, "#classes-table")[-1].split()[:3] == ["class", "number", "999"]
        assert lines(pilot, "#classes-cell")[0].startswith("class number 999 predicted as")
        assert "(123 rare errors omitted)" in border_texts(pilot, "#classes-confusion")[0]
        await pilot.press(*["right"] * 3)
        heat = pilot.app.query_one(ConfusionMap)
        drawn: list[int] = []
        share = ClassificationReport.share
        with pytest.MonkeyPatch.context() as patch:

            def counted(evaluation: ClassificationReport, truth: int, predicted: int) -> float:
                drawn.append(1)
                return share(evaluation, truth, predicted)

            patch.setattr(ClassificationReport, "share", counted)
            for y in range(heat.size.height):
                heat.render_line(y)
        assert 0 < len(drawn) < 1000


async def test_names_are_shown_without_markup_and_control_characters() -> None:
    async with app(classes.odd_names()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        shown = "\n".join(
            line
            for part in ("#classes-table", "#classes-map", "#classes-pairs", "#classes-cell")
            for line in lines(pilot, part)
        )
        assert "[red]x[/]" in shown
        assert r"a\x1b[2Jb" in shown
        assert not {"\x1b", "\u202e", "\r"} & set(shown)
        assert "class 6" in shown
