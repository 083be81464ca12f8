"""Augmentation presets: which values a configuration has, however it is built and reloaded."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common.nested import flatten
from core.config.augment_presets import AUGMENT_PRESETS, CUSTOM
from core.config.data_section import AugmentConfig
from core.config.load import (
    ConfigError,
    changed,
    changed_options,
    config_from_tree,
    load_config,
    load_recorded,
    to_yaml,
    with_values,
)
from core.config.presets import save_preset
from core.config.schema import Config
from core.study.definition import SEEDS, SWEEP, create_study
from core.study.members import base_config, member_config, planned_members
from core.study.sweep.options import sweep_options

KEY = "data.augment.preset"
ALL = (*AUGMENT_PRESETS, CUSTOM)
VALUES = {
    "min_scale": st.sampled_from([0.08, 0.123456, 0.35, 0.7, 1.0]),
    "hflip": st.sampled_from([0.0, 0.5, 1.0]),
    "vflip": st.sampled_from([0.0, 0.5]),
    "color_jitter": st.sampled_from([0.0, 0.2, 0.4, 2.0]),
    "auto_augment": st.sampled_from([None, "rand-m9-mstd0.5-inc1", "trivial", "3a", "v0"]),
    "erase": st.sampled_from([0.0, 0.25, 1.0]),
}


@st.composite
def layers(draw: st.DrawFn) -> dict[str, Any]:
    """Return keys of one layer without `data.augment`, in any order."""
    given_keys = draw(st.fixed_dictionaries({}, optional=VALUES))
    preset = draw(st.sampled_from([None, *ALL]))
    items = [*given_keys.items(), *([("preset", preset)] if preset else [])]
    return dict(draw(st.permutations(items)))


def dotted(layer: dict[str, Any]) -> dict[str, Any]:
    return {f"data.augment.{key}": value for key, value in layer.items()}


def options(layer: dict[str, Any]) -> list[str]:
    return [f"{key}={'null' if value is None else value}" for key, value in dotted(layer).items()]


def augment(config: Config) -> dict[str, Any]:
    return config.data.augment.model_dump()


def expected(*layers: dict[str, Any]) -> dict[str, Any]:
    """Return the values that layers give, the earliest first."""
    values = augment(Config())
    for layer in layers:
        values |= {**AUGMENT_PRESETS.get(layer.get("preset", CUSTOM), {}), **layer}
    return values


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("layers") / "layer.yaml"


def write(file: Path, layer: dict[str, Any]) -> None:
    file.write_text(json.dumps({"data": {"augment": layer}}))  # JSON is YAML, in the order given


def test_each_preset_sets_every_key_to_a_valid_value() -> None:
    assert get_args(AugmentConfig.model_fields["preset"].annotation) == (CUSTOM, *AUGMENT_PRESETS)
    for preset, values in AUGMENT_PRESETS.items():
        assert {"preset", *values} == set(AugmentConfig.model_fields)
        resolved = augment(load_config(overrides=[f"{KEY}={preset}"]))
        assert resolved == {"preset": preset, **values}
        assert AugmentConfig(preset=preset).model_dump() == resolved  # type: ignore[arg-type]
    assert augment(Config())["preset"] == CUSTOM


@settings(max_examples=20)
@given(layers(), layers(), layers())
def test_a_preset_replaces_earlier_layers_and_yields_to_its_own_and_later_ones(
    file: Path, first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    write(file, first)
    config = load_config(file, options(second), dotted(third))
    assert augment(config) == expected(first, second, third)
    assert augment(changed(load_config(file), options(second))) == expected(first, second)
    assert augment(with_values(config, dotted(first))) == expected(first, second, third, first)


@settings(max_examples=20)
@given(layers(), layers())
def test_every_way_to_reload_a_configuration_gives_equal_values(
    file: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    write(file, first)
    config = load_config(file, options(second))
    tree = config.model_dump()
    assert set(tree["data"]["augment"]) == set(AugmentConfig.model_fields)
    assert config_from_tree(tree) == config
    assert load_config("default", changed_options(tree)) == config
    assert load_config("default", reversed(changed_options(tree))) == config
    save_preset("augmented", config, "")
    assert load_config("augmented") == config
    file.write_text(to_yaml(config))
    assert load_config(file) == load_recorded(file) == config
    assert with_values(config, {"data.batch_size": 8}).data.augment == config.data.augment


@settings(max_examples=20)
@given(layers())
def test_a_run_recorded_without_the_key_has_its_values(layer: dict[str, Any]) -> None:
    tree = load_config(overrides=options(layer)).model_dump()
    before = tree["data"]["augment"]
    del before["preset"]
    assert augment(config_from_tree(tree)) == {"preset": CUSTOM, **before}


def test_options_of_a_preset_are_short() -> None:
    config = load_config(overrides=[f"{KEY}=strong", "data.augment.hflip=0"])
    assert changed_options(config.model_dump()) == [f"{KEY}=strong", "data.augment.hflip=0.0"]


def test_a_key_equal_to_its_default_is_kept_where_the_preset_differs() -> None:
    config = load_config(overrides=["data.augment.min_scale=0.35", f"{KEY}=strong"])
    assert "data.augment.min_scale=0.35" in changed_options(config.model_dump())


@pytest.mark.parametrize("text", ["stronk", "1", "[strong]", "{a: b}", "null", "", "true"])
def test_an_unknown_preset_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(overrides=[f"{KEY}={text}"])
    assert "expected custom or none or light or medium or strong" in str(caught.value)


@pytest.mark.parametrize("tree", [{"data": 3}, {"data": {"augment": 3}}, {"data": {"augment": []}}])
def test_a_layer_without_keys_is_refused_as_before(tree: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is a group of keys"):
        config_from_tree(tree)


def test_trials_of_a_sweep_over_presets_have_the_values_of_the_table(
    photos: Path, tmp_path: Path
) -> None:
    config = load_config(overrides=["data.augment.hflip=0", f"data.root={photos}"])
    ranges = {KEY: "[none, light, strong]", "data.augment.erase": "[0, 0.1]"}
    study = create_study(tmp_path, SWEEP, config, sweep_options(config, ranges, sampler="grid"))
    members = planned_members(study)
    assert len(members) == 6
    for member in members:
        layer = {key.rsplit(".", 1)[-1]: value for key, value in member.values.items()}
        assert augment(member_config(study, member)) == expected(layer)


def test_members_of_a_study_have_its_augmentation(tmp_path: Path) -> None:
    config = load_config(overrides=[f"{KEY}=strong", "data.augment.min_scale=0.35"])
    study = create_study(tmp_path, SEEDS, config, {"count": 2, "vary_split": False})
    assert base_config(study) == config
    for member in planned_members(study):
        assert augment(member_config(study, member)) == augment(config)


def test_the_text_of_every_key_of_a_preset_is_in_the_recorded_file() -> None:
    text = to_yaml(load_config(overrides=[f"{KEY}=none"]))
    keys = [key for key in flatten(Config().model_dump()) if key.startswith("data.augment.")]
    assert all(f"{key.rsplit('.', 1)[-1]}:" in text for key in keys)
