"""Study screen: the members of a study with their results, and what they say together."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.widgets import DataTable, Static

from core.common.text import printable
from core.study.definition import SWEEP
from core.study.study_summary import StudySummary
from tui.charts import compare as compare_chart
from tui.charts.viewport import Viewport
from tui.preferences.palettes import palette_of
from tui.screens.study_members import StudyMembers
from tui.screens.study_views import CURVES, IMPORTANCE, MATRIX, SCATTER, StudyViews, views_of
from tui.text import member_table, study_screen
from tui.viewmodel.study import StudyContent, StudySource
from tui.widgets.chart_navigation import NAVIGATION_BINDINGS, ChartNavigation
from tui.widgets.confusion_map import ConfusionMap
from tui.widgets.footer import KeyFooter
from tui.widgets.host import host
from tui.widgets.size_classes import set_size_classes
from tui.widgets.tab_bar import TabBar

_LAYOUTS = ("-both", "-chart", "-table")
_READ_SECONDS = 1.0
_CHART_ACTIONS = {"cursor", "zoom", "pan", "y_range", "reset_view"}


class StudyScreen(ChartNavigation, StudyMembers):
    """Show the last read state of a study, which may be in progress in other processes."""

    CSS_PATH = "../study.tcss"
    AUTO_FOCUS = "#members"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"view({number})", name, show=False, tooltip=f"Show {tooltip}")
            for number, name, tooltip in (
                (1, "View 1", "the curves of the runs"),
                (2, "View 2", "the objective by swept key, or the confusion matrix"),
                (3, "View 3", "the best objective so far over the trials"),
                (4, "View 4", "the importance of the swept keys"),
            )
        ),
        Binding("b", "single", "Band", tooltip="Mean and range of the runs, or a curve for each"),
        Binding("m", "figure", "Figure",
                tooltip="Next figure of the curves, or other order of the matrix"),
        Binding("a", "axis", "x axis", tooltip="Next unit of the x axis, or next swept key"),
        Binding("l", "scale", "Scale", show=False,
                tooltip="Scale of the y axis, or of the swept key: automatic, log or linear"),
        Binding("g", "layout", "Layout", tooltip="Chart and table, or one of them large"),
        Binding("shift+up", "cell(-1, 0)", "Cell up", show=False,
                tooltip="Select the previous class of the matrix"),
        Binding("shift+down", "cell(1, 0)", "Cell down", show=False,
                tooltip="Select the next class of the matrix"),
        Binding("shift+left", "cell(0, -1)", "Cell left", show=False,
                tooltip="Select the previous predicted class of the matrix"),
        Binding("shift+right", "cell(0, 1)", "Cell right", show=False,
                tooltip="Select the next predicted class of the matrix"),
        *NAVIGATION_BINDINGS,
        Binding("escape", "back", "Runs", tooltip="Back to the run list; training continues"),
    ]  # fmt: skip

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.content: StudyContent | None = None
        self._source = StudySource(path)
        self._reading = self._read_again = False
        self._drawn: tuple[object, ...] = ()
        self._tabs: tuple[str, ...] = ()
        self._layout = 0
        self._ticks = 0
        self._hovered: float | None = None
        # Held, not queried: a tick may still arrive while the screen is removed.
        self._head = Static(Content(f"{printable(path.name)} · reading …"), id="headline",
                            classes="line")  # fmt: skip
        self._result = Static(id="result", markup=False, classes="line")
        self._progress = Static(id="progress", markup=False, classes="line")
        self._bar: TabBar | None = None
        self.views = StudyViews()
        self._readout = Static(id="readout", markup=False)
        self._detail = Static(id="detail", markup=False)

    def compose(self) -> ComposeResult:
        """Create all widgets; the tabs are known once the study is read."""
        yield self._head
        yield self._result
        yield self._progress
        yield self.views
        yield self._readout
        yield self.table
        yield self._detail
        yield KeyFooter()

    def on_mount(self) -> None:
        """Start reading the study."""
        self._readout.display = self._progress.display = False
        self._arrange()
        self.read()

    def on_resize(self, event: Resize) -> None:
        """Fit the layout to the new size."""
        set_size_classes(self, event.size)
        self.call_after_refresh(self.redraw)

    def tick(self, now: float, charts: bool) -> None:
        """Read the study again every second while this screen is on top."""
        self._ticks += 1
        if self._ticks % host(self).rates.ticks_per(_READ_SECONDS) == 0 and self.is_mounted:
            if self.app.screen is self:
                self.read()
        elif self.content and self._drawn[1:2] != (palette_of(self.app),):
            self.redraw()

    def read(self) -> None:
        """Read the study in a thread, one read at a time."""
        if self._reading:
            self._read_again = True
        else:
            self._reading = True
            self._read()

    @work
    async def _read(self) -> None:
        try:
            if self.content is None:
                # The members at once: reading the journals of all runs takes a moment.
                await self._take(await asyncio.to_thread(self._source.read_members))
            importances = self.views.view == IMPORTANCE
            await self._take(await asyncio.to_thread(self._source.read, importances))
        finally:
            self._reading = False
        if self._read_again:
            self._read_again = False
            self.read()

    async def _take(self, content: StudyContent) -> None:
        if not self.is_mounted:
            return
        self.content = content
        tabs = views_of(content.summary.kind)
        if tabs != self._tabs:
            self._tabs = tabs
            if self._bar is not None:
                await self._bar.remove()
            self._bar = TabBar(list(tabs))
            self._bar.display = len(tabs) > 1
            self.views.view = CURVES
            if content.summary.kind == SWEEP:  # the mean of different configurations says little
                self.views.curves = replace(self.views.curves, single=True)
            await self.mount(self._bar, before=self.views)
        self.show_content()

    @property
    def summary(self) -> StudySummary | None:
        """The study as last read."""
        return self.content.summary if self.content else None

    def redraw(self) -> None:
        """Draw everything now."""
        self._drawn = ()
        self.show_content()

    def show_content(self) -> None:
        """Draw what has changed."""
        content = self.content
        if content is None or not self.is_mounted:
            return
        palette = palette_of(self.app)
        now = (content, palette, self.sorting, self.size)
        if now != self._drawn:
            self._drawn = now
            self._show_lines(content)
            self.show_table(content)
            self.refresh_bindings()
        self.show_view()
        self._show_detail()

    def _show_lines(self, content: StudyContent) -> None:
        summary = content.summary
        self.set_class(summary.row.status in ("failed", "interrupted", "unreadable"), "-broken")
        self._head.update(Content(study_screen.headline(summary)))
        self._result.update(Content(study_screen.result_line(summary, content.result)))
        figures = content.folds.figures if content.folds else None
        progress = study_screen.progress_line(summary, figures)
        self._progress.display = bool(progress)
        self._progress.update(Content(progress))

    def show_view(self) -> None:
        """Draw the view above the table."""
        content = self.content
        if content is None or not self.is_mounted:
            return
        if self._bar is not None:
            self._bar.show(self.views.view)
        member = self.selected_member()
        cursor = self.views.curves
        if self._hovered is not None and self.views.view == CURVES and content.runs:
            hovered = self._hovered
            self.views.curves = compare_chart.adjusted(
                content.runs, cursor, lambda v: v.point(hovered)
            )
        self.views.show(content, member.member.number if member else 0, palette_of(self.app))
        text = self.views.readout()
        self.views.curves = cursor
        self._readout.display = bool(text)
        self._readout.update(Content(text))

    def _show_detail(self) -> None:
        if self.content:
            text = member_table.member_detail(self.selected_member(), self.content.summary)
            self._detail.update(Content(text))

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self.show_view()
        self._show_detail()

    def action_view(self, number: int) -> None:
        """Show a view."""
        if number <= len(self._tabs):
            self.views.view = self._tabs[number - 1]
            self._hovered = None
            self.show_view()
            self.refresh_bindings()
            self.call_after_refresh(self.show_view)
            if self.views.view == IMPORTANCE:
                self.read()

    @on(TabBar.Clicked)
    def _tab_clicked(self, event: TabBar.Clicked) -> None:
        self.action_view(self._tabs.index(event.name) + 1)

    def action_single(self) -> None:
        """Draw a curve for each run, or their mean and range."""
        self.views.curves = replace(self.views.curves, single=not self.views.curves.single)
        self.show_view()

    def action_figure(self) -> None:
        """Draw the next figure, or order the matrix in the other way."""
        if self.views.view == MATRIX:
            self.views.next_order()
        else:
            self.views.curves = self.views.curves.next_curve()
        self.show_view()

    def action_axis(self) -> None:
        """Change the unit of the x axis, or show the next swept key."""
        if self.views.view == SCATTER:
            self.views.key = replace(self.views.key, index=self.views.key.index + 1)
        else:
            self.views.curves = self.views.curves.next_alignment()
        self.show_view()

    def action_scale(self) -> None:
        """Change the scale of the y axis, or that of the swept key."""
        if self.views.view == SCATTER:
            self.views.key = self.views.key.next_scale()
        else:
            self.views.curves = self.views.curves.next_scale()
        self.show_view()

    def action_y_range(self) -> None:
        """Change between all values and the range that matters."""
        self.views.curves = replace(self.views.curves, full=not self.views.curves.full)
        self.show_view()

    def action_cell(self, down: int, across: int) -> None:
        """Select another cell of the matrix."""
        self.views.move_cell(down, across)
        self.show_view()

    def on_confusion_map_clicked(self, event: ConfusionMap.Clicked) -> None:
        """Select the clicked cell of the matrix."""
        self.views.select_cell(event.truth, event.predicted)
        self.show_view()

    def adjust(self, change: Callable[[Viewport], Viewport]) -> None:
        """Apply a change of the viewport and redraw."""
        if self.content and self.content.runs and self.views.view == CURVES:
            self.views.curves = compare_chart.adjusted(self.content.runs, self.views.curves, change)
            self.show_view()

    def hover(self, fraction: float | None) -> None:
        """Show the values at a position (0 to 1), or with None no longer."""
        self._hovered = fraction
        self.show_view()

    @property
    def chart_columns(self) -> int:
        """Width of the x axis in cells."""
        return self.views.columns or 1

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies to the view that is shown."""
        view = self.views.view
        if action in _CHART_ACTIONS or action == "single":
            return view == CURVES
        if action == "cell":
            return view == MATRIX
        if action == "figure":
            return view in (CURVES, MATRIX)
        if action in ("axis", "scale"):
            return view in (CURVES, SCATTER)
        if action == "view":
            return isinstance(parameters[0], int) and parameters[0] <= max(1, len(self._tabs))
        return super().check_action(action, parameters)

    def action_layout(self) -> None:
        """Show chart and table, the chart alone, or the table alone."""
        self._layout = (self._layout + 1) % len(_LAYOUTS)
        self._arrange()
        self.call_after_refresh(self.redraw)

    def _arrange(self) -> None:
        for number, name in enumerate(_LAYOUTS):
            self.set_class(number == self._layout, name)

    def study_replied(self) -> None:
        """Show the effect of a command without waiting for the next tick."""
        self.read()

    def action_back(self) -> None:
        """Return to the run list."""
        self.dismiss(None)
