"""What a person has got used to: a file in the user's config folder, read before the first frame.

JSON and the standard library alone: everything else takes longer to import than a frame to draw.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.common.errors import SetupError, os_error_text
from core.common.files import write_text_atomically
from core.common.text import printable
from core.common.user_dirs import config_dir

OWN_THEME = "convnext"

CHOICES: dict[str, tuple[str, ...]] = {
    "layout": ("pair", "one", "all"),
    "chart": ("loss", "top1", "lr", "grad_norm", "images_per_second", "memory"),
    "axis": ("epoch", "step", "time"),
    "scale": ("auto", "log", "linear"),
    "smoothing": ("0", "0.6", "0.9", "0.98"),
    "pictures": ("auto", "half-blocks", "kitty", "sixel"),
    "notify": ("bell", "message", "off"),
    "title": ("on", "off"),
    "motion": ("off", "on"),
}
MEANINGS = {
    "theme": "colours; any of Textual's themes, or convnext, convnext-light",
    "layout": "charts of a run: two, a large one, or all",
    "chart": "the one that is large",
    "axis": "what the x axis of charts counts",
    "scale": "their y axis; auto = logarithmic over a wide range",
    "smoothing": "weight of the past in the moving average of charts; 0 = none",
    "pictures": "how pictures are drawn; auto = the best that the terminal is known for",
    "notify": "when a phase ends: ring the bell, send a message (OSC 9), nothing",
    "title": "whether the terminal's title tells the run and its progress",
    "motion": "whether scrolling glides",
}

CALLS = {"bell": "the terminal's bell", "message": "a message on the desktop", "off": "nothing"}
"""What each value of `notify` means."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, as text; `CHOICES` has what each may be."""

    theme: str = OWN_THEME
    layout: str = "pair"
    chart: str = "loss"
    axis: str = "epoch"
    scale: str = "auto"
    smoothing: str = "0"
    pictures: str = "auto"
    notify: str = "bell"
    title: str = "on"
    motion: str = "off"


NAMES = tuple(field.name for field in fields(Settings))


def changed(settings: Settings, name: str, value: str) -> Settings:
    """Return the settings with one of them changed; raises SetupError for one that isn't, or a
    value that it can't have."""
    if name not in NAMES:
        raise SetupError(f"unknown setting {printable(name)!r}; there are {', '.join(NAMES)}")
    allowed = CHOICES.get(name)
    if (allowed and value not in allowed) or not value:
        expected = ", ".join(allowed or ("the name of a theme",))
        raise SetupError(f"{name} is {printable(value)!r}; expected one of: {expected}")
    return replace(settings, **{name: value})


class SettingsFile:
    """Where settings are kept. Reading never fails; what was wrong is in `trouble`."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self.path = path or config_dir() / "settings.json"
        self.trouble = ""
        self._clock = clock

    def read(self) -> Settings:
        """Return what is kept. A file that can't be understood is set aside under another name,
        a value that can't be is as if it were not there."""
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
            self.trouble = f"{self.path} can't be read: {os_error_text(error)}"
            return Settings()
        return self._taken(tree)

    def _taken(self, tree: dict[str, Any]) -> Settings:
        settings = Settings()
        for name in NAMES:
            if name in tree:
                try:
                    settings = changed(settings, name, str(tree[name]))
                except SetupError as error:
                    self.trouble = f"{self.path}: {error}"
        return settings

    def _set_aside(self) -> None:
        aside = self.path.with_name(f"settings.damaged-{int(self._clock())}.json")
        try:
            self.path.replace(aside)
            self.trouble = f"the settings could not be understood; they are in {aside} now"
        except OSError as error:
            self.trouble = f"{self.path} is damaged: {os_error_text(error)}"

    def write(self, settings: Settings) -> None:
        """Keep the settings; raises OSError. Keys of another version stay as they are."""
        try:
            kept = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            kept = {}
        whole = {**(kept if isinstance(kept, dict) else {}), **asdict(settings)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(self.path, json.dumps(whole, indent=2) + "\n")
