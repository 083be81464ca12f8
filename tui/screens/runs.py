"""The home screen: all runs of a directory."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Button, DataTable, Footer, Static
from textual.widgets.data_table import CellDoesNotExist

from core.text import printable
from tui import listing
from tui.widgets.first_line import FirstLine
from tui.widgets.run_rows import RunRows

if TYPE_CHECKING:
    from core.runs import RunList, RunSummary
    from tui.app import ConvNextApp

_LOOK_SECONDS = 2.0


class RunsScreen(Screen[None]):
    """Lists the runs, opens one, begins a new one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="Open the chosen run", priority=True),
        Binding("n", "new", "new run", tooltip="Train on a folder of pictures, or the demo"),
        Binding("r", "resume", "resume", tooltip="Go on with the chosen run where it stopped"),
        Binding("f5", "reload", "look again", tooltip="Read the runs directory now"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._runs_dir = runs_dir
        self._list: RunList | None = None
        self._runs: list[RunSummary] = []
        self._shown: tuple[object, ...] = ()
        self._looking = False
        self._looked = False
        self._drawn = False
        self._ticks = 0
        self._told = ""
        # Held, not looked up: the directory may be read while the app takes the screen down.
        self._table = RunRows(id="table", cursor_type="row")
        self._empty = Vertical(
            Static(Content(listing.empty_text(runs_dir)), id="empty-text"),
            Button("n  new run", id="new", variant="primary"),
            id="empty",
        )
        self._detail = Static(id="detail", markup=False)
        self._title_text = f"convnext-tui · runs in {printable(str(runs_dir))}"
        self._head = FirstLine(Content(f"{self._title_text} · reading them…"), id="title")

    @property
    def _host(self) -> "ConvNextApp":
        return cast("ConvNextApp", self.app)

    def compose(self) -> ComposeResult:
        """A frame; what fills it comes when the directory was read."""
        yield self._head
        yield Footer(compact=True, show_command_palette=False)

    @on(FirstLine.Drawn)
    def _first_frame(self) -> None:
        self._drawn = True
        self._look_if_seen()

    def on_screen_resume(self) -> None:
        """Look again after another screen."""
        self._look_if_seen()

    def on_resize(self, event: Resize) -> None:
        """Other widths have other columns."""
        self.call_after_refresh(self._show)

    def tick(self, now: float, charts: bool) -> None:
        """Look into the directory now and then, while this screen is the one in use."""
        self._ticks += 1
        if self._ticks % self._host.rates.ticks_in(_LOOK_SECONDS) == 0:
            self._look_if_seen()

    def _look_if_seen(self) -> None:
        # Not `is_current`: Textual says so of a screen behind another one, too.
        if self._drawn and self.app.screen is self:
            self.look()

    def look(self) -> None:
        """Read what is new, off the event loop; never twice at the same time."""
        if not self._looking and self.is_mounted:
            self._looking = True
            self._look()

    @work
    async def _look(self) -> None:
        problem = ""
        try:
            self._runs = await asyncio.to_thread(self._read)
        except OSError as error:
            problem = f" · can't be read: {printable(error.strerror or str(error))}"
        finally:
            self._looking = False
        self._head.update(Content(self._title_text + problem), layout=False)
        if not self._looked:
            self._looked = True
            # The table above the lines about the chosen run.
            await self.mount(self._table, self._empty, self._detail, after=self._head)
            self.set_focus(self._table)
        self._show()

    def _read(self) -> "list[RunSummary]":
        if self._list is None:
            # In this thread too: what reads runs takes longer to import than a frame to draw.
            from core.runs import RunList

            self._list = RunList(self._runs_dir)
        return self._list.refresh()

    def _show(self) -> None:
        if not (self.is_mounted and self._looked):
            return
        table = self._table
        columns = listing.columns_for(self.size.width)
        now = self._host.clock()
        rows = {run.id: listing.cells(run, columns, now) for run in self._runs}
        shape = (tuple(columns), tuple(rows))
        if shape != self._shown:
            self._rebuild(table, columns, rows)
            self._shown = shape
        else:
            for id, cells in rows.items():
                for column, cell in zip(columns, cells, strict=True):
                    if table.get_cell(id, column) != cell:
                        table.update_cell(id, column, cell, update_width=True)
        table.display = bool(rows)
        self._empty.display = not rows
        self._show_detail()

    def _rebuild(self, table: RunRows, columns: list[str], rows: dict[str, list[Text]]) -> None:
        chosen = self._chosen_id()
        table.clear(columns=True)
        for column in columns:
            table.add_column(column, key=column)
        for id, cells in rows.items():
            table.add_row(*cells, key=id)
        if chosen in rows:
            table.move_cursor(row=list(rows).index(chosen))

    def _chosen_id(self) -> str:
        table = self._table
        try:
            return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value or ""
        except CellDoesNotExist:
            return ""

    def _chosen(self) -> "RunSummary | None":
        id = self._chosen_id()
        return next((run for run in self._runs if run.id == id), None)

    def _show_detail(self) -> None:
        run = self._chosen()
        text = listing.detail(run, self._host.clock()) if run else ""
        if text != self._told:
            self._told = text
            self._detail.update(Content(text))

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._show_detail()

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        """Open the chosen run."""
        run = self._chosen()
        if run:
            self._host.open_run(Path(run.path))
        elif not self._runs:
            self._host.open_form()

    @on(Button.Pressed, "#new")
    def action_new(self) -> None:
        """Open the form for a new run."""
        self._host.open_form()

    def action_resume(self) -> None:
        """Go on with the chosen run from its last checkpoint."""
        run = self._chosen()
        if run is None:
            return
        refused = self._host.resume(Path(run.path))
        if refused:
            self.notify(refused, severity="warning", markup=False)

    def action_reload(self) -> None:
        """Read the directory now."""
        self.look()
