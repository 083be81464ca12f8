"""Help: the keys of the screen one came from, and three ideas."""

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

_IDEAS = (
    (
        "Two phases",
        "Phase head trains the new classifier only; the backbone is frozen and keeps what it "
        "learned elsewhere. Phase full then trains everything, gently, from the best weights of "
        "phase head. Each phase has its own optimizer, learning rate and early stopping; the "
        "best epoch of the whole run is kept in checkpoints/best.pt.",
    ),
    (
        "Early stopping",
        "After every epoch the validation loss is compared with the lowest so far. If it has not "
        "fallen by min_delta for as many epochs as the patience says, the phase ends. The dots "
        "show how much of the patience is used. p changes it while the phase runs; the new value "
        "counts from the running epoch's verdict on.",
    ),
    (
        "When you quit",
        "Training does not need this screen. q asks: with d the screen closes and training goes "
        "on in this terminal, x saves a checkpoint and stops. Esc only goes back to the list. A "
        "lost connection counts as d. Whatever happened is in the run's folder: open it again "
        "from the list.",
    ),
)


def help_text(bindings: list[tuple[str, str, str]]) -> Content:
    """Return the help as text; `bindings` are key, name and explanation."""
    key_cells = max((len(key) for key, _, _ in bindings), default=0)
    name_cells = max((len(name) for _, name, _ in bindings), default=0)
    parts: list[str | tuple[str, str]] = []
    for key, name, explanation in bindings:
        parts += [(f"{key:>{key_cells}}", "bold $text-primary"), f"  {name:<{name_cells}}"]
        parts.append((f"  {explanation}\n", "$foreground 60%"))
    for title, text in _IDEAS:
        parts += [(f"\n{title}\n", "bold"), f"{text}\n"]
    return Content.assemble(*parts)


class HelpScreen(ModalScreen[None]):
    """Shows the bindings as they are declared, so that they can't differ from the truth."""

    CSS_PATH = "../help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter", "dismiss", "close", tooltip="Close the help"),
    ]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        """Lay out one text that scrolls."""
        with VerticalScroll(classes="help") as box:
            box.border_title = "keys and ideas"
            box.border_subtitle = "Esc closes"
            yield Static(help_text(list(self._bindings_shown())))

    def _bindings_shown(self) -> Iterator[tuple[str, str, str]]:
        """Yield each action once, with all its keys."""
        actions: dict[str, tuple[list[str], Binding]] = {}
        for active in self._about.active_bindings.values():
            binding = active.binding
            if binding.tooltip and not binding.system:
                keys, _ = actions.setdefault(binding.action.removeprefix("app."), ([], binding))
                keys.append(self.app.get_key_display(binding))
        for keys, binding in actions.values():
            shown = sorted(dict.fromkeys(keys), key=len)
            yield " ".join(shown), binding.description, binding.tooltip
