from pathlib import Path

import pytest
import timm

from core.common.nested import flatten
from core.config.load import ConfigError, changed_options, load_config
from core.config.presets import (
    PresetError,
    built_in_names,
    check_preset_name,
    preset_comment,
    preset_names,
    save_preset,
)
from core.config.schema import Config


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path))
    return tmp_path / "presets"


def test_a_saved_preset_is_the_configuration_for_any_folder() -> None:
    config = load_config(
        "animals20",
        ["data.batch_size=7", "phases.full.lr=3e-5", "name=zebras"],
        {"data.root": "/x"},
    )
    file = save_preset("mine", config, "For zebras \x1b[2J.")
    assert preset_names() == [*built_in_names(), "mine"]
    assert preset_comment("mine") == "For zebras \\x1b[2J."
    loaded = load_config("mine")
    assert loaded.name == "run"
    assert loaded.data.root is None
    assert load_config("mine", ["name=zebras"], {"data.root": "/x"}) == config
    assert "min_delta" not in file.read_text(), "defaults are not saved"


def test_a_preset_with_defaults_only() -> None:
    save_preset("plain", Config(), "Nothing.")
    assert load_config("plain") == Config()


def test_the_schema_has_the_defaults_of_the_default_preset(tmp_path: Path) -> None:
    file = tmp_path / "named.yaml"
    file.write_text("name: run\n")
    assert Config() == load_config("default") == load_config(file)


@pytest.mark.parametrize("name", built_in_names())
def test_the_options_copied_from_a_run_reproduce_its_configuration(name: str) -> None:
    config = load_config(name, ["data.root=/photos", "data.group=(a|b)_", "name=true"])
    recorded = config.model_dump(mode="json")
    assert load_config("default", changed_options(recorded)) == config


@pytest.mark.parametrize("name", ["", "a b", "../up", ".hidden", "x/y", "é", "a" * 61, "default"])
def test_invalid_preset_names_are_refused(name: str) -> None:
    assert check_preset_name(name)
    with pytest.raises(PresetError, match="preset"):
        save_preset(name, load_config("default"), "")
    assert preset_names() == built_in_names()


def test_a_folder_without_write_permission_is_an_error(folder: Path) -> None:
    folder.write_text("in the way")
    with pytest.raises(PresetError, match=r"presets/mine\.yaml"):
        save_preset("mine", load_config("default"), "")


def test_a_damaged_preset_is_an_error_that_names_it(folder: Path) -> None:
    folder.mkdir()
    (folder / "broken.yaml").write_text("data: {batch_size: [")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "away.yaml").symlink_to(folder / "nowhere")
    with pytest.raises(ConfigError, match="broken: not valid YAML"):
        load_config("broken")
    for name in ("binary", "away"):
        with pytest.raises(ConfigError, match=f"preset {name} cannot be read"):
            load_config(name)
        assert "cannot be read" in preset_comment(name)


def test_animals20_384_differs_only_in_size_and_compute_options() -> None:
    notebook, larger = (
        flatten(load_config(name).model_dump()) for name in ("animals20", "animals20-384")
    )
    assert {key: value for key, value in larger.items() if value != notebook[key]} == {
        "name": "animals20-384",
        "precision": "auto",
        "memory_format": "auto",
        "data.image_size": 384,
        "data.decode_once": True,
        "phases.head.views": 1,
    }


FIXED = ("animals20", "animals20-384", "demo", "demo-backbone")
"""Presets of known results."""


@pytest.mark.parametrize("name", FIXED)
def test_the_defaults_change_nothing_in_a_preset_of_known_results(name: str) -> None:
    config = load_config(name)
    full = config.phases.full
    assert (config.data.balance, config.data.crop_pct) == ("none", "auto")
    assert (config.model.drop_path, config.model.dropout) == (0, 0)
    assert (full.mixup, full.cutmix, full.ema, full.layer_decay) == (0, 0, None, 1)
    assert full.unfreeze == "all"
    for phase in (full, config.phases.head):
        assert (phase.label_smoothing, phase.warmup, phase.monitor) == (0, 0, "auto")
        assert phase.scheduler.kind == "plateau"


@pytest.mark.parametrize("name", [name for name in built_in_names() if name not in FIXED])
def test_the_other_presets_share_the_recipe_of_the_default(name: str) -> None:
    config, recipe = load_config(name), Config()
    assert config.data.augment == recipe.data.augment
    assert config.phases.head == recipe.phases.head
    own = {"epochs", "lr"}
    assert config.phases.full.model_dump(exclude=own) == recipe.phases.full.model_dump(exclude=own)


@pytest.mark.parametrize("name", built_in_names())
def test_timm_has_the_weights_of_each_preset(name: str) -> None:
    model = load_config(name).model
    assert not model.pretrained or model.name in timm.list_pretrained()
