"""What stands on the screen while the run that was asked for is worked out."""

from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from tui.text.symbols import SYMBOLS
from tui.widgets.first_line import FirstLine

if TYPE_CHECKING:
    from tui.app import ConvNextApp, Plan


class StartingScreen(Screen[None]):
    """Drawn before the configuration is read; the run's own screen takes its place."""

    def __init__(self, plan: "Plan") -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        """The first lines as the run's screen will have them."""
        yield FirstLine(Content(f"{SYMBOLS['preparing']} preparing"), id="headline", classes="line")
        yield Static(Content("reading the configuration"), classes="line")
        yield Footer(compact=True, show_command_palette=False)

    @on(FirstLine.Drawn)
    @work
    async def _begin(self) -> None:
        await cast("ConvNextApp", self.app).begin(self._plan)
