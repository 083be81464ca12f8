"""Dialog that lists timm's ConvNeXt models with pretrained weights."""

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from core.forecast.model_info import weights_cached
from core.forecast.model_list import ListedModel, ModelList
from tui.text.model_list import CACHED, matching, model_line

_READING = "Reading the models of timm … (takes some seconds the first time)"
_WIDTH = 66
"""Cells of a line: the dialog's width without its border, padding and scroll bar."""


def _cached_names(models: tuple[ListedModel, ...]) -> set[str]:
    return {model.name for model in models if weights_cached(model)}


class ModelDialog(ModalScreen[str | None]):
    """Choose a model from a list that is filtered while a part of its name is typed.

    Returns the name of the model, or the typed text if no model matches it; None if canceled.
    """

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move('cursor_down')", "Next", priority=True,
                tooltip="Next model"),
        Binding("up", "move('cursor_up')", "Previous", priority=True,
                tooltip="Previous model"),
        Binding("pagedown", "move('page_down')", "Page down", show=False,
                tooltip="Next page of models"),
        Binding("pageup", "move('page_up')", "Page up", show=False,
                tooltip="Previous page of models"),
        Binding("escape", "cancel", "Cancel", tooltip="Close this dialog without a change"),
    ]  # fmt: skip

    def __init__(self, models: ModelList, current: str) -> None:
        """`current` is the name of the model that is highlighted first."""
        super().__init__()
        self._source = models
        self._current = current
        self._models: tuple[ListedModel, ...] = ()
        self._cached: set[str] = set()
        self._field = Input(placeholder="part of a name", id="text", compact=True)
        self._list = OptionList(id="models", compact=True)
        self._list.can_focus = False  # typing always filters
        self._line = Static(_READING, id="hint", markup=False)

    def compose(self) -> ComposeResult:
        """Create the filter, the list and the buttons."""
        with Vertical(classes="dialog tall") as box:
            box.border_title = "Models of timm"
            with Horizontal(classes="field"):
                yield Static("Filter", classes="field-label")
                yield self._field
            yield self._list
            yield self._line
            with Horizontal(classes="buttons"):
                yield Button("Enter  Choose", id="choose", variant="primary", compact=True)
                yield Button("Esc  Cancel", id="cancel", compact=True)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Read the list."""
        self._field.focus()
        self._read()

    @work
    async def _read(self) -> None:
        listed = await self._source.read()
        self._models = listed.models
        self._fill(self._current)
        if listed.problem:
            self._line.update(Content(f"{listed.problem}. Type the name of a model."))
            return
        self._cached = await asyncio.to_thread(_cached_names, listed.models)
        self._fill(self._highlighted or self._current)

    def _fill(self, highlighted: str) -> None:
        """Show the models that match the filter, with one of them highlighted."""
        shown = matching(self._models, self._field.value)
        names = [model.name for model in shown]
        self._list.set_options(
            Option(model_line(model, model.name in self._cached, _WIDTH), model.name)
            for model in shown
        )
        if names:
            self._list.highlighted = names.index(highlighted) if highlighted in names else 0
        if self._models:
            number = f"{len(names)} of {len(self._models)} pretrained models by size"
            hint = f"{number}; {CACHED} weights cached"
            none = "No match: Enter uses the typed name"
            self._line.update(Content(hint if names else none))

    @property
    def _highlighted(self) -> str:
        option = self._list.highlighted_option
        return option.id or "" if option else ""

    @on(Input.Changed)
    def _changed(self) -> None:
        self._fill(self._highlighted)

    def action_move(self, how: str) -> None:
        """Move the highlight by one model or by a page."""
        getattr(self._list, f"action_{how}")()

    @on(Input.Submitted)
    @on(Button.Pressed, "#choose")
    def _choose(self) -> None:
        name = self._highlighted or self._field.value.strip()
        if name:
            self.dismiss(name)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Close the dialog without a change."""
        self.dismiss(None)
