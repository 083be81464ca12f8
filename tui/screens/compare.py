"""Runs side by side: their curves in one chart, results and configuration in one table."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from core.analysis.compare import ComparedRun
from core.common.errors import os_error_text
from core.common.text import printable
from tui.charts import compare as compare_chart
from tui.charts import compare_files
from tui.charts.bindings import WINDOW_KEYS
from tui.charts.compare import CompareView
from tui.charts.plot import drawn_log
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.preferences.palettes import Palette, palette_of
from tui.text.compare_table import heading, summary, table_rows
from tui.viewmodel.comparison import Comparison
from tui.widgets.chart import Chart
from tui.widgets.host import host
from tui.widgets.table import MeasuredTable

_LAYOUTS = ("-both", "-chart", "-table")
_LABEL = "label"


class CompareScreen(Screen[None]):
    """Draws what was last read of the runs; they may go on meanwhile, here or elsewhere."""

    CSS_PATH = "../compare.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m,c", "curve", "figure", tooltip="Draw the next figure: top-1, loss, lr…"),
        Binding("x,a", "axis", "x axis", tooltip="Epochs, steps, time, or from the unfreeze on"),
        Binding("l,o", "scale", "y axis", tooltip="Logarithmic, linear, or by itself"),
        Binding("e", "export", "export", tooltip="Table and curves as CSV, the chart as SVG"),
        Binding("g", "layout", "layout", tooltip="Chart and table, or one of them large"),
        Binding("left", "cursor(-1)", "cursor left", show=False, tooltip="Read the curves"),
        Binding("right", "cursor(1)", "cursor right", show=False, tooltip="Read the curves"),
        *WINDOW_KEYS,
        Binding("down,j", "scroll(0, 1)", "down", show=False, tooltip="Scroll the table"),
        Binding("up,k", "scroll(0, -1)", "up", show=False, tooltip="Scroll the table"),
        Binding("pagedown", "scroll(0, 8)", "far down", show=False, tooltip="Scroll the table"),
        Binding("pageup", "scroll(0, -8)", "far up", show=False, tooltip="Scroll the table"),
        Binding("tab", "scroll(16, 0)", "runs right", show=False, tooltip="Runs further right"),
        Binding("shift+tab", "scroll(-16, 0)", "runs left", show=False, tooltip="Runs on the left"),
        Binding("escape", "back", "runs", tooltip="Back to the list"),
    ]  # fmt: skip

    def __init__(self, paths: Sequence[Path], runs_dir: Path) -> None:
        super().__init__()
        self.view = CompareView()
        """How the runs are looked at now."""
        self._comparison = Comparison(paths)
        self._runs_dir = runs_dir
        self._runs: tuple[ComparedRun, ...] = ()
        self._reading = False
        self._drawn: tuple[object, ...] = ()
        self._shape: tuple[object, ...] = ()
        self._layout = 0
        # Held, not looked up: a tick may still come while the app takes the screen down.
        self._head = Static(Content("comparing runs · reading them…"), id="headline")
        self._notice = Static(id="notice", markup=False)
        self._chart = Chart("curves")
        self._readout = Static(id="readout", markup=False)
        self._table = MeasuredTable(
            id="figures", cursor_type="none", fixed_columns=1, zebra_stripes=True
        )
        self._table.can_focus = False

    def compose(self) -> ComposeResult:
        """Lay the chart above the table."""
        yield self._head
        yield self._notice
        yield self._chart
        yield self._readout
        yield self._table
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self._notice.display = self._readout.display = False
        self._arrange()
        self._read()

    def on_resize(self, event: Resize) -> None:
        """Another size has room for other columns."""
        self.call_after_refresh(self._redraw)

    def tick(self, now: float, charts: bool) -> None:
        """Read what the runs have done meanwhile, as often as charts are drawn."""
        if charts and self.is_mounted and not self._reading and self.app.screen is self:
            self._read()

    @work
    async def _read(self) -> None:
        """Read in a thread: journals may be long, and the disk slow."""
        self._reading = True
        try:
            runs = await asyncio.to_thread(self._comparison.read)
        finally:
            self._reading = False
        if self.is_mounted:
            self._runs = runs
            self._show()

    def _redraw(self) -> None:
        self._drawn = ()
        self._show()

    def _show(self) -> None:
        if not (self.is_mounted and self._runs):
            return
        dark = self.app.current_theme.dark
        now = (self._runs, dark, self.view, self._layout)
        if now == self._drawn:
            return
        before, self._drawn = self._drawn, now
        palette = palette_of(self.app)
        spec = compare_chart.chart(self._runs, self.view, palette)
        title = compare_chart.title(self.view, drawn_log(spec))
        self._chart.show(spec, title, compare_chart.legend(self._runs, self.view))
        self._show_readout()
        if not before or before[0] is not self._runs or before[1] != dark:
            self._head.update(Content(summary(self._runs)), layout=False)
            trouble = self._comparison.error
            self._notice.display = bool(trouble)
            self._notice.update(Content(trouble))
            titles = [heading(run, compare_chart.colour_of(run, palette)) for run in self._runs]
            self._fill([Text(), *titles], palette)

    def _show_readout(self) -> None:
        text = compare_chart.readout(self._runs, self.view)
        self._readout.display = bool(text)
        self._readout.update(Content(text))

    def _fill(self, titles: list[Text], palette: Palette) -> None:
        table, rows = self._table, table_rows(self._runs, palette)
        # With the palette: the titles can't be changed in their places.
        shape = (tuple(title.plain for title in titles), tuple(key for key, _ in rows), palette)
        columns = [_LABEL, *(run.letter for run in self._runs)]
        if shape == self._shape:
            for key, cells in rows:
                table.put(key, dict(zip(columns, cells, strict=True)))
            return
        self._shape = shape
        table.fill(dict(zip(columns, titles, strict=True)), dict(rows))

    def _look(self, change: Callable[[tuple[ComparedRun, ...], CompareView], CompareView]) -> None:
        if self._runs:
            self.view = change(self._runs, self.view)
            self._show()

    @on(Chart.Clicked)
    def _pointed(self, event: Chart.Clicked) -> None:
        self._look(lambda runs, view: compare_chart.pointed(runs, view, event.share))

    @on(Chart.Scrolled)
    def _scrolled(self, event: Chart.Scrolled) -> None:
        def closer(runs: tuple[ComparedRun, ...], view: CompareView) -> CompareView:
            there = compare_chart.pointed(runs, view, event.share).cursor
            return compare_chart.zoomed(runs, view, event.factor, there)

        self._look(closer)

    def action_curve(self) -> None:
        """Draw the next figure."""
        self._look(lambda runs, view: view.next_curve())

    def action_axis(self) -> None:
        """Count the x axis in something else."""
        self._look(lambda runs, view: view.next_axis())

    def action_scale(self) -> None:
        """Draw the y axis in another way."""
        self._look(lambda runs, view: view.next_scale())

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns."""
        columns = self._chart.columns or 1
        self._look(lambda runs, view: compare_chart.moved(runs, view, columns, by))

    def action_zoom(self, factor: float) -> None:
        """See more or less."""
        self._look(lambda runs, view: compare_chart.zoomed(runs, view, factor))

    def action_pan(self, share: float) -> None:
        """Move what is seen."""
        self._look(lambda runs, view: compare_chart.panned(runs, view, share))

    def action_whole(self) -> None:
        """See everything, without a cursor."""
        self._look(lambda runs, view: compare_chart.whole(view))

    def action_scroll(self, across: int, down: int) -> None:
        """Scroll the table."""
        self._table.scroll_relative(across, down, animate=False)

    def action_layout(self) -> None:
        """Show chart and table, the chart alone, or the table alone."""
        self._layout = (self._layout + 1) % len(_LAYOUTS)
        self._arrange()
        self.call_after_refresh(self._redraw)

    def _arrange(self) -> None:
        for number, name in enumerate(_LAYOUTS):
            self.set_class(number == self._layout, name)

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss(None)

    def action_export(self) -> None:
        """Ask what to write."""
        if not self._runs or host(self).refuse_change():
            return
        choices = [
            Choice("t", "t", "the table as CSV: results, configuration; a column a run", "table"),
            Choice("c", "c", "the curves as CSV: every figure of every epoch", "curves"),
            Choice("s", "s", "the chart as SVG: what is seen now, on white", "chart"),
        ]
        question = f"It is written into {printable(str(self._runs_dir))}."

        def done(kind: str | None) -> None:
            if kind:
                self._export(kind)

        self.app.push_screen(ChoiceDialog("export what?", question, choices, "nothing"), done)

    @work
    async def _export(self, kind: str) -> None:
        folders = [self._runs_dir, Path.cwd()]
        arguments = (self._runs, self.view, kind, folders, host(self).clock())
        try:
            path = await asyncio.to_thread(compare_files.export, *arguments)
        except OSError as error:
            where = printable(str(self._runs_dir))
            reason = printable(os_error_text(error))
            self.notify(f"can't write into {where}: {reason}", severity="error", markup=False)
        else:
            self.notify(f"written: {printable(str(path))}", markup=False)
