"""Entries of the command palette: all actions of the current screen, and all settings."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from tui.preferences.settings import DESCRIPTIONS, allowed_values
from tui.widgets.host import host


def palette_commands(app: App[Any], screen: Screen[object]) -> Iterator[SystemCommand]:
    """Yield the bindings of the screen that the palette was opened on, then actions without keys,
    then settings."""
    seen = {"command_palette"}
    for active in screen.active_bindings.values():
        binding = active.binding
        action = binding.action.removeprefix("app.")
        if binding.tooltip and active.enabled and not binding.system and action not in seen:
            seen.add(action)
            yield SystemCommand(
                f"{binding.description}: {binding.tooltip}",
                f"Key: {app.get_key_display(binding)}",
                partial(app.run_action, binding.action, active.node),
            )
    if "guide" not in seen:  # the help screen has a key for it
        yield _app_command(app, "guide", "Guide: Training, files and folders in one page")
    yield _app_command(app, "change_theme", "Theme: Choose other colors")
    yield _app_command(app, "save_screenshot", "Screenshot: Save this screen as SVG")
    set_preference = host(screen).set_preference
    for name, values in allowed_values().items():
        for value in values:
            yield SystemCommand(
                f"Set {name} = {value}", DESCRIPTIONS[name], partial(set_preference, name, value)
            )


def _app_command(app: App[Any], action: str, title: str) -> SystemCommand:
    return SystemCommand(title, "", partial(app.run_action, f"app.{action}"))
