"""Modal dialog with a question and one button per answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: its key, the label of its button, and a description of its effect."""

    key: str
    label: str
    effect: str
    answer: str
    """Result of the dialog when this answer is chosen."""


class ChoiceDialog(ModalScreen[str | None]):
    """Ask a question and return the chosen answer, or None if the dialog was canceled."""

    CSS_PATH = "../dialogs.tcss"
    # No button has the focus: Enter must not give the first answer by accident.
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Close this dialog without a change"),
    ]

    def __init__(
        self, title: str, question: str, choices: Sequence[Choice], cancel: str, id: str = ""
    ) -> None:
        """`cancel` describes the effect of Esc."""
        super().__init__(id=id or None)
        self._title = title
        self._question = question
        self._choices = choices
        self._cancel = Choice("escape", "Esc", cancel, "")
        for choice in choices:
            self._bindings.bind(choice.key, f"answer('{choice.answer}')", choice.label)

    def compose(self) -> ComposeResult:
        """Create the question and a row per answer."""
        with Vertical(classes="dialog") as box:
            box.border_title = Content(self._title)
            yield Static(Content(self._question), classes="question")
            for choice in [*self._choices, self._cancel]:
                with Horizontal(classes="choice"):
                    yield Button(
                        Content(choice.label),
                        id=f"answer-{choice.answer or 'cancel'}",
                        compact=True,
                    )
                    yield Static(Content(choice.effect), classes="effect")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        answer = (event.button.id or "").removeprefix("answer-")
        self.dismiss(None if answer == "cancel" else answer)

    def action_answer(self, answer: str) -> None:
        """Close the dialog with an answer."""
        self.dismiss(answer)

    def action_cancel(self) -> None:
        """Close the dialog without an answer."""
        self.dismiss(None)
