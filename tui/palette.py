"""Command palette: all actions of the current screen, of the app, and all settings, one a line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from rich.cells import cell_len
from textual.app import App
from textual.binding import ActiveBinding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.screen import Screen

from tui.preferences.settings import DESCRIPTIONS, allowed_values
from tui.widgets.footer import NAVIGATION
from tui.widgets.host import host

_KEY_CELLS = 8
"""Width of the column of keys; longer ones are rare."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the palette."""

    key: str
    title: str
    """The text that the typed letters are searched in."""
    run: Callable[[], object]
    detail: str = ""

    def line(self, title: Content | None = None) -> Content:
        """Return the line, with the title as given where letters in it are highlighted."""
        pad = " " * max(0, _KEY_CELLS - cell_len(self.key))
        detail = Content.styled(f"  {self.detail}" if self.detail else "", "dim not bold")
        key = Content.styled(f"{pad}{self.key}  ", "$text-primary")
        return Content.assemble(key, title or Content(self.title), detail)


class ActionProvider(Provider):
    """Offer the entries in their order; while something is typed, the best matches first."""

    async def discover(self) -> Hits:
        """Yield all entries."""
        for entry in palette_entries(self.app, self.screen):
            yield DiscoveryHit(entry.line(), entry.run, text=entry.title)

    async def search(self, query: str) -> Hits:
        """Yield the entries whose title has the letters of `query`."""
        matcher = self.matcher(query)
        for entry in palette_entries(self.app, self.screen):
            score = matcher.match(entry.title)
            if score > 0:
                line = entry.line(matcher.highlight(entry.title))
                yield Hit(score, line, entry.run, text=entry.title)


def _place(active: ActiveBinding, app: App[Any]) -> tuple[bool, ...]:
    """Return a sort key: the screen before the app, keys of its footer first; last the keys that
    move the cursor, and the exit."""
    key = active.binding.key
    return active.node is app, key == "escape", key in NAVIGATION, not active.binding.show


def palette_entries(app: App[Any], screen: Screen[Any]) -> Iterator[Entry]:
    """Yield the actions of the screen that the palette was opened on, those of its footer first,
    then actions of the app, then settings."""
    seen = {"command_palette"}
    for active in sorted(screen.active_bindings.values(), key=partial(_place, app=app)):
        binding = active.binding
        action = binding.action.removeprefix("app.")
        if binding.tooltip and active.enabled and not binding.system and action not in seen:
            seen.add(action)
            title = f"{binding.description}: {binding.tooltip}"
            run = partial(app.run_action, binding.action, active.node)
            yield Entry(app.get_key_display(binding), title, run)
    if "guide" not in seen:  # the help screen has a key for it
        yield _app_entry(app, "guide", "Guide: Training, files and folders in one page")
    yield _app_entry(app, "change_theme", "Theme: Choose other colors")
    yield _app_entry(app, "save_screenshot", "Screenshot: Save this screen as SVG")
    set_preference = host(screen).set_preference
    for name, values in allowed_values().items():
        for value in values:
            run_setting = partial(set_preference, name, value)
            yield Entry("", f"Set {name} = {value}", run_setting, DESCRIPTIONS[name])


def _app_entry(app: App[Any], action: str, title: str) -> Entry:
    return Entry("", title, partial(app.run_action, f"app.{action}"))
