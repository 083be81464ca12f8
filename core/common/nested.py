"""Nested configuration values and their flat form with dotted keys, as `--set` writes them."""

from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]

_MAX_DEPTH = 8
_MAX_KEYS = 300
_MAX_LENGTH = 500


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key, in order."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def changed_values(tree: Mapping[str, Any], base: Mapping[str, Any]) -> Tree:
    """Return the nested values of `tree` that are missing in `base` or differ from it."""
    found: Tree = {}
    for key, value in tree.items():
        before = base.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = changed_values(value, before)
            if inner:
                found[key] = inner
        elif key not in base or value != before:
            found[key] = value
    return found


def yaml_text(value: object) -> str:
    """Return a value as it is written in YAML and after `--set KEY=`."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)[:_MAX_LENGTH]


def flatten_recorded(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return a configuration from an event log by dotted key, its values as YAML text.

    The log may be damaged: values nested too deep and keys beyond a sensible number are left out.
    """
    flat: dict[str, str] = {}
    _flatten_bounded(tree, "", _MAX_DEPTH, flat)
    return flat


def _flatten_bounded(
    tree: Mapping[str, Any], prefix: str, depth: int, flat: dict[str, str]
) -> None:
    for key, value in tree.items():
        if len(flat) >= _MAX_KEYS:
            return
        if not isinstance(value, Mapping):
            flat[f"{prefix}{key}"[:_MAX_LENGTH]] = yaml_text(value)
        elif depth:
            _flatten_bounded(value, f"{prefix}{key}.", depth - 1, flat)
