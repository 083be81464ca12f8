"""A resize: every layout in the new size has the classes of that size."""

import pytest
from textual._compositor import ReflowResult
from textual.geometry import Size
from textual.widget import Widget

from tests.tui import scripted
from tests.tui.kit import make_app, settle, text

SMALL, LARGE = (80, 24), (200, 50)
CLASSES = {SMALL: {"-narrow", "-short"}, LARGE: {"-wide", "-tall"}}
NAMES = {"-narrow", "-normal", "-wide", "-short", "-tall"}


async def test_no_layout_has_the_classes_of_the_size_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        run = app.screen
        layouts: list[tuple[tuple[int, int], set[str]]] = []
        reflow = run._compositor.reflow  # Textual has no public API for it

        def recorded(screen: Widget, size: Size) -> ReflowResult:
            layouts.append(((size.width, size.height), NAMES & run.classes))
            return reflow(screen, size)

        monkeypatch.setattr(run._compositor, "reflow", recorded)
        for size in (LARGE, SMALL, LARGE):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert {size for size, _ in layouts} == {SMALL, LARGE}
        assert all(classes == CLASSES[size] for size, classes in layouts)


async def test_lines_panels_and_log_follow_a_resize_without_a_tick() -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        app.tick = lambda: None  # type: ignore[method-assign]
        small = text(pilot, "#progress"), text(pilot, "#stopping")
        await pilot.resize_terminal(*LARGE)
        await pilot.pause()
        assert "\n" in text(pilot, "#progress")
        assert "\n" in text(pilot, "#stopping")
        log = app.screen.query_one("#log", expect_type=None)
        assert log.lines, "the log is blank"  # type: ignore[attr-defined]
        await pilot.resize_terminal(*SMALL)
        await pilot.pause()
        assert (text(pilot, "#progress"), text(pilot, "#stopping")) == small
