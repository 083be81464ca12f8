"""Modal dialog for a line of text."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static


class TextDialog(ModalScreen[str | None]):
    """Ask for a line of text and validate it while it is typed."""

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Close this dialog without a change"),
    ]

    def __init__(
        self,
        title: str,
        text: str,
        hint: str,
        validate: Callable[[str], str] = lambda text: "",
        confirm: str = "Save",
    ) -> None:
        """`validate` returns an error message for a text, empty if it is valid; `confirm` is the
        label of the button."""
        super().__init__()
        self._title = title
        self._hint = hint
        self._validate_text = validate
        self._field = Input(text, id="text", compact=True, select_on_focus=False)
        self._line = Static(Content(hint), id="hint", markup=False)
        self._confirm = Button(f"Enter  {confirm}", id="confirm", variant="primary", compact=True)

    def compose(self) -> ComposeResult:
        """Create the field, its hint and the buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield self._field
            yield self._line
            with Horizontal(classes="buttons"):
                yield self._confirm
                yield Button("Esc  Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Place the text cursor after the current text."""
        self._field.focus()

    @on(Input.Changed)
    def _changed(self) -> None:
        error = self._validate_text(self._field.value)
        self._line.set_class(bool(error), "-error")
        self._line.update(Content(error or self._hint))
        self._confirm.disabled = bool(error)

    @on(Input.Submitted)
    @on(Button.Pressed, "#confirm")
    def _confirmed(self) -> None:
        if not self._validate_text(self._field.value):
            self.dismiss(self._field.value)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Close the dialog without a change."""
        self.dismiss(None)
