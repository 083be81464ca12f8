"""Help: the keys of the screen one came from, and the docs."""

import textwrap
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from tui.screens.help_guide import Section, guide
from tui.text.key_bindings import KeyGroup, active_keys

_Parts = list[str | tuple[str, str]]
_NARROWEST = 24
"""Cells that a text beside a name has at least."""


def keys_text(places: list[KeyGroup], width: int) -> Content:
    """Return the keys as text of so many cells."""
    rows = [row for keys in places for row in keys.rows]
    key_cells = max((len(" ".join(row.keys)) for row in rows), default=0)
    name_cells = max((len(row.name) for row in rows), default=0)
    parts: _Parts = []
    for keys in places:
        parts.append((f"{keys.title}\n", "bold"))
        for row in keys.rows:
            shown = f"{' '.join(row.keys):>{key_cells}}"
            parts += [(shown, "bold $text-primary"), f"  {row.name:<{name_cells}}"]
            parts.append(_explained(row.meaning, key_cells + name_cells + 4, width))
        parts.append("\n")
    return Content.assemble(*parts)


def docs_text(sections: list[Section], width: int) -> Content:
    """Return the docs as text of so many cells."""
    parts: _Parts = []
    for section in sections:
        parts.append((f"{section.title}\n", "bold"))
        if section.text:
            parts += [*_marked(section.text), "\n"]
        cells = max((len(name) for name, _ in section.rows), default=0)
        for name, meaning in section.rows:
            plain = meaning.replace("`", "")
            parts += [(f"{name:<{cells}}", "$text-primary"), _explained(plain, cells + 2, width)]
        parts.append("\n")
    return Content.assemble(*parts)


def _marked(text: str) -> _Parts:
    """Return a text with what stands in backticks as keys look here."""
    pieces = enumerate(text.split("`"))
    return [(piece, "bold $text-primary") if number % 2 else piece for number, piece in pieces]


def _explained(text: str, indent: int, width: int) -> tuple[str, str]:
    beside = width - indent >= _NARROWEST
    # Where there is no room beside the names it stands below.
    room, edge = (width - indent, f"\n{' ' * indent}") if beside else (width - 4, "\n    ")
    lines = textwrap.wrap(text, max(8, room), break_on_hyphens=False)
    return f"{'  ' if beside else edge}{edge.join(lines)}\n", "$foreground 60%"


class HelpScreen(ModalScreen[None]):
    """Shows the bindings as they are declared, so that they can't differ from the truth."""

    CSS_PATH = "../help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter", "dismiss", "close", tooltip="Close the help"),
        Binding("d", "docs", "docs", tooltip="How a run goes and where things are; again: keys"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="A line on"),
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="A line back"),
    ]

    def __init__(self, about: Screen[object], runs_dir: Path, docs: bool = False) -> None:
        """`about` is the screen whose keys are shown; with `docs` these come first."""
        super().__init__()
        self._about = about
        self._runs_dir = runs_dir
        self._docs = docs
        self._text = Static()
        self._box = VerticalScroll(self._text, classes="help")

    def compose(self) -> ComposeResult:
        """Lay out one text that scrolls."""
        yield self._box

    def on_resize(self, event: Resize) -> None:
        """Break the lines for the box's new width."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        self._box.border_title = "docs" if self._docs else "keys"
        self._box.border_subtitle = f"d {'keys' if self._docs else 'docs'}   Esc closes"
        # The bar comes with the text, and takes its columns from it.
        taken = self._box.styles.scrollbar_size_vertical + self._text.styles.padding.width
        width = (self._box.content_region.width or 80) - taken
        if self._docs:
            self._text.update(docs_text(guide(self.app, self._runs_dir), width))
        else:
            self._text.update(keys_text(active_keys(self._about, self.app), width))

    def action_docs(self) -> None:
        """Show the docs, or the keys again."""
        self._docs = not self._docs
        self._box.scroll_home(animate=False)
        self._fill()

    def action_scroll(self, lines: int) -> None:
        """Move by lines."""
        self._box.scroll_relative(y=lines, animate=False)
