"""File of a sweep: its keys are those options of the command line that start the sweep."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.common import strict_yaml
from core.common.errors import SetupError, os_error_text, reason_of
from core.common.nested import flatten
from core.common.text import printable, quoted
from core.config.load import option_text

_SWEEP, _OVERRIDES = "sweep", "overrides"
_OPTIONS: dict[str, type] = {
    "config": str,
    "data": str,
    "name": str,
    "device": str,
    "seed": int,
    "trials": int,
    "sampler": str,
    "pruner": str,
    "objective": str,
}
_KEYS = (*_OPTIONS, _OVERRIDES, _SWEEP)


def spec_arguments(path: Path) -> list[str]:
    """Return the command-line options that a file of a sweep stands for; raises SetupError.

    Paths in it are relative to the current directory, as on the command line.
    """
    shown = printable(str(path))
    content = _read(path, shown)
    for key in content:
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected {', '.join(_KEYS)}"
            raise SetupError(f"{shown}: unknown key {quoted(str(key))}; {hint}")
    arguments: list[str] = []
    for name, kind in _OPTIONS.items():
        value = content.get(name)
        if value is None:
            continue
        if not isinstance(value, kind) or isinstance(value, bool):
            words = "a whole number" if kind is int else "text"
            raise SetupError(f"{shown}: {name} is {quoted(option_text(value))}; expected {words}")
        arguments.append(f"--{name}={value}")
    for key, value in _group(content, _OVERRIDES, shown).items():
        arguments.append(f"--set={key}={option_text(value)}")
    ranges = _group(content, _SWEEP, shown)
    if not ranges:
        raise SetupError(f"{shown}: sweep is missing; expected config keys with their ranges")
    for key, value in ranges.items():
        text = json.dumps(value) if isinstance(value, list) else option_text(value)
        arguments.append(f"--sweep={key}={text}")
    return arguments


def _read(path: Path, shown: str) -> Mapping[Any, Any]:
    try:
        content = strict_yaml.load(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        if isinstance(error, strict_yaml.InvalidYaml):
            raise SetupError(f"{shown}: not valid YAML: {reason_of(error)}") from None
        raise SetupError(f"{shown} can't be read: {os_error_text(error)}") from None
    if not isinstance(content, dict):
        raise SetupError(f"{shown}: expected the keys {', '.join(_KEYS)}, found other content")
    return content


def _group(content: Mapping[Any, Any], name: str, shown: str) -> dict[str, Any]:
    group = content.get(name) or {}
    if not isinstance(group, dict):
        raise SetupError(f"{shown}: {name} is not a group of config keys, such as phases.head.lr")
    return flatten(group)
