"""What the palette lists: every action of the place where one stands, and every setting."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.screen import Screen

from tui.preferences.settings import CHOICES, MEANINGS

if TYPE_CHECKING:
    from tui.app import ConvNextApp


def palette_commands(app: "ConvNextApp", screen: Screen[object]) -> Iterator[SystemCommand]:
    """Yield every binding of the screen that the palette was opened on, then what has no key."""
    seen = {"command_palette"}
    for active in screen.active_bindings.values():
        binding = active.binding
        action = binding.action.removeprefix("app.")
        if binding.tooltip and active.enabled and not binding.system and action not in seen:
            seen.add(action)
            yield SystemCommand(
                f"{binding.description}: {binding.tooltip}",
                f"key {app.get_key_display(binding)}",
                partial(app.run_action, binding.action, active.node),
            )
    if "docs" not in seen:  # the help screen has a key for it
        yield SystemCommand(
            "docs: How a run goes and where things are", "", partial(_open_docs, app, screen)
        )
    yield SystemCommand("theme: Choose other colours", "", app.action_change_theme)
    yield SystemCommand("picture: Save this screen as SVG", "", app.save_picture)
    for name, values in CHOICES.items():
        for value in values:
            yield SystemCommand(
                f"setting {name} = {value}", MEANINGS[name], partial(app.set_habit, name, value)
            )


def _open_docs(app: "ConvNextApp", about: Screen[object]) -> None:
    from tui.screens.help import HelpScreen

    app.push_screen(HelpScreen(about, app.runs_dir, docs=True))
