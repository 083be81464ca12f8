"""Presets: named configurations, built-in and saved by the user."""

import contextlib
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from core.common import strict_yaml as safe_yaml
from core.common.errors import SetupError, os_error_text
from core.common.files import read_regular_file, write_text_atomically
from core.common.nested import Tree, changed_values
from core.common.text import printable, quoted
from core.common.user_dirs import config_dir
from core.config.augment_presets import put_preset
from core.config.schema import Config

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_LARGEST = 1 << 20


class PresetError(SetupError):
    """A preset that cannot be saved; a message of one line."""


def preset_names() -> list[str]:
    """Return the names of all presets: built-in ones, then the user's, each sorted."""
    own = built_in_names()
    return [*own, *sorted(name for name in _saved() if name not in own)]


def preset_text(name: str) -> str:
    """Return a preset as YAML; raises OSError or ValueError if a saved one cannot be read."""
    if name in built_in_names():
        return (resources.files("configs") / f"{name}.yaml").read_text(encoding="utf-8")
    return read_regular_file(_saved()[name], _LARGEST).decode("utf-8")


def preset_comment(name: str) -> str:
    """Return the opening comment of a preset as one paragraph."""
    try:
        text = preset_text(name)
    except (OSError, ValueError) as error:
        return printable(f"it cannot be read: {os_error_text(error)}")
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return printable(" ".join(line for line in lines if line))


def check_preset_name(name: str) -> str:
    """Return why a preset cannot be saved under this name; empty if it can."""
    if not _NAME.fullmatch(name):
        return "letters, digits, - _ and . without spaces, starting with a letter or digit"
    if name in built_in_names():
        return f"{name} is a built-in preset; choose another name"
    return ""


def save_preset(name: str, config: Config, comment: str) -> Path:
    """Save the keys of `config` that differ from the defaults, and from its augmentation preset, as
    a user preset; return its file.

    The data folder and the run name are excluded: a preset applies to any folder. An existing user
    preset of this name is replaced. Raises PresetError.
    """
    problem = check_preset_name(name)
    if problem:
        raise PresetError(f"preset {quoted(name)}: {problem}")
    values = config.model_dump()
    kept = changed_values(values, base_values(values))
    kept.pop("name", None)
    _drop(kept, "data", "root")
    file = _folder() / f"{name}.yaml"
    text = "".join(f"# {line}\n" for line in printable(comment).splitlines() or [name])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(file, text + (safe_yaml.dump(kept) if kept else ""))
    except OSError as error:
        raise PresetError(f"{printable(str(file))}: {os_error_text(error)}") from None
    return file


def base_values(recorded: Mapping[str, Any]) -> Tree:
    """Return the values of a configuration's keys where none is set but its augmentation preset."""
    tree = Config().model_dump()
    put_preset(tree, recorded)
    return tree


def _drop(tree: Tree, section: str, key: str) -> None:
    inner = tree.get(section, {})
    inner.pop(key, None)
    if not inner:
        tree.pop(section, None)


def built_in_names() -> list[str]:
    """Return the names of the built-in presets, sorted."""
    folder = resources.files("configs")
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".yaml"))


def _folder() -> Path:
    return config_dir() / "presets"


def _saved() -> dict[str, Path]:
    with contextlib.suppress(OSError):
        return {p.stem: p for p in _folder().glob("*.yaml") if _NAME.fullmatch(p.stem)}
    return {}
