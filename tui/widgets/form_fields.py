"""Fields of the form for a new run, each with a label and a hint."""

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.widgets import Input, Select, Static

from core.common.text import printable
from core.config.presets import preset_comment, preset_names
from tui.viewmodel import new_run_form as forms

_BASE_COMMENT = (
    "Empty fields keep the recorded value of that run; the last field can change all other "
    "settings."
)


def widget_id(key: str) -> str:
    """Return the id of the field of a config key."""
    return key.replace(".", "-").replace("_", "-")


class FormFields(Container):
    """One field per line. Errors replace the hint of their field."""

    # Not a VerticalScroll, which would handle the page keys that scroll the preview.

    def __init__(self, base: forms.Base | None, id: str) -> None:
        """`base` is an existing run whose configuration replaces that of a preset."""
        super().__init__(id=id)
        self._base = base

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
        names = preset_names()
        yield Select(
            [(name, name) for name in names],
            value="default" if "default" in names else names[0],
            allow_blank=False,
            compact=True,
            id="preset",
        )
        yield Static(Content("defaults for the rest"), classes="hint")

    def _field(self, field: forms.FormField) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Static(Content(field.label), classes="label")
            yield Input(id=widget_id(field.key), compact=True)
            yield Static(
                Content(field.hint), id=f"{widget_id(field.key)}-hint", classes="hint", markup=False
            )

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

    def focus_field(self, key: str) -> None:
        """Focus the field of a config key."""
        self._input(key).focus()

    def reload_presets(self) -> None:
        """Update the list of presets; the selected one stays selected."""
        for select in self.query("#preset").results(Select):
            selected = select.value
            select.set_options([(name, name) for name in preset_names()])
            select.value = selected


def key_of(field: Input) -> str:
    """Return the config key of a field."""
    return next(known.key for known in forms.FIELDS if widget_id(known.key) == field.id)
