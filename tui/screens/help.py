"""Help: the keys of the screen one came from, and three ideas."""

import textwrap
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
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


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one place: of the tab or list that has the focus, of the screen, of the app."""

    title: str
    rows: list[tuple[str, str, str]]
    """Keys, name, explanation."""


def keys_of(screen: Screen[object], app: App[Any]) -> list[Keys]:
    """Return the bindings that hold on a screen now, each action once with all its keys."""
    places: dict[str, dict[str, tuple[list[str], Binding]]] = {"here": {}, "run": {}, "app": {}}
    for active in screen.active_bindings.values():
        binding, node = active.binding, active.node
        if binding.tooltip and not binding.system:
            place = "app" if node is app else "run" if node is screen else "here"
            actions = places[place]
            keys, shown = actions.setdefault(binding.action.removeprefix("app."), ([], binding))
            keys.append(app.get_key_display(binding))
            if binding.show and not shown.show:
                actions[binding.action.removeprefix("app.")] = (keys, binding)
    titles = {"here": "where you are", "run": "on this screen", "app": "everywhere"}
    return [
        Keys(titles[place], [_row(keys, binding) for keys, binding in actions.values()])
        for place, actions in places.items()
        if actions
    ]


def _row(keys: list[str], binding: Binding) -> tuple[str, str, str]:
    shown = sorted(dict.fromkeys(keys), key=len)
    return " ".join(shown), binding.description, binding.tooltip


def help_text(places: list[Keys], width: int) -> Content:
    """Return the help as text of so many cells."""
    rows = [row for keys in places for row in keys.rows]
    key_cells = max((len(key) for key, _, _ in rows), default=0)
    name_cells = max((len(name) for _, name, _ in rows), default=0)
    room = max(20, width - key_cells - name_cells - 4)
    parts: list[str | tuple[str, str]] = []
    for keys in places:
        parts.append((f"{keys.title}\n", "bold"))
        for key, name, explanation in keys.rows:
            parts += [(f"{key:>{key_cells}}", "bold $text-primary"), f"  {name:<{name_cells}}"]
            lines = textwrap.wrap(explanation, room)
            indent = "\n" + " " * (key_cells + name_cells + 4)
            parts.append((f"  {indent.join(lines)}\n", "$foreground 60%"))
        parts.append("\n")
    for title, text in _IDEAS:
        parts += [(f"{title}\n", "bold"), f"{text}\n\n"]
    return Content.assemble(*parts)


class HelpScreen(ModalScreen[None]):
    """Shows the bindings as they are declared, so that they can't differ from the truth."""

    CSS_PATH = "../help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter", "dismiss", "close", tooltip="Close the help"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="A line on"),
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="A line back"),
    ]

    def __init__(self, about: Screen[object]) -> None:
        super().__init__()
        self._about = about
        self._text = Static()
        self._box = VerticalScroll(self._text, classes="help")

    def compose(self) -> ComposeResult:
        """Lay out one text that scrolls."""
        self._box.border_title = "keys and ideas"
        self._box.border_subtitle = "Esc closes"
        yield self._box

    def on_resize(self, event: Resize) -> None:
        """Break the lines for the box's new width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        # The bar comes with the text, and takes its columns from it.
        bar = self._box.styles.scrollbar_size_vertical
        width = (self._box.content_region.width or 80) - bar
        self._text.update(help_text(keys_of(self._about, self.app), width))

    def action_scroll(self, lines: int) -> None:
        """Move by lines."""
        self._box.scroll_relative(y=lines, animate=False)
