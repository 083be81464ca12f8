"""The mouse on the charts of a run: hover, drag to zoom, double click to reset; other views."""

import pytest
from textual.events import MouseMove
from textual.pilot import Pilot

from tests.tui import scripted
from tests.tui.kit import make_app, press, settle, text
from tui.app import ConvNextApp
from tui.charts.spec import LegendItem
from tui.tabs.charts import ChartsTab
from tui.widgets.chart import Chart, fitted_legend

SIZE = (140, 45)


async def opened(pilot: Pilot[object]) -> tuple[ChartsTab, Chart]:
    await settle(pilot)
    tab = pilot.app.screen.query_one(ChartsTab)
    return tab, pilot.app.screen.query_one("#loss", Chart)


def app() -> ConvNextApp:
    return make_app(scripted.running().source())


async def test_the_values_under_the_mouse_are_shown_while_it_is_on_a_chart() -> None:
    async with app().run_test(size=SIZE) as pilot:
        tab, chart = await opened(pilot)
        readout = pilot.app.screen.query_one("#readout")
        await pilot.hover(chart, offset=(30, 5))
        await settle(pilot)
        assert readout.display
        assert "epoch" in text(pilot, "#readout")
        assert tab.view.cursor is None
        await pilot.hover("#headline")
        await settle(pilot)
        assert not readout.display


async def test_dragging_zooms_and_a_double_click_shows_everything() -> None:
    async with app().run_test(size=SIZE) as pilot:
        tab, chart = await opened(pilot)
        await pilot.mouse_down(chart, offset=(20, 5))
        await pilot.mouse_up(chart, offset=(40, 5))
        await settle(pilot)
        assert tab.view.window is not None
        start, end = tab.view.window
        assert 0 < start < end < 11
        assert tab.view.cursor is None
        shown = text(pilot, "#readout")
        assert "visible: loss: train mean " in shown
        assert "per epoch" in shown
        await pilot.click(chart, offset=(30, 5), times=2)
        await settle(pilot)
        assert (tab.view.window, tab.view.cursor) == (None, None)


async def test_a_short_drag_is_a_click() -> None:
    async with app().run_test(size=SIZE) as pilot:
        tab, chart = await opened(pilot)
        await pilot.mouse_down(chart, offset=(20, 5))
        await pilot.mouse_up(chart, offset=(21, 5))
        await pilot.click(chart, offset=(30, 5))
        await settle(pilot)
        assert tab.view.window is None
        assert tab.view.cursor is not None


async def test_moving_within_a_column_draws_nothing() -> None:
    async with app().run_test(size=SIZE) as pilot:
        _tab, chart = await opened(pilot)
        await pilot.hover(chart, offset=(30, 5))
        await settle(pilot)
        seen: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chart, "post_message", seen.append)
            chart.on_mouse_move(MouseMove(chart, 30, 6, 0, 1, 0, False, False, False))
            assert seen == []
            chart.on_mouse_move(MouseMove(chart, 31, 6, 1, 0, 0, False, False, False))
            assert [type(message) for message in seen] == [Chart.Hovered]


@pytest.mark.parametrize(("times", "drawn"), [(0, 2), (1, 1), (2, 1), (3, 2)])
async def test_a_key_draws_train_and_validation_or_one_of_them(times: int, drawn: int) -> None:
    async with app().run_test(size=SIZE) as pilot:
        _tab, chart = await opened(pilot)
        await press(pilot, *["t"] * times)
        assert len(chart._spec.curves) == drawn
        title = str(chart.border_title)
        assert ("only" in title) == (drawn == 1)


async def test_a_key_shows_the_whole_range_and_keeps_it() -> None:
    async with app().run_test(size=SIZE) as pilot:
        _tab, chart = await opened(pilot)
        assert "↑" in "".join(row.plain for row in chart._rows)
        await press(pilot, "y")
        assert "↑" not in "".join(row.plain for row in chart._rows)
        assert pilot.app.preferences.settings.y_range == "full"  # type: ignore[attr-defined]


def legend_column(pilot: Pilot[object], word: str) -> int:
    """Return the column of a word in the lower border of the loss chart."""
    chart = pilot.app.screen.query_one("#loss", Chart)
    strip = chart.render_lines(chart.outer_size.region)[-1]
    return strip.text.index(word)


async def test_a_click_in_the_legend_hides_a_series_and_shows_it_again() -> None:
    async with app().run_test(size=SIZE) as pilot:
        tab, chart = await opened(pilot)
        bottom = chart.outer_size.height - 1
        await pilot.click(chart, offset=(legend_column(pilot, "train"), bottom))
        await settle(pilot)
        assert (tab.view.series, tab.view.cursor) == ("val", None)
        assert "(⠒⠒ train)" in str(chart.border_subtitle)
        assert "val only" in str(chart.border_title)
        await pilot.click(chart, offset=(legend_column(pilot, "train"), bottom))
        await settle(pilot)
        assert tab.view.series == "both"
        await pilot.click(chart, offset=(legend_column(pilot, "best"), bottom))
        await settle(pilot)
        assert tab.view.series == "both"
        assert tab.view.cursor is not None  # as of any click on the chart


def test_the_legend_leaves_out_what_does_not_fit() -> None:
    items = [LegendItem("one"), LegendItem("two", series="two", hidden=True), LegendItem("three")]
    shown = {width: str(fitted_legend(items, width)) for width in (2, 9, 10, 16, 17)}
    assert shown == {2: "one", 9: "one", 10: "one  (two)", 16: "one  (two)",
                     17: "one  (two)  three"}  # fmt: skip
