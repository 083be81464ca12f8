"""Queue screen: the jobs of a runs directory, and the workers that run them."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Button, DataTable, Static
from textual.widgets.data_table import CellDoesNotExist

from core.common.detached import run_detached
from core.common.errors import SetupError
from core.common.text import printable
from core.queue.state import AT_WORK, Job, QueueState
from core.study.definition import is_study
from tui.preferences.palettes import Palette, palette_of
from tui.screens.queue_actions import PAUSE_KEY, START_KEY, QueueActionsScreen
from tui.text import queue_jobs as texts
from tui.widgets.footer import KeyFooter
from tui.widgets.host import host
from tui.widgets.table import RunListTable

_Row = tuple[Job, int, int, Palette]
"""A job, its position in line, the current second (of a running job) or minute, and the palette:
everything that its cells depend on."""
_LOW = 16
"""Terminal height (rows) below which the details of the selected job are hidden."""
_RELOAD_SECONDS = 1.0


class QueueScreen(QueueActionsScreen):
    """List and refresh the jobs. The base class acts on them."""

    CSS_PATH = "../queue.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open run", tooltip="Open the run of the selected job",
                priority=True),
        Binding("j", "cursor('down')", "Down", show=False, tooltip="Select the next job"),
        Binding("k", "cursor('up')", "Up", show=False, tooltip="Select the previous job"),
        Binding("f5", "reload", "Refresh", show=False, tooltip="Read the queue again"),
        Binding("escape", "back", "Runs", tooltip="Back to the run list"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path, selected: int = 0) -> None:
        """`selected` is the number of the job to select."""
        super().__init__(runs_dir)
        self._runs_dir = runs_dir
        self._selected = selected
        self._jobs: list[Job] = []
        self._rows: dict[str, _Row] = {}
        self._cells: dict[str, dict[str, Text]] = {}
        self._shape: tuple[object, ...] = ()
        """Columns with their widths, and the jobs in the table."""
        self._loading = False
        self._reload_requested = False
        self._loaded = False
        self._error = ""
        """Why the queue cannot be read."""
        self._ticks = 0
        self._footer_state: tuple[object, ...] = ()
        # Held, not queried: the queue may be read while the screen is unmounted.
        self._head = Static(Content("Queue · loading …"), id="title")
        self._workers = Static("", id="workers", markup=False)
        self._table = RunListTable(id="table", cursor_type="row")
        self._empty_text = Static("", id="empty-text", markup=False)
        self._new_button = Button("n  New run", id="new", variant="primary")
        self._empty = Vertical(self._empty_text, self._new_button, id="empty")
        self._detail = Static("", id="detail", markup=False)

    def compose(self) -> ComposeResult:
        """Create the table above the details of the selected job."""
        yield self._head
        yield self._workers
        yield self._table
        yield self._empty
        yield self._detail
        yield KeyFooter()

    def on_mount(self) -> None:
        """Read the queue."""
        self._empty.display = self._detail.display = False
        self.reload()

    def on_screen_resume(self) -> None:
        """Read the queue after another screen was closed."""
        self.reload()

    def on_resize(self, event: Resize) -> None:
        """Fit the columns to the width; on a very low terminal show only the rows."""
        self.set_class(event.size.height < _LOW, "-low")
        self.call_after_refresh(self._show)

    def tick(self, now: float, charts: bool) -> None:
        """Read the queue every second while this screen is on top."""
        self._ticks += 1
        is_due = self._ticks % host(self).rates.ticks_per(_RELOAD_SECONDS) == 0
        if is_due and self.app.screen is self:
            self.reload()

    def reload(self) -> None:
        """Read the queue in a thread, one read at a time."""
        if self._loading:
            self._reload_requested = True
        elif self.is_mounted:
            self._loading = True
            self._load()

    @work
    async def _load(self) -> None:
        error = ""
        try:
            self.state = await run_detached(self.queue.read)
        except SetupError as problem:
            error, self.state = str(problem), QueueState()
        finally:
            self._loading = False
        self._error, self._loaded = error, True
        self._show()
        if self._reload_requested:
            self._reload_requested = False
            self.reload()

    def _show(self) -> None:
        if not (self.is_mounted and self._loaded):
            return
        self._jobs = texts.ordered(self.state)
        self._draw()
        self._show_title()
        self.show_workers()
        self._show_empty()
        self._show_detail()

    def _show_title(self) -> None:
        parts = [
            f"convnext-tui · Queue of {printable(str(self._runs_dir))}",
            texts.summary(self.state),
            "read-only" if host(self).read_only_reason else "",
        ]
        self._head.update(Content(" · ".join(part for part in parts if part)), layout=False)

    def show_workers(self) -> None:
        """Show the workers, and what is being done."""
        if not (self.is_mounted and self._loaded):
            return
        text = self.busy or self._error or texts.workers_text(self.state, START_KEY, PAUSE_KEY)
        is_idle = bool(self.state.in_line()) and not self.state.workers
        attention = bool(self._error or self.state.paused or is_idle) and not self.busy
        self._workers.set_class(attention, "-attention")
        self._workers.update(Content(text))

    def _draw(self) -> None:
        now, palette = host(self).clock(), palette_of(self.app)
        waiting = {job.number: place for place, job in enumerate(self.state.in_line(), 1)}
        rows: dict[str, _Row] = {}
        for job in self._jobs:
            moment = int(now) if job.state in AT_WORK else int(now // 60)
            rows[str(job.number)] = (job, waiting.get(job.number, 0), moment, palette)
        # Only rows that have changed: there may be a thousand.
        changed = {id for id, row in rows.items() if row != self._rows.get(id)}
        self._cells = {
            id: texts.cells(row[0], row[1], now, palette) if id in changed else self._cells[id]
            for id, row in rows.items()
        }
        widths = texts.fit(list(self._cells.values()), self.size.width)
        shape = (tuple(widths.items()), tuple(rows))
        if shape != self._shape:
            self._rebuild(widths)
        else:
            for id in changed:
                cells = _shortened(self._cells[id], widths)
                self._table.put(id, dict(zip(widths, cells, strict=True)))
        self._shape, self._rows = shape, rows

    def _rebuild(self, widths: dict[str, int]) -> None:
        selected = str(self._selected or self._selected_id())
        before = self._table.cursor_row
        titles = texts.titles()
        self._table.fill(
            {name: titles[name] for name in widths},
            {id: _shortened(cells, widths) for id, cells in self._cells.items()},
        )
        ids = list(self._cells)
        if selected in ids:
            self._table.move_cursor(row=ids.index(selected))
            self._selected = 0
        elif ids:  # the selected job was removed
            self._table.move_cursor(row=min(before, len(ids) - 1))

    def _show_empty(self) -> None:
        none = not self._jobs
        read_only = bool(host(self).read_only_reason)
        self._table.display = not none
        self._empty.display = none
        self._detail.display = not none
        self._new_button.display = not (read_only or self._error)
        if none:
            text = "" if self._error else texts.empty_text(self._runs_dir, read_only)
            self._empty_text.update(Content(text))
        target = self._new_button if none and self._new_button.display else self._table
        if self.focused is not target:
            self.set_focus(target)

    def select(self, job: int) -> None:
        """Select a job by its number as soon as it is listed."""
        self._selected = job
        self._shape = ()
        self.reload()

    def _selected_id(self) -> str:
        try:
            cell = self._table.coordinate_to_cell_key(self._table.cursor_coordinate)
        except CellDoesNotExist:
            return ""
        return cell.row_key.value or ""

    def selected_job(self) -> Job | None:
        """Return the job under the cursor."""
        row = self._rows.get(self._selected_id())
        return row[0] if row else None

    def _show_detail(self) -> None:
        job = self.selected_job()
        now = host(self).clock()
        text = texts.detail(job, self._short_log(job), now) if job else ""
        self._detail.update(Content(text))
        hidden = tuple(map(self.hides_key, ("open", "move", "remove", "start", "stop")))
        state = (hidden, self.state.paused)
        if state != self._footer_state:
            self._footer_state = state
            self.refresh_bindings()

    def _short_log(self, job: Job) -> Path:
        """Return the log of a job, from the current directory like the runs directory."""
        log = self.queue.job_log(job.number)
        return self._runs_dir / log.relative_to(self.queue.runs_dir)

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._show_detail()

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        """Open the run or study of the selected job."""
        job = self.selected_job()
        if job is None:
            if not self._jobs and not self._error:
                self.action_new()
        elif not job.run:
            self._warn(f"job {job.number} is {job.state} and has no run yet; l shows its output")
        else:
            path = self.queue.runs_dir / job.run
            (host(self).open_study if is_study(path) else host(self).open_run)(path)

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
        """Read the queue again."""
        self.reload()

    def action_back(self) -> None:
        """Return to the run list."""
        self.dismiss(None)


def _shortened(cells: dict[str, Text], widths: dict[str, int]) -> list[Text]:
    """Return the cells of the columns that are shown, shortened to their widths."""
    shown = []
    for name, width in widths.items():
        cell = cells[name].copy()
        cell.truncate(width, overflow="ellipsis")
        shown.append(cell)
    return shown
