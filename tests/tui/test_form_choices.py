"""Lists of models and presets of the form for a new run, and why a run cannot start."""

from pathlib import Path

import pytest
from textual.widgets import OptionList, Select, Static

from core.config.augment_presets import AUGMENT_PRESETS
from core.forecast.model_list import ListedModel, ListedModels
from tests.core.test_forecast import folder
from tests.tui.form_kit import field, footer, shown, until
from tests.tui.kit import Starter, make_app, text
from tui.dialogs.model import _WIDTH, ModelDialog
from tui.screens.new_run import NewRunScreen
from tui.text.model_list import model_line
from tui.widgets.preset_select import PresetSelect


async def test_a_model_is_chosen_from_the_list() -> None:
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await pilot.click("#model-name-list")
        await until(pilot, lambda: "27.8 M ✓" in shown(pilot))
        models = pilot.app.screen.query_one("#models", OptionList)
        assert models.highlighted == 2  # that of the preset
        assert "3.4 M" in shown(pilot)
        await pilot.press("pageup", "pagedown", "up", "up", "down", "enter")
        await pilot.pause()
        assert field(pilot, "model-name").value == "convnext_tiny.fb_in1k"
        assert field(pilot, "model-name").has_focus
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, ModelDialog))
        await pilot.press(*"atto d2")
        await until(pilot, lambda: "1 of 3 pretrained models" in text(pilot, "#hint"))
        await pilot.click("#models", offset=(4, 0))
        await pilot.pause()
        assert field(pilot, "model-name").value == "convnext_atto.d2_in1k"


def test_the_longest_names_of_timm_fit_into_the_list() -> None:
    name = "convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_384"
    line = model_line(ListedModel(name, 200_130_000), True, _WIDTH).plain
    assert line.split() == [name, "200.1", "M", "✓"]
    assert len(line) <= _WIDTH


async def test_any_model_name_can_be_typed() -> None:
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        field(pilot, "model-name").focus()
        await pilot.press(*"convnext_t")
        await until(pilot, lambda: field(pilot, "model-name")._suggestion != "")
        await pilot.press("right")
        assert field(pilot, "model-name").value == "convnext_tiny.fb_in1k"
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(pilot.app.screen, ModelDialog))
        await pilot.press(*"[red]")
        await until(pilot, lambda: "No match" in text(pilot, "#hint"))
        await pilot.press("enter")
        await pilot.pause()
        assert field(pilot, "model-name").value == "[red]"
        await pilot.press("f3", "escape")
        assert field(pilot, "model-name").value == "[red]"


async def test_a_list_of_models_that_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    async def probe() -> ListedModels:
        return ListedModels(problem="the list of models is not available: [red] no memory")

    monkeypatch.setattr("core.forecast.model_list._read", probe)
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        field(pilot, "model-name").focus()
        await pilot.press("f3")
        await until(pilot, lambda: "[red] no memory" in text(pilot, "#hint"))
        await pilot.press(*"mine", "enter")
        await pilot.pause()
        assert field(pilot, "model-name").value == "mine"


async def test_presets_are_described_before_one_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path))
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("# With [red] images.\ndata: {batch_size: 3}")
    async with make_app().run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "tab", "enter")
        await pilot.pause()
        list_ = shown(pilot)
        assert "For any image folder: ConvNeXt-Tiny with…" in list_
        assert "saved: With [red] images." in list_
        assert "Close" in footer(pilot)
        await pilot.press("escape")
        await pilot.pause()
        preset = pilot.app.screen.query_one(PresetSelect)
        assert isinstance(pilot.app.screen, NewRunScreen)
        assert preset.has_focus and preset.value == "default"
        await pilot.press("enter", *"mine", "enter")
        await pilot.pause()
        assert preset.value == "mine"
        assert str(preset.query_one("SelectCurrent #label", Static).render()) == "mine"
        assert field(pilot, "data-batch-size").placeholder == "3"


async def test_start_names_the_field_that_prevents_it(tmp_path: Path, starter: Starter) -> None:
    photos = folder(tmp_path / "photos", cats=4, dogs=4)
    (photos / "a file").touch()
    async with make_app(starter=starter).run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        assert text(pilot, "#start-message") == "Start needs a data folder"
        pilot.app.screen.query_one("#preset").focus()
        await pilot.click("#start")
        await until(pilot, lambda: field(pilot).has_focus)
        field(pilot).value = str(photos)
        await until(pilot, lambda: text(pilot, "#start-message") == "")
        field(pilot, "data-batch-size").value = "many"
        await until(pilot, lambda: "Batch size is 'many'" in text(pilot, "#start-message"))
        await pilot.press("f5")
        await until(pilot, lambda: field(pilot, "data-batch-size").has_focus)
        field(pilot, "data-batch-size").value = ""
        field(pilot, "model-weights").value = "/no/such.pth"
        await until(pilot, lambda: "Weights: no such file" in text(pilot, "#start-message"))
        await pilot.press("f5")
        await until(pilot, lambda: field(pilot, "model-weights").has_focus)
        field(pilot).value = str(photos / "a file")
        field(pilot, "model-weights").value = ""
        await until(pilot, lambda: "Data folder: " in text(pilot, "#start-message"))
        pilot.app.screen.query_one("#preset", Select).value = "demo"
        field(pilot).value = ""
        await until(pilot, lambda: text(pilot, "#start-message") == "")
    assert starter.configs == []


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (140, 45)])
async def test_the_footer_shows_the_keys_of_the_focused_field(size: tuple[int, int]) -> None:
    async with make_app().run_test(size=size) as pilot:
        await pilot.press("n")
        await pilot.pause()
        for id, key in (("data-root", "Browse"), ("model-name", "Models"), ("preset", "Choose")):
            pilot.app.screen.query_one(f"#{id}").focus()
            await pilot.pause()
            assert key in footer(pilot)
            assert footer(pilot).rstrip().endswith("Menu")
        assert "no folder yet · 27.8 M parameters" in text(pilot, "#forecast-summary")


async def test_augmentation_and_device_are_completed(tmp_path: Path, starter: Starter) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(b"x")
    async with make_app(starter=starter).run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        field(pilot).value = str(tmp_path)
        field(pilot, "more").value = "data.augment.hflip=0.1"
        for id, typed, value in (
            ("data-augment-preset", "s", "strong"),
            ("data-augment-preset", "l", "light"),
            ("device", "cp", "cpu"),
        ):
            entry = field(pilot, id)
            entry.value = ""
            entry.focus()
            await pilot.press(*typed)
            await until(pilot, lambda entry=entry, value=value: entry._suggestion == value)
            await pilot.press("right")
            assert entry.value == value
        await pilot.press("f5")
        await pilot.app.workers.wait_for_complete()
        await until(pilot, lambda: bool(starter.configs))
    [config] = starter.configs
    assert config.device == "cpu"
    light = {"preset": "light", **AUGMENT_PRESETS["light"], "hflip": 0.1}
    assert config.data.augment.model_dump() == light
