"""Settings in a JSON file in the user's config folder, read before the first frame.

Imports little beyond the standard library: the first frame waits for it.
"""

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.common.errors import SetupError, os_error_text
from core.common.files import write_text_atomically
from core.common.text import quoted
from core.common.user_dirs import config_dir
from core.run.figures import charted_figures

OWN_THEME = "convnext"
NO_HINTS_DONE = "none"

_CHOICES: dict[str, tuple[str, ...]] = {
    "layout": ("pair", "one", "all"),
    "chart": (),  # from the table of figures
    "axis": ("epoch", "step", "time"),
    "scale": ("auto", "log", "linear"),
    "y_range": ("main", "full"),
    "smoothing": ("0", "0.6", "0.9", "0.98"),
    "dots": ("auto", "braille", "blocks", "ascii"),
    "pictures": ("auto", "half-blocks", "kitty", "sixel"),
    "notify": ("bell", "message", "off"),
    "title": ("on", "off"),
    "motion": ("off", "on"),
}
DESCRIPTIONS = {
    "theme": "color theme: convnext, convnext-light, or any theme of Textual",
    "layout": "charts of a run: two, one large, or all",
    "chart": "the figure in the large chart",
    "axis": "unit of the x axis of charts",
    "scale": "y axis of charts; auto = logarithmic over a wide range",
    "y_range": "y axis of charts: main = early values and spikes that would flatten the curves are "
    "marked at the edge, full = all values",
    "smoothing": "weight of the past in the moving average of charts; 0 = none",
    "dots": "how curves are drawn; auto = braille, or ASCII on the Linux console",
    "pictures": "how images are drawn; auto = the best mode that the terminal is known to support",
    "notify": "end of a phase: ring the bell, send a desktop notification (OSC 9), or nothing",
    "title": "whether the terminal's title shows the run and its progress",
    "motion": "whether scrolling is animated",
    "hints_done": "keys of the first steps that were used; none = show all hints again",
}

NOTIFY_DESCRIPTIONS = {
    "bell": "the terminal's bell",
    "message": "a desktop notification",
    "off": "nothing",
}
"""Description of each value of `notify`."""


def allowed_values() -> dict[str, tuple[str, ...]]:
    """Return the allowed values of each setting except the theme."""
    charts = tuple(figure.key for figure in charted_figures())
    return _CHOICES | {"chart": charts}


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, as text; `allowed_values` lists what each may be."""

    theme: str = OWN_THEME
    layout: str = "pair"
    chart: str = "loss"
    axis: str = "epoch"
    scale: str = "auto"
    y_range: str = "main"
    smoothing: str = "0"
    dots: str = "auto"
    pictures: str = "auto"
    notify: str = "bell"
    title: str = "on"
    motion: str = "off"
    hints_done: str = NO_HINTS_DONE


NAMES = tuple(field.name for field in fields(Settings))


def with_setting(settings: Settings, name: str, value: str) -> Settings:
    """Return the settings with one changed; raises SetupError for an unknown name or value."""
    if name not in NAMES:
        raise SetupError(f"unknown setting {quoted(name)}; expected one of: {', '.join(NAMES)}")
    allowed = allowed_values().get(name)
    if (allowed and value not in allowed) or not value:
        expected = ", ".join(allowed or ("a theme name",))
        raise SetupError(f"{name} is {quoted(value)}; expected one of: {expected}")
    return replace(settings, **{name: value})


def valid_settings(tree: dict[str, Any]) -> tuple[Settings, list[str]]:
    """Return the valid settings of a parsed file, defaults for the rest, and the errors."""
    settings, errors = Settings(), []
    for name in NAMES:
        if name in tree:
            try:
                settings = with_setting(settings, name, str(tree[name]))
            except SetupError as error:
                errors.append(str(error))
    return settings, errors


class SettingsFile:
    """The settings file. Reading never fails; `error` holds the problem."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self.path = path or config_dir() / "settings.json"
        self.error = ""
        self._clock = clock

    def read(self) -> Settings:
        """Return the saved settings. An unreadable file is renamed, an invalid value is ignored."""
        try:
            tree = json.loads(self.path.read_text("utf-8"))
            if not isinstance(tree, dict):
                raise ValueError("expected a JSON object")
        except FileNotFoundError:
            return Settings()
        except (ValueError, RecursionError):
            self._set_aside()
            return Settings()
        except OSError as error:
            self.error = f"{self.path} can't be read: {os_error_text(error)}"
            return Settings()
        settings, errors = valid_settings(tree)
        if errors:
            self.error = f"{self.path}: {errors[-1]}"
        return settings

    def _set_aside(self) -> None:
        aside = self.path.with_name(f"settings.damaged-{int(self._clock())}.json")
        try:
            self.path.replace(aside)
            self.error = f"the settings file could not be understood and was renamed to {aside}"
        except OSError as error:
            self.error = f"{self.path} is damaged: {os_error_text(error)}"

    def write(self, settings: Settings, names: Collection[str] = NAMES) -> None:
        """Save the named settings; raises OSError. Other keys of the file are preserved."""
        try:
            saved = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            saved = {}
        changes = {name: getattr(settings, name) for name in names}
        merged = {**(saved if isinstance(saved, dict) else {}), **changes}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.path, json.dumps(merged, indent=2) + "\n")
