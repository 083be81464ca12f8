"""One tab of a run's screen, alone in an app."""

from collections.abc import Callable
from pathlib import Path

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.tui.scripted import Script
from tui.preferences.preferences import Habits
from tui.preferences.settings import Settings
from tui.preferences.themes import THEMES
from tui.tabs.base import RunTab
from tui.viewmodel.run_source import RunModel


class TabApp(App[None]):
    """Shows a tab as the run's screen does: with the state that its model holds."""

    def __init__(
        self, make: Callable[[], RunTab], script: Script, live: bool = True, pictures: str = "auto"
    ) -> None:
        super().__init__()
        self.habits = Habits(Settings(pictures=pictures))
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
    """Let the tab take in what its model holds, and what that sets off."""
    assert isinstance(pilot.app, TabApp)
    pilot.app.tick()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settle(pilot)
