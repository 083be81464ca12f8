"""Modal dialog for a number, with a preview of its effect."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui.text.previews import Preview


class ValueDialog(ModalScreen[float | None]):
    """Ask for a number and preview its effect while it is typed."""

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Close this dialog without a change"),
    ]

    def __init__(
        self, title: str, current: Callable[[], str], value: str, preview: Callable[[str], Preview]
    ) -> None:
        """`current` returns a line about the current value, `preview` the effect of a new one."""
        super().__init__()
        self._title = title
        self._current = current
        self._preview = preview
        self._shown: tuple[str, Preview] | None = None
        # Held, not queried: a tick may still arrive while the dialog is unmounted.
        self._current_line = Static(id="current", markup=False)
        self._field = Input(value, id="value", compact=True)
        self._error = Static(id="error", markup=False)
        self._lines = Static(id="preview", markup=False)
        self._apply_button = Button("Enter  Apply", id="apply", variant="primary", compact=True)

    def compose(self) -> ComposeResult:
        """Create the current value, the field, the preview and the buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield self._current_line
            with Horizontal(classes="field"):
                yield Static(Content("New"), classes="field-label")
                yield self._field
                yield self._error
            yield self._lines
            with Horizontal(classes="buttons"):
                yield self._apply_button
                yield Button("Esc  Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Select the current value, so that typing replaces it, and preview it."""
        self._field.focus()
        self._field.action_select_all()
        self._update_preview()

    def tick(self, now: float, charts: bool) -> None:
        """Update the preview, as training continues while the dialog is open."""
        if self.is_mounted:
            self._update_preview()

    def _update_preview(self) -> None:
        shown = (self._current(), self._preview(self._field.value))
        if shown == self._shown:
            return
        self._shown = shown
        current, preview = shown
        self._current_line.update(Content(current))
        self._error.update(Content(preview.error))
        self._lines.update(Content("\n".join(preview.lines)))
        self._apply_button.disabled = preview.value is None

    @on(Input.Changed)
    def _changed(self) -> None:
        self._update_preview()

    @on(Input.Submitted)
    @on(Button.Pressed, "#apply")
    def _apply(self) -> None:
        value = self._preview(self._field.value).value
        if value is not None:
            self.dismiss(value)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Close the dialog without a change."""
        self.dismiss(None)
