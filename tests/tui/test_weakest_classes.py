"""The classes with the lowest accuracy: in their panel, and before the first evaluation."""

from unicodedata import category

import pytest
from rich.cells import cell_len

from core.run.state import fold
from tests.tui import classes, scripted
from tests.tui.kit import make_app, press, settle, text
from tui.text.weakest_classes import weakest_class_lines, weakest_classes_title

WIDE = (200, 50)


async def test_a_wide_screen_shows_the_classes_with_the_lowest_accuracy() -> None:
    async with make_app(classes.animals().source()).run_test(size=WIDE) as pilot:
        await settle(pilot)
        lines = text(pilot, "#weakest-classes").splitlines()
        assert lines[0].split() == ["72.5%", "ducks", "37", "of", "51"]
        assert len(lines) == 6
        accuracies = [float(line.split("%")[0]) for line in lines]
        assert accuracies == sorted(accuracies)
        title = str(pilot.app.screen.query_one("#weakest-classes").border_title)
        assert title == "Lowest class accuracy · head epoch 2"


@pytest.mark.parametrize("size", [(140, 45), (80, 24), (200, 30)])
async def test_smaller_screens_have_no_room_for_it(size: tuple[int, int]) -> None:
    async with make_app(classes.animals().source()).run_test(size=size) as pilot:
        await settle(pilot)
        assert not pilot.app.screen.query_one("#weakest-classes").region


@pytest.mark.parametrize("script", [classes.odd_names, classes.thousand])
@pytest.mark.parametrize("width", [1, 10, 24, 40])
def test_no_name_is_wider_than_the_panel_allows(script: object, width: int) -> None:
    lines = weakest_class_lines(fold(script().records), width)  # type: ignore[operator]
    assert len(lines) == 6
    sizes = {cell_len(line) for line in lines}
    assert len(sizes) == 1
    assert sizes.pop() <= max(width, 20)
    assert not any(category(char) == "Cc" for line in lines for char in line)


def test_it_says_why_there_is_nothing() -> None:
    assert weakest_class_lines(fold(scripted.preparing().records), 60) == [
        "known after the first validation"
    ]
    assert weakest_class_lines(fold(scripted.running().records), 60) == [
        "not in this run's journal"
    ]
    assert weakest_classes_title(fold(scripted.running().records)) == "Lowest class accuracy"


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_before_the_first_evaluation_the_last_validation_is_shown(
    size: tuple[int, int],
) -> None:
    async with make_app(classes.animals().source()).run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "6")
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        shown = text(pilot, "#evaluation")
        assert "No evaluation yet" in shown
        assert "Validation of the best epoch, head epoch 2: top-1 90.00%" in shown
        assert " val images" in shown
        assert "ducks predicted as birds 20% (10 images)" in shown
