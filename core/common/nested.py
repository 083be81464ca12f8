"""Nested keys and values, flat: as `--set` writes them."""

from collections.abc import Mapping
from typing import Any

Tree = dict[str, Any]

_DEEPEST = 8
_MOST = 300
_LONGEST = 500


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
    """Return what of the nested values `base` has not, or has otherwise; nested as they are."""
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
    """Return a value as it is written in YAML and behind `--set KEY=`."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST]


def flatten_recorded(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return a recorded configuration flat, its values as they are written.

    Whatever a journal holds: what is nested too deep, or more than any configuration has, is
    left out.
    """
    flat: dict[str, str] = {}
    _record(tree, "", _DEEPEST, flat)
    return flat


def _record(tree: Mapping[str, Any], prefix: str, depth: int, flat: dict[str, str]) -> None:
    for key, value in tree.items():
        if len(flat) >= _MOST:
            return
        if not isinstance(value, Mapping):
            flat[f"{prefix}{key}"[:_LONGEST]] = yaml_text(value)
        elif depth:
            _record(value, f"{prefix}{key}.", depth - 1, flat)
