"""Footer with the keys that apply where the focus is: as many as fit, in groups."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol, runtime_checkable

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.dom import DOMNode
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.widgets._footer import FooterKey

NAVIGATION = {
    *("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "j", "k", "h", "l"),
    *("tab", "shift+tab", "shift+left", "shift+right", "shift+up", "shift+down", *"123456789"),
}
"""Keys that need no mention: they move the cursor, or the tab bar names them."""
_EXIT = "escape"
_FIRST, _SHOWN, _LAST, _EXTRA, _SETTING, _PAIR = range(6)
"""Ranks of keys: those with the highest number are left out first.

The key that leaves the screen and the help; keys with `show`; keys of the app; then, without
`show`, those of the focused widget, those of the screen, and those with a group, such as + and -.
"""


@runtime_checkable
class HidesKeys(Protocol):
    """A screen with keys that only explain why they have no effect now."""

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out the key of an action."""


@dataclass(frozen=True, slots=True)
class Item:
    """A key in the footer."""

    keys: tuple[tuple[str, str], ...]
    """Keys, each as Textual names it and as it is displayed."""
    label: str
    action: str
    tooltip: str = field(compare=False)
    rank: int
    group: str = ""
    """Label of the group of keys that this one is shown with, such as + and -."""

    @property
    def cells(self) -> int:
        """Width without the space to the next key."""
        return sum(cell_len(shown) + 1 for _, shown in self.keys) + cell_len(self.label)


@dataclass(frozen=True, slots=True)
class Spacing:
    """Cells between keys, and between groups of keys."""

    keys: int
    groups: int

    def cells(self, groups: Iterable[Sequence[Item]]) -> int:
        """Return the width of groups of keys in one line."""
        shown = [group for group in groups if group]
        keys = sum(item.cells for item in chain(*shown)) + 1  # the margin at the left
        between = sum(self.keys * (len(group) - 1) for group in shown)
        return keys + between + self.groups * max(0, len(shown) - 1)


WIDE, SEPARATED, COMPACT = Spacing(2, 5), Spacing(1, 3), Spacing(1, 1)
Groups = list[list[Item]]


def fit(groups: Groups, width: int) -> tuple[Groups, Spacing]:
    """Return the keys that fit into `width` cells, the most important first, and their spacing.

    A narrower line never has a key that a wider one lacks.
    """
    if WIDE.cells(groups) <= width:
        return groups, WIDE
    main = [[item for item in group if item.rank < _EXTRA] for group in groups]
    spacing = SEPARATED if SEPARATED.cells(main) <= width else COMPACT
    chosen: set[Item] = set()
    for item in sorted(chain(*groups), key=lambda item: item.rank):
        if spacing.cells(_only(groups, chosen | {item})) > width:
            break
        chosen.add(item)
    return _only(groups, chosen), spacing


def _only(groups: Groups, items: set[Item]) -> Groups:
    return [[item for item in group if item in items] for group in groups]


class KeyFooter(Footer):
    """Keys of the screen, of the focused widget, and of the app."""

    def __init__(self) -> None:
        super().__init__(compact=True, show_command_palette=False)
        self._line: tuple[Groups, Spacing] = ([], WIDE)

    def compose(self) -> ComposeResult:
        """Create the keys and the separators of their groups."""
        groups, spacing = self._line
        self.set_class(spacing is WIDE, "-wide")
        shown = [group for group in groups if group]
        for number, group in enumerate(shown):
            if number and spacing.groups > 1:
                yield Static("│", classes="footer-separator")
            for item in group:
                yield from _widgets(item)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Show the keys that apply now."""
        if screen.app.app_focus and self.is_attached and screen is self.screen:
            self._update_line()

    def on_resize(self, event: Resize) -> None:
        """Fit the keys to the new width."""
        self._update_line()

    def _update_line(self) -> None:
        line = fit(self._groups(), self.app.size.width)
        if line != self._line:
            self._line = line
            self.call_after_refresh(self.recompose)

    def _groups(self) -> Groups:
        """Return the keys of the screen, of the focused widget, and of the app."""
        screen = self.screen
        groups: dict[DOMNode | None, dict[str, Item]] = {screen: {}, None: {}, self.app: {}}
        for active in screen.active_bindings.values():
            item = self._item(active)
            if item:
                # The key that leaves a screen is among those that work everywhere.
                node = self.app if active.binding.key == _EXIT else active.node
                items = groups.get(node, groups[None])
                items.setdefault(item.action, item)
        by_place = [_joined(group.values()) for group in groups.values()]
        by_place[-1].sort(key=lambda item: item.rank)
        return by_place

    def _item(self, active: ActiveBinding) -> Item | None:
        binding, screen = active.binding, self.screen
        action = binding.action.removeprefix("app.")
        rank = self._rank(active)
        hidden = isinstance(screen, HidesKeys) and screen.hides_key(action)
        if rank is None or hidden or not active.enabled:
            return None
        key = (binding.key, self.app.get_key_display(binding))
        group = binding.group.description if binding.group else ""
        label = group or binding.description
        return Item((key,), label, action, active.tooltip, rank, group)

    def _rank(self, active: ActiveBinding) -> int | None:
        binding, is_app = active.binding, active.node is self.app
        if binding.show:
            is_first = binding.key == _EXIT or binding.action == "help"
            return _FIRST if is_first else _LAST if is_app else _SHOWN
        if is_app or not binding.tooltip or binding.key in NAVIGATION:
            return None
        is_screen = active.node is self.screen
        return _PAIR if binding.group else _SETTING if is_screen else _EXTRA


def _joined(items: Iterable[Item]) -> list[Item]:
    """Return the items with the keys of each group in one."""
    joined: dict[str, Item] = {}
    for item in items:
        name = item.group or item.action
        before = joined.get(name)
        joined[name] = replace(before, keys=before.keys + item.keys) if before else item
    return list(joined.values())


def _widgets(item: Item) -> Iterator[FooterKey]:
    """Yield a widget per key; the last one has the label."""
    last = len(item.keys) - 1
    for number, (key, shown) in enumerate(item.keys):
        label, classes = (item.label, "") if number == last else ("", "-joined")
        yield FooterKey(key, shown, label, item.action, tooltip=item.tooltip, classes=classes)
