"""Charts tab: charts, panels and the latest lines of the log."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from core.run.figures import FIGURES, Figure, charted_figures
from core.run.state import RunState
from tui.charts import run_charts
from tui.charts import view as chart_view
from tui.charts.readout import broken_at_separators, range_lines, readout
from tui.charts.spec import LegendItem, drawn_log
from tui.charts.view import ChartView
from tui.charts.viewport import Viewport
from tui.preferences.palettes import palette_of
from tui.preferences.preferences import Preferences
from tui.preferences.settings import allowed_values
from tui.tabs.base import RunTab
from tui.text import devices, run_status
from tui.text.labels import sentence_case
from tui.text.weakest_classes import weakest_class_lines, weakest_classes_title
from tui.widgets.chart import Chart
from tui.widgets.chart_navigation import NAVIGATION_BINDINGS, ChartNavigation
from tui.widgets.host import host
from tui.widgets.log import RunLog
from tui.widgets.panel import Panel

_PAIR = 2
"""Number of charts in the layout `pair`."""
_FEW = 4
"""Number of charts in the layout `all` on a small screen: more would have too few rows."""


class ChartsTab(ChartNavigation, RunTab):
    """Draw the charts of a run; keys and mouse change the view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "next_chart", "Next chart", show=False, tooltip="Show the next chart"),
        Binding("g", "layout", "Layout", show=False, tooltip="Two charts, one large, or all"),
        Binding("left,h", "cursor(-1)", "Cursor left", show=False,
                tooltip="Move the cursor one column left"),
        Binding("right,l", "cursor(1)", "Cursor right", show=False,
                tooltip="Move the cursor one column right"),
        *NAVIGATION_BINDINGS,
        Binding("left_square_bracket", "marker(False)", "Previous marker", key_display="[",
                show=False,
                tooltip="Cursor to the previous marker: command, phase, best epoch, warning"),
        Binding("right_square_bracket", "marker(True)", "Next marker", key_display="]", show=False,
                tooltip="Cursor to the next marker"),
        Binding("a", "axis", "x axis", show=False, tooltip="Epochs, steps or time"),
        Binding("o", "scale", "y axis", show=False, tooltip="Logarithmic, linear or automatic"),
        Binding("t", "series", "Series", show=False,
                tooltip="Draw train and validation, or one of them"),
        Binding("w", "smoothing", "Smoothing", show=False,
                tooltip="Moving average, with the raw points behind it"),
    ]  # fmt: skip

    def __init__(self) -> None:
        super().__init__(id="charts-tab")
        self.view = ChartView()
        self._hovered: float | None = None
        """Position of the mouse on the x axis, 0 to 1."""
        self._state = RunState()
        self._drawn: tuple[object, ...] = ()
        self._arranged: list[str] = []
        """Keys of the figures whose charts are arranged."""
        self._layout = "pair"
        self._large = "loss"
        """Key of the figure in the large chart."""
        self._charts = {f.key: Chart(f.key) for f in charted_figures()[:_PAIR]}
        self._frame = Container(*self._charts.values(), id="charts")
        self._readout = Static(id="readout", markup=False)
        self._stopping, self._device = Panel("Stopping", "stopping"), Panel("Device", "device")
        self._speed, self._rate = Panel("Speed", "speed"), Panel("LR", "rate")
        self._weakest = Panel("Classes", "weakest-classes")
        self._shown_weakest: tuple[object, int] = (None, 0)
        self._panels = Horizontal(
            self._stopping, self._device, self._speed, self._rate, self._weakest, id="panels"
        )
        self._log = RunLog("log")

    def compose(self) -> ComposeResult:
        """Compose all widgets; the style sheet arranges them by the terminal's size."""
        yield self._frame
        yield self._readout
        yield self._panels
        yield self._log

    @property
    def _fits_one(self) -> bool:
        """Whether the terminal has space for one chart only."""
        return self.screen.has_class("-narrow") and self.screen.has_class("-short")

    @property
    def _flat(self) -> bool:
        """Whether panels are single lines."""
        return self.screen.has_class("-narrow") or self.screen.has_class("-short")

    def on_mount(self) -> None:
        """Apply the settings."""
        self.apply_preferences()

    @property
    def _preferences(self) -> Preferences:
        return host(self).preferences

    def apply_preferences(self) -> None:
        """Apply the settings to layout and view."""
        settings = self._preferences.settings
        self._layout = settings.layout
        self._large = settings.chart
        self.view = replace(
            self.view,
            axis=settings.axis,
            scale=settings.scale,
            full=settings.y_range == "full",
            smoothing=float(settings.smoothing),
        )
        self._arrange()

    def on_resize(self, event: Resize) -> None:
        """Arrange the charts for the new size."""
        self.call_after_refresh(self._arrange)

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Draw the state of the run: the log and panels, charts if `slow`."""
        self._state = state
        if slow:
            self._show_charts()
        self._show_panels(state, status, slow)
        self._log.show(state)

    def _visible(self) -> tuple[Figure, ...]:
        if self._layout == "all":
            figures = run_charts.measured_figures(self._state)
            return figures[:_FEW] if self.screen.has_class("-short") else figures
        if self._layout == "one" or self._fits_one:
            return (FIGURES[self._large],)
        return run_charts.pair_figures(self._state)

    @property
    def _next_figure(self) -> Figure:
        """The figure that the large chart shows next."""
        figures = charted_figures()
        return figures[(figures.index(FIGURES[self._large]) + 1) % len(figures)]

    def _arrange(self) -> None:
        """Show the charts of the layout; create those that are shown for the first time."""
        if not self.is_attached:
            return
        visible = self._arranged = [figure.key for figure in self._visible()]
        missing = {key: Chart(key) for key in visible if key not in self._charts}
        if missing:
            self._charts |= missing
            self._frame.mount(*missing.values())
        for key, chart in self._charts.items():
            chart.display = key in visible
        self.set_class(self._layout == "all", "-all")
        self._redraw()

    def _redraw(self) -> None:
        self._drawn = ()
        self.call_after_refresh(self._show_charts)

    def _show_charts(self) -> None:
        if not self.is_attached:
            return
        state, view = self._state, self._shown_view
        if [figure.key for figure in self._visible()] != self._arranged:
            self._arrange()  # which draws, too
            return
        # After a resize, charts that are visible now may not be created yet.
        visible = tuple(figure for figure in self._visible() if figure.key in self._charts)
        dark = self.app.current_theme.dark
        now = (state.seq, view, dark, tuple(figure.key for figure in visible))
        if now == self._drawn:
            return
        self._drawn = now
        palette = palette_of(self.app)
        for figure in visible:
            spec = run_charts.chart(state, figure, view, palette)
            title, *shorter = run_charts.titles(state, figure, view, drawn_log(spec))
            legend = self._legend(figure, len(visible))
            self._charts[figure.key].show(spec, title, legend, shorter)
        self._show_readout()

    def _legend(self, figure: Figure, charts: int) -> list[LegendItem]:
        state = self._state
        items = run_charts.legend(state, figure, self.view.series)
        if charts == 1:
            return [LegendItem(f"c {sentence_case(self._next_figure.title)} │"), *items]
        if figure.key == "top1" and charts == _PAIR and state.best:
            return [LegendItem(run_charts.best_note(state))]
        return items

    @property
    def _shown_view(self) -> ChartView:
        """The view with the cursor under the mouse, if that is on a chart."""
        hovered = self._hovered
        if hovered is None:
            return self.view
        return chart_view.adjusted(self._state, self.view, lambda v: v.point(hovered))

    def hover(self, fraction: float | None) -> None:
        """Show a cursor and the readout at a position (0 to 1), or with None no longer."""
        self._hovered = fraction
        self._show_charts()

    def _show_readout(self) -> None:
        view = self._shown_view
        lines = readout(self._state, view, self.chart_columns)
        lines += range_lines(self._state, self._visible()[:_PAIR], view)
        self._readout.display = bool(lines)
        width = self._readout.content_size.width or self.size.width - 2  # before it was shown
        self._readout.update(Content("\n".join(broken_at_separators(lines, width))))

    @property
    def chart_columns(self) -> int:
        """Width of the x axis in cells."""
        drawn = max((chart.columns for chart in self._charts.values() if chart.display), default=0)
        return drawn or max(1, self.size.width // 2)  # before the first drawing

    def _show_panels(self, state: RunState, status: str, slow: bool) -> None:
        flat = self._flat
        shown = [
            (self._stopping, run_status.early_stopping_lines(state, status, short=flat),
             "Early stopping"),
            (self._device, devices.panel_lines(state, short=flat), devices.device_title(state)),
            (self._rate, run_status.learning_rate_lines(state, status), "Learning rate"),
        ]  # fmt: skip
        if slow:
            speed = [*run_status.throughput_lines(state), *run_status.last_epoch_lines(state)]
            shown.append((self._speed, speed, "Throughput"))
            shown += self._weakest_classes(state)
        for panel, lines, title in shown:
            panel.show(lines, flat, title)

    def _weakest_classes(self, state: RunState) -> list[tuple[Panel, list[str], str]]:
        width = self._weakest.content_size.width
        shown = (state.evaluations.latest, width)
        if not width or shown == self._shown_weakest:  # not on the screen, or unchanged
            return []
        self._shown_weakest = shown
        lines = weakest_class_lines(state, width)
        return [(self._weakest, lines, weakest_classes_title(state))]

    def adjust(self, change: Callable[[Viewport], Viewport]) -> None:
        """Apply a change of the viewport and redraw."""
        self._show_view(chart_view.adjusted(self._state, self.view, change))

    def _show_view(self, view: ChartView) -> None:
        self.view = view
        self._show_charts()

    def action_marker(self, forward: bool) -> None:
        """Move the cursor to the next or previous marker."""
        self._show_view(chart_view.to_marker(self._state, self.view, forward))

    def action_axis(self) -> None:
        """Change the unit of the x axis."""
        self._change("axis", self.view.axis)

    def action_scale(self) -> None:
        """Change the scale of the y axis."""
        self._change("scale", self.view.scale)

    def action_series(self) -> None:
        """Draw train and validation, or one of them."""
        self._show_view(self.view.next_series())

    def on_chart_series_toggled(self, event: Chart.SeriesToggled) -> None:
        """Hide or show a series that was clicked in a legend."""
        event.stop()
        self._show_view(self.view.toggle_series(event.series))

    def action_y_range(self) -> None:
        """Change between all values and the range that matters."""
        self._change("y_range", self._preferences.settings.y_range)

    def action_smoothing(self) -> None:
        """Change the smoothing of the curves."""
        self._change("smoothing", f"{self.view.smoothing:g}")

    def action_next_chart(self) -> None:
        """Show the next chart as the large one."""
        if self._layout == "pair" and not self._fits_one:
            self._preferences.change("layout", "one")
        elif self._layout != "all":
            self._preferences.change("chart", self._next_figure.key)
        self.apply_preferences()

    def action_layout(self) -> None:
        """Change between two charts, one, and all."""
        self._change("layout", self._layout)

    def _change(self, name: str, current: str) -> None:
        """Change a setting to its next value."""
        values = allowed_values()[name]
        self._preferences.change(name, values[(values.index(current) + 1) % len(values)])
        self.apply_preferences()
