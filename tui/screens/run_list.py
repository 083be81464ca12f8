"""The home screen: all runs of a directory."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Button, DataTable, Footer, Static
from textual.widgets.data_table import CellDoesNotExist

from core.common.errors import os_error_text
from core.common.text import printable
from tui.preferences.palettes import Palette, palette_of
from tui.screens.run_list_filter import RunFilterScreen
from tui.text import run_list as listing
from tui.widgets.first_line import FirstLine
from tui.widgets.table import RunListTable

if TYPE_CHECKING:
    from core.run.folder import RunList, RunSummary

    _Row = tuple[RunSummary, str, bool, int, Palette]
    """A run, its letter, whether it is the best, the minute, and the colours: all that its cells
    depend on."""

_LOW = 16
"""Lines below which there is no room for more about the chosen run."""
_LOOK_SECONDS = 2.0


class RunListScreen(RunFilterScreen):
    """Lists the runs, opens one; the classes below it filter them and manage them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", tooltip="Open the chosen run", priority=True),
        Binding("j", "cursor('down')", "down", show=False, tooltip="To the next run"),
        Binding("k", "cursor('up')", "up", show=False, tooltip="To the run above"),
        Binding("f5", "reload", "look again", show=False, tooltip="Read the runs directory now"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self._list: RunList | None = None
        self._all: list[RunSummary] = []
        self._runs: list[RunSummary] = []
        """Those that fit the filter, in its order."""
        self._best = ""
        self._shape: tuple[object, ...] = ()
        """Titles and ids in the table."""
        self._rows: dict[str, _Row] = {}
        self._looking = False
        self._look_again = False
        self._looked = False
        self._drawn = False
        self._ticks = 0
        self._told = ""
        self._problem = ""
        """Why the directory can't be read, for the title."""
        # Held, not looked up: the directory may be read while the app takes the screen down.
        self._table = RunListTable(id="table", cursor_type="row")
        self._empty_text = Static(Content(listing.empty_text(runs_dir)), id="empty-text")
        self._new_button = Button("n  new run", id="new", variant="primary")
        self._place: Widget | None = None
        """What has the focus while nothing is typed."""
        self._empty = Vertical(self._empty_text, self._new_button, id="empty")
        self._detail = Static(id="detail", markup=False)
        self._title_text = f"convnext-tui · runs in {printable(str(runs_dir))}"
        self._head = FirstLine(Content(f"{self._title_text} · reading them…"), id="title")

    @property
    def list_widget(self) -> Widget:
        """The table."""
        return self._table

    @property
    def columns(self) -> list[str]:
        """The columns that fit into the terminal."""
        return listing.columns_for(self.size.width)

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
        """Other widths have other columns; in a very low terminal the rows need all of it."""
        self.set_class(event.size.height < _LOW, "-low")
        self.call_after_refresh(self.show_runs)

    def tick(self, now: float, charts: bool) -> None:
        """Look into the directory now and then, while this screen is the one in use."""
        if self._rows and next(iter(self._rows.values()))[-1] != palette_of(self.app):
            self.show_runs()
        self._ticks += 1
        if self._ticks % self.host.rates.ticks_in(_LOOK_SECONDS) == 0:
            self._look_if_seen()

    def _look_if_seen(self) -> None:
        # Not `is_current`: Textual says so of a screen behind another one, too.
        if self._drawn and self.app.screen is self:
            self.look()

    def look(self) -> None:
        """Read what is new, off the event loop; never twice at the same time."""
        if self._looking:
            self._look_again = True
        elif self.is_mounted:
            self._looking = True
            self._look()

    @work
    async def _look(self) -> None:
        self._problem = ""
        try:
            self._all = await asyncio.to_thread(self._read)
        except OSError as error:
            self._problem = f" · can't be read: {printable(os_error_text(error))}"
        finally:
            self._looking = False
        if not self._looked:
            self._looked = True
            # The table above the lines about the chosen run.
            await self.mount(self._table, self._empty, self._detail, after=self._head)
        self.show_runs()
        if self._look_again:
            self._look_again = False
            self.look()

    def _read(self) -> "list[RunSummary]":
        if self._list is None:
            # In this thread too: what reads runs takes longer to import than a frame to draw.
            from core.run.folder import RunList
            from core.run.query import Query

            self._query = Query()
            self._list = RunList(self.runs_dir)
        return self._list.refresh()

    def _show_title(self) -> None:
        shown, total = len(self._runs), len(self._all)
        counted = f" · {shown} of {total}" if shown != total else ""
        view = " · view only" if self.host.read_only_reason else ""
        text = self._title_text + counted + view + self._problem
        self._head.update(Content(text), layout=False)

    def show_runs(self) -> None:
        """Draw the runs that fit the filter."""
        if not (self.is_mounted and self._looked):
            return
        self._runs = self.fitting(self._all)
        self._best = listing.best_run_id(self._runs)
        self._draw()
        self._show_title()
        self._show_empty()
        self._show_detail()

    def _draw(self) -> None:
        columns, now = self.columns, self.host.clock()
        titles = [listing.column_title(column, self.sort) for column in columns]
        minute, palette = int(now // 60), palette_of(self.app)
        rows = {
            run.id: (run, self._letter(run.id), run.id == self._best, minute, palette)
            for run in self._runs
        }
        shape = (tuple(titles), tuple(rows))
        if shape != self._shape:
            self._rebuild(columns, titles, rows, now)
        else:
            # Only what is different: there may be a thousand rows.
            changed = {id: row for id, row in rows.items() if row != self._rows[id]}
            for id, row in changed.items():
                self._table.put(id, dict(zip(columns, _cells(row, columns, now), strict=True)))
        self._shape, self._rows = shape, rows

    def _rebuild(
        self, columns: list[str], titles: list[str], rows: "dict[str, _Row]", now: float
    ) -> None:
        table, chosen = self._table, self._chosen_id()
        table.fill(
            {column: Text(title) for column, title in zip(columns, titles, strict=True)},
            {id: _cells(row, columns, now) for id, row in rows.items()},
        )
        if chosen in rows:
            table.move_cursor(row=list(rows).index(chosen))

    def _show_empty(self) -> None:
        none = not self._runs
        self._table.display = not none
        self._empty.display = none
        self._new_button.display = not self._all
        # Not left to what hiding the focused widget does: keys are where one looks.
        place = self._new_button if none and not self._all else self._table
        if place is not self._place:
            self._place = place
            if not self.typing:
                self.set_focus(place)
        if none and self._all:
            archived = sum(run.archived for run in self._all)
            self._empty_text.update(Content(listing.no_match_text(len(self._all), archived)))
        elif none:
            self._empty_text.update(Content(listing.empty_text(self.runs_dir)))

    def _letter(self, id: str) -> str:
        return listing.LETTERS[self.marked.index(id)] if id in self.marked else ""

    def _chosen_id(self) -> str:
        table = self._table
        try:
            return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value or ""
        except CellDoesNotExist:
            return ""

    def chosen(self) -> "RunSummary | None":
        """Return the run under the cursor."""
        id = self._chosen_id()
        return next((run for run in self._runs if run.id == id), None)

    def beside(self) -> "RunSummary | None":
        """Return the run below the cursor, or above where there is none below."""
        row = self._table.cursor_row
        near = self._runs[row + 1 : row + 2] or self._runs[max(0, row - 1) : row]
        return near[0] if near else None

    def known(self, id: str) -> "RunSummary | None":
        """Return a run of the directory by id."""
        return next((run for run in self._all if run.id == id), None)

    def _show_detail(self) -> None:
        run = self.chosen()
        text = ""
        if run:
            text = listing.detail(run, self.host.clock(), run.id == self._best, self.beside())
        if text != self._told:
            self._told = text
            self._detail.update(Content(text))

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._show_detail()

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        """Open the chosen run; from the filter, go to the list."""
        run = self.chosen()
        if self.typing:
            self.set_focus(self._table)
        elif run:
            self.host.open_run(Path(run.path))
        elif not self._all:
            self.host.open_form()

    @on(Button.Pressed, "#new")
    def _new_pressed(self) -> None:
        self.action_new()

    def action_cursor(self, way: str) -> None:
        """Move in the list."""
        if way == "down":
            self._table.action_cursor_down()
        else:
            self._table.action_cursor_up()

    def action_reload(self) -> None:
        """Read the directory now."""
        self.look()


def _cells(row: "_Row", columns: list[str], now: float) -> list[Text]:
    run, letter, best, _, palette = row
    return listing.cells(run, columns, now, letter, best, palette)
