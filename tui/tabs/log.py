"""The tab with the whole log."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.widgets.log import RunLog


class LogTab(RunTab):
    """Everything that happened, as far back as the run's state remembers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="A line back"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="A line on"),
        Binding("pageup", "scroll(-15)", "page up", show=False, tooltip="A page back"),
        Binding("pagedown", "scroll(15)", "page down", show=False, tooltip="A page on"),
        Binding("home", "end(False)", "oldest", show=False, tooltip="To the oldest line"),
        Binding("end", "end(True)", "newest", show=False, tooltip="To the newest line; it follows"),
    ]

    def __init__(self) -> None:
        super().__init__(id="log-tab")
        self._log = RunLog("whole-log", whole=True)

    def compose(self) -> ComposeResult:
        """One log."""
        yield self._log

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Add the lines that are new."""
        self._log.show(state)

    def action_scroll(self, lines: int) -> None:
        """Move by lines."""
        self._log.move(lines)

    def action_end(self, newest: bool) -> None:
        """Go to one end of the log."""
        self._log.go_to_end(newest)
