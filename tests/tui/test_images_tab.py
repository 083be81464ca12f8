"""The images tab: all keys, renderers, and states of the files."""

import base64
import os
import re
import threading
from pathlib import Path

import pytest
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from core.events import types as ev
from core.events.evaluation_parts import Mistake
from core.run.state import RunState
from core.run.state_evaluations import EvaluationState
from tests.core.evaluations import evaluated
from tests.tui import classes, scripted
from tests.tui.tab_app import TabApp, press, settle
from tui.tabs.images import ImagesTab
from tui.viewmodel import image_list
from tui.viewmodel.images import LoadedImage

WIDE, NARROW = (140, 38), (80, 17)


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "ZELLIJ", "KITTY_WINDOW_ID", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def app(script: scripted.Script, folder: Path, setting: str = "auto") -> TabApp:
    made = TabApp(lambda: ImagesTab(None), script, pictures=setting)
    made.runs_dir = folder / "runs"
    return made


@pytest.fixture
def whole(tmp_path: Path) -> TabApp:
    return app(classes.with_images(tmp_path), tmp_path)


def text(pilot: Pilot[None], selector: str) -> str:
    return str(pilot.app.query_one(selector, Static).render())


def names(pilot: Pilot[None]) -> list[str]:
    return [str(option.prompt) for option in pilot.app.query_one(OptionList).options]


def drawn(pilot: Pilot[None]) -> str:
    """Return the characters that the image is drawn with."""
    image = pilot.app.query_one(".image")
    if not image.display:
        return ""
    size = image.size
    lines = image.render_lines(size.region) if size else []
    return "".join(segment.text for line in lines for segment in line)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_misclassified_image_is_shown_with_its_caption(
    whole: TabApp, size: tuple[int, int]
) -> None:
    async with whole.run_test(size=size) as pilot:
        await settle(pilot)
        assert text(pilot, "#images-title") == (
            "errors · latest: head, epoch 1 │ e best  v samples, head  w explain  y copy"
        )
        assert names(pilot)[0] == " 99.0%  ducks predicted as birds"
        assert text(pilot, "#images-caption").splitlines() == [
            "ducks predicted as birds (99.0%)",
            "ducks/0.png",
        ]
        assert set(drawn(pilot)) == {"▀"}
        region = pilot.app.query_one(".image").region
        assert pilot.app.query_one("#images-frame-body").region.contains_region(region)


async def test_keys_and_clicks_select_other_images(whole: TabApp) -> None:
    async with whole.run_test(size=WIDE) as pilot:
        for keys, file in (
            (("j",), "ducks/1.png"),
            (("down",), "ducks/2.png"),
            (("k", "up"), "ducks/0.png"),
            (("up",), "ducks/0.png"),
            (("end",), "../../etc/passwd"),
            (("home",), "ducks/0.png"),
        ):
            await press(pilot, *keys)
            assert text(pilot, "#images-caption").endswith(file)
        await pilot.click(OptionList, offset=(4, 3))
        await settle(pilot)
        assert text(pilot, "#images-caption").endswith("ducks/2.png")


async def test_an_image_that_cannot_be_shown_has_a_reason(whole: TabApp) -> None:
    async with whole.run_test(size=WIDE) as pilot:
        for keys, problem in (
            (("end",), "This image is outside its folder and is not read."),
            (("up",), "This image can't be read: damaged or not an image in a supported format."),
            (("up",), "This image can't be read here: there is no such file"),
        ):
            await press(pilot, *keys)
            assert text(pilot, "#images-problem").startswith(problem)
            assert drawn(pilot) == ""
        await press(pilot, "home")
        assert not pilot.app.query_one("#images-problem").display
        assert drawn(pilot)


async def test_v_shows_all_training_samples_then_each(whole: TabApp) -> None:
    async with whole.run_test(size=WIDE) as pilot:
        await press(pilot, "v")
        assert text(pilot, "#images-title").startswith("training samples, head │ v errors")
        assert names(pilot)[:3] == ["all 8 samples", "  1  ducks", "  2  ducks"]
        sheet = pilot.app.query_one(".image").size
        assert sheet.width > 3 * sheet.height
        await press(pilot, "j")
        assert "from ducks/0.png" in text(pilot, "#images-caption")
        one = pilot.app.query_one(".image").size
        assert abs(one.width - 2 * one.height) <= 2
        await press(pilot, "v")
        assert text(pilot, "#images-title").startswith("errors · ")


async def test_samples_are_shown_before_the_first_evaluation(tmp_path: Path) -> None:
    script = classes.with_images(tmp_path)
    later = script.records[-2:]
    del script.records[-2:]
    shown = app(script, tmp_path)
    async with shown.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert names(pilot)[0] == "all 8 samples"
        shown.model.source.pending = later  # type: ignore[attr-defined]
        await settle(pilot)
        # An open view is not changed.
        assert names(pilot)[0] == "all 8 samples"
        await press(pilot, "v")
        assert "ducks predicted as birds" in names(pilot)[0]


async def test_missing_samples_have_a_reason(tmp_path: Path) -> None:
    script = classes.with_images(tmp_path)
    (file,) = (tmp_path / "runs").rglob("head.png")
    file.unlink()
    async with app(script, tmp_path).run_test(size=WIDE) as pilot:
        await press(pilot, "v", "j")
        assert "there is no such file" in text(pilot, "#images-problem")


def copied(pilot: Pilot[None]) -> tuple[str, str]:
    return pilot.app.clipboard, "\n".join(str(t.render()) for t in pilot.app.screen.query("Toast"))


async def test_y_copies_the_path(whole: TabApp, tmp_path: Path) -> None:
    async with whole.run_test(size=WIDE, notifications=True) as pilot:
        await press(pilot, "j", "y")
        path = str(tmp_path / "photos/ducks/1.png")
        assert copied(pilot)[0] == path
        assert f"{path}\n(sent to the clipboard" in copied(pilot)[1]
        await press(pilot, "end", "y")
        assert copied(pilot)[0] == path
        assert "there is no file path to copy" in copied(pilot)[1]


async def test_a_name_that_is_not_utf8_can_be_copied(tmp_path: Path) -> None:
    script = scripted.Script().add(ev.DataReady(root=str(tmp_path), classes=[], train=1, val=1))
    script.add(evaluated([[1]], mistakes=[Mistake("[b]caf\udce9\x1b[2J.png", 5, 0, 0.9)]))
    async with app(script, tmp_path).run_test(size=WIDE, notifications=True) as pilot:
        await press(pilot, "y")
        assert copied(pilot)[0].endswith("[b]caf\ufffd\x1b[2J.png")
        assert names(pilot) == [" 90.0%  class 5 predicted as class 0"]
        assert r"[b]caf\udce9\x1b[2J.png" in text(pilot, "#images-caption")


async def test_e_shows_the_errors_of_the_best_epoch(tmp_path: Path) -> None:
    script = classes.with_images(tmp_path)
    script.epoch("head", 2, 0.9, 0.1, bad=1).add(evaluated([[1, 0], [0, 1]], epoch=2))
    async with app(script, tmp_path).run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "No misclassified images." in text(pilot, "#images-empty")
        assert "v shows training samples." in text(pilot, "#images-empty")
        await press(pilot, "e")
        assert text(pilot, "#images-title").startswith("errors · best: head, epoch 1 │ e latest")
        assert len(names(pilot)) == 7


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (scripted.preparing(), "Misclassified images appear after the first validation"),
        (scripted.running(), "This run's journal has no misclassified images."),
    ],
)
async def test_a_run_without_images_has_a_reason(
    script: scripted.Script, message: str, tmp_path: Path
) -> None:
    async with app(script, tmp_path).run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert message in text(pilot, "#images-empty")
        await press(pilot, *"veyjk", "home", "end", "up", "down")
        assert message.split()[-1] in text(pilot, "#images-empty")


@pytest.mark.parametrize("size", [(12, 4), (40, 10), NARROW, (220, 60)])
async def test_all_sizes_and_runs_can_be_drawn(size: tuple[int, int], tmp_path: Path) -> None:
    damaged = classes.with_images(tmp_path)
    wrong = ev.SamplesSaved(
        phase="[b]full", epoch=1, path="../x", side=-1, columns=-3, files=["a"], labels=[-1, 7]
    )
    damaged.add(wrong)
    for script in (damaged, classes.odd_names(), classes.thousand()):
        async with app(script, tmp_path).run_test(size=size) as pilot:
            await press(pilot, "v", "j", "v", "j", "end", "v", "e", "y")
            await pilot.resize_terminal(100, 30)
            await settle(pilot)


async def test_only_the_selected_image_is_loaded(
    whole: TabApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, read = threading.Event(), threading.Event(), list[str]()

    def slow(path: Path, ranges: object) -> LoadedImage:
        read.append(path.name)
        begun.set()
        gate.wait(30)
        return LoadedImage(None, "is slow")

    monkeypatch.setattr(image_list, "load", slow)
    async with whole.run_test(size=WIDE) as pilot:
        while not begun.is_set():
            await pilot.pause(0.01)
        await pilot.press("j", "j", "j")
        gate.set()
        await settle(pilot)
        assert read == ["0.png", "3.png"]
        assert text(pilot, "#images-problem") == "This image is slow."


async def test_kitty_images_are_written_in_order_with_all_other_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda driver, data: sent.append(data))
    shown = app(classes.with_images(tmp_path), tmp_path, "kitty")
    async with shown.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "j")
        images = [part for part in sent if part.startswith("\x1b_G")]
        data = "".join(re.findall(r"\x1b_G[^;\x1b]*f=100[^;\x1b]*;([^\x1b]*)\x1b", images[-1]))
        assert base64.b64decode(data).startswith(b"\x89PNG")
        assert "\U0010eeee" in drawn(pilot)
        await press(pilot, "end")
        assert "a=d" in "".join(sent).split("\x1b_G")[-1]


async def test_kitty_images_need_all_colors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after ssh, which does not forward COLORTERM.
    monkeypatch.delenv("COLORTERM")
    monkeypatch.setenv("TERM", "xterm-kitty")
    async with app(classes.with_images(tmp_path), tmp_path).run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert set(drawn(pilot)) == {"▀"}


async def test_sixels_are_drawn_where_the_terminal_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.terminal.graphics.cell_pixels", lambda: (10, 20))
    shown = app(classes.with_images(tmp_path), tmp_path, "sixel")
    async with shown.run_test(size=WIDE) as pilot:
        await settle(pilot)
        image = pilot.app.query_one(".image")
        (child,) = image.children
        lines = child.render_lines(child.size.region)
        assert any("\x1bP" in segment.text for line in lines for segment in line)
        await press(pilot, "v", "j")


async def test_a_changed_renderer_is_used_at_once(whole: TabApp) -> None:
    async with whole.run_test(size=WIDE) as pilot:
        await settle(pilot)
        whole.preferences.change("pictures", "kitty")
        whole.tab.apply_preferences()
        await settle(pilot)
        assert len(pilot.app.query(".image")) == 1
        assert "\U0010eeee" in drawn(pilot)


def test_names_of_samples_are_not_markup() -> None:
    saved = ev.SamplesSaved(
        phase="head", epoch=1, path="s.png", side=8, columns=1, files=["a\x1b"], labels=[0]
    )
    data = ev.DataReady(root="r", classes=["[b]\x1b[2J"], train=1, val=1)
    state = RunState(evaluations=EvaluationState(samples={"head": saved}), data=data)
    whole, one = image_list.samples(state, "head", Path("run"))
    assert (whole.path, one.path) == (Path("run/s.png"), Path("r/a\x1b"))
    assert one.line == r"  1  [b]\x1b[2J"
    assert os.sep in str(whole.path)
