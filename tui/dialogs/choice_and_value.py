"""Dialogs: a question with named answers, and a value with a preview of what it would do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui.text.previews import Preview


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer: the key that gives it, its short name, and what follows from it."""

    key: str
    label: str
    consequence: str
    answer: str


class ChoiceDialog(ModalScreen[str | None]):
    """Asks; each answer names its consequence. Esc answers nothing."""

    CSS_PATH = "../dialogs.tcss"
    # No button has the focus: Enter must not give the first answer by accident.
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave it", tooltip="Close this question; nothing changes"),
    ]

    def __init__(self, title: str, question: str, choices: Sequence[Choice], stay: str) -> None:
        super().__init__()
        self._title = title
        self._question = question
        self._choices = choices
        self._stay = Choice("escape", "Esc", stay, "")
        for choice in choices:
            self._bindings.bind(choice.key, f"answer('{choice.answer}')", choice.label)

    def compose(self) -> ComposeResult:
        """Lay the question above its answers."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(Content(self._question), classes="question")
            for choice in [*self._choices, self._stay]:
                with Horizontal(classes="choice"):
                    yield Button(
                        Content(choice.label), id=f"answer-{choice.answer or 'leave'}", compact=True
                    )
                    yield Static(Content(choice.consequence), classes="consequence")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        answer = (event.button.id or "").removeprefix("answer-")
        self.dismiss(None if answer == "leave" else answer)

    def action_answer(self, answer: str) -> None:
        """Give one of the answers."""
        self.dismiss(answer)

    def action_leave(self) -> None:
        """Answer nothing."""
        self.dismiss(None)


class ValueDialog(ModalScreen[float | None]):
    """Asks for a number and says, while it is typed, what it would do."""

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave as is", tooltip="Close this; nothing changes"),
    ]

    def __init__(
        self, title: str, now: Callable[[], str], value: str, preview: Callable[[str], Preview]
    ) -> None:
        super().__init__()
        self._title = title
        self._now = now
        self._preview = preview
        self._shown: tuple[str, Preview] | None = None
        # Held, not looked up: a tick may still come while the dialog is taken down.
        self._now_line = Static(id="now", markup=False)
        self._field = Input(value, id="value", compact=True)
        self._error = Static(id="error", markup=False)
        self._lines = Static(id="preview", markup=False)
        self._apply_button = Button("Enter  apply", id="apply", variant="primary", compact=True)

    def compose(self) -> ComposeResult:
        """Lay the field between what is now and what would be."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield self._now_line
            with Horizontal(classes="field"):
                yield Static(Content("new"), classes="field-label")
                yield self._field
                yield self._error
            yield self._lines
            with Horizontal(classes="buttons"):
                yield self._apply_button
                yield Button("Esc  leave as is", id="leave", compact=True)

    def on_mount(self) -> None:
        """Show what the present value means; typing replaces it."""
        self._field.focus()
        self._field.action_select_all()
        self._judge()

    def tick(self, now: float, charts: bool) -> None:
        """Judge again: the run goes on while one types."""
        if self.is_mounted:
            self._judge()

    def _judge(self) -> None:
        shown = (self._now(), self._preview(self._field.value))
        if shown == self._shown:
            return
        self._shown = shown
        now, preview = shown
        self._now_line.update(Content(now))
        self._error.update(Content(preview.error))
        self._lines.update(Content("\n".join(preview.lines)))
        self._apply_button.disabled = preview.value is None

    @on(Input.Changed)
    def _typed(self) -> None:
        self._judge()

    @on(Input.Submitted)
    @on(Button.Pressed, "#apply")
    def _apply(self) -> None:
        value = self._preview(self._field.value).value
        if value is not None:
            self.dismiss(value)

    @on(Button.Pressed, "#leave")
    def action_leave(self) -> None:
        """Close without a change."""
        self.dismiss(None)
