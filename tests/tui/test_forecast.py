"""The preview of a new run in its form, and saving the form as a preset."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from core.config.load import load_config
from core.forecast.device_memory import DeviceMemory
from core.forecast.forecast import DataSummary
from core.forecast.model_info import ModelInfo
from core.forecast.throughput_history import ThroughputHistory
from tests.core.test_forecast import folder
from tests.tui.kit import Starter, make_app, settle
from tui.app import Exit
from tui.preferences.palettes import DARK
from tui.text.forecast import UNUSABLE, Forecast, forecast_summary, forecast_text

CONFIG = load_config("default")
FACTS = ModelInfo(27_820_897, 768, 109_155_808, hub_id="timm/convnext_tiny")
DATA = DataSummary({"cats": 80, "dogs": 16}, {"cats": 20, "dogs": 4}, False, ["imbalance: much"])
PACE = ThroughputHistory("birds", "NVIDIA H200", head_first=1.0, head_next=0.5, full=2.0)
ROOM = DeviceMemory("RAM", total=32_000_000_000, free=20_000_000_000)


def lines(forecast: Forecast, width: int = 100) -> list[str]:
    return forecast_text(forecast, width, DARK).plain.splitlines()


def line(forecast: Forecast, label: str) -> str:
    (found,) = [text[9:] for text in lines(forecast, 200) if text.startswith(f"{label:<9}")]
    return found


def test_a_complete_forecast() -> None:
    known = Forecast(CONFIG, DATA, "", FACTS, True, ROOM, PACE, throughput_known=True)
    assert lines(known) == [
        "data     120 images, 2 classes",
        "split    96 train, 24 val: 20% val per class, by seed",
        "!        imbalance: much",
        "model    convnext_tiny.in12k_ft_in1k, 27.8 M parameters, 111 MB",
        "weights  cached",
        "memory   about 8.94 GB for 64 images in phase full, less in bf16; RAM: 20.0 GB free",
        "images   224 x 224 pixels",
        "epochs   head up to 40 epochs, full up to 10; 2 steps per epoch",
        "time     at most 1:21:00 (head 41:00, full 40:00), from run birds on NVIDIA H200",
        "",
        "█ train  ▒ val",
        "cats ████████████████████████▒▒▒▒▒▒ 100",
        "dogs █████▒ 20",
    ]
    assert (
        forecast_summary(known)
        == "120 images, 2 classes · ! 1 problem below · 27.8 M parameters · at most 1:21:00"
    )


def test_unknown_values_are_not_shown() -> None:
    assert lines(Forecast())[0].startswith("data     no folder yet")
    assert forecast_summary(Forecast()) == ""
    waiting = Forecast(CONFIG)
    assert line(waiting, "model").endswith("reading …")
    assert not any(text.startswith(("memory", "time")) for text in lines(waiting))
    unknown = Forecast(CONFIG, DATA, "", FACTS, throughput_known=True)
    assert line(unknown, "time").startswith("unknown")
    assert "free" not in line(unknown, "memory")


def test_problems_are_shown() -> None:
    small = Forecast(
        CONFIG, DATA, "", FACTS, False, DeviceMemory("RAM", 9_000_000_000, 4_000_000_000)
    )
    assert any("more than the free memory" in text and text[0] == "!" for text in lines(small, 200))
    assert line(small, "weights") == "not cached: downloaded on first use (timm/convnext_tiny)"
    none = Forecast(CONFIG, DATA, "", ModelInfo(27_820_897, 768, 109_155_808))
    assert "timm has no pretrained weights" in line(none, "weights")
    wrong = Forecast(CONFIG, DATA, "", ModelInfo(problem="model.name=x[/] is no model"))
    assert line(wrong, "model") == "model.name=x[/] is no model"


@pytest.mark.parametrize("width", [20, 37, 60, 200])
def test_nothing_is_wider_than_the_panel(width: int) -> None:
    names = {f"{'x' * n} 猫\x1b[2J": 3 * n for n in range(60)}
    many = DataSummary(names, dict.fromkeys(names, 1), True)
    shown = forecast_text(Forecast(CONFIG, many, "", FACTS), width, DARK)
    bars = [text for text in shown.split("\n") if "█" in text.plain and "train" not in text.plain]
    assert len(bars) == 24
    assert "… 36 classes between" in shown.plain
    assert "\x1b" not in shown.plain
    assert all(text.cell_length <= width for text in bars)


async def until(pilot: Pilot[Exit], true: Callable[[], bool]) -> None:
    for _ in range(500):
        await pilot.pause(0.002)
        if true():
            return
    raise AssertionError("the condition was not reached")


def panel_text(pilot: Pilot[Exit]) -> str:
    return " ".join(str(pilot.app.screen.query_one("#forecast Static", Static).render()).split())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.new_run._TYPING_PAUSE", 0.001)


async def test_the_preview_follows_the_form(tmp_path: Path) -> None:
    photos = folder(tmp_path / "photos", cats=30, dogs=20)
    app = make_app(starter=Starter())
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: "27.8 M parameters" in panel_text(pilot))
        assert "no folder yet" in panel_text(pilot)
        field = app.screen.query_one("#data-root", Input)
        field.value = str(photos)
        await until(pilot, lambda: "50 images, 2 classes" in panel_text(pilot))
        assert "40 train, 10 val" in panel_text(pilot)
        app.screen.query_one("#more", Input).value = "data.val_fraction=0.5"
        await until(pilot, lambda: "25 train, 25 val" in panel_text(pilot))
        app.screen.query_one("#more", Input).value = "data.test_fraction=0.1"
        await until(pilot, lambda: "35 train, 10 val, 5 test" in panel_text(pilot))
        app.screen.query_one("#more", Input).value = "data.val_fraction=0.5"
        await until(pilot, lambda: "25 train, 25 val" in panel_text(pilot))
        app.screen.query_one("#data-batch-size", Input).value = "no number"
        await until(pilot, lambda: UNUSABLE in panel_text(pilot))
        assert "50 images" in panel_text(pilot)
        field.value = str(tmp_path)
        await until(pilot, lambda: "50 images" not in panel_text(pilot))
        field.value = str(photos)
        app.screen.query_one("#data-batch-size", Input).value = "5"
        await until(pilot, lambda: "5 steps per epoch" in panel_text(pilot))
        field.value = str(tmp_path / "nowhere[/]")
        await until(pilot, lambda: "nowhere[/]" in panel_text(pilot).replace(" ", ""))
        field.value = ""
        await until(pilot, lambda: "no folder yet" in panel_text(pilot))


async def test_an_unneeded_count_is_canceled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leaving the form or entering another folder cancels a long count."""
    ended = []

    def endless(
        root: Path, val: float, cancelled: Callable[[], bool], test: float, folds: int
    ) -> None:
        while not cancelled():
            pass
        ended.append(root.name)

    monkeypatch.setattr("tui.widgets.forecast.summarize_data", endless)
    app = make_app(starter=Starter())
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("n")
        field = app.screen.query_one("#data-root", Input)
        field.value = str(tmp_path / "a")
        await until(pilot, lambda: "reading" in panel_text(pilot))
        field.value = str(tmp_path / "b")
        await until(pilot, lambda: ended == ["a"])
        await pilot.press("escape")
        await until(pilot, lambda: ended == ["a", "b"])


@pytest.mark.parametrize("size", [(80, 24), (140, 24)])
async def test_page_keys_scroll_the_preview(tmp_path: Path, size: tuple[int, int]) -> None:
    photos = folder(tmp_path / "photos", **{f"class{n}": 3 for n in range(20)})
    app = make_app(starter=Starter())
    async with app.run_test(size=size) as pilot:
        await pilot.press("n")
        app.screen.query_one("#data-root", Input).value = str(photos)
        await until(pilot, lambda: "60 images" in panel_text(pilot))
        name = "#form-and-forecast" if size[0] == 80 else "#forecast"
        box = app.screen.query_one(name)
        await pilot.press("pagedown")
        await until(pilot, lambda: box.scroll_y > 0)
        await pilot.press("pageup")
        await until(pilot, lambda: box.scroll_y == 0)
        assert app.screen.query_one("#forecast-summary").display == (size[0] == 80)


async def test_the_form_is_saved_as_a_preset(starter: Starter) -> None:
    app = make_app(starter=starter)
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("n")
        app.screen.query_one("#data-batch-size", Input).value = "many"
        await pilot.press("f6")
        await settle(pilot)
        assert "whole number" in str(app.screen.query_one("#data-batch-size-hint").render())
        app.screen.query_one("#data-batch-size", Input).value = "24"
        await pilot.press("f6")
        await pilot.press(*"default", "enter")
        await settle(pilot)
        assert "built-in preset" in str(app.screen.query_one("#hint").render())
        await pilot.press(*(["backspace"] * 7), *"mine", "enter")
        await app.workers.wait_for_complete()
        await settle(pilot)
        choice = app.screen.query_one("#preset", Select)
        assert choice.value == "default"
        choice.value = "mine"
        await settle(pilot)
        assert app.screen.query_one("#data-batch-size", Input).placeholder == "24"
        comment = str(app.screen.query_one("#preset-comment", Static).render())
        assert comment == "Saved from the form for a new run, based on default."
    assert load_config("mine").data.batch_size == 24


async def test_an_invalid_preset_is_reported_where_it_is_selected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path))
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "broken.yaml").write_text("data: 3")
    app = make_app(starter=Starter())
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("n")
        app.screen.query_one("#preset", Select).value = "broken"
        await settle(pilot)
        assert "data is a group of keys" in str(app.screen.query_one("#start-message").render())
