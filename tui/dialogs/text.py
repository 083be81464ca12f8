"""A dialog that asks for a line of text."""

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
    """Asks for text, says below what it is for, and what is wrong with it while it is typed."""

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave as is", tooltip="Close this; nothing changes"),
    ]

    def __init__(
        self, title: str, text: str, hint: str, check: Callable[[str], str] = lambda text: ""
    ) -> None:
        """`check` returns why a text can't be taken, or nothing."""
        super().__init__()
        self._title = title
        self._hint = hint
        self._check = check
        self._field = Input(text, id="text", compact=True, select_on_focus=False)
        self._line = Static(Content(hint), id="hint", markup=False)
        self._keep = Button("Enter  keep", id="keep", variant="primary", compact=True)

    def compose(self) -> ComposeResult:
        """Lay the field above what it is for."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield self._field
            yield self._line
            with Horizontal(classes="buttons"):
                yield self._keep
                yield Button("Esc  leave as is", id="leave", compact=True)

    def on_mount(self) -> None:
        """Typing goes on behind what is there."""
        self._field.focus()

    @on(Input.Changed)
    def _judge(self) -> None:
        problem = self._check(self._field.value)
        self._line.set_class(bool(problem), "-error")
        self._line.update(Content(problem or self._hint))
        self._keep.disabled = bool(problem)

    @on(Input.Submitted)
    @on(Button.Pressed, "#keep")
    def _kept(self) -> None:
        if not self._check(self._field.value):
            self.dismiss(self._field.value)

    @on(Button.Pressed, "#leave")
    def action_leave(self) -> None:
        """Close without a change."""
        self.dismiss(None)
