"""Key bindings as a person reads them: place by place, each action once with all its keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that keys do."""

    keys: tuple[str, ...]
    """As they stand in the footer, the shortest first."""
    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """The keys of one place."""

    title: str
    rows: list[Row]


def key_rows(bindings: Iterable[Binding], app: App[Any]) -> list[Row]:
    """Return what bindings of single keys do; of several for one action, that of the footer."""
    actions: dict[str, tuple[list[str], Binding]] = {}
    for binding in bindings:
        action = binding.action.removeprefix("app.")
        keys, shown = actions.setdefault(action, ([], binding))
        keys.append(app.get_key_display(binding))
        if binding.show and not shown.show:
            actions[action] = (keys, binding)
    return [
        Row(tuple(sorted(dict.fromkeys(keys), key=len)), binding.description, binding.tooltip)
        for keys, binding in actions.values()
    ]


def active_keys(screen: Screen[object], app: App[Any]) -> list[KeyGroup]:
    """Return the keys that hold on a screen now: of the tab or list that has the focus, of the
    screen, of the app."""
    places: dict[str, list[Binding]] = {"here": [], "run": [], "app": []}
    for active in screen.active_bindings.values():
        binding, node = active.binding, active.node
        if binding.tooltip and not binding.system:
            places["app" if node is app else "run" if node is screen else "here"].append(binding)
    titles = {"here": "where you are", "run": "on this screen", "app": "everywhere"}
    return [
        KeyGroup(titles[place], key_rows(bindings, app))
        for place, bindings in places.items()
        if bindings
    ]


def declared_keys(owner: type[object], app: App[Any]) -> list[Row]:
    """Return what the bindings do that a class declares, without those that it only repeats."""
    before = [row for base in owner.__mro__[1:] for row in _own_rows(base, app)]
    return [row for row in _own_rows(owner, app) if row not in before]


def key_for(owner: type[object], name: str, app: App[Any]) -> str:
    """Return the shortest key of what a class calls `name`; raises KeyError if there is none."""
    rows = [row for base in owner.__mro__ for row in _own_rows(base, app)]
    found = {row.name: row.keys[0] for row in reversed(rows)}
    return found[name]


def _own_rows(owner: type[object], app: App[Any]) -> list[Row]:
    # Textual's own classes have bindings too, of which nobody needs to be told.
    ours = owner.__module__.startswith("tui.")
    declared = vars(owner).get("BINDINGS", []) if ours else []
    return key_rows(Binding.make_bindings(declared), app)
