import pytest
from rich.cells import cell_len
from textual.widgets import RichLog

from core.config.key_docs import all_keys, describe_key
from core.events import types as ev
from tests.tui import classes, scripted
from tests.tui.kit import make_app, press, settle, text, toasts
from tui.screens.run import RunScreen
from tui.tabs.charts import ChartsTab
from tui.tabs.log import LogTab
from tui.widgets.chart import Chart

NARROW, USUAL = (80, 24), (140, 45)


def shown(screen: RunScreen) -> list[str]:
    return [str(chart.id) for chart in screen.query(Chart) if chart.display]


def run_screen(app: object) -> RunScreen:
    screen = app.screen  # type: ignore[attr-defined]
    assert isinstance(screen, RunScreen)
    return screen


@pytest.mark.parametrize("size", [NARROW, USUAL])
async def test_tabs_open_by_number_and_by_click(size: tuple[int, int]) -> None:
    async with make_app(scripted.running().source()).run_test(size=size) as pilot:
        await settle(pilot)
        screen = run_screen(pilot.app)
        tabs = [str(label.id).removeprefix("tab-") for label in screen.query(".tab-label")]
        for number, name in enumerate(tabs, 1):
            await press(pilot, str(number))
            open_tabs = [tab.id for tab in screen.query("RunTab") if tab.display]
            assert open_tabs == [f"{name}-tab"]
            assert screen.focused is not None
            assert screen.focused.id == f"{name}-tab"
        await pilot.click("#tab-charts")
        await settle(pilot)
        assert [tab.id for tab in screen.query("RunTab") if tab.display] == ["charts-tab"]


async def test_the_tab_keeps_the_focus_after_a_click_outside_it() -> None:
    async with make_app(scripted.running().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        await pilot.click("#headline")
        await settle(pilot)
        await press(pilot, "right")
        assert pilot.app.screen.query_one("#readout").display


async def test_layouts_and_charts() -> None:
    async with make_app(scripted.running().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        screen = run_screen(pilot.app)
        assert shown(screen) == ["loss", "top1"]
        await press(pilot, "g")
        assert shown(screen) == ["loss"]
        await press(pilot, "c", "c")
        assert shown(screen) == ["lr"]
        await press(pilot, "g")
        assert len(shown(screen)) == 9
        await press(pilot, "g")
        assert shown(screen) == ["loss", "top1"]
        await press(pilot, "c")
        assert len(shown(screen)) == 1


async def test_all_charts_are_those_with_values() -> None:
    async with make_app(classes.animals().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        await press(pilot, "g", "g")
        screen = run_screen(pilot.app)
        without_device = ["loss", "top1", "lr", "grad_norm", "images_per_second", "data_wait"]
        assert shown(screen) == without_device
        titles = {str(chart.id): str(chart.border_title) for chart in screen.query(Chart)}
        for chart in screen.query(Chart):
            if chart.display:
                assert cell_len(titles[str(chart.id)]) <= chart.outer_size.width - 6
        assert titles["top1"] == "Top-1 accuracy · epoch 2: val 90.00%"


async def test_the_cursor_moves_by_arrows_vim_keys_and_markers() -> None:
    async with make_app(scripted.running().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        tab = pilot.app.screen.query_one(ChartsTab)
        await press(pilot, "left")
        begin = tab.view.cursor or 0.0
        assert begin == pytest.approx(10 + 77 / 126)
        assert text(pilot, "#readout").startswith("full epoch 3, 61% done · step 1,323 · 7:38")
        places = []
        for key in ("h", "left", "l", "right", "shift+left", "shift+right"):
            await press(pilot, key)
            places.append(tab.view.cursor or 0.0)
        one = begin - places[0]
        moved = [round((begin - x) / one) for x in places]
        assert moved == [1, 2, 1, 0, 10, 0]
        await press(pilot, "left_square_bracket")
        assert tab.view.cursor == 9.0
        assert "▼ patience 7 → 5" in text(pilot, "#readout")
        await press(pilot, "left_square_bracket", "right_square_bracket")
        assert tab.view.cursor == 9.0


async def test_zoom_pan_axes_and_smoothing() -> None:
    async with make_app(scripted.running().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        tab = pilot.app.screen.query_one(ChartsTab)
        await press(pilot, "plus")
        assert tab.view.window == (2.75, 8.25)
        await press(pilot, "less_than_sign")
        assert tab.view.window == (1.375, 6.875)
        await press(pilot, "greater_than_sign")
        assert tab.view.window == (2.75, 8.25)
        await press(pilot, "minus")
        assert tab.view.window is None
        await press(pilot, "plus", "0")
        assert tab.view.window is None
        await press(pilot, "a", "a", "o", "w")
        assert (tab.view.axis, tab.view.scale, tab.view.smoothing) == ("time", "log", 0.6)
        title = str(pilot.app.screen.query_one("#loss", Chart).border_title)
        assert title.startswith("Loss (log, smoothed 0.6)")


async def test_the_wheel_zooms_around_the_pointer() -> None:
    async with make_app(scripted.running().source()).run_test(size=USUAL) as pilot:
        await settle(pilot)
        tab, chart = pilot.app.screen.query_one(ChartsTab), pilot.app.screen.query_one("#loss")
        chart.post_message(Chart.Scrolled(0.0, 0.8).set_sender(chart))
        await settle(pilot)
        assert tab.view.window == (0.0, pytest.approx(8.8))
        chart.post_message(Chart.Scrolled(0.0, 1.25).set_sender(chart))
        await settle(pilot)
        assert tab.view.window is None


async def test_the_log_scrolls_and_follows_new_lines_at_its_end() -> None:
    script = scripted.running()
    for number in range(100):
        script.add(ev.Warned(code="x", message=f"line {number}"))
    async with make_app(script.source()).run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "5")
        log = pilot.app.screen.query_one(LogTab).query_one(RichLog)
        assert log.scroll_offset.y == log.max_scroll_y > 50
        await press(pilot, "pageup", "k", "up")
        assert log.scroll_offset.y == log.max_scroll_y - 17
        assert not log.auto_scroll
        await press(pilot, "pagedown", "j", "down")
        assert log.auto_scroll
        await press(pilot, "home")
        assert (log.scroll_offset.y, log.auto_scroll) == (0, False)
        await press(pilot, "end")
        assert (log.scroll_offset.y, log.auto_scroll) == (log.max_scroll_y, True)


@pytest.mark.parametrize("size", [NARROW, (100, 30), USUAL, (200, 50)])
async def test_long_log_lines_continue_below_their_text(size: tuple[int, int]) -> None:
    script = scripted.running()
    script.add(ev.Warned(code="x", message="one two three four five six seven " * 9))
    async with make_app(script.source()).run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "5")
        logs = [pilot.app.screen.query_one("#whole-log", RichLog)]
        if size[1] >= 34:
            logs.append(pilot.app.screen.query_one("#log", RichLog))
        for log in logs:
            lines = [line.text for line in log.lines]
            start = next(n for n, line in enumerate(lines) if "one two" in line)
            assert lines[start].index("one") == 11
            assert len(lines) > start + 1
            assert all(line[:11].isspace() and line[11] != " " for line in lines[start + 1 :])
            assert " ".join(line[11:].strip() for line in lines[start:]).count("seven") == 9
            assert max(map(cell_len, lines)) <= size[0] - 6


@pytest.mark.parametrize("size", [NARROW, (100, 30), USUAL, (200, 50)])
async def test_descriptions_of_all_config_keys_can_be_read(size: tuple[int, int]) -> None:
    script = scripted.Script("a name " * 20).prepare()
    async with make_app(script.source()).run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "4")
        lines = text(pilot, "#config").splitlines()[2:]
        width = pilot.app.screen.query_one("#config").content_size.width
        assert max(map(cell_len, lines)) <= width
        # Below the keys, or in a column of their own.
        seed = next(line for line in lines if "Seed of" in line)
        words = " ".join(line[seed.index("Seed of") :].strip() for line in lines)
        for key in all_keys():
            assert describe_key(key) in words, key


async def test_the_config_tab_marks_changed_keys_and_copies_them() -> None:
    script = scripted.Script("my [b]run", seed=7).prepare()
    async with make_app(script.source()).run_test(size=USUAL, notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "4")
        shown_text = text(pilot, "#config")
        assert "data.batch_size" in shown_text
        assert "● seed" in shown_text
        assert "Seed of the split" in shown_text
        await press(pilot, "d")
        shown_text = text(pilot, "#config")
        assert "data.batch_size" not in shown_text
        assert "● name" in shown_text
        await press(pilot, "y")
        assert pilot.app.clipboard == "--set 'name=my [b]run' --set seed=7"
        assert "--set seed=7\n(sent to the clipboard, if" in toasts(pilot)
        await press(pilot, "d", "j", "down", "pagedown")
        box = pilot.app.screen.query_one("#config-box")
        assert box.scroll_offset.y > 2
        await press(pilot, "k", "up", "pageup", "pageup")
        assert box.scroll_offset.y == 0
