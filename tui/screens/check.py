"""What is right and wrong with the folder that the form names, read before a run is started."""

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
from textual.widgets import Footer, Static

from core.common import format as fmt
from core.common.errors import DataError
from core.common.text import printable
from core.data.check import DataReport, check_data
from core.data.storage import Location
from tui.text.data_check import report_text

_TICK_SECONDS = 0.25


class CheckScreen(ModalScreen[None]):
    """Reads every picture of a folder, in threads, and reports."""

    CSS_PATH = "../dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="A line up"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="A line down"),
        Binding("pageup", "scroll(-15)", "page up", show=False, tooltip="A page up"),
        Binding("pagedown", "scroll(15)", "page down", show=False, tooltip="A page down"),
        Binding("escape", "leave", "back", tooltip="Back to the form; reading ends"),
    ]

    def __init__(self, root: Location) -> None:
        super().__init__()
        self._root = root
        self._stop = Event()
        self._done: tuple[int, int] | None = None
        """Pictures read, and all of them; None once the report stands."""
        self._text = Static("", id="check-text", markup=False)
        self._box = VerticalScroll(self._text, id="check", can_focus=False)
        self._box.border_title = Content(f"pictures in {printable(root.name or str(root))}")

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        yield self._box
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self._done = (0, 0)
        self._read()
        self.set_interval(_TICK_SECONDS, self._show_progress)

    def _show_progress(self) -> None:
        if self._done is not None:
            done, total = (fmt.count(number) for number in self._done)
            self._text.update(f"reading pictures: {done} of {total}")

    def on_unmount(self) -> None:
        """Nobody waits for it any more."""
        self._stop.set()

    @work
    async def _read(self) -> None:
        said: Text
        try:
            report = await asyncio.to_thread(self._look)
            said = report_text(report, self._text.size.width) if report else Text("")
        except DataError as error:
            said = Text(str(error))
        except (OSError, ValueError, RuntimeError) as error:
            said = Text(printable(f"{self._root}: {error}"))
        self._done = None
        if not self._stop.is_set():
            self._text.update(said)

    def _look(self) -> DataReport | None:
        def progress(done: int, total: int) -> None:
            self._done = (done, total)

        return check_data(self._root, progress, self._stop.is_set)

    def action_scroll(self, lines: int) -> None:
        """Move by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_leave(self) -> None:
        """Back to the form."""
        self.dismiss(None)
