"""Collect key bindings for the help: each action once, with all its keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An action and its keys."""

    keys: tuple[str, ...]
    """As shown in the footer, the shortest first."""
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of one part of the app."""

    title: str
    rows: list[KeyRow]


def key_rows(bindings: Iterable[Binding], app: App[Any]) -> list[KeyRow]:
    """Return a row per action; its name is that of the binding shown in the footer."""
    actions: dict[str, tuple[list[str], Binding]] = {}
    for binding in bindings:
        action = binding.action.removeprefix("app.")
        keys, shown = actions.setdefault(action, ([], binding))
        keys.append(app.get_key_display(binding))
        if binding.show and not shown.show:
            actions[action] = (keys, binding)
    return [
        KeyRow(tuple(sorted(dict.fromkeys(keys), key=len)), binding.description, binding.tooltip)
        for keys, binding in actions.values()
    ]


def active_keys(screen: Screen[object], app: App[Any]) -> list[KeyGroup]:
    """Return the active keys: of the focused tab or list, of the screen, of the app."""
    groups: dict[str, list[Binding]] = {"focus": [], "screen": [], "app": []}
    for active in screen.active_bindings.values():
        binding, node = active.binding, active.node
        if binding.tooltip and not binding.system:
            groups["app" if node is app else "screen" if node is screen else "focus"].append(
                binding
            )
    titles = {"focus": "focused", "screen": "this screen", "app": "everywhere"}
    return [
        KeyGroup(titles[group], key_rows(bindings, app))
        for group, bindings in groups.items()
        if bindings
    ]


def declared_keys(owner: type[object], app: App[Any]) -> list[KeyRow]:
    """Return the rows of the bindings that a class declares and does not only repeat."""
    inherited = [row for base in owner.__mro__[1:] for row in _own_rows(base, app)]
    return [row for row in _own_rows(owner, app) if row not in inherited]


def key_for(owner: type[object], name: str, app: App[Any]) -> str:
    """Return the shortest key of a class's action `name`; raises KeyError for an unknown one."""
    rows = [row for base in owner.__mro__ for row in _own_rows(base, app)]
    found = {row.name: row.keys[0] for row in reversed(rows)}
    return found[name]


def _own_rows(owner: type[object], app: App[Any]) -> list[KeyRow]:
    # Textual's own classes have bindings too, which the help omits.
    is_own = owner.__module__.startswith("tui.")
    declared = vars(owner).get("BINDINGS", []) if is_own else []
    return key_rows(Binding.make_bindings(declared), app)
