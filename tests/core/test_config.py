import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.common.files import write_text_atomically
from core.common.nested import flatten
from core.config.key_docs import all_keys, allowed_values, default_value, describe_key
from core.config.load import ConfigError, config_from_tree, load_config, to_yaml
from core.config.presets import built_in_names, preset_comment
from core.config.schema import Config

FIXED_KEYS = [
    *("name", "seed", "device", "clip_grad_norm"),
    *(f"data.{key}" for key in ("root", "val_fraction", "image_size", "batch_size", "workers")),
    *(f"model.{key}" for key in ("name", "pretrained", "weights")),
    *(
        f"phases.{phase}.{key}"
        for phase in ("head", "full")
        for key in (
            *("epochs", "optimizer", "lr", "weight_decay"),
            *("scheduler.factor", "scheduler.patience"),
            *("early_stopping.patience", "early_stopping.min_delta"),
        )
    ),
]


def refusal(*overrides: str, **values: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config("default", overrides, values)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    return message


def refusal_of_file(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("key", FIXED_KEYS)
def test_keys_that_scripts_rely_on_exist(key: str) -> None:
    assert key in all_keys()


@pytest.mark.parametrize("key", all_keys())
def test_every_key_documents_meaning_and_allowed_values(key: str) -> None:
    assert len(describe_key(key)) > 10
    assert allowed_values(key)
    assert default_value(key)


def test_the_presets_named_in_the_readme_exist() -> None:
    assert {"default", "animals20"} <= set(built_in_names())


@pytest.mark.parametrize("name", built_in_names())
def test_every_preset_is_valid_and_has_a_comment(name: str) -> None:
    load_config(name)
    assert len(preset_comment(name)) > 20


def test_animals20_is_the_notebooks_recipe() -> None:
    values = flatten(load_config("animals20").model_dump())
    expected = {
        "seed": 1029,
        "clip_grad_norm": 1.0,
        "precision": "fp32",
        "data.val_fraction": 0.1,
        "data.image_size": 224,
        "data.batch_size": 32,
        "model.name": "convnext_base.fb_in22k_ft_in1k_384",
        "phases.head.epochs": 30,
        "phases.head.optimizer": "adam",
        "phases.head.lr": 1e-3,
        "phases.head.weight_decay": 0.0,
        "phases.head.scheduler.factor": 0.5,
        "phases.head.scheduler.patience": 3,
        "phases.head.early_stopping.patience": 7,
        "phases.head.early_stopping.min_delta": 0.001,
        "phases.full.epochs": 10,
        "phases.full.optimizer": "adamw",
        "phases.full.lr": 1e-4,
        "phases.full.weight_decay": 1e-4,
        "phases.full.scheduler.patience": 2,
        "phases.full.early_stopping.patience": 5,
    }
    assert {key: values[key] for key in expected} == expected


def test_overrides_are_applied_on_top_of_presets(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 1\nname: from file\ndata: {batch_size: 8, val_fraction: 0.3}\n")
    config = load_config(file, ["seed=2", "data.batch_size=16"], {"seed": 3})
    assert (config.seed, config.data.batch_size, config.data.val_fraction) == (3, 16, 0.3)
    assert config.name == "from file"
    assert config.phases == Config().phases


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("data.batch_size=64", "data.batch_size", 64),
        ("phases.head.lr=1e-3", "phases.head.lr", 0.001),
        ("phases.head.lr=5E-2", "phases.head.lr", 0.05),
        ("phases.head.lr=1", "phases.head.lr", 1.0),
        ("phases.full.epochs=0", "phases.full.epochs", 0),
        ("data.workers=auto", "data.workers", "auto"),
        ("data.workers=2", "data.workers", 2),
        ("clip_grad_norm=null", "clip_grad_norm", None),
        ("model.pretrained=false", "model.pretrained", False),
        ("name=123", "name", "123"),
        ("name=yes", "name", "yes"),
        ("name=a=b: [c", "name", "a=b: [c"),
        ("data.augment.auto_augment=rand-m9-mstd0.5", "data.augment.auto_augment",
         "rand-m9-mstd0.5"),
        (" seed = 7", "seed", 7),
    ],
)  # fmt: skip
def test_an_override_sets_its_key(override: str, key: str, value: object) -> None:
    assert flatten(load_config("default", [override]).model_dump())[key] == value


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("data.bach_size=64", ["'data.bach_size'", "did you mean 'data.batch_size'?"]),
        ("batch_size=64", ["'batch_size'", "did you mean 'data.batch_size'?"]),
        ("phases.haed.lr=1", ["did you mean 'phases.head.lr'?"]),
        ("zzz=1", ["unknown key 'zzz'"]),
        ("phases.head=1", ["group of keys", "phases.head.epochs"]),
        ("data.batch_size=lots", ["data.batch_size", "'lots'", "a whole number from 1"]),
        ("data.batch_size=0", ["data.batch_size", "0", "from 1 up to 65536"]),
        ("data.batch_size=8.5", ["data.batch_size", "8.5", "whole number"]),
        ("data.batch_size=true", ["data.batch_size", "True", "whole number"]),
        ("data.workers=many", ["data.workers", "'many'", "whole number", "auto"]),
        ("device=gpu", ["device", "'gpu'", "auto or cpu or cuda or mps"]),
        ("phases.head.optimizer=adamx", ["phases.head.optimizer", "adam or adamw or sgd"]),
        ("phases.head.lr=.nan", ["phases.head.lr", "nan", "above 0"]),
        ("phases.head.lr=.inf", ["phases.head.lr", "inf", "above 0"]),
        ("phases.head.epochs=-1", ["phases.head.epochs", "-1", "from 0"]),
        ("data.val_fraction=1", ["data.val_fraction", "1", "above 0 below 1"]),
        ("model.pretrained=1", ["model.pretrained", "1", "true or false"]),
        ("model.name=", ["model.name", "text"]),
        ("seed=-3", ["seed", "-3"]),
        ("seed=2024-01-01", ["seed", "2024", "whole number"]),
        ("seed={a: b}", ["seed", "{'a': 'b'}", "whole number"]),
        ("seed={[a]: b}", ["seed", "whole number"]),
        ("seed=!!bool x", ["seed", "whole number"]),
        ("seed=" + "[" * 3000, ["seed", "whole number"]),
        ("seed=a\nb\x1b[2J", ["seed", "whole number"]),
        ("no equals sign", ["KEY=VALUE"]),
        ("=3", ["KEY=VALUE"]),
        ("se\ned=3", ["ned'", "did you mean 'seed'?"]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_invalid_override_is_a_one_line_error(override: str, parts: list[str]) -> None:
    message = refusal(override)
    assert [part for part in parts if part not in message] == []


def test_an_empty_model_name_is_refused_with_the_allowed_values() -> None:
    assert "not empty" in refusal(**{"model.name": ""})


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("- a list", "expected lines of `key: value`"),
        ("just words", "expected lines of `key: value`"),
        ("seed: 1\nseed: 2", "duplicate key"),
        ("data: {root: x, root: y}", "duplicate key"),
        ("data: 3", "data is a group of keys, not 3"),
        ("data: {bach_size: 3}", "did you mean 'data.batch_size'?"),
        ("data: {root: {a: b}}", "data.root is {'a': 'b'}"),
        ("data: &loop\n  root: *loop", "replace *loop with its value"),
        ("1: 2", "unknown key '1'"),
        ("? [a]\n: b", "not valid YAML"),
        ("? {a: b}\n: c", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("a\x01: b", "not valid YAML"),
        ("seed: !!timestamp x", "not valid YAML"),
        ("seed: !!float", "not valid YAML"),
        ("seed: !!python/object:os.system {}", "not valid YAML"),
        ("seed: 2024-99-99", "not valid YAML"),
        ("seed: 1\n---\nseed: 2", "not valid YAML"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nname: [*b, *b]", "replace *a with its value"),
        (b"\xff\xfe\xff", "readable file"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_malformed_file_is_a_one_line_error(
    tmp_path: Path, content: str | bytes, part: str
) -> None:
    assert part in refusal_of_file(tmp_path / "c.yaml", content)


def test_equal_keys_in_different_groups_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("phases: {head: {lr: 1e-2}, full: {lr: 1e-5}}")
    phases = load_config(file).phases
    assert (phases.head.lr, phases.full.lr) == (0.01, 1e-5)


@pytest.mark.parametrize("source", ["defalt", "a\0b", "nowhere.yaml", "."])
def test_a_source_that_is_neither_preset_nor_file_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="neither a preset"):
        load_config(source)


def test_a_mistyped_preset_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="did you mean 'default'"):
        load_config("defualt")


@pytest.mark.parametrize("key", ["data.root", "model.weights"])
def test_paths_become_absolute(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    values = flatten(load_config(overrides=[f"{key}=photos"]).model_dump())
    assert values[key] == str(tmp_path / "photos")
    values = flatten(load_config(overrides=[f"{key}=~/photos"]).model_dump())
    assert values[key] == str(tmp_path / "home" / "photos")


def test_an_unknown_home_folder_is_left_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(overrides=["data.root=~no-such-user/photos"])
    assert config.data.root == str(tmp_path / "~no-such-user" / "photos")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"name": "Ünïcode: [x] #1 'q' \"d\"\n\t\x1b"},
        {"data.root": "/photos/caf\udce9"},
        {"clip_grad_norm": None, "data.workers": 3, "phases.head.lr": 1e-300},
        {"name": "null"},
        {"name": "1e-3"},
        {"seed": 2**63 - 1},
    ],
)
def test_recorded_yaml_loads_to_an_equal_configuration(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    config = load_config(values=values)
    file = tmp_path / "config.yaml"
    write_text_atomically(file, to_yaml(config))
    assert load_config(file) == config


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Config().data.batch_size = 3


def test_a_recorded_configuration_lacking_newer_keys_gets_what_runs_did_before_them() -> None:
    config = config_from_tree({"seed": 5, "data": {"root": "relative"}})
    assert (config.seed, config.data.root) == (5, "relative")
    assert config.phases.head == Config().phases.head
    full = config.phases.full
    assert (full.ema, full.layer_decay, full.warmup_epochs) == (None, 1.0, 0)
    assert (full.scheduler.kind, config.data.crop_pct) == ("plateau", "auto")


def test_a_recorded_configuration_with_an_unknown_key_names_it() -> None:
    with pytest.raises(ConfigError, match=r"'sead'.*recorded configuration.*'seed'"):
        config_from_tree({"sead": 5})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.folds=1"], "data.folds is 1; expected 0, or a whole number from 2 to 1000"),
        (["data.fold=2"], "data.fold is 2, but data.folds is 0: set data.folds as well"),
        (["data.folds=3", "data.fold=3"], "data.fold is 3, but data.folds is 3: expected 0 to 2"),
        (
            ["data.folds=3", "data.split=a.csv"],
            "data.split already .* leave data.folds out",
        ),
        (["data.split_seed=-1"], "data.split_seed is -1; expected a whole number .* or null"),
    ],
)
def test_keys_of_folds_that_exclude_each_other_are_refused(
    overrides: list[str], message: str
) -> None:
    assert re.fullmatch(message, refusal(*overrides))


def test_the_seed_of_the_split_is_the_seed_unless_it_is_set() -> None:
    config = load_config("default", ["seed=5"])
    assert config.data.seed_of_split(config.seed) == 5
    assert load_config("default", ["data.split_seed=7"]).data.seed_of_split(5) == 7
