"""Load configurations from presets, YAML files and overrides, with one-line error messages."""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.common import strict_yaml as safe_yaml
from core.common.errors import DataError, SetupError, reason_of
from core.common.location import absolute_location, absolute_path, location_name
from core.common.nested import Tree, flatten
from core.common.text import printable, quoted
from core.config.augment_presets import PRESET_KEY, preset_values, put_preset
from core.config.fields import INCONSISTENT, INVALID, TRAINED_POLICY
from core.config.key_docs import all_keys, allowed_values
from core.config.presets import base_values, preset_names, preset_text
from core.config.schema import Config

_BEFORE: Mapping[str, Any] = {
    "data.crop_pct": "auto",
    "phases.head.warmup_epochs": 0.0,
    "phases.full.warmup_epochs": 0.0,
    "phases.full.scheduler.kind": "plateau",
    "phases.full.layer_decay": 1.0,
    "phases.full.ema": None,
}
"""Behavior of runs that were recorded before these keys existed."""
NO_STUDY = "study=null"
"""Override of a new run that is configured like a member of a study without being one."""


class ConfigError(SetupError):
    """An invalid configuration; the message is one line that says what to do."""


def load_config(
    source: str | Path = "default", overrides: Iterable[str] = (), values: Mapping[str, Any] = {}
) -> Config:
    """Build a configuration from a preset or YAML file and changes on top of it.

    `overrides` are `KEY=VALUE` texts as on the command line; `values` maps dotted keys to plain
    values and is applied last. An augmentation preset replaces the values of earlier layers, and
    other keys of its own layer take precedence. Paths become absolute, so that the recorded
    configuration names the same files from anywhere. Raises ConfigError.
    """
    tree = Config().model_dump()
    _merge_layer(tree, _read(source), origin=str(source))
    return _changed(tree, overrides, values)


def changed(
    config: Config, overrides: Iterable[str] = (), values: Mapping[str, Any] = {}
) -> Config:
    """Return a configuration with changes on top of it, as in `load_config`."""
    return _changed(config.model_dump(), overrides, values)


def _changed(tree: Tree, overrides: Iterable[str], values: Mapping[str, Any]) -> Config:
    _put_layer(tree, dict(map(parse_override, overrides)))
    _put_layer(tree, values)
    _make_absolute(tree)
    return _validated(tree)


def _make_absolute(tree: Tree) -> None:
    for section, key in (("data", "split"), ("model", "weights")):
        if isinstance(path := tree[section][key], str):
            tree[section][key] = absolute_path(path)
    if isinstance(root := tree["data"]["root"], str):
        try:
            tree["data"]["root"] = absolute_location(root)
        except DataError as error:
            raise ConfigError(f"data.root is invalid: {error}") from None


def _recorded_base() -> Tree:
    """Return the values of keys that a recorded configuration may lack: the defaults, except where
    runs from before a key existed did something else."""
    tree = Config().model_dump()
    for key, value in _BEFORE.items():
        _put(tree, key, value)
    return tree


def config_from_tree(tree: Mapping[str, Any]) -> Config:
    """Rebuild the configuration recorded by a run of any version."""
    whole = _recorded_base()
    _merge_layer(whole, tree, origin="recorded configuration")
    return _validated(whole, whole["data"]["augment"]["auto_augment"])


def load_recorded(file: Path) -> Config:
    """Return the configuration that a run has recorded in a file; raises ConfigError."""
    tree = _recorded_base()
    _merge_layer(tree, _read(file), origin=str(file))
    _make_absolute(tree)
    return _validated(tree, tree["data"]["augment"]["auto_augment"])


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the configuration with other values for these dotted keys; raises ConfigError."""
    tree = config.model_dump()
    _put_layer(tree, values)
    return _validated(tree, config.data.augment.auto_augment)


def with_default_name(config: Config) -> Config:
    """Return the configuration with the name of its data folder if it has no name.

    Only for a new run or study: a preset applies to any folder.
    """
    folder_name = location_name(config.data.root or "")
    is_unnamed = config.name == Config.model_fields["name"].default
    return (
        with_values(config, {"name": folder_name[:200]}) if is_unnamed and folder_name else config
    )


def changed_options(recorded: Mapping[str, Any]) -> list[str]:
    """Return the keys of a configuration, as a run records it, that differ from the defaults and
    the augmentation preset, as `KEY=VALUE` texts. Given to `load_config` they reproduce the
    configuration."""
    defaults = flatten(base_values(recorded))
    return [
        f"{key}={option_text(value)}"
        for key, value in flatten(recorded).items()
        if key not in defaults or defaults[key] != value
    ]


def option_text(value: object) -> str:
    """Return a value as it is written after `KEY=`."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def to_yaml(config: Config) -> str:
    """Return the resolved configuration, every key included, as YAML that load_config reads."""
    return safe_yaml.dump(config.model_dump())


def _read(source: str | Path) -> Tree:
    text = _source_text(source)
    try:
        tree = safe_yaml.load(text)
    except safe_yaml.InvalidYaml as error:
        raise ConfigError(f"{source}: not valid YAML: {reason_of(error)}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: expected lines of `key: value`, found other content")
    return tree


def _source_text(source: str | Path) -> str:
    presets = preset_names()
    try:
        if isinstance(source, str) and source in presets:
            return preset_text(source)
        return Path(source).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if source in presets:
            raise ConfigError(f"preset {source} cannot be read: {reason_of(error)}") from None
        hint = _did_you_mean(str(source), presets)
        raise ConfigError(
            f"config {quoted(str(source))} is neither a preset ({', '.join(presets)}) nor a "
            f"readable file ({reason_of(error)}){hint}"
        ) from None


def _merge_layer(tree: Tree, layer: Mapping[Any, Any], origin: str) -> None:
    put_preset(tree, layer)
    _merge(tree, layer, origin)


def _merge(tree: Tree, update: Mapping[Any, Any], origin: str, prefix: str = "") -> None:
    for key, value in update.items():
        name = f"{prefix}{key}"
        if key not in tree:
            raise _unknown(name, origin)
        if not isinstance(tree[key], dict):
            tree[key] = value
        elif isinstance(value, Mapping):
            _merge(tree[key], value, origin, f"{name}.")
        else:
            raise ConfigError(
                f"{name} is a group of keys, not {_shown(value)}; "
                f"its keys are {', '.join(tree[key])}"
            )


def _put_layer(tree: Tree, values: Mapping[str, Any]) -> None:
    tree["data"]["augment"].update(preset_values(values.get(PRESET_KEY)))
    for key, value in values.items():
        _put(tree, key, value)


def _put(tree: Tree, key: str, value: Any) -> None:
    known = flatten(tree)
    if key not in known:
        raise _unknown(key, "")
    *sections, last = key.split(".")
    for section in sections:
        tree = tree[section]
    tree[last] = value


def parse_override(text: str) -> tuple[str, Any]:
    """Return key and value of a `KEY=VALUE` text; raises ConfigError for an unknown key."""
    key, equals, raw = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"{quoted(text)} is not KEY=VALUE, such as data.batch_size=64")
    if key not in all_keys():
        raise _unknown(key, "")
    try:
        value = safe_yaml.load(raw)
    except Exception:  # as in _read; invalid YAML is treated as text
        value = raw
    takes_text = "text" in allowed_values(key)
    return key, raw if takes_text and value is not None else value


def _unknown(key: str, origin: str) -> ConfigError:
    keys = all_keys()
    groups = sorted({k.rsplit(".", n)[0] for k in keys for n in range(1, k.count(".") + 1)})
    where = f" in {printable(origin)}" if origin else ""
    if key in groups:
        inside = ", ".join(k for k in keys if k.startswith(f"{key}."))
        return ConfigError(f"{key} is a group of keys; set one of {inside}")
    hint = _did_you_mean(key, [*keys, *groups]) or "; all keys are listed by: convnext-tui keys"
    return ConfigError(f"unknown key {quoted(key)}{where}{hint}")


def _did_you_mean(given: str, names: list[str]) -> str:
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if not close:
        last = given.rsplit(".", 1)[-1]
        ends = {name.rsplit(".", 1)[-1]: name for name in reversed(names)}
        near = difflib.get_close_matches(last, list(ends), n=1, cutoff=0.75)
        close = [ends[name] for name in near]
    return f"; did you mean {close[0]!r}?" if close else ""


def _validated(tree: Tree, trained_policy: object = None) -> Config:
    try:
        return Config.model_validate(tree, context={TRAINED_POLICY: trained_policy})
    except ValidationError as error:
        raise ConfigError(_value_message(tree, error)) from None


def _value_message(tree: Tree, error: ValidationError) -> str:
    known = all_keys()
    first = error.errors(include_url=False)[0]
    if first["type"] == INCONSISTENT:
        return printable(first["msg"])
    location = [str(part) for part in first["loc"]]
    # A union adds the name of its branch to the end of the location.
    while location and ".".join(location) not in known:
        location.pop()
    key = ".".join(location)
    given: Any = tree
    for part in location:
        given = given[part]
    if first["type"] == INVALID:
        return f"{key} is {_shown(given)}: {printable(first['msg'])}"
    return f"{key} is {_shown(given)}; expected {allowed_values(key)}"


def _shown(value: Any) -> str:
    shown = quoted(value) if isinstance(value, str) else printable(repr(value))
    return shown[:80]
