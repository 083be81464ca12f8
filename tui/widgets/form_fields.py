"""Fields of the form for a new run, each with a label and a hint."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.suggester import Suggester, SuggestFromList
from textual.widgets import Button, Input, Select, Static

from core.common.text import printable
from core.config.presets import preset_comment
from core.forecast.model_list import ModelList
from tui.viewmodel import new_run_form as forms
from tui.widgets.preset_select import PresetSelect
from tui.widgets.suggesters import ModelSuggester, PathSuggester

_BASE_COMMENT = (
    "Empty fields keep the recorded value of that run; the last field can change all other "
    "settings."
)
_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin")
_LIST_KEY = "f3"
_COMPLETE = Binding("right", "cursor_right", "Complete", show=False,
                    tooltip="At the end of the text: accept the suggestion")  # fmt: skip


class ListRequested(Message):
    """A list of values was requested for the field of a config key."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key


class FolderInput(Input):
    """Field for a folder, with completion and a browser."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(_LIST_KEY, "list", "Browse", tooltip="Browse folders, and those of past runs"),
        _COMPLETE,
    ]

    def action_list(self) -> None:
        """Request the browser."""
        self.post_message(ListRequested(forms.DATA))


class ModelInput(Input):
    """Field for a model name, with completion and a list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(_LIST_KEY, "list", "Models", tooltip="List the ConvNeXt models of timm"),
        _COMPLETE,
    ]

    def action_list(self) -> None:
        """Request the list."""
        self.post_message(ListRequested(forms.MODEL))


_LISTS = {forms.DATA: "Browse", forms.MODEL: "Models"}
"""Labels of the buttons that request a list, by config key."""


def widget_id(key: str) -> str:
    """Return the id of the field of a config key."""
    return key.replace(".", "-").replace("_", "-")


class FormFields(Container):
    """One field per line. Errors replace the hint of their field."""

    # Not a VerticalScroll, which would handle the page keys that scroll the preview.

    def __init__(self, base: forms.Base | None, models: ModelList, id: str) -> None:
        """`base` is an existing run whose configuration replaces that of a preset."""
        super().__init__(id=id)
        self._base = base
        self._models = models

    def compose(self) -> ComposeResult:
        """Create the data folder, the preset, then all other fields."""
        yield from self._field(forms.FIELDS[0])
        with Horizontal(classes="field"):
            yield Static(Content("Based on" if self._base else "Preset"), classes="label")
            yield from self._origin()
        yield Static("", id="preset-comment", classes="hint", markup=False)
        for field in forms.FIELDS[1:]:
            yield from self._field(field)

    def _origin(self) -> ComposeResult:
        """Create the widgets that name the source of default values: a run or a preset."""
        if self._base:
            yield Static(Content(printable(self._base.name)), classes="origin")
            return
        yield PresetSelect(id=forms.PRESET)
        yield Static(Content("defaults for the rest"), classes="hint")

    def _field(self, field: forms.FormField) -> ComposeResult:
        id = widget_id(field.key)
        with Horizontal(classes="field"):
            yield Static(Content(field.label), classes="label")
            yield self._new_input(field.key, id)
            if field.key in _LISTS:
                button = Button(_LISTS[field.key], id=f"{id}-list", classes="list", compact=True)
                button.can_focus = False  # the field has a key for it, and Tab leads to a field
                yield button
            yield Static(Content(field.hint), id=f"{id}-hint", classes="hint", markup=False)

    def _new_input(self, key: str, id: str) -> Input:
        if key == forms.DATA:
            return FolderInput(id=id, compact=True, suggester=PathSuggester())
        if key == forms.MODEL:
            return ModelInput(id=id, compact=True, suggester=ModelSuggester(self._models))
        suggester: Suggester | None = None
        if key == forms.WEIGHTS:
            suggester = PathSuggester(*_WEIGHTS)
        elif key in forms.CHOICES:
            suggester = SuggestFromList(forms.CHOICES[key])
        return Input(id=id, compact=True, suggester=suggester)

    @on(Button.Pressed, ".list")
    def _list_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        key = next(key for key in _LISTS if f"{widget_id(key)}-list" == event.button.id)
        self.focus_field(key)
        self.post_message(ListRequested(key))

    @property
    def preset(self) -> str:
        """Name of the selected preset."""
        return "default" if self._base else str(self.query_one("#preset", Select).value)

    @property
    def typed(self) -> dict[str, str]:
        """Text of all fields, by config key."""
        return {field.key: self._input(field.key).value for field in forms.FIELDS}

    def _input(self, key: str) -> Input:
        return self.query_one(f"#{widget_id(key)}", Input)

    def show_defaults(self) -> None:
        """Show the comment and values of the preset or run; raises ConfigError for a saved preset
        that is not valid."""
        comment = _BASE_COMMENT if self._base else preset_comment(self.preset)
        self.query_one("#preset-comment", Static).update(Content(comment))
        for key, value in forms.placeholders(self.preset, self._base).items():
            self._input(key).placeholder = value

    def show_message(self, key: str, message: str, error: bool = True) -> None:
        """Show a message instead of the hint of a field; an empty one restores the hint."""
        hint = self.query_one(f"#{widget_id(key)}-hint", Static)
        own = next(field.hint for field in forms.FIELDS if field.key == key)
        hint.set_class(bool(message) and error, "-error")
        hint.set_class(bool(message) and not error, "-good")
        hint.update(Content(message or own))

    def default(self, key: str) -> str:
        """Return the value of a field while it is empty."""
        return self._input(key).placeholder

    def set_text(self, key: str, text: str) -> None:
        """Replace the text of a field and focus it."""
        field = self._input(key)
        field.value = text
        field.cursor_position = len(text)
        field.focus()

    def focus_field(self, key: str) -> None:
        """Focus the field of a config key; for `START` the preset."""
        fields = self.query(f"#{forms.PRESET if key == forms.START else widget_id(key)}")
        if fields:  # there is no preset in a form that duplicates a run
            fields.first().focus()

    def reload_presets(self) -> None:
        """Update the list of presets; the selected one stays selected."""
        for select in self.query(PresetSelect):
            select.reload()


def key_of(field: Input) -> str:
    """Return the config key of a field."""
    return next(known.key for known in forms.FIELDS if widget_id(known.key) == field.id)
