"""Drop-down list of presets, each with a description."""

from typing import ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Select, Static

from core.common.text import shortened
from core.config.presets import built_in_names, preset_comment, preset_names

_DESCRIPTION = 53
"""Cells of a description, in a list as wide as in new_run.tcss."""
_MAX_NAME = 16
_SAVED = "saved"
"""Label of presets that are not built-in."""


class PresetSelect(Select[str]):
    """Select a preset: its name alone while the list is closed, with its description in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "show_overlay", "Choose", tooltip="List the presets"),
    ]

    def __init__(self, id: str) -> None:
        names = preset_names()
        value = "default" if "default" in names else names[0]
        super().__init__(_options(names), value=value, allow_blank=False, compact=True, id=id)

    def on_mount(self) -> None:
        """Label the keys of the open list in the footer."""
        keys = self.query_one("SelectOverlay")._bindings.key_to_bindings
        keys["enter"] = [Binding("enter", "select", "Choose", tooltip="Use the preset")]
        keys["escape"] = [Binding("escape", "dismiss", "Close", tooltip="Keep the preset")]

    def watch_value(self, value: str) -> None:
        """Show the name alone."""
        self.query_one("SelectCurrent #label", Static).update(Content(value))

    def reload(self) -> None:
        """Read the names of the presets again; the selected one stays selected."""
        selected = self.value
        self.set_options(_options(preset_names()))
        self.value = selected


def _options(names: list[str]) -> list[tuple[Text, str]]:
    built_in = built_in_names()
    cells = min(_MAX_NAME, max(map(len, names)))
    return [(_line(name, cells, name in built_in), name) for name in names]


def _line(name: str, cells: int, is_built_in: bool) -> Text:
    label = "" if is_built_in else f"{_SAVED}: "
    description = shortened(f"{label}{preset_comment(name)}", _DESCRIPTION)
    shown = name if len(name) <= cells else f"{name[: cells - 1]}…"
    return Text.assemble(set_cell_size(shown, cells), "  ", (description, "dim"))
