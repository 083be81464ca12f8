"""Help dialog: the keys of the current screen, and the guide."""

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

from tui.screens.help_guide import Section, help_sections
from tui.text.key_bindings import KeyGroup, active_keys
from tui.text.labels import sentence_case

_Parts = list[str | tuple[str, str]]
_NARROWEST = 24
"""Minimum width (cells) of a description in the column next to its name."""


def keys_text(groups: list[KeyGroup], width: int) -> Content:
    """Return groups of keys as text, wrapped at `width` cells."""
    rows = [row for group in groups for row in group.rows]
    key_cells = max((len(" ".join(row.keys)) for row in rows), default=0)
    name_cells = max((len(row.name) for row in rows), default=0)
    parts: _Parts = []
    for group in groups:
        parts.append((f"{sentence_case(group.title)}\n", "bold"))
        for row in group.rows:
            shown = f"{' '.join(row.keys):>{key_cells}}"
            parts += [(shown, "bold $text-primary"), f"  {row.name:<{name_cells}}"]
            parts.append(_description(row.meaning, key_cells + name_cells + 4, width))
        parts.append("\n")
    return Content.assemble(*parts)


def guide_text(sections: list[Section], width: int) -> Content:
    """Return the guide as text, wrapped at `width` cells."""
    parts: _Parts = []
    for section in sections:
        parts.append((f"{section.title}\n", "bold"))
        if section.text:
            parts += [*_with_code_spans(section.text), "\n"]
        cells = max((len(name) for name, _ in section.rows), default=0)
        for name, meaning in section.rows:
            plain = meaning.replace("`", "")
            parts += [(f"{name:<{cells}}", "$text-primary"), _description(plain, cells + 2, width)]
        parts.append("\n")
    return Content.assemble(*parts)


def _with_code_spans(text: str) -> _Parts:
    """Return a text with its code spans (in backticks) styled like keys."""
    pieces = enumerate(text.split("`"))
    return [(piece, "bold $text-primary") if number % 2 else piece for number, piece in pieces]


def _description(text: str, indent: int, width: int) -> tuple[str, str]:
    in_column = width - indent >= _NARROWEST
    # On a narrow terminal descriptions are below their names.
    cells, edge = (width - indent, f"\n{' ' * indent}") if in_column else (width - 4, "\n    ")
    lines = textwrap.wrap(text, max(8, cells), break_on_hyphens=False)
    return f"{'  ' if in_column else edge}{edge.join(lines)}\n", "$foreground 60%"


class HelpScreen(ModalScreen[None]):
    """Show keys from the bindings of the current screen, so that help and behavior always agree."""

    CSS_PATH = "../help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,enter", "dismiss", "Close", tooltip="Close the help"),
        Binding("d", "guide", "Guide", tooltip="Switch between the guide and the keys"),
        Binding("down,j", "scroll(1)", "Down", show=False, tooltip="Scroll down one line"),
        Binding("up,k", "scroll(-1)", "Up", show=False, tooltip="Scroll up one line"),
    ]

    def __init__(self, about: Screen[object], runs_dir: Path, guide: bool = False) -> None:
        """`about` is the screen whose keys are shown; with `guide` the guide is shown first."""
        super().__init__()
        self._about = about
        self._runs_dir = runs_dir
        self._guide = guide
        self._text = Static()
        self._box = VerticalScroll(self._text, classes="help")

    def compose(self) -> ComposeResult:
        """Create one scrollable text."""
        yield self._box

    def on_resize(self, event: Resize) -> None:
        """Wrap the text at the new width."""
        self.call_after_refresh(self._update_text)

    def _update_text(self) -> None:
        self._box.border_title = "Guide" if self._guide else "Keys"
        self._box.border_subtitle = f"d {'keys' if self._guide else 'guide'}   Esc close"
        # The scroll bar appears with the text and takes its columns from it.
        taken = self._box.styles.scrollbar_size_vertical + self._text.styles.padding.width
        width = (self._box.content_region.width or 80) - taken
        if self._guide:
            self._text.update(guide_text(help_sections(self.app, self._runs_dir), width))
        else:
            self._text.update(keys_text(active_keys(self._about, self.app), width))

    def action_guide(self) -> None:
        """Switch between the guide and the keys."""
        self._guide = not self._guide
        self._box.scroll_home(animate=False)
        self._update_text()

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._box.scroll_relative(y=lines, animate=False)
