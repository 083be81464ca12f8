"""Comparison screen: curves of several runs in one chart, results and config in one table."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Static

from core.analysis.compare import ComparedRun
from core.common.errors import os_error_text
from core.common.text import printable
from tui.charts import compare as compare_chart
from tui.charts import compare_files, compare_scatter
from tui.charts.compare import CompareView
from tui.charts.compare_scatter import ScatterView
from tui.charts.spec import ChartSpec, LegendItem, drawn_log
from tui.charts.viewport import Viewport
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.preferences.palettes import Palette, palette_of
from tui.text.compare_table import heading, summary, table_rows, value_cells
from tui.viewmodel.comparison import Comparison
from tui.viewmodel.group_comparison import GroupComparison
from tui.widgets.chart import Chart
from tui.widgets.chart_navigation import NAVIGATION_BINDINGS, ChartNavigation
from tui.widgets.footer import KeyFooter
from tui.widgets.host import host
from tui.widgets.table import MeasuredTable

_LAYOUTS = ("-both", "-chart", "-table")
_LABEL = "label"


class CompareScreen(ChartNavigation, Screen[None]):
    """Draw the last read state of the runs, which may continue in this or other processes."""

    CSS_PATH = "../compare.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m,c", "curve", "Figure",
                tooltip="Next figure: top-1, loss, learning rate…, or result of the scatter chart"),
        Binding("x,a", "axis", "x axis",
                tooltip="Epochs, steps, time, or epochs since unfreeze; or the next config key"),
        Binding("l,o", "scale", "y axis", tooltip="Logarithmic, linear or automatic"),
        # Not in the footer, which is full at 80 columns: the legend names it.
        Binding("s", "scatter", "Scatter chart", show=False,
                tooltip="Scatter chart, a point per run, instead of curves"),
        Binding("e", "export", "Export", tooltip="Table and curves as CSV, the chart as SVG"),
        Binding("g", "layout", "Layout", tooltip="Chart and table, or one of them large"),
        Binding("left", "cursor(-1)", "Cursor left", show=False,
                tooltip="Move the cursor one column left, or to the previous run"),
        Binding("right", "cursor(1)", "Cursor right", show=False,
                tooltip="Move the cursor one column right, or to the next run"),
        *NAVIGATION_BINDINGS,
        Binding("down,j", "scroll(0, 1)", "Scroll down", show=False, tooltip="Scroll the table"),
        Binding("up,k", "scroll(0, -1)", "Scroll up", show=False, tooltip="Scroll the table"),
        Binding("pagedown", "scroll(0, 8)", "Page down", show=False, tooltip="Scroll the table"),
        Binding("pageup", "scroll(0, -8)", "Page up", show=False, tooltip="Scroll the table"),
        Binding("tab", "scroll(16, 0)", "Scroll right", show=False, tooltip="Scroll the table"),
        Binding("shift+tab", "scroll(-16, 0)", "Scroll left", show=False,
                tooltip="Scroll the table"),
        Binding("escape", "back", "Runs", tooltip="Back to the run list"),
    ]  # fmt: skip

    def __init__(self, paths: Sequence[Path], runs_dir: Path) -> None:
        super().__init__()
        self.view = CompareView()
        self.scatter: ScatterView | None = None
        """The view of the scatter chart; None while curves are drawn."""
        self._hovered: float | None = None
        """Position of the mouse on the x axis, 0 to 1."""
        self._comparison: Comparison | GroupComparison = Comparison(paths)
        self._runs_dir = runs_dir
        self._runs: tuple[ComparedRun, ...] = ()
        self._reading = False
        self._drawn: tuple[object, ...] = ()
        self._table_shape: tuple[object, ...] = ()
        self._layout = 0
        # Attributes instead of queries: a tick may still arrive while the screen is removed.
        self._head = Static(Content("Comparing runs · reading…"), id="headline")
        self._notice = Static(id="notice", markup=False)
        self._chart = Chart("curves")
        self._readout = Static(id="readout", markup=False)
        self._table = MeasuredTable(
            id="figures", cursor_type="none", fixed_columns=1, zebra_stripes=True
        )
        self._table.can_focus = False

    def compose(self) -> ComposeResult:
        """Compose the chart above the table."""
        yield self._head
        yield self._notice
        yield self._chart
        yield self._readout
        yield self._table
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start reading the runs."""
        self._notice.display = self._readout.display = False
        self._arrange()
        self._read()

    def on_resize(self, event: Resize) -> None:
        """Redraw at the new size."""
        self.call_after_refresh(self._redraw)

    def tick(self, now: float, charts: bool) -> None:
        """Read new records of the runs, as often as charts are drawn."""
        if charts and self.is_mounted and not self._reading and self.app.screen is self:
            self._read()

    @work
    async def _read(self) -> None:
        """Read in a thread, as journals may be long and the disk slow."""
        self._reading = True
        try:
            runs = await asyncio.to_thread(self._comparison.read)
        finally:
            self._reading = False
        if self.is_mounted:
            self._runs = runs
            self._show()

    @property
    def has_content(self) -> bool:
        """Whether there is something to draw."""
        return bool(self._runs)

    def _redraw(self) -> None:
        self._drawn = ()
        self._show()

    def _show(self) -> None:
        if not (self.is_mounted and self.has_content):
            return
        dark = self.app.current_theme.dark
        view = self._shown_view
        now = (self._runs, dark, self.size.width, view, self.scatter, self._layout)
        if now == self._drawn:
            return
        before, self._drawn = self._drawn, now
        palette = palette_of(self.app)
        self._show_chart(view, palette)
        self._show_readout()
        if before[:3] != now[:3]:
            self.show_head()
            self._fill(self.table_titles(palette), palette)

    def show_head(self) -> None:
        """Show the lines above the chart."""
        self._head.update(Content(summary(self._runs)), layout=False)
        error = self._comparison.error
        self._notice.display = bool(error)
        self._notice.update(Content(error))

    def table_titles(self, palette: Palette) -> dict[str, Text]:
        """Return the titles of the table's columns by key."""
        cells = value_cells(self.size.width, len(self._runs))
        titles = {
            run.letter: heading(run, compare_chart.run_color(run, palette), cells)
            for run in self._runs
        }
        return {_LABEL: Text(), **titles}

    def table_rows(self, palette: Palette) -> list[tuple[str, list[Text]]]:
        """Return the rows of the table by key."""
        return table_rows(self._runs, palette, value_cells(self.size.width, len(self._runs)))

    def _show_chart(self, view: CompareView, palette: Palette) -> None:
        runs, scatter = self._runs, self.scatter
        if scatter is not None:
            points = compare_scatter.scatter_chart(runs, scatter, palette)
            title = compare_scatter.scatter_title(runs, scatter)
            self._chart.show(points, title, compare_scatter.scatter_legend(runs, scatter))
            return
        spec = self.curves(view, palette)
        title = compare_chart.title(view, drawn_log(spec))
        self._chart.show(spec, title, [LegendItem("s scatter chart │"), *self.legend(view)])

    def curves(self, view: CompareView, palette: Palette) -> ChartSpec:
        """Return the chart of the curves."""
        return compare_chart.chart(self._runs, view, palette)

    def legend(self, view: CompareView) -> list[LegendItem]:
        """Return the legend of the curves."""
        return compare_chart.legend(self._runs, view)

    def readout(self, view: CompareView) -> str:
        """Return the values of the curves at the cursor; empty without one."""
        return compare_chart.readout(self._runs, view)

    @property
    def _shown_view(self) -> CompareView:
        """The view with the cursor under the mouse, if that is on the chart."""
        hovered = self._hovered
        if hovered is None:
            return self.view
        return compare_chart.adjusted(self._runs, self.view, lambda v: v.point(hovered))

    def hover(self, fraction: float | None) -> None:
        """Show a cursor and the readout at a position (0 to 1), or with None no longer."""
        self._hovered = fraction if self.scatter is None else None
        self._show()

    def _show_readout(self) -> None:
        if self.scatter is None:
            text = self.readout(self._shown_view)
        else:
            text = compare_scatter.scatter_readout(self._runs, self.scatter)
        self._readout.display = bool(text)
        self._readout.update(Content(text))

    def _fill(self, titles: dict[str, Text], palette: Palette) -> None:
        table, rows = self._table, self.table_rows(palette)
        # With the palette: column titles can't be updated in place.
        shape = (
            tuple((key, title.plain) for key, title in titles.items()),
            tuple(key for key, _ in rows),
            palette,
            self.size.width,
        )
        if shape == self._table_shape:
            for key, cells in rows:
                table.put(key, dict(zip(titles, cells, strict=True)))
            return
        self._table_shape = shape
        table.fill(titles, dict(rows))

    def adjust(self, change: Callable[[Viewport], Viewport]) -> None:
        """Apply a change of the viewport and redraw."""
        if self._runs and self.scatter is None:
            self._show_view(compare_chart.adjusted(self._runs, self.view, change))

    def _show_view(self, view: CompareView) -> None:
        self.view = view
        self._show()

    @property
    def chart_columns(self) -> int:
        """Width of the x axis in cells."""
        return self._chart.columns or 1

    def action_scatter(self) -> None:
        """Draw a point per run instead of curves, or curves again."""
        self._show_scatter(ScatterView() if self.scatter is None else None)

    def _show_scatter(self, view: ScatterView | None) -> None:
        self.scatter = view
        self._show()

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns, or select another run of the scatter chart."""
        if self.scatter is None:
            super().action_cursor(by)
        else:
            self._show_scatter(self.scatter.select(self._runs, by))

    def action_curve(self) -> None:
        """Draw the next figure."""
        if self.scatter is None:
            self._show_view(self.view.next_curve())
        else:
            self._show_scatter(self.scatter.next_y(self._runs))

    def action_axis(self) -> None:
        """Change the unit and origin of the x axis, or the value on it."""
        if self.scatter is None:
            self._show_view(self.view.next_alignment())
        else:
            self._show_scatter(self.scatter.next_x(self._runs))

    def action_scale(self) -> None:
        """Change the scale of the y axis, or of both axes of the scatter chart."""
        if self.scatter is None:
            self._show_view(self.view.next_scale())
        else:
            self._show_scatter(self.scatter.next_scales())

    def action_y_range(self) -> None:
        """Change between all values and the range that matters."""
        self._show_view(replace(self.view, full=not self.view.full))

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
        """Return to the run list."""
        self.dismiss(None)

    def action_export(self) -> None:
        """Ask for the kind of export."""
        if not self._runs or host(self).refuse_change():
            return
        choices = [
            Choice("t", "t", "Table as CSV: results and config, one column per run", "table"),
            Choice("c", "c", "Curves as CSV: all figures, one row per epoch", "curves"),
            Choice("s", "s", "Chart as SVG: the visible range, on white", "chart"),
        ]
        if self.scatter is not None:
            choices.pop()  # only curves are drawn as SVG
        question = f"The file is written to {printable(str(self._runs_dir))}."

        def done(kind: str | None) -> None:
            if kind:
                self._export(kind)

        self.app.push_screen(ChoiceDialog("Export", question, choices, "Cancel"), done)

    def export(self, kind: str, folders: Sequence[Path], now: float) -> Path:
        """Write an export; returns its path. Raises OSError."""
        return compare_files.export(self._runs, self.view, kind, folders, now)

    @work
    async def _export(self, kind: str) -> None:
        folders = [self._runs_dir, Path.cwd()]
        try:
            path = await asyncio.to_thread(self.export, kind, folders, host(self).clock())
        except OSError as error:
            where = printable(str(self._runs_dir))
            reason = printable(os_error_text(error))
            self.notify(f"Can't write to {where}: {reason}", severity="error", markup=False)
        else:
            self.notify(f"Wrote {printable(str(path))}", markup=False)
