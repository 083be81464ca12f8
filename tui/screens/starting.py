"""Screen shown while the configuration of the planned run is loaded."""

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui.text.symbols import SYMBOLS
from tui.widgets.first_line import FirstLine
from tui.widgets.footer import KeyFooter
from tui.widgets.host import Plan, host


class StartingScreen(Screen[None]):
    """Draw the first frame, then load the configuration; the run screen replaces this one."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        """Create the first lines of the run screen."""
        yield FirstLine(Content(f"{SYMBOLS['preparing']} preparing"), id="headline", classes="line")
        yield Static(Content("loading the configuration"), classes="line")
        yield KeyFooter()

    @on(FirstLine.Drawn)
    @work
    async def _begin(self) -> None:
        await host(self).begin(self._plan)
