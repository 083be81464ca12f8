"""A single tab of the run screen in an app."""

from collections.abc import Callable
from pathlib import Path

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.tui.scripted import Script
from tui.preferences.preferences import Preferences
from tui.preferences.settings import Settings
from tui.preferences.themes import THEMES
from tui.tabs.base import RunTab
from tui.viewmodel.run_source import RunModel


class TabApp(App[None]):
    """Show a tab with the state of a run, as the run screen does."""

    def __init__(
        self, make: Callable[[], RunTab], script: Script, live: bool = True, pictures: str = "auto"
    ) -> None:
        super().__init__()
        self.preferences = Preferences(Settings(pictures=pictures))
        self.runs_dir = Path("/nowhere/runs")
        self.register_theme(THEMES[0])
        self.theme = THEMES[0].name
        self.script = script
        self.model = RunModel(script.source(live=live))
        self.tab = make()

    def compose(self) -> ComposeResult:
        yield self.tab

    def on_mount(self) -> None:
        self.tab.focus()
        self.tick()

    def tick(self) -> None:
        self.model.pump()
        self.tab.show(self.model.state, self.model.status, slow=True)


async def settle(pilot: Pilot[None]) -> None:
    """Let the tab process pending records and their effects."""
    assert isinstance(pilot.app, TabApp)
    pilot.app.tick()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)
