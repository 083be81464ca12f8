"""Tab with the configuration of the run."""

import shlex
import textwrap
from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.common.nested import flatten
from core.common.text import printable
from core.config.key_docs import describe_key
from core.config.load import changed_options, option_text
from core.config.schema import Config
from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.terminal.clipboard import copy
from tui.text import run_status
from tui.widgets.scroll_bindings import SCROLL_BINDINGS

_DIM = "$foreground 60%"
_LONGEST_VALUE = 32
"""Width (cells) of the column of values at which a value is wrapped."""
_NARROWEST = 30
"""Minimum width (cells) of the column of descriptions."""
_EDGES = 7
"""Cells of border, padding and scroll bar."""


class ConfigTab(RunTab):
    """Show all config keys with value and description; values that differ from the defaults are
    marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_BINDINGS,
        Binding("d", "changed", "Changed only", show=False,
                tooltip="Show only keys that differ from the defaults, or all keys"),
        Binding("y", "copy", "Copy", show=False, tooltip="Copy the changed keys as --set options"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__(id="config-tab")
        self._text = Static(id="config", markup=False)
        self._box = VerticalScroll(self._text, id="config-box", can_focus=False)
        self._box.border_title = "Configuration"
        self._only_changed = False
        self._state = RunState()
        self._shown: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Create one scrollable text."""
        yield self._box

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Show the configuration that the run was started with."""
        self._state = state
        facts = run_status.details(state)
        width = self.app.size.width - _EDGES
        shown = (id(state.config), facts.plain, self._only_changed, width)
        if shown == self._shown:
            return
        self._shown = shown
        self._text.update(config_text(state, facts, self._only_changed, width))
        legend = "only changed keys" if self._only_changed else "● differs from the defaults"
        other = "d all keys" if self._only_changed else "d changed only"
        self._box.border_subtitle = Content(f"{legend} │ {other}  y copy")

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_changed(self) -> None:
        """Show only changed keys, or all keys."""
        self._only_changed = not self._only_changed
        self.show(self._state, "", True)

    def action_copy(self) -> None:
        """Copy the changed keys as options for the command line."""
        config = {**self._state.config, "study": None}  # a run of the same kind is no member
        options = map(printable, changed_options(config))
        text = " ".join(f"--set {shlex.quote(option)}" for option in options)
        if text:
            copy(self.app, text)
        else:
            self.notify("no key differs from the defaults", severity="warning", markup=False)


def config_text(state: RunState, facts: Content, only_changed: bool, width: int) -> Content:
    """Return facts about the run, then config keys with value and description, wrapped at `width`
    cells. A dot precedes keys that differ from the defaults."""
    rows = _rows(state, only_changed)
    if not rows:
        text = "No key differs from the defaults." if state.config else "Not known yet."
        return Content("\n").join([facts, Content(""), Content(text)])
    key_cells = max(len(key) for key, _, _ in rows)
    value_cells = min(_LONGEST_VALUE, max(len(value) for _, value, _ in rows))
    indent = key_cells + value_cells + 6
    if width - indent < _NARROWEST:  # descriptions are below their keys
        indent, value_cells = 4, max(12, width - key_cells - 4)
    entries = [_entry(row, key_cells, value_cells, indent, width) for row in rows]
    return Content("\n").join([facts, Content(""), *chain(*entries)])


def _entry(
    row: tuple[str, str, bool], key_cells: int, value_cells: int, indent: int, width: int
) -> Iterator[Content]:
    """Yield the lines of a key: its description begins after `indent` cells."""
    key, value, differs = row
    description = textwrap.wrap(_description(key), max(8, width - indent), break_on_hyphens=False)
    in_column = indent > key_cells
    values = textwrap.wrap(value, value_cells, break_on_hyphens=False) or [""]
    columns = zip_longest(values, description if in_column else (), fillvalue="")
    for number, (part, text) in enumerate(columns):
        symbol = ("● ", "$text-warning") if differs and not number else "  "
        name = f"{'' if number else key:<{key_cells}}  "
        shown = (f"{part:<{value_cells}}", "bold" if differs else "")
        yield Content.assemble(symbol, name, shown, (f"  {text}" if text else "", _DIM))
    if not in_column:
        yield from (Content.styled(f"{' ' * indent}{text}", _DIM) for text in description)


def _rows(state: RunState, only_changed: bool) -> list[tuple[str, str, bool]]:
    """Return each key, its value, and whether that differs from the default."""
    defaults = flatten(Config().model_dump())
    rows = []
    for key, value in flatten(dict(state.config)).items():
        differs = key not in defaults or defaults[key] != value
        if differs or not only_changed:
            rows.append((printable(key), printable(option_text(value)), differs))
    return rows


def _description(key: str) -> str:
    try:
        return " ".join(describe_key(key).split())
    except KeyError:  # a key of another version
        return "unknown to this version"
