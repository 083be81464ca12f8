"""Dialog with the output of a job or worker of the queue."""

from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.common.detached import run_detached
from core.common.errors import SetupError
from tui.viewmodel.queue_changes import read_log
from tui.widgets.footer import KeyFooter
from tui.widgets.scroll_bindings import SCROLL_BINDINGS


class JobLogScreen(ModalScreen[None]):
    """Show the end of a log, and follow it while it is scrolled to the end."""

    CSS_PATH = "../queue.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_BINDINGS,
        Binding("escape", "back", "Back", tooltip="Back to the queue"),
    ]

    def __init__(self, path: Path, title: str) -> None:
        super().__init__()
        self._path = path
        self._lines: list[str] | None = None
        self._reading = False
        self._text = Static("reading …", id="job-log-text", markup=False)
        self._box = VerticalScroll(self._text, id="job-log", can_focus=False)
        self._box.border_title = Content(title)

    def compose(self) -> ComposeResult:
        """Create one scrollable text."""
        yield self._box
        yield KeyFooter()

    def on_mount(self) -> None:
        """Read the log."""
        self._read()

    def tick(self, now: float, charts: bool) -> None:
        """Follow the log, as often as charts are drawn."""
        if charts and self.is_mounted and not self._reading:
            self._read()

    @work
    async def _read(self) -> None:
        self._reading = True
        try:
            lines = await run_detached(read_log, self._path)
        except SetupError as error:
            lines = [str(error)]
        finally:
            self._reading = False
        if lines != self._lines:
            follows = self._lines is None or self._box.is_vertical_scroll_end
            self._lines = lines
            self._text.update("\n".join(lines) or "no output yet")
            if follows:
                self._box.scroll_end(animate=False)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_back(self) -> None:
        """Return to the queue."""
        self.dismiss(None)
