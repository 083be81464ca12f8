"""Run list: the start screen, with all runs of a directory."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Button, DataTable, Static

from core.common.errors import os_error_text
from core.common.text import printable
from tui.preferences.palettes import palette_of
from tui.screens.run_list_studies import RunStudiesScreen
from tui.text import run_list as listing
from tui.widgets.first_line import FirstLine
from tui.widgets.footer import KeyFooter
from tui.widgets.hint import Hint, HintLine
from tui.widgets.host import host
from tui.widgets.run_table import GroupedRunTable

if TYPE_CHECKING:
    from core.run.run_list import RunList
    from core.run.summary import RunSummary
    from core.study.grouped_list import GroupedList, ListRow
    from core.study.study_list import StudyList
    from core.study.study_summary import StudySummary

_LOW = 16
"""Terminal height (rows) below which the details of the selected run are hidden."""
_OTHER_ROWS = 14
"""Most rows (title, header, filter, details, hint, footer) that a list without free rows leaves."""
_HINTS = (
    Hint("open", "Enter", "opens a run"),
    Hint("new", "n", "trains a new one"),
    Hint("compare", "c", "compares two runs"),
)
_RELOAD_SECONDS = 2.0


class _NoRows:
    """The list before the directory is read."""

    rows: "tuple[ListRow, ...]" = ()
    runs: "tuple[RunSummary, ...]" = ()


class RunListScreen(RunStudiesScreen):
    """List, refresh and open runs and studies. The base classes filter them and act on them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the selected run", priority=True),
        Binding("enter", "to_list", "Go to list", tooltip="Move the focus to the list",
                priority=True),
        Binding("j", "cursor('down')", "Down", show=False, tooltip="Select the next run"),
        Binding("k", "cursor('up')", "Up", show=False, tooltip="Select the previous run"),
        Binding("f5", "reload", "Refresh", show=False, tooltip="Read the runs directory again"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self._lists: tuple[RunList, StudyList] | None = None
        self._all: list[RunSummary] = []
        self._studies: list[StudySummary] = []
        self._grouped: GroupedList | _NoRows = _NoRows()
        """Rows that match the filter, in its order."""
        self._best = ""
        self._loading = False
        self._reload_requested = False
        self._loaded = False
        self._is_warm = False
        """Whether the screens that a study opens are imported."""
        self._drawn = False
        self._ticks = 0
        self._detail_text = ""
        self._applicable: tuple[bool, ...] = ()
        """Decides which keys the footer shows."""
        self._error = ""
        """Why the directory cannot be read, for the title."""
        # Held, not queried: the directory may be read while the screen is unmounted.
        self._table = GroupedRunTable()
        self._empty_text = Static(Content(listing.empty_text(runs_dir)), id="empty-text")
        self._new_button = Button("n  New run", id="new", variant="primary")
        self._focus_target: Widget | None = None
        """Widget that has the focus unless the filter has it."""
        self._empty = Vertical(self._empty_text, self._new_button, id="empty")
        self._detail = Static(id="detail", markup=False)
        self._hint = HintLine("list", _HINTS)
        self._title_text = f"convnext-tui · Runs in {printable(str(runs_dir))}"
        self._head = FirstLine(Content(f"{self._title_text} · loading …"), id="title")

    @property
    def list_widget(self) -> Widget:
        """The table."""
        return self._table

    @property
    def columns(self) -> list[str]:
        """The columns in the table: those that fit into the terminal."""
        return self._table.fitting

    def compose(self) -> ComposeResult:
        """Create the title and the footer; all else is mounted after the first read."""
        yield self._head
        yield KeyFooter()

    @on(FirstLine.Drawn)
    def _first_frame(self) -> None:
        self._drawn = True
        self._reload_if_visible()

    def on_screen_resume(self) -> None:
        """Reload after another screen was closed."""
        self._reload_if_visible()

    def on_resize(self, event: Resize) -> None:
        """Fit the columns to the width; on a very low terminal show only the rows."""
        self.set_class(event.size.height < _LOW, "-low")
        self.call_after_refresh(self.show_runs)

    def tick(self, now: float, charts: bool) -> None:
        """Reload every few seconds while this screen is on top."""
        if self._table.has_other_palette(palette_of(self.app)):
            self.show_runs()
        self._ticks += 1
        if self._ticks % host(self).rates.ticks_per(_RELOAD_SECONDS) == 0:
            self._reload_if_visible()

    def _reload_if_visible(self) -> None:
        # Not `is_current`, which is also true for a screen behind another one.
        if self._drawn and self.app.screen is self:
            self.reload()

    def reload(self) -> None:
        """Read the directory in a thread, one read at a time."""
        if self._loading:
            self._reload_requested = True
        elif self.is_mounted:
            self._loading = True
            self._load()

    @work
    async def _load(self) -> None:
        self._error = ""
        try:
            self._all, self._studies = await asyncio.to_thread(self._read)
        except OSError as error:
            self._error = f" · cannot be read: {printable(os_error_text(error))}"
        finally:
            self._loading = False
        if not self._loaded:
            self._loaded = True
            # The table above the details of the selected run.
            await self.mount(self._table, self._empty, self._detail, self._hint, after=self._head)
        self.show_runs()
        if self._reload_requested:
            self._reload_requested = False
            self.reload()
        if self._studies and not self._is_warm:
            self._is_warm = True
            await asyncio.to_thread(_import_study_screens)

    def _read(self) -> "tuple[list[RunSummary], list[StudySummary]]":
        if self._lists is None:
            # Imported in this thread: the import takes longer than a frame.
            from core.run.query import Query
            from core.run.run_list import RunList
            from core.study.study_list import StudyList

            self._query = Query()
            self._lists = RunList(self.runs_dir), StudyList(self.runs_dir)
        runs = self._lists[0].refresh()
        studies = self._lists[1].refresh(runs)
        if studies:
            import tui.text.study_row  # noqa: F401
        return runs, studies

    def _show_title(self) -> None:
        shown, total = len(self._grouped.runs), len(self._all)
        counted = f" · {shown} of {total}" if shown != total else ""
        read_only = " · read-only" if host(self).read_only_reason else ""
        text = self._title_text + counted + read_only + self._error
        self._head.update(Content(text), layout=False)

    def show_runs(self) -> None:
        """Draw the runs that match the filter."""
        if not (self.is_mounted and self._loaded):
            return
        self._grouped = self.grouped_rows(self._all, self._studies)
        self._best = listing.best_run_id(self._grouped.runs)
        self._draw()
        self._show_title()
        self._show_empty()
        self._show_hint()
        self._show_detail()

    def _show_hint(self) -> None:
        rows = len(self._grouped.rows)
        has_space = 0 < rows <= self.size.height - _OTHER_ROWS
        self._hint.show(has_space, lambda action: action != "compare" or rows > 1)

    def apply_preferences(self) -> None:
        """Apply changed settings."""
        if self._loaded:
            self._show_hint()

    def _draw(self) -> None:
        self._table.draw_rows(
            self._grouped.rows,
            self._letter,
            self._best,
            self.sort,
            host(self).clock(),
            palette_of(self.app),
            self.size.width,
        )

    def _show_empty(self) -> None:
        none, empty = not self._grouped.rows, not (self._all or self._studies)
        self._table.display = not none
        self._empty.display = none
        self._new_button.display = empty
        # Textual would move the focus elsewhere when the focused widget is hidden.
        target = self._new_button if none and empty else self._table
        if target is not self._focus_target:
            self._focus_target = target
            if not self.typing:
                self.set_focus(target)
        if none and not empty:
            archived = sum(run.archived for run in self._all)
            self._empty_text.update(Content(listing.no_match_text(len(self._all), archived)))
        elif none:
            self._empty_text.update(Content(listing.empty_text(self.runs_dir)))

    def _letter(self, id: str) -> str:
        return listing.LETTERS[self.marked.index(id)] if id in self.marked else ""

    def selected_row(self) -> "ListRow | None":
        """Return the row under the cursor."""
        id = self._table.selected_id
        return next((row for row in self._grouped.rows if row.id == id), None)

    def adjacent_run(self) -> "RunSummary | None":
        """Return the run or study below the cursor, that below its runs for a study; above it if
        there is none below."""
        row = self.selected_row()
        rows = self._grouped.rows
        if row is None:
            return None
        if row.study is not None:
            rows = tuple(each for each in rows if each.parent != row.id)
        number = rows.index(row)
        adjacent = rows[number + 1 : number + 2] or rows[max(0, number - 1) : number]
        return adjacent[0].run if adjacent else None

    def find_run(self, id: str) -> "RunSummary | None":
        """Return a run of the directory by id, or a study as one."""
        study = self.find_study(id)
        return study.row if study else next((run for run in self._all if run.id == id), None)

    def find_study(self, id: str) -> "StudySummary | None":
        """Return a study of the directory by id."""
        return next((study for study in self._studies if study.id == id), None)

    def _show_detail(self) -> None:
        self._update_footer()
        row, now = self.selected_row(), host(self).clock()
        text = ""
        if row and row.study:
            from tui.text.study_row import study_detail

            text = study_detail(row.study, now)
        elif row:
            other = self.adjacent_run()
            if other and self.find_study(other.id):
                other = None
            text = listing.detail(row.run, now, row.id == self._best, other)
        if text != self._detail_text:
            self._detail_text = text
            self._detail.update(Content(text))

    def _update_footer(self) -> None:
        row = self.selected_row()
        kind = (bool(row and row.study), bool(row and row.is_open), bool(row and row.parent))
        applicable = (self.hides_key("resume"), bool(self.marked), *kind)
        if applicable != self._applicable:
            self._applicable = applicable
            self.refresh_bindings()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._show_detail()

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        """Open the selected run."""
        row = self.selected_row()
        if row:
            self._hint.use("open")
            show = host(self).open_study if row.study else host(self).open_run
            show(Path(row.run.path))
        elif not self._all and not self._studies:
            host(self).open_form()

    def action_new(self) -> None:
        """Open the form for a new run."""
        self._hint.use("new")
        super().action_new()

    def action_compare(self) -> None:
        """Compare the marked runs, or the selected one with the adjacent one."""
        self._hint.use("compare")
        super().action_compare()

    def action_to_list(self) -> None:
        """Move the focus from the filter to the list."""
        self.set_focus(self._table)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: Enter leaves the filter, or opens a run."""
        if action in ("open", "to_list"):
            return self.typing == (action == "to_list")
        return super().check_action(action, parameters)

    @on(Button.Pressed, "#new")
    def _new_pressed(self) -> None:
        self.action_new()

    def action_cursor(self, direction: str) -> None:
        """Move the cursor."""
        if direction == "down":
            self._table.action_cursor_down()
        else:
            self._table.action_cursor_up()

    def action_reload(self) -> None:
        """Read the directory again."""
        self.reload()


def _import_study_screens() -> None:
    """Import what takes longer than a frame, before a key needs it."""
    import tui.screens.compare_groups
    import tui.screens.study  # noqa: F401
