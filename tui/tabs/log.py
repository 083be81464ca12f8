"""Tab with the whole log."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.viewmodel.findings import FindingLines
from tui.widgets.log import RunLog
from tui.widgets.scroll_bindings import SCROLL_BINDINGS


class LogTab(RunTab):
    """Show all log lines that the run state keeps."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_BINDINGS,
        Binding("home", "end(False)", "Oldest", show=False, tooltip="Scroll to the oldest line"),
        Binding("end", "end(True)", "Newest", show=False,
                tooltip="Scroll to the newest line and follow the log"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__(id="log-tab")
        self._log = RunLog("whole-log", whole=True)
        self._findings = FindingLines()
        self._box = Static(id="findings", markup=False)
        self._box.border_title = "Findings"
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        """Create the log."""
        yield self._box
        yield self._log

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Append new lines, and show the findings above them."""
        self._log.show(state)
        findings = self._findings.of(state)
        self._box.display = bool(findings)
        if findings != self._shown:
            self._shown = findings
            self._box.update("\n".join(findings))

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._log.move(lines)

    def action_end(self, newest: bool) -> None:
        """Scroll to either end of the log."""
        self._log.go_to_end(newest)
