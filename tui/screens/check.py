"""Dialog that checks the image folder of the form before a run is started."""

import asyncio
from threading import Event
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.common import format as fmt
from core.common.errors import DataError, os_error_text
from core.common.text import printable
from core.data.check import DataReport, check_data
from core.data.source import Location
from tui.text.data_check import report_text
from tui.widgets.footer import KeyFooter
from tui.widgets.scroll_bindings import SCROLL_BINDINGS

_PROGRESS_SECONDS = 0.25


class CheckScreen(ModalScreen[None]):
    """Decode all images of a folder in threads and show the report."""

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *SCROLL_BINDINGS,
        Binding("escape", "back", "Back", tooltip="Back to the form; cancels the check"),
    ]

    def __init__(self, root: Location) -> None:
        super().__init__()
        self._root = root
        self._canceled = Event()
        self._progress: tuple[int, int] | None = None
        """Checked and total images; None once the report is shown."""
        self._text = Static("", id="check-text", markup=False)
        self._box = VerticalScroll(self._text, id="check", can_focus=False)
        self._box.border_title = Content(f"Images in {printable(root.name or str(root))}")

    def compose(self) -> ComposeResult:
        """Create one scrollable text."""
        yield self._box
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start the check."""
        self._progress = (0, 0)
        self._check()
        self.set_interval(_PROGRESS_SECONDS, self._show_progress)

    def _show_progress(self) -> None:
        if self._progress is not None:
            done, total = (fmt.count(number) for number in self._progress)
            self._text.update(f"Checking images: {done} of {total}")

    def on_unmount(self) -> None:
        """Cancel the check."""
        self._canceled.set()

    @work
    async def _check(self) -> None:
        text: Text
        try:
            report = await asyncio.to_thread(self._check_in_thread)
            text = report_text(report, self._text.size.width) if report else Text("")
        except DataError as error:
            text = Text(str(error))
        except (OSError, ValueError, RuntimeError) as error:
            text = Text(printable(f"{self._root}: {os_error_text(error)}"))
        self._progress = None
        if not self._canceled.is_set():
            self._text.update(text)

    def _check_in_thread(self) -> DataReport | None:
        def progress(done: int, total: int) -> None:
            self._progress = (done, total)

        return check_data(self._root, progress, self._canceled.is_set)

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_back(self) -> None:
        """Return to the form."""
        self.dismiss(None)
