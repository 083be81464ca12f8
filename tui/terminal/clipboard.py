"""Copy text to the clipboard of the user's terminal."""

from typing import Any

from textual.app import App
from textual.widgets import Input, TextArea

from core.common.text import printable

_SECONDS = 10.0


def copy(app: App[Any], text: str) -> None:
    """Copy a text, and show it.

    The terminal tells nobody whether it has taken the text (OSC 52); tmux and some terminals ignore
    it. What is shown can be selected and copied there.
    """
    app.copy_to_clipboard(text)
    message = f"{printable(text)}\n(sent to the clipboard, if the terminal allows it)"
    app.notify(message, title="Copy", timeout=_SECONDS, markup=False)


def copy_selection(app: App[Any]) -> bool:
    """Copy the text that is selected with the mouse or in the focused input field, if any is."""
    field = app.focused
    in_field = field.selected_text if isinstance(field, Input | TextArea) else ""
    text = in_field or app.screen.get_selected_text()
    if not text:
        return False
    app.screen.clear_selection()
    copy(app, text)
    return True
