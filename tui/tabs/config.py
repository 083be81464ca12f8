"""The tab with what the run was asked to do."""

import json
import shlex
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.common.nested import flatten
from core.common.text import printable
from core.config.load import describe_key
from core.config.schema import Config
from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.text import run_status

_DIM = "$foreground 60%"
_ROOM_FOR_MEANINGS = 110


class ConfigTab(RunTab):
    """Every key with its value and meaning; what differs from the defaults is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="A line up"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="A line down"),
        Binding("pageup", "scroll(-15)", "page up", show=False, tooltip="A page up"),
        Binding("pagedown", "scroll(15)", "page down", show=False, tooltip="A page down"),
        Binding("d", "changed", "only changed", show=False,
                tooltip="Only keys that differ from the defaults, or all of them"),
        Binding("y", "copy", "copy", show=False, tooltip="Copy the configuration as --set options"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__(id="config-tab")
        self._text = Static(id="config", markup=False)
        self._box = VerticalScroll(self._text, id="config-box", can_focus=False)
        self._box.border_title = "configuration"
        self._only_changed = False
        self._state = RunState()
        self._shown: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        yield self._box

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Show the configuration that the run has begun with."""
        self._state = state
        facts = run_status.details(state)
        room = self.size.width >= _ROOM_FOR_MEANINGS
        now = (id(state.config), facts.plain, self._only_changed, room)
        if now == self._shown:
            return
        self._shown = now
        self._text.update(config_text(state, facts, self._only_changed, room))
        keys = "keys that differ from the" if self._only_changed else "● differs from the"
        changed = f"{keys} program's own values"
        self._box.border_subtitle = Content(f"{changed} · d the other · y copies")

    def action_scroll(self, lines: int) -> None:
        """Move by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_changed(self) -> None:
        """Show all keys, or those that differ."""
        self._only_changed = not self._only_changed
        self.show(self._state, "", True)

    def action_copy(self) -> None:
        """Copy what differs from the defaults, as options for the command line."""
        rows = _rows(self._state, only_changed=True)
        options = " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value, _ in rows)
        self.app.copy_to_clipboard(options)
        self.notify("what differs from the defaults was copied as --set options", markup=False)


def config_text(state: RunState, facts: Content, only_changed: bool, meanings: bool) -> Content:
    """Return facts and keys as text, with their `meanings` where there is room for them; a dot
    stands before what differs from the defaults."""
    rows = _rows(state, only_changed)
    if not rows:
        said = "nothing differs from the defaults" if state.config else "not known yet"
        return Content("\n").join([facts, Content(""), Content(said)])
    key_cells = max(len(key) for key, _, _ in rows)
    value_cells = min(32, max(len(value) for _, value, _ in rows))
    lines = [facts, Content("")]
    for key, value, differs in rows:
        sign = ("● ", "$text-warning") if differs else "  "
        text = f"{key:<{key_cells}}  "
        meaning = f"  {_meaning(key)}" if meanings else ""
        shown = (f"{value:<{value_cells}}", "bold" if differs else "")
        lines.append(Content.assemble(sign, text, shown, (meaning, _DIM)))
    return Content("\n").join(lines)


def _rows(state: RunState, only_changed: bool) -> list[tuple[str, str, bool]]:
    """Return key, value and whether it differs from the default."""
    defaults = flatten(Config().model_dump())
    rows = []
    for key, value in flatten(dict(state.config)).items():
        differs = key not in defaults or defaults[key] != value
        if differs or not only_changed:
            rows.append((printable(key), printable(_text(value)), differs))
    return rows


def _text(value: object) -> str:
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _meaning(key: str) -> str:
    try:
        return " ".join(describe_key(key).split())
    except KeyError:  # of another version
        return "not known to this version"
