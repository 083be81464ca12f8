"""Images as a terminal decodes them: kitty's graphics protocol and sixels, also behind dialogs."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Region
from textual.pilot import Pilot

from tests.tui import classes
from tests.tui.graphics_terminal import CELL, GraphicsTerminal, decode_sixels
from tests.tui.tab_app import TabApp, press, settle
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.tabs.images import ImagesTab
from tui.widgets.image_factory import make_image_widget

SIZE, SMALL = (140, 38), (120, 17)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[GraphicsTerminal]:
    """The terminal that the app writes to."""
    made = GraphicsTerminal()
    make_image_widget("kitty")
    from textual_image._terminal import CellSize

    monkeypatch.setattr("tui.terminal.graphics.cell_pixels", lambda: CELL)
    monkeypatch.setattr("textual_image._terminal.get_cell_size._result", CellSize(*CELL))
    monkeypatch.setattr(HeadlessDriver, "is_headless", property(lambda driver: False))
    monkeypatch.setattr(HeadlessDriver, "write", lambda driver, data: made.feed(data))
    yield made


def app(folder: Path, kind: str) -> TabApp:
    shown = TabApp(lambda: ImagesTab(None), classes.with_images(folder), pictures=kind)
    shown.runs_dir = folder / "runs"
    return shown


def image_region(pilot: Pilot[None]) -> Region:
    return pilot.app.screen_stack[0].query_one(".image").region


def source(pilot: Pilot[None], size: tuple[int, int]) -> Image.Image:
    """Return the shown image at a size in pixels."""
    image = pilot.app.screen_stack[0].query_one(".image").image  # type: ignore[attr-defined]
    return image.convert("RGB").resize(size)


def dialog() -> ChoiceDialog:
    return ChoiceDialog(
        "Stop", "A question above the image?", [Choice("s", "s", "Stop", "s")], "Cancel"
    )


def assert_kitty_image(pilot: Pilot[None], terminal: GraphicsTerminal) -> int:
    """Check that all of the image is visible, and return its id."""
    region = image_region(pilot)
    cells = terminal.kitty_cells()
    assert terminal.lost_cells == 0
    (id,) = {id for id, _, _ in cells.values()}
    assert terminal.images[id].placement == region.size
    assert cells == {
        (region.y + y, region.x + x): (id, y, x)
        for y in range(region.height)
        for x in range(region.width)
    }
    sent = terminal.images[id].pixels
    assert ImageChops.difference(sent, source(pilot, sent.size)).getbbox() is None
    return id


async def test_a_terminal_with_kittys_protocol_shows_the_pixels_of_the_image(
    tmp_path: Path, terminal: GraphicsTerminal
) -> None:
    async with app(tmp_path, "kitty").run_test(size=SIZE) as pilot:
        await settle(pilot)
        first = assert_kitty_image(pilot, terminal)
        await press(pilot, "j")
        second = assert_kitty_image(pilot, terminal)
        assert first != second
        # Each earlier image is freed: a terminal has a quota for their memory.
        assert set(terminal.images) == {second}
        await press(pilot, "end")
        assert (terminal.images, terminal.kitty_cells()) == ({}, {})
    assert terminal.images == {}


@pytest.mark.parametrize("last", [(1 << 32) - 1, (1 << 32) - 2, 0x00FFFFFF])
async def test_image_ids_have_32_bits_and_none_is_zero(
    tmp_path: Path, terminal: GraphicsTerminal, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.widgets.image._KittyRenderable._ids", count(last - 1))
    async with app(tmp_path, "kitty").run_test(size=SIZE) as pilot:
        await settle(pilot)
        for _ in range(3):
            assert_kitty_image(pilot, terminal)
            await press(pilot, "j")


async def test_kitty_images_are_complete_after_a_dialog_and_none_is_lost_behind_it(
    tmp_path: Path, terminal: GraphicsTerminal
) -> None:
    async with app(tmp_path, "kitty").run_test(size=SIZE) as pilot:
        await settle(pilot)
        assert_kitty_image(pilot, terminal)
        for _ in range(2):
            pilot.app.push_screen(dialog())
            await settle(pilot)
            # Placeholders whose color was dimmed would name an image that does not exist.
            assert terminal.lost_cells == 0
            region = image_region(pilot)
            corner = terminal.cells[region.y, region.x].text
            assert corner == "▀" or (region.y, region.x) in terminal.kitty_cells()
            await press(pilot, "escape")
            assert_kitty_image(pilot, terminal)


async def test_kitty_images_are_complete_after_ctrl_z_and_fg(
    tmp_path: Path, terminal: GraphicsTerminal
) -> None:
    async with app(tmp_path, "kitty").run_test(size=SIZE) as pilot:
        await settle(pilot)
        # The driver enters the alternate screen again and says so; the app draws itself.
        terminal.feed("\x1b[?1049h")
        pilot.app.post_message(Driver.SignalResume())
        pilot.app.refresh(layout=True)
        await settle(pilot)
        assert_kitty_image(pilot, terminal)


async def test_a_kitty_image_that_arrives_behind_a_dialog_is_shown_after_it(
    tmp_path: Path, terminal: GraphicsTerminal
) -> None:
    async with app(tmp_path, "kitty").run_test(size=SIZE) as pilot:
        await settle(pilot)
        pilot.app.push_screen(dialog())
        await settle(pilot)
        pilot.app.tab.action_move(1)  # type: ignore[attr-defined]
        await settle(pilot)
        assert terminal.lost_cells == 0
        await pilot.resize_terminal(120, 34)
        await settle(pilot)
        assert terminal.lost_cells == 0
        await press(pilot, "escape")
        assert_kitty_image(pilot, terminal)


def assert_sixels(pilot: Pilot[None], terminal: GraphicsTerminal) -> None:
    region = image_region(pilot)
    shown = terminal.sixel_image()
    assert shown is not None
    pixels, corner = shown
    assert corner == (region.y, region.x)
    assert pixels.size == (region.width * CELL[0], region.height * CELL[1])
    wanted = source(pilot, pixels.size)
    mean = ImageStat.Stat(ImageChops.difference(pixels, wanted)).mean
    assert max(mean) < 8, mean  # a palette of 256 colors, in percent


async def test_a_terminal_with_sixels_shows_the_pixels_of_the_image(
    tmp_path: Path, terminal: GraphicsTerminal
) -> None:
    async with app(tmp_path, "sixel").run_test(size=SMALL) as pilot:
        await settle(pilot)
        assert_sixels(pilot, terminal)
        await press(pilot, "j")
        assert_sixels(pilot, terminal)
        await press(pilot, "end")
        assert terminal.sixel_image() is None


@pytest.mark.parametrize("size", [(70, 24), (78, 24), (90, 13)])
@pytest.mark.parametrize("kind", ["kitty", "sixel"])
async def test_images_fill_their_widget_at_any_size(
    tmp_path: Path, terminal: GraphicsTerminal, kind: str, size: tuple[int, int]
) -> None:
    async with app(tmp_path, kind).run_test(size=size) as pilot:
        await settle(pilot)
        if kind == "kitty":
            assert_kitty_image(pilot, terminal)
        else:
            assert_sixels(pilot, terminal)


async def test_sixels_are_complete_after_a_dialog_and_do_not_cover_it(
    tmp_path: Path, terminal: GraphicsTerminal
) -> None:
    async with app(tmp_path, "sixel").run_test(size=SMALL) as pilot:
        await settle(pilot)
        for _ in range(2):
            pilot.app.push_screen(dialog())
            await settle(pilot)
            (box,) = pilot.app.screen.children
            covered = {at for at in terminal.sixels if box.region.contains(at[1], at[0])}
            assert covered == set()
            await press(pilot, "escape")
            assert_sixels(pilot, terminal)


@pytest.mark.parametrize(
    "damaged",
    [
        'q"1;1;2;6#0;2;101;0;0!2~',
        'q"1;1;2;6#0!2~',
        'q"1;1;2;6#0;2;0;0;0!3~',
        'q"1;1;2;7#0;2;0;0;0!2~',
        "q#0;2;0;0;0!2~",
    ],
)
def test_the_decoder_of_sixels_accepts_only_what_is_specified(damaged: str) -> None:
    assert decode_sixels('q"1;1;2;6#0;2;0;0;0!2~').size == (2, 6)
    with pytest.raises((AssertionError, KeyError)):
        decode_sixels(damaged)


@pytest.mark.parametrize(
    "damaged",
    [
        "a=d,I=5",  # I is the number of an image, and without d all images would be deleted
        "i=1,m=0,f=100;AAAA",
        "i=4294967296,f=100,q=2;AAAA",
        "i=1,f=100,q=2,m=1;AAA",
        "a=p,i=1,c=2,r=2,q=2",
        "a=p,U=1,i=1,c=0,r=2,q=2",
    ],
)
def test_the_decoder_of_kittys_protocol_accepts_only_what_is_specified(damaged: str) -> None:
    with pytest.raises(AssertionError):
        GraphicsTerminal().feed(f"\x1b_G{damaged}\x1b\\")
