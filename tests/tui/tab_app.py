"""One tab of a run's screen, alone in an app."""

from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from tests.tui.scripted import Script
from tui.app import _THEME
from tui.sources import RunModel


class TabApp(App[None]):
    """Shows a tab as the run's screen does: with the state that its model holds."""

    def __init__(self, make: Callable[[RunModel], Widget], script: Script, live: bool) -> None:
        super().__init__()
        self.register_theme(_THEME)
        self.theme = _THEME.name
        self.script = script
        self.model = RunModel(script.source(live=live))
        self.tab = make(self.model)

    def compose(self) -> ComposeResult:
        yield self.tab

    def on_mount(self) -> None:
        self.tab.focus()
        self.tick()

    def tick(self) -> None:
        self.model.pump()
        self.tab.show(self.model.state, self.model.status)  # type: ignore[attr-defined]


async def settle(pilot: Pilot[None]) -> None:
    """Let the tab take in what its model holds, and what that sets off."""
    assert isinstance(pilot.app, TabApp)
    pilot.app.tick()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)
